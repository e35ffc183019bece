import type { ImageStatus } from '../api/index.js';
import { FULL_TAIL, logTail, type TailLimits } from './log-tail.js';
import { shorten } from './markdown.js';
import { imageWorkflowId } from './messages.js';
import type { ImageState } from './process.js';
import type { Problem } from './reasons.js';

/** Rows of `status.images`: one per kernel, so that an MCM stays far below what an object may weigh (1.5 MiB). */
export const MAX_IMAGES = 100;

/** Failing images whose message and log a status has at length; of further ones it has the start of the message and the end of the log. */
const IN_FULL = 5;
interface Detail {
  readonly messageChars: number;
  readonly tail: TailLimits;
}
const FULL: Detail = { messageChars: 1_000, tail: FULL_TAIL };
const BRIEF: Detail = { messageChars: 400, tail: { lines: 50, chars: 500 } };

/**
 * How far an image is: `Pinned` to a digest; `Building`: an attempt to make it runs; `Queued`: one waits for a free place; `Failed` with a reason, and either tried again
 * by itself or waiting for a person; else `Resolving`. An image that is tried again is not called failed while the attempt goes on.
 */
export type ImageProgress = 'Pinned' | 'Building' | 'Queued' | 'Resolving' | 'Failed';

export function imageProgress({ digest, problem, run }: ImageState): ImageProgress {
  if (digest !== undefined) return 'Pinned';
  if (run?.state === 'Building' || run?.state === 'Queued') return run.state;
  return problem === undefined ? 'Resolving' : 'Failed';
}

/** The key of an image out of its workflow's id: the label of its Jobs. */
export const keyOfImageWorkflow = (workflowId: string): string => workflowId.slice(imageWorkflowId('').length);

/** The attempt that a problem is about: while the next one is made, the one before it. 0: no attempt has been made yet. */
export const failedAttempt = (state: string, attempt: number): number => (state === 'Building' ? Math.max(0, attempt - 1) : attempt);

/** What is wrong with an image. That it is not there is no problem while it is made for the first time: it is why it is made. */
export function imageTrouble(image: ImageState): Problem | undefined {
  const state = imageProgress(image);
  if (state === 'Pinned' || image.problem === undefined) return undefined;
  const firstAttempt = state !== 'Failed' && failedAttempt(state, image.run?.attempt ?? 0) === 0;
  return firstAttempt ? undefined : image.problem;
}

/** What needs a person comes first. */
const URGENCY: Readonly<Record<ImageProgress, number>> = { Failed: 0, Building: 1, Queued: 2, Resolving: 3, Pinned: 4 };

export const byUrgency = (a: ImageState, b: ImageState): number => URGENCY[imageProgress(a)] - URGENCY[imageProgress(b)];

/** The image whose log helps most: the first that failed, else the first that is tried again. */
export const firstFailing = (images: readonly ImageState[]): ImageState | undefined =>
  images.filter((i) => imageTrouble(i) !== undefined).sort(byUrgency)[0];

/** A row per kernel, in order of kernels; when there are too many, those that need a person are kept. */
export function imageRows(images: readonly ImageState[]): ImageStatus[] {
  const sorted = [...images].sort(byUrgency);
  const inFull = new Set(sorted.filter((i) => imageTrouble(i) !== undefined).slice(0, IN_FULL));
  return sorted
    .flatMap((image) => rowsOf(image, inFull.has(image) ? FULL : BRIEF))
    .slice(0, MAX_IMAGES)
    .sort((a, b) => compare(a.kernel, b.kernel));
}

/** The log stands once, in the row of the first kernel: an image for forty kernels has one log. */
const rowsOf = (image: ImageState, detail: Detail): ImageStatus[] =>
  [...image.kernels].sort(compare).map((kernel, i) => ({
    kernel,
    image: image.image,
    ...defined({ digest: image.digest }),
    state: imageProgress(image),
    ...problemFields(image, detail),
    ...defined({ origin: image.origin }),
    ...runFields(image),
    ...(i === 0 ? logField(image, detail) : {}),
  }));

function problemFields(image: ImageState, { messageChars }: Detail): Pick<ImageStatus, 'reason' | 'message'> {
  const problem = imageTrouble(image);
  return problem === undefined ? {} : { reason: problem.reason, message: shorten(problem.message, messageChars) };
}

function runFields({ run }: ImageState): Pick<ImageStatus, 'workflow' | 'attempt' | 'job' | 'nextTryAt'> {
  if (run === undefined) return {};
  const { key, attempt, job, nextTryAt } = run;
  return { workflow: imageWorkflowId(key), ...defined({ attempt: attempt > 0 ? attempt : undefined, job, nextTryAt }) };
}

function logField(image: ImageState, { tail }: Detail): Pick<ImageStatus, 'log'> {
  const log = imageTrouble(image) === undefined ? [] : logTail(image.run?.log ?? [], tail);
  return log.length === 0 ? {} : { log };
}

/** Without the keys whose value is undefined: an absent key of a server-side apply is a field that we give up. */
const defined = <T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
