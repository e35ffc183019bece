import type { RolloutOutcome, WaveTotals } from './process.js';
import { countOf } from './rollout-arithmetic.js';

export const noTotals = (): WaveTotals => ({
  total: 0,
  pending: 0,
  inFlight: 0,
  loaded: 0,
  noNodes: 0,
  failed: 0,
  offline: 0,
  excluded: 0,
  written: 0,
});

export const addTotals = (a: WaveTotals, b: WaveTotals): WaveTotals =>
  Object.fromEntries((Object.keys(a) as (keyof WaveTotals)[]).map((k) => [k, a[k] + b[k]])) as unknown as WaveTotals;

/** A rollout is complete when no more clusters failed than the policy bears. Offline clusters do not count: they catch up. */
export const judgeRollout = (totals: WaveTotals, maxFailures: number | string): RolloutOutcome =>
  totals.failed > countOf(maxFailures, totals.total) ? 'Failed' : 'Completed';
