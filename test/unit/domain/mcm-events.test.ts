import { describe, expect, test } from '@jest/globals';
import type { ManagedClusterModuleStatus } from '../../../src/api/index.js';
import { eventsBetween } from '../../../src/domain/mcm-events.js';
import { buildStatus } from '../../../src/domain/mcm-status.js';
import type { Report } from '../../../src/domain/process.js';
import { aFleet, aRecord, aStatus, imageOf, KERNELS } from './builders.js';

const NOW = '2026-02-01T00:00:00.000Z';
const status = (change: Partial<Report> = {}, previous?: ManagedClusterModuleStatus) => buildStatus(aStatus(change), previous, NOW);
const events = (before: Partial<Report> | undefined, after: Partial<Report>) =>
  eventsBetween(before === undefined ? undefined : status(before), status(after));

const failing = (names: readonly string[], total = names.length): Partial<Report> => ({
  phase: 'Degraded',
  fleet: aFleet(
    { Failed: total, Loaded: 10 },
    {
      exceptions: names.map((cluster) => ({ cluster, state: 'Failed', reason: 'LoadTimeout', message: `Cluster ${cluster} is too slow.` })),
    },
  ),
});
const names = (n: number) => Array.from({ length: n }, (_, i) => `c${String(i).padStart(4, '0')}`);
const rollout = { number: 2, revision: 'kmod-bbbbbbbbbb', phase: 'Progressing', startedAt: NOW };
const missing = (tag: string, reason: 'ImageMissing' | 'RegistryDenied' = 'ImageMissing') => ({
  image: imageOf(tag),
  kernels: [tag],
  problem: { reason, message: 'There is no such tag.' },
});

