import { describe, expect, test } from '@jest/globals';
import type { ManagedClusterModuleStatus } from '../../../src/api/index.js';
import { eventsBetween } from '../../../src/domain/mcm-events.js';
import { buildStatus } from '../../../src/domain/mcm-status.js';
import type { Report } from '../../../src/domain/process.js';
import { aDigest, aFleet, aRecord, aStatus, imageOf, KERNELS } from './builders.js';
import { aFailedImage, anImage, aPinnedImage, aRun, BUILD_PROBLEM, KEY, NEXT_TRY } from './image-samples.js';

const A = imageOf(KERNELS[0]);
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
      {
        type: 'Warning',
        reason: 'ImageMissing',
        message: `Image ${imageOf(KERNELS[0])} for kernels ${KERNELS[0]} and ${KERNELS[1]}: There is no such tag.`,
      },
    ]);
    expect(events({ phase: 'Degraded', images: [image] }, { phase: 'Degraded', images: [image] })).toEqual([]);
  });

  test('many images cannot be used: up to three are named', () => {
    expect(events({}, { phase: 'Degraded', images: ['1', '2', '3', '4'].map((t) => missing(t)) })).toMatchObject([
      {
        message: `4 images: ${imageOf('1')}, ${imageOf('2')}, ${imageOf('3')} and 1 more. Image ${imageOf('1')} for kernel 1: There is no such tag.`,
      },
    ]);
  });

  test('an image that was missing is now denied', () => {
    expect(events({ images: [missing('1')] }, { phase: 'Degraded', images: [missing('1', 'RegistryDenied')] })).toMatchObject([
      { reason: 'RegistryDenied' },
    ]);
  });

  test('a build begins: once per attempt, with its Job', () => {
    const first: Partial<Report> = { images: [anImage()] };
    const second: Partial<Report> = { images: [aFailedImage({ state: 'Building', attempt: 2, job: undefined })] };
    expect(events({ images: [anImage({ run: aRun({ state: 'Queued', attempt: 0 }) })] }, first)).toEqual([
      {
        type: 'Normal',
        reason: 'BuildStarted',
        message: `Image ${A} for kernel ${KERNELS[0]} is being built, attempt 1, by Job kmod-${KEY}-1.`,
      },
    ]);
    expect(events(first, first)).toEqual([]);
    expect(events({ images: [aFailedImage({ attempt: 1 })] }, second)).toEqual([
      { type: 'Normal', reason: 'BuildStarted', message: `Image ${A} for kernel ${KERNELS[0]} is being built, attempt 2.` },
    ]);
    expect(events(first, { images: [anImage({ run: aRun({ key: 'fedcba9876543210' }) })] })).toHaveLength(1);
  });

  test('many builds begin: one Event', () => {
    const images = ['1', '2', '3', '4'].map((image) => anImage({ image, kernels: [image], run: aRun({ key: image }) }));
    expect(events({}, { images })).toEqual([
      { type: 'Normal', reason: 'BuildStarted', message: '4 images are being built: 1, 2, 3 and 1 more.' },
    ]);
  });

  test('an attempt fails: what failed, what comes next, how to see the log, and its last lines', () => {
    const failed: Partial<Report> = {
      images: [aFailedImage({ attempt: 1, nextTryAt: NEXT_TRY, log: ['cc -c kmod.c', 'kmod.c:3: error: x'] })],
    };
    expect(events({ images: [anImage()] }, failed)).toEqual([
      {
        type: 'Warning',
        reason: 'BuildFailed',
        message:
          `Image ${A} for kernel ${KERNELS[0]}, attempt 1: ${BUILD_PROBLEM.message} It is tried again at 2026-02-01 00:10:00 UTC. ` +
          `The whole log: kmodflow logs kmod --kernel ${KERNELS[0]}\ncc -c kmod.c\nkmod.c:3: error: x`,
      },
    ]);
    expect(events(failed, failed)).toEqual([]);
  });

  test('an attempt is told of as failed once, also while the next one waits and runs, and the next one anew', () => {
    const run = (change: object): Partial<Report> => ({ images: [aFailedImage({ log: [], ...change })] });
    const steps = [
      { images: [anImage()] },
      run({ state: 'Waiting', attempt: 1, nextTryAt: NEXT_TRY }),
      run({ state: 'Looking', attempt: 1 }),
      run({ state: 'Queued', attempt: 1 }),
      run({ state: 'Building', attempt: 2 }),
      run({ state: 'Waiting', attempt: 2 }),
      run({ state: 'Waiting', attempt: 2 }),
    ];
    const told = steps.flatMap((after, i) => events(steps[i - 1] ?? { images: [] }, after).map((e) => `${i} ${e.reason}`));
    expect(told).toEqual(['0 BuildStarted', '1 BuildFailed', '4 BuildStarted', '5 BuildFailed']);
    const [last] = events(steps[4], steps[5] ?? {});
    expect(last?.message).toBe(
      `Image ${A} for kernel ${KERNELS[0]}, attempt 2: ${BUILD_PROBLEM.message} It is not tried again before one of its inputs changes or somebody asks for it. The whole log: kmodflow logs kmod --kernel ${KERNELS[0]}`,
    );
  });

  test('an attempt that failed between two looks is told of with the one that runs by now', () => {
    expect(events({ images: [] }, { images: [aFailedImage({ state: 'Building', attempt: 2, log: [] })] })).toEqual([
      {
        type: 'Warning',
        reason: 'BuildFailed',
        message: `Image ${A} for kernel ${KERNELS[0]}, attempt 1: ${BUILD_PROBLEM.message} Attempt 2 is under way. The whole log: kmodflow logs kmod --kernel ${KERNELS[0]}`,
      },
      {
        type: 'Normal',
        reason: 'BuildStarted',
        message: `Image ${A} for kernel ${KERNELS[0]} is being built, attempt 2, by Job kmod-${KEY}-2.`,
      },
    ]);
  });

  test('an image that is made because it is not there is no Warning', () => {
    expect(events({ images: [] }, { images: [{ ...missing(KERNELS[0]), run: aRun() }] }).map((e) => e.reason)).toEqual(['BuildStarted']);
  });

  test('no Event about images has more than 1,024 bytes, and the end of the log is what it keeps', () => {
    const log = Array.from({ length: 50 }, (_, i) => `${i} ${'ä'.repeat(80)}`);
    const [event] = events({}, { images: [aFailedImage({ log }, { problem: { reason: 'BuildFailed', message: 'ö'.repeat(900) } })] });
    expect(Buffer.byteLength(event?.message ?? '')).toBeLessThanOrEqual(1_024);
    const [short] = events({}, { images: [aFailedImage({ log })] });
    expect(Buffer.byteLength(short?.message ?? '')).toBeLessThanOrEqual(1_024);
    expect(short?.message.split('\n').at(-1)).toBe(log.at(-1));
  });

  test('images are ready: what was pinned and who made it, once per digest', () => {
    expect(events({ images: [anImage()] }, { images: [aPinnedImage()] })).toEqual([
      {
        type: 'Normal',
        reason: 'ImageReady',
        message: `Image ${imageOf(KERNELS[1])} for kernel ${KERNELS[1]} is pinned to ${aDigest('1')}; made by kmodflow.`,
      },
    ]);
    const all = [aPinnedImage(), aPinnedImage({ image: 'b', origin: 'Foreign' }), aPinnedImage({ image: 'c', origin: 'Foreign' })];
    expect(events({ images: [] }, { images: all })).toEqual([
      {
        type: 'Normal',
        reason: 'ImageReady',
        message: `3 images are pinned by digest: ${imageOf(KERNELS[1])}, b and c; 1 made by kmodflow, 2 pushed by somebody else.`,
      },
    ]);
    expect(events({ images: all }, { images: all })).toEqual([]);
    expect(events({ images: all }, { images: [...all, aPinnedImage({ kernels: ['one more kernel'] })] })).toEqual([]);
  });

  test('images that had a digest before there was a status are no news', () => {
    expect(events(undefined, { phase: 'Progressing', history: [], images: [aPinnedImage()] })).toEqual([]);
  });

  test('a setting without effect is told of when it comes into the spec', () => {
    const note = 'spec.moduleSpec.moduleLoader.container.build.kanikoParams is accepted and has no effect.';
    expect(events({}, { notes: [note] })).toEqual([{ type: 'Normal', reason: 'KanikoParamsIgnored', message: note }]);
    expect(events({ notes: [note] }, { notes: [note], generation: 2 })).toEqual([]);
    expect(events({ notes: [] }, { notes: [note, 'spec.y is ignored.'] })).toEqual([
      { type: 'Normal', reason: 'SettingIgnored', message: `${note} And 1 more such settings; the condition ImagesReady has them all.` },
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
