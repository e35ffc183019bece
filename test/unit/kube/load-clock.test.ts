import { describe, expect, test } from '@jest/globals';
import { LoadClock } from '../../../src/kube/load-clock.js';
import { readModule } from '../../../src/kube/module-view.js';
import type { ClusterView, WorkView } from '../../../src/domain/views.js';

const MINUTE = 60_000;
const NOW = Date.parse('2026-03-01T12:00:00Z');
const ago = (ms: number): string => new Date(NOW - ms).toISOString();

const cluster = { name: 'c1', available: true, kernels: ['k1'] } as unknown as ClusterView;

/** A ManifestWork whose spoke reports it loaded. */
const loaded = (change: Partial<WorkView> = {}): WorkView => ({
  cluster: 'c1',
  module: 'simple',
  uid: 'u1',
  generation: 1,
  deleting: false,
  ownerUid: undefined,
  contentHash: 'h1',
  declaredHash: 'h1',
  wellFormed: true,
  revision: 'simple-a',
  workflow: undefined,
  publishedAt: ago(MINUTE),
  retry: undefined,
  mappings: [{ literal: 'k1', containerImage: 'r/i@sha256:1' }],
  parts: { moduleLoader: true, devicePlugin: false, dra: false },
  ordered: false,
  applied: { status: 'True', observedGeneration: 1, message: '' },
  manifestApplied: undefined,
  echoedHash: 'h1',
  counters: { 'moduleLoader.availableNumber': 1, 'moduleLoader.desiredNumber': 1, 'moduleLoader.nodesMatchingSelectorNumber': 1 },
  ...change,
});

const record = (change: object = {}): object => ({
  number: 1,
  revision: 'simple-a',
  outcome: 'Completed',
  finishedAt: ago(MINUTE / 2),
  ...change,
});
const module = (status: object) => readModule({ metadata: { name: 'simple' }, status });

/** Since when the clock believes the work at the first look of a process: `before` it began, or only from `now` on. */
function firstLook(status: object | undefined, work: Partial<WorkView> = {}): 'before' | 'now' | undefined {
  const clock = new LoadClock(() => NOW);
  clock.observeWork(loaded(work), loaded(work), cluster, status === undefined ? undefined : module(status));
  const since = clock.heldSinceMs(loaded(work));
  return since === undefined ? undefined : since === NOW ? 'now' : 'before';
}

describe('a process that has just started', () => {
  test('believes a cluster that a completed rollout has proven, however short a time ago', () => {
    expect(firstLook({ currentRevision: 'simple-a', history: [record()] })).toBe('before');
  });

  test('believes it after a rollout in which others failed', () => {
    const status = { history: [record({ outcome: 'Failed' })], exceptions: [{ cluster: 'c2', reason: 'LoadTimeout', message: '' }] };
    expect(firstLook(status)).toBe('before');
  });

  test.each([
    ['the rollout still runs', { history: [] }, {}],
    ['the rollout was superseded', { history: [record({ outcome: 'Superseded' })] }, {}],
    ['the rollout was of another revision', { currentRevision: 'simple-b', history: [record({ revision: 'simple-b' })] }, {}],
    [
      'the status names the cluster as not all right',
      { history: [record()], exceptions: [{ cluster: 'c1', reason: 'LoadTimeout', message: '' }] },
      {},
    ],
    [
      'the cluster was published to after the rollout, a moment ago',
      { currentRevision: 'simple-a', history: [record()] },
      { publishedAt: ago(MINUTE / 4) },
    ],
    ['the status remembers the revision alone, and the content is new', { currentRevision: 'simple-a' }, {}],
    ['there is no status', {}, {}],
  ])('lets a cluster settle anew when %s', (_when, status, work) => {
    expect(firstLook(status, work)).toBe('now');
  });

  test('believes a cluster that caught up long after the rollout', () => {
    const status = { currentRevision: 'simple-a', history: [record({ finishedAt: ago(60 * MINUTE) })] };
    expect(firstLook(status, { publishedAt: ago(11 * MINUTE) })).toBe('before');
  });

  test('believes no cluster whose report does not hold now', () => {
    expect(firstLook({ history: [record()] }, { echoedHash: 'other' })).toBeUndefined();
  });
});

describe('content that was loaded and is not any more', () => {
  const SETTLE = MINUTE;
  const broken = loaded({ counters: { 'moduleLoader.nodesMatchingSelectorNumber': 1 } });

  /** A process that sees these phases, each for so many milliseconds, and says since when a proven content is lost, from the beginning. */
  function after(...phases: readonly (readonly ['holds' | 'broken', number])[]): number | undefined {
    const time = { ms: NOW };
    const clock = new LoadClock(() => time.ms);
    for (const [phase, ms] of phases) {
      clock.observeWork(broken, phase === 'holds' ? loaded() : broken, cluster, undefined);
      time.ms += ms;
    }
    const lost = clock.lostAtMs(broken, SETTLE);
    return lost === undefined ? undefined : lost - NOW;
  }

  test('is lost when it broke, having held for the settle time', () => {
    expect(after(['holds', 2 * MINUTE], ['broken', 5_000])).toBe(2 * MINUTE);
  });

  test('was never proven when it broke before that, so its deadline goes on', () => {
    expect(after(['holds', MINUTE / 2], ['broken', 5_000])).toBeUndefined();
  });

  test('is lost since the first break when it holds for moments only', () => {
    expect(after(['holds', 2 * MINUTE], ['broken', 5_000], ['holds', 1_000], ['broken', 1_000], ['holds', 2_000], ['broken', 0])).toBe(
      2 * MINUTE,
    );
  });

  test('is lost since the last break when it had been proven again', () => {
    expect(after(['holds', 3 * MINUTE], ['broken', 5_000], ['holds', 2 * MINUTE], ['broken', 1_000])).toBe(5 * MINUTE + 5_000);
  });
});
