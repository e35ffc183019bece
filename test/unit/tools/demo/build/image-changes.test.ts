import { describe, expect, test } from '@jest/globals';
import type { ImageStatus } from '../../../../../src/api/index.js';
import { changeText, givenUp, ImageChanges } from '../../../../../tools/demo/build/image-changes.js';

const DIGEST = `sha256:${'0123456789ab'.padEnd(64, '0')}`;
const anImage = (change: Partial<ImageStatus>): ImageStatus => ({ kernel: '6.1.0-56-amd64', image: 'r/a:1', state: 'Building', ...change });

describe('what is told of the images', () => {
  test('is each step once, and nothing of looking for them', () => {
    const changes = new ImageChanges();
    const told = (...images: ImageStatus[]): string[] => changes.next(images).map(({ kernel, state }) => `${kernel} ${state}`);
    expect(told(anImage({ state: 'Resolving' }))).toEqual([]);
    expect(told(anImage({ state: 'Queued' }), anImage({ kernel: 'b', attempt: 1 }))).toEqual(['6.1.0-56-amd64 Queued', 'b Building']);
    expect(told(anImage({ state: 'Queued' }), anImage({ kernel: 'b', attempt: 1 }))).toEqual([]);
    expect(told(anImage({ attempt: 1 }), anImage({ kernel: 'b', attempt: 2 }))).toEqual(['6.1.0-56-amd64 Building', 'b Building']);
  });

  const stages = [
    { container: 'sign-check', seconds: 0.4 },
    { container: 'build', seconds: 21.4 },
    { container: 'sign', seconds: 0.2 },
    { container: 'push', seconds: 2.6 },
  ];
  const cases: [image: Partial<ImageStatus>, text: string][] = [
    [{ state: 'Queued' }, '6.1.0-56-amd64: attempt 1 waits for a free build slot.'],
    [{ attempt: 2, job: 'kmod-ab-2' }, '6.1.0-56-amd64: attempt 2 runs as Job kmod-ab-2.'],
    [
      { state: 'Pinned', origin: 'Made', digest: DIGEST },
      '6.1.0-56-amd64: built in 21 s, signed in 1 s, pushed in 3 s, looked into, and pinned as sha256:0123456789ab.',
    ],
    [{ state: 'Pinned', origin: 'Foreign', digest: DIGEST }, '6.1.0-56-amd64: found, looked into, and pinned as sha256:0123456789ab.'],
    [
      { state: 'Failed', reason: 'BuildFailed', message: 'A step failed' },
      '6.1.0-56-amd64: BuildFailed: A step failed. It waits for a changed input or a retry.',
    ],
    [
      { state: 'Failed', reason: 'RegistryUnavailable', message: 'It is down.', nextTryAt: '2026-11-22T18:00:00Z' },
      '6.1.0-56-amd64: RegistryUnavailable: It is down. It is tried again by itself.',
    ],
  ];
  test.each(cases)('%j is a sentence', (image, text) => expect(changeText(anImage(image), stages)).toBe(text));

  test('names no times when nobody knows them', () => {
    expect(changeText(anImage({ state: 'Pinned', origin: 'Made', digest: DIGEST }), [])).toBe(
      '6.1.0-56-amd64: built, signed and pushed, looked into, and pinned as sha256:0123456789ab.',
    );
  });
});

test('an image is given up when it failed twice and is not tried again by itself', () => {
  const failed = { state: 'Failed', attempt: 2 } as const;
  expect(givenUp([anImage(failed)])).toHaveLength(1);
  expect(givenUp([anImage({ ...failed, attempt: 1 }), anImage({ ...failed, nextTryAt: '2026-11-22T18:00:00Z' }), anImage({})])).toEqual([]);
});
