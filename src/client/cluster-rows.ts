import type { ManagedClusterModuleSpec } from '../api/index.js';
import { assessCluster, publishedMs, type Assessment } from '../domain/assess-cluster.js';
import type { Sha256 } from '../domain/canonical-json.js';
import { contentRenderer, type DesiredContent } from '../domain/desired-content.js';
import type { RolloutRecord } from '../domain/process.js';
import type { Problem } from '../domain/reasons.js';
import type { Revision } from '../domain/revision.js';
import { effectivePolicy } from '../domain/rollout-policy.js';
import type { ClusterView } from '../domain/views.js';
import type { FleetSnapshot, SnapshotWork } from './fleet-snapshot.js';
import type { ClusterRow } from './types.js';

export interface RowsInput {
  readonly name: string;
  readonly spec: ManagedClusterModuleSpec;
  /** Uid of the object; undefined for a headless module. */
  readonly ownerUid: string | undefined;
  /** The revision that the spec asks for; undefined while it is not recorded. */
  readonly revision: Revision | undefined;
  readonly imageProblems: ReadonlyMap<string, Problem>;
  readonly history: readonly RolloutRecord[];
  readonly snapshot: FleetSnapshot;
  readonly settleMs: number;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  readonly sha256: Sha256;
}

/** Where each selected cluster stands, by the same rules as the hub's own. */
export function clusterRows(input: RowsInput): ClusterRow[] {
  const { name, spec, revision, imageProblems, sha256, snapshot, ownerUid, settleMs, nowMs } = input;
  const render = revision === undefined ? undefined : contentRenderer({ name, revision, imageProblems, sha256 });
  const patience = effectivePolicy(spec.rollout, settleMs);
  return snapshot.clusters.map((cluster) => {
    const work = snapshot.works.get(cluster.name);
    const desired = render?.(cluster, work?.view);
    const clock = { nowMs, heldSinceMs: heldSinceMs(input, cluster, work), availableSinceMs: timeMs(cluster.availabilitySince) ?? 0 };
    return row(cluster, work, desired, assessCluster({ cluster, work: work?.view, desired }, ownerUid, patience, clock));
  });
}

/**
 * Since when what the spoke reports has stood, for one look without a memory: the status has not been written since, so it has said the same at least that long.
 * The hub itself watched; where a completed rollout proved this very content, that counts.
 */
function heldSinceMs({ history }: RowsInput, cluster: ClusterView, work: SnapshotWork | undefined): number | undefined {
  if (work === undefined) return undefined;
  const availableMs = timeMs(cluster.availabilitySince) ?? 0;
  const standingSinceMs = Math.max(publishedMs(work.view), availableMs);
  const proven = history.some(
    ({ revision, outcome, finishedAt }) =>
      outcome === 'Completed' && revision === work.view.revision && standingSinceMs <= (timeMs(finishedAt) ?? 0),
  );
  if (proven) return 0;
  return Math.max(standingSinceMs, work.statusWrittenMs ?? 0);
}

function row(
  cluster: ClusterView,
  work: SnapshotWork | undefined,
  desired: DesiredContent | undefined,
  assessment: Assessment,
): ClusterRow {
  const { state, problem, behind } = assessment;
  const served = desired?.kind === 'content' && state !== 'Excluded';
  return {
    cluster: cluster.name,
    kernels: cluster.kernels ?? [],
    state,
    reason: problem?.reason,
    message: problem?.message,
    since: since(cluster, work, state),
    revision: work?.view.revision,
    contentHash: work?.view.declaredHash,
    behind,
    kernelNotes: served ? desired.problems.map(({ kernel, reason, message }) => ({ kernel, reason, message })) : [],
  };
}

function since(cluster: ClusterView, work: SnapshotWork | undefined, state: Assessment['state']): string | undefined {
  if (state === 'Offline') return cluster.availabilitySince;
  if (work === undefined || state === 'Pending' || state === 'Excluded') return undefined;
  if (state === 'Publishing' || work.statusWrittenMs === undefined) return work.view.publishedAt;
  return new Date(work.statusWrittenMs).toISOString();
}

function timeMs(text: string | undefined): number | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