describe('Events on an MCM', () => {
  test('none when nothing happened', () => {
    expect(events({}, {})).toEqual([]);
  });

  test('none for progress, which the status shows', () => {
    const progress = (loaded: number): Partial<Report> => ({
      phase: 'Progressing',
      rollout,
      fleet: aFleet({ Loaded: loaded, Loading: 10 - loaded }),
    });
    expect(events(progress(3), progress(4))).toEqual([]);
  });

  test('a rollout begins', () => {
    expect(events({}, { phase: 'Progressing', rollout, fleet: aFleet({ Pending: 24 }) })).toEqual([
      {
        type: 'Normal',
        reason: 'RolloutStarted',
        message: 'Rollout 2 brings revision kmod-bbbbbbbbbb to the clusters that lack it; the selector matches 24 clusters.',
      },
    ]);
  });

  test('the first rollout begins before there was any status', () => {
    expect(
      events(undefined, { phase: 'Progressing', history: [], rollout: { ...rollout, number: 1 }, fleet: aFleet({ Pending: 1 }) }),
    ).toEqual([
      {
        type: 'Normal',
        reason: 'RolloutStarted',
        message: 'Rollout 1 brings revision kmod-bbbbbbbbbb to the clusters that lack it; the selector matches 1 cluster.',
      },
    ]);
  });

  test('a rollout completes, and the module is ready', () => {
    const done = aRecord({ number: 2, revision: 'kmod-bbbbbbbbbb' });
    expect(events({ phase: 'Progressing', rollout }, { history: [done, aRecord()] })).toEqual([
      { type: 'Normal', reason: 'RolloutCompleted', message: 'Rollout 2 of revision kmod-bbbbbbbbbb: Completed: of 3 clusters 3 loaded.' },
      { type: 'Normal', reason: 'Ready', message: '3 of 3 clusters loaded at revision kmod-aaaaaaaaaa.' },
    ]);
  });

  test.each([
    ['Failed', 'Warning'],
    ['Aborted', 'Warning'],
    ['Superseded', 'Normal'],
  ] as const)('a rollout ends as %s', (outcome, type) => {
    const ended = aRecord({ number: 2, outcome, message: 'So it ended.' });
    expect(events({ phase: 'Progressing', rollout }, { phase: 'Degraded', history: [ended, aRecord()] })).toEqual([
      { type, reason: `Rollout${outcome}`, message: 'Rollout 2 of revision kmod-aaaaaaaaaa: So it ended.' },
    ]);
  });

  test('one rollout gives way to the next between two looks', () => {
    const ended = aRecord({ number: 2, outcome: 'Superseded', message: 'The spec has changed.' });
    const told = events(
      { phase: 'Progressing', rollout },
      { phase: 'Progressing', history: [ended, aRecord()], rollout: { ...rollout, number: 3 } },
    );
    expect(told.map((e) => e.reason)).toEqual(['RolloutSuperseded', 'RolloutStarted']);
  });

  test('a history that comes back after the status was lost tells of its newest rollout alone', () => {
    expect(events(undefined, { history: [aRecord({ number: 3 }), aRecord({ number: 2 })] }).map((e) => e.reason)).toEqual([
      'RolloutCompleted',
      'Ready',
    ]);
  });

  test('a spec is not valid, once for each problem', () => {
    const invalid = (message: string): Partial<Report> => ({ phase: 'Invalid', problems: [{ path: 'spec.selector', message }] });
    const [event, ...rest] = events({}, invalid('spec.selector is wrong.'));
    expect(rest).toEqual([]);
    expect(event).toMatchObject({
      type: 'Warning',
      reason: 'InvalidSpec',
      message: expect.stringMatching(/^spec\.selector is wrong\. Correct the spec; /),
    });
    expect(events(invalid('spec.selector is wrong.'), invalid('spec.selector is wrong.'))).toEqual([]);
    expect(events(invalid('spec.selector is wrong.'), invalid('Still wrong.'))).toHaveLength(1);
  });

  test('somebody pauses and resumes', () => {
    const paused: Partial<Report> = { phase: 'Paused', paused: { by: 'alice', reason: 'store opening' } };
    expect(events({}, paused)).toMatchObject([
      { type: 'Normal', reason: 'Paused', message: expect.stringMatching(/^Paused by alice: store opening\. /) },
    ]);
    expect(events(paused, { phase: 'Progressing' })).toEqual([
      { type: 'Normal', reason: 'Resumed', message: 'The module goes on after the pause.' },
    ]);
  });

  test('an image cannot be used, once for all its kernels and clusters', () => {
    const image = { ...missing(KERNELS[0]), kernels: [KERNELS[0], KERNELS[1]] };
    expect(events({}, { phase: 'Degraded', images: [image] })).toEqual([
      { type: 'Warning', reason: 'ImageMissing', message: `Image ${imageOf(KERNELS[0])}: There is no such tag.` },
    ]);
    expect(events({ phase: 'Degraded', images: [image] }, { phase: 'Degraded', images: [image] })).toEqual([]);
  });

  test('many images cannot be used: up to three are named', () => {
    expect(events({}, { phase: 'Degraded', images: ['1', '2', '3', '4'].map((t) => missing(t)) })).toMatchObject([
      { message: `4 images ${imageOf('1')}, ${imageOf('2')}, ${imageOf('3')} and 1 more: There is no such tag.` },
    ]);
  });

  test('an image that was missing is now denied', () => {
    expect(events({ images: [missing('1')] }, { phase: 'Degraded', images: [missing('1', 'RegistryDenied')] })).toMatchObject([
      { reason: 'RegistryDenied' },
    ]);
  });

  test('a removal is held, once for each set of clusters', () => {
    const held = (token: string): Partial<Report> => ({
      phase: 'Degraded',
      removals: { count: 5, published: 6, token, sample: ['a', 'b'], held: true },
    });
    expect(events({}, held('t1'))).toMatchObject([
      {
        type: 'Warning',
        reason: 'RemovalHeld',
        message: expect.stringMatching(/^5 of 6 clusters are not selected any more .* Run: kmodflow confirm-removal kmod --token t1$/),
      },
    ]);
    expect(events(held('t1'), held('t1'))).toEqual([]);
    expect(events(held('t1'), held('t2'))).toHaveLength(1);
  });

  test('clusters fail: one Event names up to three and counts all', () => {
    expect(events({}, failing(names(4), 40))).toEqual([
      {
        type: 'Warning',
        reason: 'LoadTimeout',
        message: '40 clusters failed: c0000, c0001, c0002 and 37 more. Cluster c0000 is too slow.',
      },
    ]);
  });

  test('a cluster that has failed before is not told of again', () => {
    expect(events(failing(['a']), failing(['a']))).toEqual([]);
    expect(events(failing(['a']), failing(['a', 'b']))).toMatchObject([{ message: '1 cluster failed: b. Cluster b is too slow.' }]);
  });

  test('clusters that fail one after the other are told of in growing steps, also when their names are beyond what is shown', () => {
    const steps = Array.from({ length: 1_001 }, (_, n) => status(failing(names(n).slice(0, 20), n)));
    const told = steps.flatMap((after, n) => eventsBetween(steps[n - 1] ?? after, after).map((event) => ({ failed: n, event })));
    expect(told.map((t) => t.failed)).toEqual([1, 2, 3, 4, 5, 6, 10, 20, 40, 80, 160, 320, 640]);
    expect(told.at(-1)?.event.message).toBe('640 clusters failed by now: c0000, c0001, c0002 and 637 more. Cluster c0000 is too slow.');
  });

  test('clusters that get nothing are told of, unless an image is the reason', () => {
    const excluded = (reason: 'NoKernelClaim' | 'ImageMissing'): Partial<Report> => ({
      phase: 'Degraded',
      fleet: aFleet({ Excluded: 1, Loaded: 2 }, { exceptions: [{ cluster: 'a', state: 'Excluded', reason, message: 'So it is' }] }),
    });
    expect(events({}, excluded('NoKernelClaim'))).toEqual([
      { type: 'Warning', reason: 'NoKernelClaim', message: '1 cluster left out: a. So it is.' },
    ]);
    expect(events({}, excluded('ImageMissing'))).toEqual([]);
  });

  test('are bounded in number, whatever happened at once', () => {
    const before = status({ phase: 'Paused', paused: { by: 'a', reason: '' } });
    const after = status({
      ...failing(names(20), 5_000),
      images: [missing('1')],
      removals: { count: 5, published: 6, token: 't', sample: [], held: true },
      history: [aRecord({ number: 9, outcome: 'Failed' })],
      rollout: { ...rollout, number: 10 },
    });
    expect(eventsBetween(before, after).length).toBeLessThanOrEqual(10);
  });
});
