import {
  MAX_EXCEPTIONS,
  MAX_HISTORY,
  type ClusterCounts,
  type ManagedClusterModuleStatus,
  type RolloutCounts,
  type RolloutRecord as StatusRecord,
  type RolloutStatus,
  type StatusException,
} from '../api/index.js';
import type { StateCounts } from './cluster-state.js';
import type { Exception } from './fleet-summary.js';
import { shorten } from './markdown.js';
import { mergeConditions } from './mcm-conditions.js';
import { imageRows } from './mcm-images.js';
import type { Report, RolloutRecord, RolloutState } from './process.js';

const MESSAGE_CHARS = 1_000;
const MAX_NOTES = 10;

/**
 * The status of an MCM, whole: what the report says, with the transition times of the conditions that stood before.
 *
 * Upstream's counters keep their names and mean what they say: desired = selected clusters, applied = clusters whose agent applied the current ManifestWork, degraded =
 * failed clusters. There is no null and no undefined in it, since it goes to a server-side apply, where a key that is absent is a field that we give up.
 * @param now RFC 3339, for conditions whose status flips now.
 */
export function buildStatus(report: Report, previous: ManagedClusterModuleStatus | undefined, now: string): ManagedClusterModuleStatus {
  const { fleet, removals, workflow } = report;
  const { states } = fleet;
  return {
    numberDesired: fleet.selected,
    numberApplied: states.Applied + states.Loading + states.Loaded + states.NoNodes,
    numberDegraded: states.Failed,
    observedGeneration: report.generation,
    phase: report.phase,
    conditions: mergeConditions(report, previous?.conditions, now),
    ...defined({
      currentRevision: report.currentRevision,
      updateRevision: report.updateRevision,
      imageRebuildTriggerGeneration: rebuilt(report, previous),
      rollout: rolloutStatus(report),
    }),
    clusters: clusterCounts(fleet.selected, states),
    exceptions: fleet.exceptions.slice(0, MAX_EXCEPTIONS).map(statusException),
    images: imageRows(report.images),
    ...((report.notes ?? []).length > 0 ? { notes: (report.notes ?? []).slice(0, MAX_NOTES).map((n) => shorten(n, MESSAGE_CHARS)) } : {}),
    history: report.history.slice(0, MAX_HISTORY).map(statusRecord),
    ...(removals?.held === true
      ? { removal: { held: removals.count, clusters: removals.sample.slice(0, MAX_EXCEPTIONS), token: removals.token } }
      : {}),
    workflow: { id: workflow.id, runId: workflow.runId },
  };
}

/** Without the keys whose value is undefined. */
const defined = <T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };

/**
 * The asked-for rebuild is done once every image of the revision that it made has a digest, and that revision has completed a rollout; until then the earlier one
 * stands.
 */
function rebuilt(report: Report, previous: ManagedClusterModuleStatus | undefined): number | undefined {
  const { rebuildGeneration, currentRevision, updateRevision, images } = report;
  const rolledOut = updateRevision !== undefined && currentRevision === updateRevision;
  const done = rolledOut && images.every((i) => i.digest !== undefined);
  return rebuildGeneration !== undefined && done ? rebuildGeneration : previous?.imageRebuildTriggerGeneration;
}

const clusterCounts = (selected: number, states: StateCounts): Required<ClusterCounts> => ({
  selected,
  // A cluster gets one of these states only while its ManifestWork is what the hub wants. An offline cluster may or may not have it.
  published: states.Publishing + states.Applied + states.Loading + states.Loaded + states.NoNodes + states.Failed,
  applied: states.Applied,
  loading: states.Loading,
  loaded: states.Loaded,
  noNodes: states.NoNodes,
  failed: states.Failed,
  offline: states.Offline,
  held: states.Held,
  repairing: states.Repairing,
  excluded: states.Excluded,
  pending: states.Pending,
});

const statusException = ({ cluster, kernel, state, reason, message }: Exception): StatusException => ({
  ...defined({ cluster, kernel, state }),
  reason,
  message: shorten(message, MESSAGE_CHARS),
});

/** The rollout that runs with the fleet as it is now, else the last one as it ended. */
function rolloutStatus(report: Report): RolloutStatus | undefined {
  if (report.rollout !== undefined) return runningRollout(report.rollout, report);
  const [last] = report.history;
  if (last === undefined) return undefined;
  const { outcome, ...rest } = statusRecord(last);
  return { ...rest, phase: outcome };
}

function runningRollout(
  { number, revision, phase, startedAt }: RolloutState,
  { fleet: { selected, states }, paused }: Report,
): RolloutStatus {
  const inFlight = states.Publishing + states.Applied + states.Loading;
  const done = states.Loaded + states.NoNodes;
  return {
    number,
    revision,
    phase: paused !== undefined && phase === 'Progressing' ? 'Paused' : phase,
    startedAt,
    clusters: {
      total: selected,
      pending: states.Pending,
      inFlight,
      loaded: states.Loaded,
      noNodes: states.NoNodes,
      failed: states.Failed,
      offline: states.Offline,
      excluded: states.Excluded,
    },
    message: `${done} of ${selected} clusters are done, ${inFlight} are loading, ${states.Pending} wait for their turn.`,
  };
}

/** A record may come from a status that an older version wrote, or a hand: what is absent stays absent. */
const statusRecord = ({ number, revision, outcome, startedAt, finishedAt, clusters, message }: RolloutRecord): StatusRecord => ({
  number,
  revision,
  outcome,
  ...defined({
    startedAt,
    finishedAt,
    clusters: rolloutCounts(clusters),
    message: message === undefined ? undefined : shorten(message, MESSAGE_CHARS),
  }),
});

function rolloutCounts(clusters: RolloutRecord['clusters'] | undefined): RolloutCounts | undefined {
  if (clusters === undefined) return undefined;
  const { total, pending, inFlight, loaded, noNodes, failed, offline, excluded, written } = clusters;
  return defined({ total, pending, inFlight, loaded, noNodes, failed, offline, excluded, written });
}
