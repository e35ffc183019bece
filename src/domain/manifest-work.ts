import {
  CONTENT_HASH_ANNOTATION,
  CONTENT_HASH_FEEDBACK,
  KMM_GROUP,
  MCM_GROUP,
  MCM_LABEL,
  MCM_VERSION,
  PUBLISHED_AT_ANNOTATION,
  RETRY_LABEL,
  REVISION_ANNOTATION,
  WORKFLOW_ANNOTATION,
} from '../api/names.js';
import type { RenderedModule } from './render-module.js';
import type { WritableObject } from './writable-object.js';

/** What the spoke reports back: upstream's nine counters, and the hash that proves which content they belong to. */
export const FEEDBACK_PATHS: readonly { readonly name: string; readonly path: string }[] = [
  ...['devicePlugin', 'dra', 'moduleLoader'].flatMap((part) =>
    ['availableNumber', 'desiredNumber', 'nodesMatchingSelectorNumber'].map((n) => ({
      name: `${part}.${n}`,
      path: `.status.${part}.${n}`,
    })),
  ),
  { name: CONTENT_HASH_FEEDBACK, path: String.raw`.metadata.annotations.kmodflow\.io/content-hash` },
];

/** The name of an attempt as a label can hold it. */
export const retryLabel = (nudge: string): string => nudge.replace(/[^A-Za-z0-9._-]/g, '-');

/** The OCM webhook's limit for the manifests of one ManifestWork: 500 × 1024 bytes of JSON. */
export const MANIFEST_LIMIT_BYTES = 512_000;

/** The feedback paths that a ManifestWork's spec asks for, by name. */
export function feedbackPathsOf(spec: unknown): ReadonlyMap<string, string> {
  const configs = (spec as { manifestConfigs?: { feedbackRules?: { jsonPaths?: { name: string; path: string }[] }[] }[] }).manifestConfigs;
  const paths = (Array.isArray(configs) ? configs : []).flatMap((c) => (c.feedbackRules ?? []).flatMap((r) => r.jsonPaths ?? []));
  return new Map(paths.map((p) => [p.name, p.path]));
}

export interface WorkIdentity {
  readonly cluster: string;
  readonly revision: string;
  readonly workflow: string;
  /** RFC 3339, the hub's clock. */
  readonly publishedAt: string;
  /** The MCM object that controls the ManifestWork. Undefined for a headless module: nothing owns it then. */
  readonly ownerUid: string | undefined;
  /** Names an attempt that a person asked for: a changed label makes the work agent try again at once. */
  readonly retry?: string | undefined;
}

/**
 * The ManifestWork to apply: upstream's contract (name, namespace, label, controller reference, one Module, nine feedback paths), plus the content hash and its
 * echo. It holds only fields that we own, so that a server-side apply leaves the labels, annotations and options of others alone.
 */
export function renderManifestWork(module: RenderedModule, identity: WorkIdentity): WritableObject {
  const { name, namespace } = module.manifest.metadata;
  return {
    apiVersion: 'work.open-cluster-management.io/v1',
    kind: 'ManifestWork',
    metadata: {
      name,
      namespace: identity.cluster,
      labels: { [MCM_LABEL]: name, ...(identity.retry === undefined ? {} : { [RETRY_LABEL]: retryLabel(identity.retry) }) },
      annotations: {
        [CONTENT_HASH_ANNOTATION]: module.hash,
        [REVISION_ANNOTATION]: identity.revision,
        [WORKFLOW_ANNOTATION]: identity.workflow,
        [PUBLISHED_AT_ANNOTATION]: identity.publishedAt,
      },
      ...(identity.ownerUid === undefined
        ? {}
        : {
            ownerReferences: [
              {
                apiVersion: `${MCM_GROUP}/${MCM_VERSION}`,
                kind: 'ManagedClusterModule',
                name,
                uid: identity.ownerUid,
                controller: true,
                blockOwnerDeletion: true,
              },
            ],
          }),
    },
    spec: {
      workload: { manifests: [module.manifest] },
      manifestConfigs: [
        {
          resourceIdentifier: { group: KMM_GROUP, resource: 'modules', name, namespace },
          feedbackRules: [{ type: 'JSONPaths', jsonPaths: FEEDBACK_PATHS.map(({ name: n, path }) => ({ name: n, path })) }],
        },
      ],
    },
  };
}
