import { noCounts, type StateCounts } from './cluster-state.js';
import type { Assessment } from './assess-cluster.js';
import type { Problem } from './reasons.js';

/** Something that a person may want to look at. At most one line per cluster, image or kernel. */
export interface Exception extends Problem {
  readonly cluster?: string;
  readonly kernel?: string;
  readonly state?: string;
}

/** What stands on clusters that are not selected any more. */
export interface Removals {
  readonly count: number;
  /** ManifestWorks of the module in the whole fleet, these included. */
  readonly published: number;
  /** Names this very set of clusters; a confirmation holds for it alone. */
  readonly token: string;
  readonly sample: readonly string[];
  /** ManifestWorks that were removed within the last hour without a person's confirmation. */
  readonly recent?: number | undefined;
  /** Too many at once: waits for a person. */
  readonly held: boolean;
}

/** The fleet in numbers: small enough for a workflow payload whatever the size of the fleet. */
export interface FleetSummary {
  readonly selected: number;
  readonly published: number;
  readonly behind: number;
  readonly states: StateCounts;
  readonly exceptions: readonly Exception[];
  readonly exceptionCount: number;
}

export const EXCEPTIONS_SHOWN = 20;
/** A rollout never removes more than this share at once without a person, */
export const REMOVAL_SHARE = 0.2;
/** and fewer than this many are never held. */
export const REMOVAL_MINIMUM = 5;

/** Removals within this time count together (1 hour): a fleet that is relabelled cluster by cluster must not slip through one look at a time. */
export const REMOVAL_WINDOW_MS = 60 * 60_000;

/** Whether removing `count` of `published` ManifestWorks at once needs a person. Five of five do; four of four do not. */
export const isMassRemoval = (count: number, published: number): boolean => count >= REMOVAL_MINIMUM && count > published * REMOVAL_SHARE;

/** A removal that was carried out. */
export interface PastRemoval {
  readonly atMs: number;
  readonly count: number;
}

/** Those that still count. */
export const recentRemovals = (past: readonly PastRemoval[], nowMs: number): PastRemoval[] =>
  past.filter((r) => nowMs - r.atMs < REMOVAL_WINDOW_MS);

const URGENCY: Readonly<Record<string, number>> = { Failed: 0, Excluded: 1, Offline: 2 };

/** Counts and the most urgent exceptions: failures first, then exclusions, then offline clusters. */
export function summarizeFleet(assessments: Iterable<Assessment>, published: number, others: readonly Exception[] = []): FleetSummary {
  const states = noCounts();
  const exceptions: Exception[] = [...others];
  let selected = 0;
  let behind = 0;
  for (const { cluster, state, behind: isBehind, problem } of assessments) {
    selected += 1;
    states[state] += 1;
    if (isBehind) behind += 1;
    if (problem !== undefined) exceptions.push({ cluster, state, ...problem });
  }
  const urgency = (e: Exception) => URGENCY[e.state ?? ''] ?? (e.cluster === undefined ? -1 : 3);
  exceptions.sort((a, b) => urgency(a) - urgency(b) || compare(a.cluster, b.cluster) || compare(a.kernel, b.kernel));
  return { selected, published, behind, states, exceptions: exceptions.slice(0, EXCEPTIONS_SHOWN), exceptionCount: exceptions.length };
}

const compare = (a = '', b = ''): number => (a < b ? -1 : a > b ? 1 : 0);

export const emptyFleet = (): FleetSummary => ({
  selected: 0,
  published: 0,
  behind: 0,
  states: noCounts(),
  exceptions: [],
  exceptionCount: 0,
});
