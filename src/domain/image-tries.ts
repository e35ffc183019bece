import type { ImageNeed, ImageProblem, ImageResult, ImageState } from './process.js';
import type { Pin } from './revision.js';
import type { Problem } from './reasons.js';

/** Images that could not be resolved, by reference: how often it was tried and when it is tried next. */
export type ImageTries = Readonly<
  Record<string, { readonly attempts: number; readonly nextTryAtMs: number; readonly problem: Problem; readonly key?: string | undefined }>
>;

/** An image that is not there may appear: from 10 seconds up to 10 minutes between two looks. */
export const IMAGE_BACKOFF_MS = { first: 10_000, most: 10 * 60_000 };

/** `first`, doubled per attempt, at most `most`. Attempts count from 1. */
export const backoffOf = (attempts: number, { first, most }: { readonly first: number; readonly most: number }): number =>
  Math.min(most, first * 2 ** Math.min(30, Math.max(0, attempts - 1)));

/** Needs that have never failed, or whose next look-up is due. */
export const dueImages = (needs: readonly ImageNeed[], tries: ImageTries, nowMs: number): ImageNeed[] =>
  needs.filter((n) => (tries[n.image]?.nextTryAtMs ?? 0) <= nowMs);

/** The tries of images that are still needed and are still looked up in the same way: other credentials are worth a look at once. */
export const triesFor = (needs: readonly ImageNeed[], tries: ImageTries): ImageTries =>
  Object.fromEntries(
    Object.entries(tries).filter(([image, { key }]) => needs.some((n) => n.image === image && (key === undefined || key === n.key))),
  );

/** When the next look-up is due; undefined when none is waited for. */
export function nextImageLookMs(needs: readonly ImageNeed[], tries: ImageTries): number | undefined {
  const times = needs.flatMap((n) => tries[n.image]?.nextTryAtMs ?? []);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Takes results in: what was resolved is forgotten, what failed waits longer each time, and at least as long as the registry asked. */
export function imageTries(tries: ImageTries, results: readonly ImageResult[], nowMs: number): ImageTries {
  const next: Record<string, ImageTries[string]> = { ...tries };
  for (const result of results) {
    if ('digest' in result) {
      delete next[result.image];
      continue;
    }
    const attempts = (tries[result.image]?.attempts ?? 0) + 1;
    const waitMs = Math.max(backoffOf(attempts, IMAGE_BACKOFF_MS), result.retryAfterMs ?? 0);
    next[result.image] = {
      attempts,
      nextTryAtMs: nowMs + waitMs,
      problem: result.problem,
      ...(result.key === undefined ? {} : { key: result.key }),
    };
  }
  return next;
}

export const imageProblems = (tries: ImageTries): ImageProblem[] =>
  Object.entries(tries).map(([image, { problem }]) => ({ image, ...problem }));

/** Every image that the fleet needs now, each once: pinned ones first, then the ones that are missing. A reference that was pinned to two digests is two images. */
export function imageStates(pinned: readonly Pin[], needs: readonly ImageNeed[], tries: ImageTries): ImageState[] {
  const byImage = new Map<string, ImageState & { readonly kernels: string[] }>();
  for (const { kernel, image, digest } of pinned) {
    const key = `${image}@${digest}`;
    const known = byImage.get(key);
    if (known !== undefined) known.kernels.push(kernel);
    else byImage.set(key, { image, digest, kernels: [kernel] });
  }
  const missing = needs.map(({ image, kernels }) => ({ image, kernels, problem: tries[image]?.problem }));
  return [...byImage.values(), ...missing];
}
