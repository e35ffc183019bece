import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ManagedClusterModuleStatus } from '../../../src/api/index.js';
import { failedAttempt, firstFailing, imageProgress, imageRows, imageTrouble, keyOfImageWorkflow } from '../../../src/domain/mcm-images.js';
import { aDigest, imageOf, KERNELS } from './builders.js';
import { aFailedImage, anImage, aPinnedImage, aRun, BUILD_PROBLEM, KEY, NEXT_TRY, WORKFLOW } from './image-samples.js';

const MISSING = { reason: 'ImageMissing', message: 'There is no such tag.' } as const;

describe('how far an image is', () => {
  test.each([
    ['it has a digest', aPinnedImage(), 'Pinned'],
    ['nobody has looked yet', { image: 'a', kernels: ['k'] }, 'Resolving'],
    ['its workflow looks for it', anImage({ run: aRun({ state: 'Looking', attempt: 0 }) }), 'Resolving'],
    ['it cannot be looked up', { image: 'a', kernels: ['k'], problem: MISSING }, 'Failed'],
    ['its attempt runs', anImage(), 'Building'],
    ['it waits for a free place', anImage({ run: aRun({ state: 'Queued', attempt: 0 }) }), 'Queued'],
    ['its attempt failed', aFailedImage(), 'Failed'],
    ['its attempt failed and its workflow looks whether it is there by now', aFailedImage({ state: 'Looking' }), 'Failed'],
    ['it is tried again', aFailedImage({ state: 'Building', attempt: 2 }), 'Building'],
  ] as const)('when %s', (_when, image, progress) => {
    expect(imageProgress(image)).toBe(progress);
  });

  test('an image that is not there is in no trouble while it is made for the first time', () => {
    const making = { problem: MISSING, run: aRun({ state: 'Building', attempt: 1 }) };
    expect(imageTrouble(anImage(making))).toBeUndefined();
    expect(imageTrouble(anImage({ ...making, run: aRun({ state: 'Queued', attempt: 0 }) }))).toBeUndefined();
    expect(imageTrouble(anImage({ problem: MISSING, run: aRun({ state: 'Waiting', attempt: 0 }) }))).toEqual(MISSING);
  });

  test('an image whose attempt failed is in trouble until one succeeds', () => {
    expect(imageTrouble(aFailedImage({ state: 'Building', attempt: 2 }))).toEqual(BUILD_PROBLEM);
    expect(imageTrouble(aFailedImage({ state: 'Queued', attempt: 1 }))).toEqual(BUILD_PROBLEM);
    expect(imageTrouble(aFailedImage({}, { digest: aDigest('1') }))).toBeUndefined();
  });

  test('while an attempt runs, a problem is about the one before it', () => {
    expect([failedAttempt('Building', 2), failedAttempt('Failed', 2), failedAttempt('Queued', 1), failedAttempt('Building', 0)]).toEqual([
      1, 2, 1, 0,
    ]);
  });

  test('the log that helps most is the one of an image that failed, then of one that is tried again', () => {
    const again = aFailedImage({ state: 'Building', attempt: 2 }, { image: 'again' });
    expect(firstFailing([aPinnedImage(), anImage(), again, aFailedImage()])?.image).toBe(imageOf(KERNELS[0]));
    expect(firstFailing([aPinnedImage(), again])?.image).toBe('again');
    expect(firstFailing([aPinnedImage(), anImage()])).toBeUndefined();
  });

  test('the id of its workflow has its key', () => {
    expect(keyOfImageWorkflow(WORKFLOW)).toBe(KEY);
  });
});

