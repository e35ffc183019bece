import { describe, expect, test } from '@jest/globals';
import {
  backoffOf,
  dueImages,
  IMAGE_BACKOFF_MS,
  imageProblems,
  imageStates,
  imageTries,
  nextImageLookMs,
  type ImageTries,
} from '../../../src/domain/image-tries.js';
import type { ImageResult } from '../../../src/domain/process.js';
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
