import type { Sha256 } from './canonical-json.js';
import type { ClusterView, ConditionView, PublishedMapping, WorkView } from './views.js';
import {
  CONTENT_HASH_ANNOTATION,
  CONTENT_HASH_FEEDBACK,
  KERNEL_CLAIM,
  MCM_LABEL,
  PUBLISHED_AT_ANNOTATION,
  RETRY_LABEL,
  REVISION_ANNOTATION,
  WORKFLOW_ANNOTATION,
} from '../api/names.js';
import { contentHash } from './content-hash.js';
import { feedbackPathsOf, FEEDBACK_PATHS } from './manifest-work.js';
import { parseKernelClaim } from './kernel-claim.js';

/** An object as the API server sends it, of which only the fields named here are looked at. Anything may be missing. */
interface Loose {
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly generation?: number;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly uid?: string; readonly controller?: boolean }[];
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}
interface LooseCondition {
  readonly type?: string;
  readonly status?: string;
  readonly message?: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime?: string;
}

const asArray = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const asRecord = (value: unknown): Readonly<Record<string, unknown>> =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : {};
const findCondition = (conditions: unknown, type: string): LooseCondition | undefined =>
  (asArray(conditions) as readonly LooseCondition[]).find((c) => c?.type === type);
const conditionView = (c: LooseCondition | undefined): ConditionView | undefined =>
  c && { status: c.status ?? 'Unknown', observedGeneration: c.observedGeneration, message: c.message ?? '' };

/** ManagedCluster (cluster.open-cluster-management.io/v1) → view. */
export function readCluster(object: unknown): ClusterView {
  const { metadata = {}, spec = {}, status = {} } = object as Loose;
  const claim = (asArray(status['clusterClaims']) as readonly { name?: string; value?: string }[]).find((c) => c?.name === KERNEL_CLAIM);
  const kernels = claim === undefined ? undefined : parseKernelClaim(claim.value ?? '');
  const available = findCondition(status['conditions'], 'ManagedClusterConditionAvailable');
  return {
    name: metadata.name ?? '',
    labels: metadata.labels ?? {},
    kernels: kernels?.length === 0 ? undefined : kernels, // an empty claim says as little as none
    accepted: spec['hubAcceptsClient'] === true,
    available: available?.status === 'True',
    availabilitySince: available?.lastTransitionTime,
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

/** ManifestWork (work.open-cluster-management.io/v1) → view. `sha256` hashes the Module that it really holds. */
export function readWork(object: unknown, sha256: Sha256): WorkView {
  const { metadata = {}, spec = {}, status = {} } = object as Loose;
  const annotations = metadata.annotations ?? {};
  const manifests = asArray(asRecord(spec['workload'])['manifests']);
  const module = asRecord(manifests[0]);
  return {
    cluster: metadata.namespace ?? '',
    module: metadata.name ?? '',
    uid: metadata.uid ?? '',
    generation: metadata.generation ?? 0,
    deleting: metadata.deletionTimestamp !== undefined,
    ownerUid: metadata.ownerReferences?.find((o) => o.controller === true)?.uid,
    contentHash: contentHash(module, sha256),
    wellFormed: manifests.length === 1 && metadata.labels?.[MCM_LABEL] === metadata.name && keepsOurForm(annotations, module, spec),
    ...readMarks(metadata),
    ...readModuleParts(module),
    ...readReported(status),
  };
}

/** What the hub wrote beside the Module. */
function readMarks({
  labels = {},
  annotations = {},
}: NonNullable<Loose['metadata']>): Pick<WorkView, 'declaredHash' | 'revision' | 'workflow' | 'publishedAt' | 'retry'> {
  return {
    declaredHash: annotations[CONTENT_HASH_ANNOTATION],
    revision: annotations[REVISION_ANNOTATION],
    workflow: annotations[WORKFLOW_ANNOTATION],
    publishedAt: annotations[PUBLISHED_AT_ANNOTATION],
    retry: labels[RETRY_LABEL],
  };
}

/** The Module carries the hash that the ManifestWork declares, and the feedback rules are all ours. */
function keepsOurForm(annotations: Readonly<Record<string, string>>, module: Readonly<Record<string, unknown>>, spec: unknown): boolean {
  const carried = asRecord(asRecord(module['metadata'])['annotations'])[CONTENT_HASH_ANNOTATION];
  const feedback = feedbackPathsOf(spec);
  return carried === annotations[CONTENT_HASH_ANNOTATION] && FEEDBACK_PATHS.every(({ name, path }) => feedback.get(name) === path);
}

function readModuleParts(module: Readonly<Record<string, unknown>>): Pick<WorkView, 'mappings' | 'parts' | 'ordered'> {
  const spec = asRecord(module['spec']);
  const container = asRecord(asRecord(spec['moduleLoader'])['container']);
  return {
    mappings: asArray(container['kernelMappings']) as readonly PublishedMapping[],
    parts: { moduleLoader: 'moduleLoader' in spec, devicePlugin: 'devicePlugin' in spec, dra: 'dra' in spec },
    ordered: typeof container['version'] === 'string' && container['version'] !== '',
  };
}

type Reported = Pick<WorkView, 'applied' | 'manifestApplied' | 'echoedHash' | 'counters'>;

function readReported(status: Readonly<Record<string, unknown>>): Reported {
  const reported = asRecord(asArray(asRecord(status['resourceStatus'])['manifests'])[0]);
  return {
    applied: conditionView(findCondition(status['conditions'], 'Applied')),
    manifestApplied: conditionView(findCondition(reported['conditions'], 'Applied')),
    ...readFeedback(reported),
  };
}

function readFeedback(reported: Readonly<Record<string, unknown>>): Pick<WorkView, 'echoedHash' | 'counters'> {
  let echoedHash: string | undefined;
  const counters: Record<string, number> = {};
  for (const value of asArray(asRecord(reported['statusFeedback'])['values']).map(asRecord)) {
    const name = value['name'];
    const field = asRecord(value['fieldValue']);
    if (name === CONTENT_HASH_FEEDBACK && typeof field['string'] === 'string') echoedHash = field['string'];
    if (typeof name === 'string' && typeof field['integer'] === 'number') counters[name] = field['integer'];
  }
  return { echoedHash, counters };
}
