import type { ClusterState } from './cluster-state.js';
import type { DesiredContent } from './desired-content.js';
import { proveLoaded } from './load-proof.js';
import type { Problem, Reason } from './reasons.js';
import type { ClusterView, WorkView } from './views.js';

/** How a rollout judges time. Milliseconds. */
export interface Patience {
  /** How long the loading must hold before it counts as proven. */
  readonly settleMs: number;
  /** How long a cluster may take from publishing to loaded. */
  readonly progressDeadlineMs: number;
}

/** The hub's own clock for one cluster, milliseconds since the epoch. */
export interface Clock {
  readonly nowMs: number;
  /** Since when the proof has held without a break, as the hub saw it. Undefined: it does not hold. */
  readonly heldSinceMs: number | undefined;
  /** Since when the hub has seen the cluster available. */
  readonly availableSinceMs: number;
  /** When content that was proven stopped holding, as when a node goes: the cluster then has the deadline anew, counted from here. */
  readonly lostAtMs?: number | undefined;
}

export interface Assessment {
  readonly cluster: string;
  readonly state: ClusterState;
  /** The hub should write this cluster's ManifestWork now. */
  readonly behind: boolean;
  /** Time alone will not change it: a wave may count it. A failed apply is tried again by the work agent until the deadline, so it is not final before. */
  readonly final: boolean;
  readonly problem: Problem | undefined;
}

export interface Spoke {
  readonly cluster: ClusterView;
  readonly work: WorkView | undefined;
  /** Undefined while there is no revision to render. */
  readonly desired: DesiredContent | undefined;
}

/** True when the published ManifestWork is, in every part that we own, what we would publish now. */
export const isPublished = (work: WorkView | undefined, hash: string, ownerUid: string | undefined): boolean =>
  work !== undefined && work.contentHash === hash && work.declaredHash === hash && work.wellFormed && work.ownerUid === ownerUid;

/**
 * Where one cluster stands. The first rule that speaks wins; the order is part of the rule.
 *
 * 1. A cluster that is going or was never let in gets nothing. 2. Offline is a state: it makes every older counter meaningless, and nothing is written. 3. No content:
 * excluded, whatever stands there stays. 4. Content that differs is behind. 5. The rest is how far the spoke has come with what is published.
 */
export function assessCluster(spoke: Spoke, ownerUid: string | undefined, patience: Patience, clock: Clock): Assessment {
  const { cluster, work, desired } = spoke;
  const verdict = (state: ClusterState, problem?: Problem, behind = false): Assessment => {
    const final = state === 'Loaded' || state === 'NoNodes' || state === 'Excluded' || state === 'Offline';
    return { cluster: cluster.name, state, behind, final, problem };
  };
  if (cluster.deleting)
    return verdict(
      'Excluded',
      say('ClusterDeleting', `Cluster ${cluster.name} is being removed from the hub. Nothing more is published to it.`),
    );
  if (!cluster.accepted)
    return verdict(
      'Excluded',
      say('ClusterNotAccepted', `Cluster ${cluster.name} is not accepted by the hub. Accept it with spec.hubAcceptsClient: true.`),
    );
  if (!cluster.available) return verdict('Offline', say('ClusterUnavailable', offlineMessage(cluster)));
  if (desired === undefined) return verdict('Pending');
  if (desired.kind === 'excluded') return verdict('Excluded', desired.problem);
  if (work?.deleting === true)
    return verdict(
      'Pending',
      say('ClusterDeleting', `The ManifestWork ${cluster.name}/${work.module} is being deleted. A new one is published when it is gone.`),
    );
  if (work === undefined || !isPublished(work, desired.module.hash, ownerUid)) return verdict('Pending', undefined, true);
  return assessPublished(cluster, work, patience, clock, verdict);
}

function assessPublished(
  cluster: ClusterView,
  work: WorkView,
  patience: Patience,
  clock: Clock,
  verdict: (state: ClusterState, problem?: Problem) => Assessment,
): Assessment {
  const proof = proveLoaded(work, cluster.kernels);
  const waitedMs = clock.nowMs - waitsSinceMs(work, clock);
  const overdue = waitedMs > patience.progressDeadlineMs;
  switch (proof.verdict) {
    case 'Holds':
    case 'NoNodes': {
      const settled = clock.heldSinceMs !== undefined && clock.nowMs - clock.heldSinceMs >= settleTimeMs(proof.verdict, patience);
      return verdict(settled ? (proof.verdict === 'Holds' ? 'Loaded' : 'NoNodes') : 'Loading');
    }
    case 'ApplyFailed': {
      const message = `Cluster ${cluster.name} could not apply the Module: ${proof.message}. Its work agent tries again by itself; mend the cause on the cluster.`;
      return { ...verdict('Failed', say('ApplyFailed', message)), final: overdue };
    }
    case 'Unapplied':
    case 'NotEchoed':
    case 'Behind':
      if (overdue) return { ...verdict('Failed', say('LoadTimeout', timeoutMessage(cluster.name, proof, waitedMs))), final: true };
      return verdict(({ Unapplied: 'Publishing', NotEchoed: 'Applied', Behind: 'Loading' } as const)[proof.verdict]);
  }
}

/** Since when the cluster has been able to load what is published, and has not. */
export const waitsSinceMs = (work: WorkView, { availableSinceMs, lostAtMs = 0 }: Clock): number =>
  Math.max(publishedMs(work), availableSinceMs, lostAtMs);

/**
 * How long a proof must hold. That no node matches is shown by counters that are absent, which is also how a Module looks that KMM on the spoke has not counted yet:
 * so this takes three times as long.
 */
export const settleTimeMs = (verdict: 'Holds' | 'NoNodes', { settleMs }: Patience): number =>
  verdict === 'Holds' ? settleMs : 3 * settleMs;

/** When the content was published, by the hub's clock. An unreadable annotation counts as "long ago", so that it can time out. */
export function publishedMs(work: WorkView): number {
  const ms = work.publishedAt === undefined ? Number.NaN : Date.parse(work.publishedAt);
  return Number.isNaN(ms) ? 0 : ms;
}

const say = (reason: Reason, message: string): Problem => ({ reason, message });

const offlineMessage = (cluster: ClusterView): string =>
  `Cluster ${cluster.name} has not been available${cluster.availabilitySince === undefined ? '' : ` since ${cluster.availabilitySince}`}. Its module stays as it is and catches up when the cluster returns.`;

function timeoutMessage(cluster: string, proof: ReturnType<typeof proveLoaded>, waitedMs: number): string {
  const minutes = Math.round(waitedMs / 60_000);
  const since = minutes >= 2 ? `${minutes} minutes` : `${Math.round(waitedMs / 1000)} seconds`;
  if (proof.verdict === 'Behind')
    return `Cluster ${cluster} has loaded the module on ${proof.available} of ${proof.desired} nodes (${proof.part}) after ${since}. Look at the worker pods of KMM on that cluster.`;
  const seen =
    proof.verdict === 'Unapplied' ? 'its work agent has not confirmed the ManifestWork' : 'it still reports the previous content';
  return `Cluster ${cluster} has not loaded the module after ${since}: ${seen}. Check the klusterlet work agent on that cluster.`;
}
