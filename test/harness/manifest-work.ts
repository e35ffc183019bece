import type { ObjectMeta } from '../../src/kube/index.js';

/** The parts of a ManifestWork that a work agent reads and writes. Written down apart from `src/api`, which is under test. */
export interface Condition {
  readonly lastTransitionTime: string;
  readonly message: string;
  readonly observedGeneration?: number;
  readonly reason: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly type: string;
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

export interface FeedbackRule {
  readonly type: string;
  readonly jsonPaths?: readonly { readonly name: string; readonly path: string }[];
}

export interface ManifestConfig {
  readonly resourceIdentifier: { readonly group?: string; readonly resource: string; readonly name: string; readonly namespace?: string };
  readonly feedbackRules?: readonly FeedbackRule[];
}

export interface FeedbackValue {
  readonly fieldValue: { readonly type: string; readonly integer?: number; readonly string?: string; readonly boolean?: boolean };
  readonly name: string;
}

export interface ResourceMeta {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly ordinal: number;
  readonly resource: string;
  readonly version: string;
}

export interface ManifestStatus {
  readonly conditions: readonly Condition[];
  readonly resourceMeta: ResourceMeta;
  readonly statusFeedback: { readonly values?: readonly FeedbackValue[] };
}

export interface WorkStatus {
  readonly conditions: readonly Condition[];
  readonly resourceStatus: { readonly manifests: readonly ManifestStatus[] };
}

export interface ManifestWork {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec: { readonly workload: { readonly manifests: readonly Manifest[] }; readonly manifestConfigs?: readonly ManifestConfig[] };
  readonly status?: WorkStatus;
  readonly [field: string]: unknown;
}

export const WORK_FINALIZER = 'cluster.open-cluster-management.io/manifest-work-cleanup';

/** Group, version and plural of a manifest. The plural is Kubernetes' usual one: the agent asks the spoke's discovery, which is not simulated. */
export function resourceMetaOf({ apiVersion, kind, metadata }: Manifest, ordinal: number): ResourceMeta {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  const singular = kind.toLowerCase();
  const resource = singular.endsWith('y') ? `${singular.slice(0, -1)}ies` : singular.endsWith('s') ? `${singular}es` : `${singular}s`;
  return { group: group ?? '', kind, name: metadata.name, namespace: metadata.namespace ?? '', ordinal, resource, version: version ?? '' };
}

/** The rules of the first configuration that names this manifest: later ones do not count. */
export function feedbackRulesFor(meta: ResourceMeta, configs: readonly ManifestConfig[] = []): readonly FeedbackRule[] {
  const names = ({ resourceIdentifier: id }: ManifestConfig): boolean =>
    (id.group ?? '') === meta.group && id.resource === meta.resource && id.name === meta.name && (id.namespace ?? '') === meta.namespace;
  return configs.find((config) => names(config) && (config.feedbackRules ?? []).length > 0)?.feedbackRules ?? [];
}
