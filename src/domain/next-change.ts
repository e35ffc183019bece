import { settleTimeMs, waitsSinceMs, type Assessment, type Clock, type Patience } from './assess-cluster.js';
import type { WorkView } from './views.js';

/**
 * In how many milliseconds time alone may change where a cluster stands: its settle time or its deadline ends. Nothing else would tell of that, since neither sends
 * an event.
 * @returns undefined when time changes nothing.
 */
export function changesInMs(
  work: WorkView | undefined,
  { state, final }: Assessment,
  patience: Patience,
  clock: Clock,
): number | undefined {
  const waits = state === 'Publishing' || state === 'Applied' || state === 'Loading' || (state === 'Failed' && !final);
  if (!waits || work === undefined) return undefined;
  const deadlineInMs = waitsSinceMs(work, clock) + patience.progressDeadlineMs - clock.nowMs;
  const { heldSinceMs } = clock;
  const settledInMs =
    heldSinceMs === undefined
      ? []
      : (['Holds', 'NoNodes'] as const).map((verdict) => heldSinceMs + settleTimeMs(verdict, patience) - clock.nowMs);
  const times = [deadlineInMs, ...settledInMs].filter((ms) => ms > 0);
  return times.length === 0 ? undefined : Math.min(...times);
}
