import type { ClusterCounts, ImageStatus, ManagedClusterModuleSpec, ManagedClusterModuleStatus } from '../api/index.js';
import { noCounts, type StateCounts } from '../domain/cluster-state.js';
import { isFault } from '../domain/fault.js';
import type { FleetSummary } from '../domain/fleet-summary.js';
import type { ImageOrigin, ImageRunState } from '../domain/image-process.js';
import { keyOfImageWorkflow } from '../domain/mcm-images.js';
import { moduleWorkflowId } from '../domain/messages.js';
import type { ImageState, Phase, Report, RolloutOutcome, RolloutRecord } from '../domain/process.js';
import type { Problem } from '../domain/reasons.js';
import { noTotals } from '../domain/rollout-outcome.js';
import { resources } from '../kube/index.js';
import type { HubReads } from './parts.js';

/** A ManagedClusterModule as the API server has it. Its status may be of another version: every field may be missing. */
export interface ModuleObject {
  readonly metadata: {
    readonly name: string;
    readonly uid?: string;
    readonly generation?: number;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec?: ManagedClusterModuleSpec;
  readonly status?: ManagedClusterModuleStatus;
}

/** @returns undefined when there is none. */
export async function readModuleObject(kube: HubReads, name: string): Promise<ModuleObject | undefined> {
  try {
    return await kube.get<ModuleObject>(resources.managedClusterModules, name);
  } catch (error) {
    if (isFault(error, 'Missing')) return undefined;
    throw error;
  }
}

export const specOf = ({ spec }: ModuleObject): ManagedClusterModuleSpec => spec ?? { selector: {}, spokeNamespace: '' };

export const phaseOfObject = ({ metadata, status }: ModuleObject): Phase =>
  metadata.deletionTimestamp === undefined ? ((status?.phase as Phase | undefined) ?? 'Pending') : 'Removing';

/** The report as the object's status keeps it. It is a summary of one: what a status has no field for is empty. */
export function reportOf(object: ModuleObject): Report {
  const { metadata, status = {} } = object;
  const phase = phaseOfObject(object);
  return {
    name: metadata.name,
    generation: status.observedGeneration ?? 0,
    phase,
    fleet: fleetOf(status),
    currentRevision: status.currentRevision,
    updateRevision: status.updateRevision,
    images: imagesOf(status),
    rollout: runningRollout(status),
    history: historyOf(object),
    removals: removalsOf(status),
    problems: [],
    paused:
      phase === 'Paused' ? { by: specOf(object).rollout?.paused === true ? 'spec.rollout.paused' : 'a person', reason: '' } : undefined,
    workflow: { id: status.workflow?.id ?? moduleWorkflowId(metadata.name), runId: status.workflow?.runId ?? '' },
    notes: status.notes,
  };
}

export const historyOf = ({ status }: ModuleObject): RolloutRecord[] =>
  (status?.history ?? []).map(({ number, revision, outcome, startedAt = '', finishedAt = '', clusters = {}, message = '' }) => ({
    number,
    revision,
    outcome: outcome as RolloutOutcome,
    startedAt,
    finishedAt,
    clusters: { ...noTotals(), ...withoutUndefined(clusters) },
    message,
  }));

/** Why images are missing, by image, as the status says it. */
export const imageProblemsOf = (images: readonly ImageState[]): Map<string, Problem> =>
  new Map(images.flatMap(({ image, problem }) => (problem === undefined ? [] : [[image, problem] as const])));

function fleetOf({ clusters = {}, exceptions = [] }: ManagedClusterModuleStatus): FleetSummary {
  return {
    selected: clusters.selected ?? 0,
    published: clusters.published ?? 0,
    behind: clusters.pending ?? 0,
    states: statesOf(clusters),
    exceptions: exceptions.map(({ cluster, kernel, state, reason, message }) => ({
      ...withoutUndefined({ cluster, kernel, state }),
      reason: reason as Problem['reason'],
      message,
    })),
    exceptionCount: exceptions.length,
  };
}

function statesOf(counts: ClusterCounts): StateCounts {
  const states = noCounts();
  for (const state of Object.keys(states) as (keyof StateCounts)[]) {
    const field = `${state.charAt(0).toLowerCase()}${state.slice(1)}`;
    states[state] = (counts as Readonly<Record<string, number | undefined>>)[field] ?? 0;
  }
  return states;
}

/** The status has a line for each kernel; people think in images. What differs in more than the kernel is another image. */
function imagesOf({ images = [] }: ManagedClusterModuleStatus): ImageState[] {
  const byImage = new Map<string, { readonly row: ImageStatus; readonly kernels: string[]; readonly log: string[] }>();
  for (const row of images) {
    const key = JSON.stringify([row.image, row.digest, row.reason, row.message, row.workflow]);
    const known = byImage.get(key) ?? { row, kernels: [], log: [] };
    known.kernels.push(row.kernel);
    known.log.push(...(row.log ?? []));
    byImage.set(key, known);
  }
  return [...byImage.values()].map(({ row, kernels, log }) => ({
    image: row.image,
    kernels,
    digest: row.digest,
    problem: row.reason === undefined ? undefined : { reason: row.reason as Problem['reason'], message: row.message ?? '' },
    ...withoutUndefined({ origin: row.origin as ImageOrigin | undefined }),
    ...(row.workflow === undefined ? {} : { run: runOf(row, row.workflow, log) }),
  }));
}

/** A status says `Failed` of an image whose workflow waits, and `Resolving` while it looks for the image. */
function runOf(
  { state, attempt = 0, job, nextTryAt }: ImageStatus,
  workflow: string,
  log: readonly string[],
): NonNullable<ImageState['run']> {
  const states: Readonly<Record<string, ImageRunState>> = { Building: 'Building', Queued: 'Queued', Failed: 'Waiting', Pinned: 'Pinned' };
  return {
    key: keyOfImageWorkflow(workflow),
    state: states[state] ?? 'Looking',
    attempt,
    ...withoutUndefined({ job, nextTryAt, log: log.length === 0 ? undefined : log }),
  };
}

function runningRollout({ rollout }: ManagedClusterModuleStatus): Report['rollout'] {
  if (rollout === undefined || rollout.finishedAt !== undefined) return undefined;
  return { number: rollout.number, revision: rollout.revision, phase: rollout.phase, startedAt: rollout.startedAt ?? '' };
}

function removalsOf({ removal, clusters }: ManagedClusterModuleStatus): Report['removals'] {
  if (removal === undefined) return undefined;
  const { held, token = '', clusters: sample = [] } = removal;
  return { count: held, published: clusters?.published ?? 0, token, sample, held: held > 0 };
}

const withoutUndefined = <T extends object>(fields: T): { [K in keyof T]: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [K in keyof T]: NonNullable<T[K]> };
