/** Names that other systems rely on. Upstream's are kept letter by letter (KMM, OCM); ours start with `kmodflow.io/`. */

export const FIELD_MANAGER = 'kmodflow';

export const MCM_GROUP = 'hub.kmm.sigs.x-k8s.io';
export const MCM_VERSION = 'v1beta1';
export const KMM_GROUP = 'kmm.sigs.x-k8s.io';
export const KMM_VERSION = 'v1beta1';

/** Label on every ManifestWork of ours: its value is the MCM's name. */
export const MCM_LABEL = 'kmm.node.kubernetes.io/managedclustermodule.name';
/** ClusterClaim in which a spoke publishes its kernels, newline-separated. */
export const KERNEL_CLAIM = 'kernel-versions.kmm.node.kubernetes.io';

/** Annotation of the ManifestWork and of the Module inside it; echoed by feedback. */
export const CONTENT_HASH_ANNOTATION = 'kmodflow.io/content-hash';
/** Annotation of the ManifestWork: name of the ControllerRevision that it was rendered from. */
export const REVISION_ANNOTATION = 'kmodflow.io/revision';
/** Annotation of the ManifestWork: id of the workflow that wrote it. */
export const WORKFLOW_ANNOTATION = 'kmodflow.io/workflow';
/** Annotation of the ManifestWork: when the hub wrote the content, RFC 3339, by the hub's clock. */
export const PUBLISHED_AT_ANNOTATION = 'kmodflow.io/published-at';
/** Annotation of the ControllerRevision: the digests its kernels resolved to, JSON, append-only. */
export const PINS_ANNOTATION = 'kmodflow.io/pins';
/** Label of the ControllerRevision: its value is the MCM's name. */
export const REVISION_MODULE_LABEL = 'kmodflow.io/module';
/** Label of the ControllerRevision: the hash of the module spec and its inputs. */
export const REVISION_HASH_LABEL = 'kmodflow.io/revision-hash';
/** Label on a ManifestWork: changing it makes the work agent try again at once. */
export const RETRY_LABEL = 'kmodflow.io/retry';
/** Label on a ManagedCluster: the site says "not now"; the value is the reason. */
export const HOLD_LABEL = 'kmodflow.io/hold';

/** Annotation of an image manifest: the key that kmodflow made the image for. */
export const IMAGE_KEY_ANNOTATION = 'kmodflow.io/image-key';
/** Label of a build Job and its pod: the key of the image that it makes. */
export const IMAGE_KEY_LABEL = 'kmodflow.io/image-key';
/** Annotation of a build pod: the text of the Dockerfile, which a volume shows to the builder. */
export const DOCKERFILE_ANNOTATION = 'kmodflow.io/dockerfile';

/** The name under which feedback echoes {@link CONTENT_HASH_ANNOTATION}. */
export const CONTENT_HASH_FEEDBACK = 'contentHash';

export const CLUSTER_GROUP = 'cluster.open-cluster-management.io';
export const CLUSTER_VERSION = 'v1';
export const WORK_GROUP = 'work.open-cluster-management.io';
export const WORK_VERSION = 'v1';
