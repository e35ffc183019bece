import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ClusterState } from '../../../src/domain/cluster-state.js';
import type { Outcome } from '../../../src/domain/process.js';
import { WaveState, type WaveSnapshot } from '../../../workflows/wave-state.js';

const problem = { reason: 'LoadTimeout', message: 'Too slow.' } as const;
const outcome = (cluster: string, state: ClusterState = 'Loaded'): Outcome => ({
  cluster,
  state,
  ...(state === 'Failed' ? { problem } : {}),
});
const published = (written: string[], more: { unchanged?: string[]; setAside?: Outcome[] } = {}) => ({
  written,
  unchanged: [],
  setAside: [],
  ...more,
});
const observed = (outcomes: Outcome[], behind: string[] = []) => ({ outcomes, behind });
const json = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

describe('the bookkeeping of a wave', () => {
  test('leads each cluster from the queue through publishing to its outcome', () => {
    const wave = WaveState.fresh(['a', 'b', 'c']);
    expect(wave.take(2)).toEqual(['a', 'b']);
    expect([wave.waiting, wave.unproven, wave.finished]).toEqual([1, 2, false]);
    wave.published(published(['a', 'b']));
    wave.observed(observed([outcome('a')]));
    expect(wave.totals).toMatchObject({ total: 3, pending: 1, inFlight: 1, loaded: 1, written: 2 });
    wave.take(5);
    wave.published(published([], { unchanged: ['c'] }));
    wave.observed(observed([outcome('b', 'Failed'), outcome('c', 'NoNodes')]));
    expect(wave.result(false)).toEqual({
      stopped: false,
      totals: { total: 3, pending: 0, inFlight: 0, loaded: 1, noNodes: 1, failed: 1, offline: 0, excluded: 0, written: 2 },
      failures: [{ cluster: 'b', state: 'Failed', ...problem }],
    });
    expect(wave.finished).toBe(true);
  });

  test('a follower that is faster than the batch frees the place of its cluster', () => {
    const wave = WaveState.fresh(['a']);
    wave.take(1);
    wave.observed(observed([outcome('a')]));
    expect([wave.unproven, wave.totals.loaded, wave.totals.inFlight]).toEqual([0, 1, 0]);
    wave.published(published(['a']));
    expect([wave.finished, wave.totals.loaded]).toEqual([true, 1]);
  });

  test('a cluster that got its outcome while it waited is not published', () => {
    const wave = WaveState.fresh(['a', 'b']);
    wave.observed(observed([outcome('a', 'Offline')]));
    expect(wave.take(5)).toEqual(['b']);
  });

  test('a cluster that joins later is part of the wave', () => {
    const wave = WaveState.fresh(['a']);
    wave.observed(observed([], ['new']));
    expect([wave.totals.total, wave.take(5)]).toEqual([2, ['a', 'new']]);
  });

  test('a cluster that was edited by hand after it had loaded is published again, and counted once', () => {
    const wave = WaveState.fresh(['a']);
    wave.take(1);
    wave.published(published(['a']));
    wave.observed(observed([outcome('a')]));
    wave.observed(observed([], ['a']));
    expect(wave.totals).toMatchObject({ total: 1, pending: 1, loaded: 0 });
  });

  test('a cluster that changed while it was being published is published again, since nobody will say so twice', () => {
    const wave = WaveState.fresh(['a']);
    wave.take(1);
    wave.observed(observed([], ['a']));
    wave.published(published(['a']));
    expect([wave.finished, wave.take(1)]).toEqual([false, ['a']]);
  });

  test('what changed before an outcome is settled by that outcome', () => {
    const wave = WaveState.fresh(['a']);
    wave.take(1);
    wave.observed(observed([], ['a']));
    wave.observed(observed([outcome('a')]));
    wave.published(published(['a']));
    expect(wave.finished).toBe(true);
  });

  test('clusters of a batch that was refused have failed with its message', () => {
    const wave = WaveState.fresh(['a', 'b']);
    wave.refused(wave.take(2), 'The hub says no.');
    expect(wave.failures).toEqual(
      ['a', 'b'].map((cluster) => ({ cluster, state: 'Failed', reason: 'ApplyFailed', message: 'The hub says no.' })),
    );
    expect([wave.finished, wave.totals.total, wave.totals.failed]).toEqual([true, 2, 2]);
  });

  test('a wave that is stopped publishes nothing more', () => {
    const wave = WaveState.fresh(['a', 'b']);
    wave.take(1);
    wave.dropQueue();
    expect([wave.take(5), wave.waiting, wave.unproven]).toEqual([[], 0, 1]);
  });

  test('goes on after continue-as-new with what was open, and with the numbers of what was not', () => {
    const wave = WaveState.fresh(['a', 'b', 'c', 'd']);
    wave.take(3);
    wave.published(published(['a', 'b'], { setAside: [outcome('c', 'Failed')] }));
    wave.observed(observed([outcome('a')]));
    const snapshot = json(wave.snapshot());
    expect(snapshot).toEqual({
      queue: ['d'],
      inFlight: ['b'],
      outcomes: { Loaded: 1, Failed: 1 },
      failures: [{ cluster: 'c', state: 'Failed', ...problem }],
      written: 2,
      total: 4,
    });
    expect(new WaveState(snapshot).totals).toEqual(wave.totals);
  });

  test('a cluster that failed before continue-as-new and loads after it has not failed', () => {
    const wave = new WaveState({
      queue: [],
      inFlight: [],
      outcomes: { Failed: 1, Loaded: 3 },
      failures: [{ cluster: 'c', state: 'Failed', ...problem }],
      written: 4,
      total: 4,
    });
    wave.observed(observed([], ['c']));
    wave.take(1);
    wave.published(published(['c']));
    wave.observed(observed([outcome('c')]));
    expect(wave.totals).toMatchObject({ total: 4, loaded: 4, failed: 0 });
    expect(wave.failures).toEqual([]);
  });

  test('names at most twenty failures, the first by name', () => {
    const names = Array.from({ length: 30 }, (_, i) => `c${String(i).padStart(2, '0')}`);
    const wave = WaveState.fresh(names);
    wave.refused(wave.take(30).reverse(), 'No.');
    expect(wave.failures.map((f) => f.cluster)).toEqual(names.slice(0, 20));
    expect(wave.totals.failed).toBe(30);
  });
});

