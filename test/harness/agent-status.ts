import { evaluatePath } from './json-path.js';
import type { Condition, FeedbackRule, FeedbackValue, ManifestStatus, ResourceMeta, WorkStatus } from './manifest-work.js';

/** How the apply controller fared with one manifest. */
export interface ApplyOutcome {
  readonly generation: number;
  /** The API server's message when it refused; undefined when the manifest was applied. */
  readonly error?: string | undefined;
}

/** What the status controller saw, at its own time, of the object on the spoke. */
export interface Observation {
  /** Generation of the ManifestWork at that moment. It stamps this one on `Available`, whether applied yet or not. */
  readonly generation: number;
  /** False when the object does not exist on the spoke. */
  readonly exists: boolean;
  readonly values: readonly FeedbackValue[];
  /** Why some value could not be reported. */
  readonly feedbackErrors: readonly string[];
  /** Whether the ManifestWork asks for feedback at all. */
  readonly hasRules: boolean;
}

export interface ManifestState {
  readonly meta: ResourceMeta;
  readonly outcome?: ApplyOutcome | undefined;
  readonly observation?: Observation | undefined;
}

type NewCondition = Omit<Condition, 'lastTransitionTime'>;

/**
 * The status that the real work agent would write, in its words.
 * `lastTransitionTime` moves when a condition's status flips, and for `StatusFeedbackSynced` also when a value changes.
 * @param previous what is published now. @param now RFC 3339 without fractions, as Kubernetes writes times.
 */
export function nextWorkStatus(manifests: readonly ManifestState[], previous: WorkStatus | undefined, now: string): WorkStatus {
  const wanted = [appliedOfWork(manifests), availableOfWork(manifests)].filter((condition) => condition !== undefined);
  return {
    conditions: mergeConditions(previous?.conditions, wanted, now),
    resourceStatus: {
      manifests: manifests.map((manifest) => nextManifestStatus(manifest, findPrevious(previous, manifest.meta), now)),
    },
  };
}

function findPrevious(previous: WorkStatus | undefined, meta: ResourceMeta): ManifestStatus | undefined {
  const isSame = ({ resourceMeta: { kind, name, namespace } }: ManifestStatus): boolean =>
    kind === meta.kind && name === meta.name && (namespace ?? '') === meta.namespace;
  return previous?.resourceStatus?.manifests?.find(isSame);
}

function nextManifestStatus(
  { meta, outcome, observation }: ManifestState,
  previous: ManifestStatus | undefined,
  now: string,
): ManifestStatus {
  const values = observation?.values ?? [];
  const wanted: NewCondition[] = [];
  if (outcome) wanted.push(appliedOfManifest(outcome));
  if (observation) wanted.push(availableOfManifest(observation));
  if (observation?.exists) wanted.push(feedbackSynced(observation));
  const valuesChanged = JSON.stringify(values) !== JSON.stringify(previous?.statusFeedback.values ?? []);
  const conditions = mergeConditions(previous?.conditions, wanted, now).map((condition) =>
    condition.type === 'StatusFeedbackSynced' && valuesChanged ? { ...condition, lastTransitionTime: now } : condition,
  );
  return { conditions, resourceMeta: meta, statusFeedback: values.length > 0 ? { values } : {} };
}

function mergeConditions(previous: readonly Condition[] = [], wanted: readonly NewCondition[], now: string): Condition[] {
  const merged = wanted.map((condition) => {
    const before = previous.find(({ type }) => type === condition.type);
    const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : now;
    return { lastTransitionTime, ...condition };
  });
  return [...merged, ...previous.filter(({ type }) => !wanted.some((condition) => condition.type === type))];
}

function appliedOfWork(manifests: readonly ManifestState[]): NewCondition | undefined {
  const outcomes = manifests.map(({ outcome }) => outcome).filter((outcome) => outcome !== undefined);
  const [first] = outcomes;
  if (first === undefined) return undefined;
  const failed = outcomes.some(({ error }) => error !== undefined);
  return {
    message: failed ? 'Failed to apply manifest work' : 'Apply manifest work complete',
    observedGeneration: first.generation,
    reason: failed ? 'AppliedManifestWorkFailed' : 'AppliedManifestWorkComplete',
    status: failed ? 'False' : 'True',
    type: 'Applied',
  };
}

function availableOfWork(manifests: readonly ManifestState[]): NewCondition | undefined {
  const observed = manifests.map(({ observation }) => observation).filter((observation) => observation !== undefined);
  const [first] = observed;
  if (first === undefined) return undefined;
  const missing = observed.filter(({ exists }) => !exists).length;
  return {
    message: missing > 0 ? `${missing} of ${observed.length} resources are not available` : 'All resources are available',
    observedGeneration: first.generation,
    reason: missing > 0 ? 'ResourcesNotAvailable' : 'ResourcesAvailable',
    status: missing > 0 ? 'False' : 'True',
    type: 'Available',
  };
}

const appliedOfManifest = ({ generation, error }: ApplyOutcome): NewCondition => ({
  message: error === undefined ? 'Apply manifest complete' : `Failed to apply manifest: ${error}`,
  observedGeneration: generation,
  reason: error === undefined ? 'AppliedManifestComplete' : 'AppliedManifestFailed',
  status: error === undefined ? 'True' : 'False',
  type: 'Applied',
});

const availableOfManifest = ({ exists }: Observation): NewCondition => ({
  message: exists ? 'Resource is available' : 'Resource is not available',
  reason: exists ? 'ResourceAvailable' : 'ResourceNotAvailable',
  status: exists ? 'True' : 'False',
  type: 'Available',
});

function feedbackSynced({ feedbackErrors, hasRules }: Observation): NewCondition {
  const type = 'StatusFeedbackSynced';
  if (!hasRules) return { message: '', reason: 'NoStatusFeedbackSynced', status: 'True', type };
  if (feedbackErrors.length === 0) return { message: '', reason: 'StatusFeedbackSynced', status: 'True', type };
  return {
    message: `Sync status feedback failed with error ${feedbackErrors.join(', ')}`,
    reason: 'StatusFeedbackSyncFailed',
    status: 'False',
    type,
  };
}

/** Reads the feedback values off an object. What is absent is left out; a float, list or map is an error, the other values still count. */
export function readFeedback(object: unknown, rules: readonly FeedbackRule[]): Pick<Observation, 'values' | 'feedbackErrors'> {
  const values: FeedbackValue[] = [];
  const feedbackErrors: string[] = [];
  for (const { name, path } of rules.flatMap(({ jsonPaths = [] }) => jsonPaths)) {
    try {
      const found = evaluatePath(object, path);
      if (found !== 'absent') values.push({ fieldValue: toFieldValue(found.value, path), name });
    } catch (error) {
      feedbackErrors.push(error instanceof Error ? error.message : String(error));
    }
  }
  return { values, feedbackErrors };
}

function toFieldValue(value: unknown, path: string): FeedbackValue['fieldValue'] {
  if (typeof value === 'string') return { string: value, type: 'String' };
  if (typeof value === 'boolean') return { boolean: value, type: 'Boolean' };
  if (typeof value === 'number' && Number.isInteger(value)) return { integer: value, type: 'Integer' };
  throw new TypeError(`the value at ${path} is neither an integer, a string nor a boolean`);
}
