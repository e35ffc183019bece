import { describe, expect, test } from '@jest/globals';
import {
  backoffOf,
  dueImages,
  IMAGE_BACKOFF_MS,
  imageProblems,
  imageStates,
  imageTries,
  nextImageLookMs,
  PROVIDED_LOOK_MS,
  provided,
  providedImages,
  triesFor,
  withNews,
  type ImageTries,
} from '../../../src/domain/image-tries.js';
import type { ImageNews, ImageResult } from '../../../src/domain/image-process.js';
import { aDigest, aNeed, imageOf, KERNELS } from './builders.js';

const problem = { reason: 'ImageMissing', message: 'There is no such tag.' } as const;
const [A, B] = [imageOf(KERNELS[0]), imageOf(KERNELS[1])];
const failed = (image: string, retryAfterMs?: number): ImageResult => ({
  image,
  kernels: [],
  problem,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});
const found = (image: string): ImageResult => ({ image, kernels: [], digest: aDigest('1') });

describe('looking for an image again', () => {
  test.each([
    [0, 10_000],
    [1, 10_000],
    [2, 20_000],
    [3, 40_000],
    [4, 80_000],
    [5, 160_000],
    [6, 320_000],
    [7, 600_000],
    [8, 600_000],
    [1_000_000, 600_000],
  ])('after attempt %i waits %i ms', (attempts, expected) => {
    expect(backoffOf(attempts, IMAGE_BACKOFF_MS)).toBe(expected);
  });

  test('waits longer each time, and at least as long as the registry asked', () => {
    const once = imageTries({}, [failed(A)], 1_000);
    expect(once).toEqual({ [A]: { attempts: 1, nextTryAtMs: 11_000, problem } });
    expect(imageTries(once, [failed(A)], 11_000)[A]).toEqual({ attempts: 2, nextTryAtMs: 31_000, problem });
    expect(imageTries(once, [failed(A, 90_000)], 11_000)[A]).toEqual({ attempts: 2, nextTryAtMs: 101_000, problem });
  });

  test('forgets an image that was found, and says nothing of the others', () => {
    const both = imageTries({}, [failed(A), failed(B)], 0);
    expect(imageTries(both, [found(A)], 5)).toEqual({ [B]: both[B] });
  });

  test('leaves what it was given as it was', () => {
    const before: ImageTries = Object.freeze({});
    imageTries(before, [failed(A)], 0);
    expect(before).toEqual({});
  });

  test('is due for images that never failed, and for those whose time has come', () => {
    const tries = imageTries({}, [failed(A)], 0);
    const needs = [aNeed({ image: A }), aNeed({ image: B })];
    expect(dueImages(needs, tries, 9_999).map((n) => n.image)).toEqual([B]);
    expect(dueImages(needs, tries, 10_000).map((n) => n.image)).toEqual([A, B]);
  });

  test('is waited for only where an image is still needed', () => {
    const tries = imageTries(imageTries({}, [failed(A)], 0), [failed(B)], 5_000);
    expect(nextImageLookMs([aNeed({ image: A }), aNeed({ image: B })], tries)).toBe(10_000);
    expect(nextImageLookMs([aNeed({ image: B })], tries)).toBe(15_000);
    expect(nextImageLookMs([], tries)).toBeUndefined();
  });

  test('is told as the last problem of each image', () => {
    expect(imageProblems(imageTries({}, [failed(A)], 0))).toEqual([{ image: A, ...problem }]);
  });
});