// Whatever the order of messages -----------------------------------------------------------------------------------------------------

const CLUSTERS = ['a', 'b', 'c', 'd', 'e', 'f'];
type Call =
  | { readonly do: 'take'; readonly limit: number }
  | { readonly do: 'publish'; readonly aside: number }
  | { readonly do: 'refuse' }
  | { readonly do: 'outcome'; readonly cluster: string; readonly state: ClusterState }
  | { readonly do: 'behind'; readonly cluster: string }
  | { readonly do: 'restart' };

const anyCluster = fc.constantFrom(...CLUSTERS, 'new-1', 'new-2');
const aCall: fc.Arbitrary<Call> = fc.oneof(
  fc.record({ do: fc.constant('take' as const), limit: fc.integer({ min: -1, max: 4 }) }),
  fc.record({ do: fc.constant('publish' as const), aside: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ do: fc.constant('refuse' as const) }),
  fc.record({
    do: fc.constant('outcome' as const),
    cluster: anyCluster,
    state: fc.constantFrom<ClusterState>('Loaded', 'NoNodes', 'Failed', 'Offline', 'Excluded'),
  }),
  fc.record({ do: fc.constant('behind' as const), cluster: anyCluster }),
  fc.record({ do: fc.constant('restart' as const) }),
);

/** Plays calls; batches are answered in the order in which they were taken. */
class Play {
  wave = WaveState.fresh(CLUSTERS);
  readonly batches: string[][] = [];
  /** Every cluster that the wave was ever told of. */
  readonly known = new Set(CLUSTERS);
  restarts = 0;

  call(call: Call): void {
    switch (call.do) {
      case 'take': {
        const batch = this.wave.take(call.limit);
        if (batch.length > 0) this.batches.push(batch);
        return;
      }
      case 'publish': {
        const batch = this.batches.shift() ?? [];
        this.wave.published(published(batch.slice(call.aside), { setAside: batch.slice(0, call.aside).map((c) => outcome(c, 'Offline')) }));
        return;
      }
      case 'refuse':
        this.wave.refused(this.batches.shift() ?? [], 'No.');
        return;
      case 'outcome':
        this.known.add(call.cluster);
        this.wave.observed(observed([outcome(call.cluster, call.state)]));
        return;
      case 'behind':
        this.known.add(call.cluster);
        this.wave.observed(observed([], [call.cluster]));
        return;
      case 'restart':
        if (this.batches.length > 0) return; // the workflow waits for its batches first
        this.wave = new WaveState(json(this.wave.snapshot()));
        this.restarts += 1;
    }
  }
}

const sum = ({ total: _total, written: _written, ...places }: WaveState['totals']): number =>
  Object.values(places).reduce((a, b) => a + b, 0);

describe('whatever the order of messages', () => {
  const plays = fc.array(aCall, { maxLength: 40 });

  test('each cluster stands in exactly one place', () => {
    fc.assert(
      fc.property(plays, (calls) => {
        const play = new Play();
        for (const call of calls) {
          play.call(call);
          const { open, totals } = play.wave;
          expect(new Set(open).size).toBe(open.length);
          expect(open.length).toBe(totals.pending + totals.inFlight);
          expect(sum(totals)).toBe(totals.total);
          // Names of what ended well are not carried over continue-as-new, so only without one is the number exact.
          if (play.restarts === 0) expect(totals.total).toBe(play.known.size);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('what is unproven was taken, and no cluster is in two batches at once', () => {
    fc.assert(
      fc.property(plays, (calls) => {
        const play = new Play();
        let taken = 0;
        for (const call of calls) {
          const before = play.batches.length;
          play.call(call);
          if (play.batches.length > before) taken += play.batches.at(-1)?.length ?? 0;
          expect(play.wave.unproven).toBeLessThanOrEqual(taken);
          expect(new Set(play.batches.flat()).size).toBe(play.batches.flat().length);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('it ends once every batch is answered and every open cluster has an outcome', () => {
    fc.assert(
      fc.property(plays, (calls) => {
        const play = new Play();
        calls.forEach((call) => play.call(call));
        while (play.batches.length > 0) play.call({ do: 'publish', aside: 0 });
        play.wave.observed(observed(play.wave.open.map((c) => outcome(c))));
        expect(play.wave.finished).toBe(true);
      }),
    );
  });

  test('a snapshot holds all there is to know: the run that begins with it has the same numbers and the same open clusters', () => {
    fc.assert(
      fc.property(plays, (calls) => {
        const play = new Play();
        calls.forEach((call) => play.call(call));
        while (play.batches.length > 0) play.call({ do: 'publish', aside: 1 });
        const snapshot: WaveSnapshot = json(play.wave.snapshot());
        const next = new WaveState(snapshot);
        expect(next.totals).toEqual(play.wave.totals);
        expect(next.open).toEqual(play.wave.open);
        expect(next.failures).toEqual(play.wave.failures);
        expect(json(next.snapshot())).toEqual(snapshot);
      }),
    );
  });
});