describe('the rows of images in a status', () => {
  test('have who made a pinned image', () => {
    expect(imageRows([aPinnedImage(), aPinnedImage({ kernels: ['z'], image: 'b', origin: 'Foreign' })])).toEqual([
      { kernel: KERNELS[1], image: imageOf(KERNELS[1]), digest: aDigest('1'), state: 'Pinned', origin: 'Made' },
      { kernel: 'z', image: 'b', digest: aDigest('1'), state: 'Pinned', origin: 'Foreign' },
    ]);
  });

  test('have the attempt, the Job and the workflow of one that is being built', () => {
    expect(imageRows([anImage()])).toEqual([
      { kernel: KERNELS[0], image: imageOf(KERNELS[0]), state: 'Building', workflow: WORKFLOW, attempt: 1, job: `kmod-${KEY}-1` },
    ]);
  });

  test('have no attempt before the first one', () => {
    expect(imageRows([anImage({ run: { key: KEY, state: 'Queued', attempt: 0 } })])).toEqual([
      { kernel: KERNELS[0], image: imageOf(KERNELS[0]), state: 'Queued', workflow: WORKFLOW },
    ]);
  });

  test('have everything of one that failed, the log in the row of its first kernel alone', () => {
    const image = aFailedImage({ nextTryAt: NEXT_TRY, log: ['one', 'two'] }, { kernels: ['6.2', '6.1'] });
    const row = {
      image: imageOf(KERNELS[0]),
      state: 'Failed',
      ...BUILD_PROBLEM,
      workflow: WORKFLOW,
      attempt: 2,
      job: `kmod-${KEY}-2`,
      nextTryAt: NEXT_TRY,
    };
    expect(imageRows([image])).toEqual([
      { kernel: '6.1', ...row, log: ['one', 'two'] },
      { kernel: '6.2', ...row },
    ]);
  });

  test('have 4,000 characters of the log of each of the first five failing images, and 500 of further ones', () => {
    const log = Array.from({ length: 100 }, (_, i) => `${String(i).padStart(3, '0')} ${'x'.repeat(95)}`);
    const images = Array.from({ length: 8 }, (_, i) => aFailedImage({ log }, { image: `i${i}`, kernels: [`k${i}`] }));
    const sizes = imageRows(images).map((row) => row.log?.join('\n').length);
    expect(sizes).toEqual([3_999, 3_999, 3_999, 3_999, 3_999, 499, 499, 499]);
    const short = aFailedImage({ log: log.map((_, i) => String(i)) });
    expect(imageRows([short])[0]?.log).toEqual(Array.from({ length: 50 }, (_, i) => String(50 + i)));
  });

  test('keep no log of an attempt once another one is made for the first time or the image is pinned', () => {
    expect(imageRows([anImage({ run: aRun({ log: ['old'] }) })])[0]).not.toHaveProperty('log');
    expect(imageRows([aFailedImage({ log: ['old'] }, { digest: aDigest('1') })])[0]).not.toHaveProperty('log');
    expect(imageRows([aFailedImage({ state: 'Building', attempt: 2, log: ['old'] })])[0]?.log).toEqual(['old']);
  });

  test('drop what is well first when there are more than a hundred', () => {
    const kernels = (name: string, n: number): string[] => Array.from({ length: n }, (_, i) => `${name}-${String(i).padStart(2, '0')}`);
    const rows = imageRows([
      aPinnedImage({ kernels: kernels('a', 50) }),
      anImage({ image: 'b', kernels: kernels('b', 40) }),
      aFailedImage({}, { image: 'c', kernels: kernels('c', 40) }),
    ]);
    expect(rows.map((r) => r.state).filter((s) => s === 'Pinned')).toHaveLength(20);
    expect(rows.filter((r) => r.state !== 'Pinned')).toHaveLength(80);
  });

  test('fit the schema of the status and stay small, whatever the logs and messages', () => {
    const text = fc.string({ unit: fc.constantFrom('x', '"', '\\', '\u001b', '\r', 'ä'), maxLength: 3_000 });
    const image = fc
      .record({
        log: fc.array(text, { maxLength: 60 }),
        message: text,
        attempt: fc.integer({ min: 0, max: 3 }),
        kernels: fc.integer({ min: 1, max: 3 }),
      })
      .map(({ log, message, attempt, kernels }) =>
        aFailedImage(
          { log, attempt },
          { problem: { reason: 'BuildFailed', message }, kernels: Array.from({ length: kernels }, (_, i) => `k${i}`) },
        ),
      );
    fc.assert(
      fc.property(fc.array(image, { maxLength: 12 }), (images) => {
        const rows = imageRows(images);
        expect(ManagedClusterModuleStatus.parse({ images: rows }).images).toEqual(rows);
        for (const row of rows) expect(row.log?.join('\n').length ?? 0).toBeLessThanOrEqual(4_000);
      }),
      { numRuns: 30 },
    );
  });
});
