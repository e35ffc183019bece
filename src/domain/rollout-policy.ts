import type { RolloutPolicy } from '../api/index.js';
import { parseDuration } from '../api/duration.js';
import type { Patience } from './assess-cluster.js';

/** A rollout policy with every default filled in and every unit resolved. Plain JSON. */
export interface EffectivePolicy extends Patience {
  /** Clusters unproven at once. Undefined: all at once, as upstream. */
  readonly maxConcurrent: number | string | undefined;
  readonly maxFailures: number | string;
  readonly paused: boolean;
}

export const DEFAULT_PROGRESS_DEADLINE_MS = 30 * 60_000;

/** @param defaultSettleMs How long the loading must hold where the MCM does not say; two of the spokes' feedback intervals is the least. */
export const effectivePolicy = (policy: RolloutPolicy | undefined, defaultSettleMs: number): EffectivePolicy => ({
  maxConcurrent: policy?.maxConcurrent,
  maxFailures: policy?.maxFailures ?? 0,
  paused: policy?.paused ?? false,
  settleMs: policy?.settle === undefined ? defaultSettleMs : parseDuration(policy.settle),
  progressDeadlineMs: policy?.progressDeadline === undefined ? DEFAULT_PROGRESS_DEADLINE_MS : parseDuration(policy.progressDeadline),
});