describe('the images of a module', () => {
  test('stand once each, with all their kernels, pinned ones first', () => {
    const pins = ['k1', 'k2'].map((kernel) => ({ kernel, image: A, digest: aDigest('1') }));
    expect(
      imageStates(pins, [aNeed({ image: B, kernels: ['k3'] }), aNeed({ image: 'new', kernels: ['k4'] })], imageTries({}, [failed(B)], 0)),
    ).toEqual([
      { image: A, digest: aDigest('1'), kernels: ['k1', 'k2'] },
      { image: B, kernels: ['k3'], problem },
      { image: 'new', kernels: ['k4'], problem: undefined },
    ]);
  });

  test('that one tag was pinned to at two times are two images', () => {
    const pins = [aDigest('1'), aDigest('2')].map((digest, i) => ({ kernel: `k${i}`, image: A, digest }));
    expect(imageStates(pins, [], {}).map((i) => [i.kernels, i.digest])).toEqual([
      [['k0'], aDigest('1')],
      [['k1'], aDigest('2')],
    ]);
  });
});

describe('an image that has a workflow of its own', () => {
  const need = aNeed({ key: 'k1' });
  const tries = imageTries({}, [{ image: A, key: 'k1', kernels: [], problem }], 0);
  const news = (change: Partial<ImageNews> = {}): ImageNews => ({ key: 'k1', image: A, state: 'Building', attempt: 2, ...change });
  const result = { image: A, key: 'k1', kernels: [KERNELS[0]], digest: aDigest('1') };

  test('is looked up by the module only in case that its news got lost', () => {
    expect(provided(tries, [A], 5)[A]?.nextTryAtMs).toBe(5 + PROVIDED_LOOK_MS);
    expect(provided(tries, [B], 5)).toEqual(tries);
  });

  test('shows the problem that its workflow still speaks of while the next attempt runs', () => {
    const failure = { reason: 'BuildFailed', message: 'make failed' } as const;
    const after = withNews(withNews(tries, news({ problem: failure })), news({ problem: failure, attempt: 3 }));
    expect(after[A]).toMatchObject({ problem: failure, run: { state: 'Building', attempt: 3 } });
    expect(imageStates([], [need], after)).toEqual([
      { image: A, kernels: need.kernels, problem: failure, run: expect.objectContaining({ attempt: 3 }) },
    ]);
  });

  test('has no problem because it was not there: that is why its workflow began', () => {
    expect(imageStates([], [need], tries)[0]?.problem).toEqual(problem);
    const after = withNews(tries, news({ attempt: 1 }));
    expect(imageStates([], [need], after)).toEqual([
      { image: A, kernels: need.kernels, problem: undefined, run: expect.objectContaining({ attempt: 1 }) },
    ]);
    expect(imageStates([], [need], provided(tries, [A], 5))[0]).toMatchObject({
      problem: undefined,
      run: { state: 'Looking', attempt: 0 },
    });
  });

  test('is pinned once it has been provided, if it is still wanted under this key', () => {
    const after = withNews(tries, news({ state: 'Pinned', result }));
    expect(providedImages([need], after)).toEqual([result]);
    expect(providedImages([aNeed({ key: 'k2' })], after)).toEqual([]);
    expect(providedImages([], after)).toEqual([]);
  });

  test('news of another key, or of an image that nobody waits for, changes nothing', () => {
    expect(withNews(tries, news({ key: 'old' }))).toBe(tries);
    expect(withNews(tries, news({ image: B }))).toBe(tries);
  });

  test('keeps what its workflow told when the module looks for itself', () => {
    const told = withNews(tries, news());
    expect(imageTries(told, [{ image: A, key: 'k1', kernels: [], problem }], 0)[A]?.run?.state).toBe('Building');
    expect(imageTries(told, [{ image: A, key: 'k2', kernels: [], problem }], 0)[A]?.run).toBeUndefined();
  });
});

test('an input that has appeared or changed is worth a look at once', () => {
  const blocked = { reason: 'BuildFailed', message: 'ConfigMap x does not exist.' } as const;
  const tries = imageTries({}, [{ image: A, key: 'k1', version: 'v1', kernels: [], problem: blocked }], 0);
  expect(triesFor([aNeed({ key: 'k1', version: 'v1' })], tries)).toEqual(tries);
  expect(triesFor([aNeed({ key: 'k1', version: 'v2' })], tries)).toEqual({});
});
