import type { ImageNeed, ImageNews, ImageProblem, ImageResult, ResolvedImageResult } from './image-process.js';
import type { ImageState } from './process.js';
import type { Pin } from './revision.js';
import type { Problem } from './reasons.js';

/** An image that could not be resolved: how often it was tried and when it is tried next. */
export interface ImageTry {
  readonly attempts: number;
  readonly nextTryAtMs: number;
  readonly problem: Problem;
  readonly key?: string | undefined;
  /** Of the need that was tried. */
  readonly version?: string | undefined;
  /** What the workflow that provides the image last told. */
  readonly run?: Omit<ImageNews, 'result'> | undefined;
  /** The image that it has provided; it is pinned in the next pass. */
  readonly result?: ResolvedImageResult | undefined;
}

/** By reference. */
export type ImageTries = Readonly<Record<string, ImageTry>>;

/** An image that is not there may appear: from 10 seconds up to 10 minutes between two looks. */
export const IMAGE_BACKOFF_MS = { first: 10_000, most: 10 * 60_000 };

/** `first`, doubled per attempt, at most `most`. Attempts count from 1. */
export const backoffOf = (attempts: number, { first, most }: { readonly first: number; readonly most: number }): number =>
  Math.min(most, first * 2 ** Math.min(30, Math.max(0, attempts - 1)));

/** Needs that have never failed, or whose next look-up is due. */
export const dueImages = (needs: readonly ImageNeed[], tries: ImageTries, nowMs: number): ImageNeed[] =>
  needs.filter((n) => (tries[n.image]?.nextTryAtMs ?? 0) <= nowMs);

/**
 * The tries of images that are still needed and are still looked up in the same way: other credentials, or an input that has appeared or changed, are worth a look at once.
 */
export const triesFor = (needs: readonly ImageNeed[], tries: ImageTries): ImageTries =>
  Object.fromEntries(Object.entries(tries).filter(([image, tried]) => needs.some((n) => n.image === image && isSameTry(n, tried))));

const isSameTry = (need: ImageNeed, { key, version }: ImageTry): boolean =>
  key === undefined || (key === need.key && version === need.version);

/** When the next look-up is due; undefined when none is waited for. */
export function nextImageLookMs(needs: readonly ImageNeed[], tries: ImageTries): number | undefined {
  const times = needs.flatMap((n) => tries[n.image]?.nextTryAtMs ?? []);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** An image that has a workflow of its own is looked up here only in case that one's news got lost (10 minutes). */
export const PROVIDED_LOOK_MS = 10 * 60_000;

/** The images are provided by workflows of their own from now on, which know when to try again. */
export const provided = (tries: ImageTries, images: readonly string[], nowMs: number): ImageTries =>
  Object.fromEntries(
    Object.entries(tries).map(([image, tried]) => [
      image,
      images.includes(image) ? { ...tried, nextTryAtMs: nowMs + PROVIDED_LOOK_MS, run: tried.run ?? begun(image, tried) } : tried,
    ]),
  );

const begun = (image: string, { key = '' }: ImageTry): NonNullable<ImageTry['run']> => ({ key, image, state: 'Looking', attempt: 0 });

/** Takes in what the workflow of an image tells. News of an image or key that is not waited for (any more) changes nothing. */
export function withNews(tries: ImageTries, { result, ...run }: ImageNews): ImageTries {
  const tried = tries[run.image];
  if (tried === undefined || tried.key !== run.key) return tries;
  return { ...tries, [run.image]: { ...tried, problem: run.problem ?? tried.problem, run, result } };
}

/** Images that have been provided and wait to be pinned. */
export const providedImages = (needs: readonly ImageNeed[], tries: ImageTries): ResolvedImageResult[] =>
  needs.flatMap((n) => {
    const tried = tries[n.image];
    return tried?.key === n.key && tried.result !== undefined ? [tried.result] : [];
  });

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
      ...(result.version === undefined ? {} : { version: result.version }),
      ...(result.key !== undefined && result.key === tries[result.image]?.key ? { run: tries[result.image]?.run } : {}),
    };
  }
  return next;
}

export const imageProblems = (tries: ImageTries): ImageProblem[] =>
  Object.entries(tries).map(([image, { problem }]) => ({ image, ...problem }));

/** Every image that the fleet needs now, each once: pinned ones first, then the ones that are missing. A reference that was pinned to two digests is two images. */
export function imageStates(pinned: readonly Pin[], needs: readonly ImageNeed[], tries: ImageTries): ImageState[] {
  const byImage = new Map<string, ImageState & { readonly kernels: string[] }>();
  for (const { kernel, image, digest, origin, key } of pinned) {
    const pinnedAs = `${image}@${digest}`;
    const known = byImage.get(pinnedAs);
    if (known !== undefined) known.kernels.push(kernel);
    else
      byImage.set(pinnedAs, {
        image,
        digest,
        origin,
        kernels: [kernel],
        ...(key === undefined ? {} : { run: { key, state: 'Pinned', attempt: 0 } }),
      });
  }
  const missing = needs.map(({ image, kernels }) => {
    const tried = tries[image];
    // Once it has a workflow of its own, that one's word counts: that the image is not there was why it began, and is no failure.
    return { image, kernels, problem: tried?.run === undefined ? tried?.problem : tried.run.problem, run: tried?.run };
  });
  return [...byImage.values(), ...missing];
}

const AT_WORK: readonly string[] = ['Looking', 'Queued', 'Building'] satisfies readonly ImageNews['state'][];

/** Whether an image is being provided by its workflow, with nothing having gone wrong so far. */
export const isMaking = (tries: ImageTries): boolean =>
  Object.values(tries).some(({ run }) => run !== undefined && run.problem === undefined && AT_WORK.includes(run.state));
