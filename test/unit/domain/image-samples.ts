import type { ImageState } from '../../../src/domain/process.js';
import { aDigest, imageOf, KERNELS } from './builders.js';

export const KEY = '0123456789abcdef';
export const WORKFLOW = `image/${KEY}`;
export const NEXT_TRY = '2026-02-01T00:10:00.000Z';
export const BUILD_PROBLEM = {
  reason: 'BuildFailed',
  message: 'Step 3/7 (RUN make) ended with exit code 2. Correct the Dockerfile or the build arguments.',
} as const;

type Run = NonNullable<ImageState['run']>;

export const aRun = (change: Partial<Run> = {}): Run => ({ key: KEY, state: 'Building', attempt: 1, job: `kmod-${KEY}-1`, ...change });

/** An image of one kernel that kmodflow makes: the first attempt runs. */
export const anImage = (change: Partial<ImageState> = {}): ImageState => ({
  image: imageOf(KERNELS[0]),
  kernels: [KERNELS[0]],
  run: aRun(),
  ...change,
});

/** Its build failed as the same inputs would fail again. */
export const aFailedImage = (run: Partial<Run> = {}, change: Partial<ImageState> = {}): ImageState =>
  anImage({
    problem: BUILD_PROBLEM,
    run: aRun({ state: 'Waiting', attempt: 2, job: `kmod-${KEY}-2`, log: ['make: *** [Makefile:4] Error 2'], ...run }),
    ...change,
  });

export const aPinnedImage = (change: Partial<ImageState> = {}): ImageState => ({
  image: imageOf(KERNELS[1]),
  kernels: [KERNELS[1]],
  digest: aDigest('1'),
  origin: 'Made',
  ...change,
});
