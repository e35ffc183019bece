import { canonicalJson } from './canonical-json.js';
import type {
  ImageNeed,
  ImageNews,
  ImageRequest,
  ImageRequester,
  ImageResult,
  ImageRunState,
  JobFailure,
  ResolvedImageResult,
  RunImageJobResult,
  StandingJobs,
} from './image-process.js';
import { backoffOf } from './image-tries.js';
import type { Problem } from './reasons.js';

/** Between two looks or two attempts, when time may cure what is wrong: from 10 seconds up to 10 minutes. */
export const RUN_BACKOFF_MS = { first: 10_000, most: 10 * 60_000 };
/** A failure that the same inputs repeat is tried once more after so long (10 seconds), to be sure that it is one. */
export const ONCE_MORE_MS = 10_000;
/** Wishes of people that are remembered, so that one wish counts once. */
const WISHES_KEPT = 50;

/** What failed in a row since the inputs last changed or a person last asked. */
export interface Failures {
  /** Looks at the registry, and inputs that are missing. */
  readonly looks: number;
  /** Jobs that failed for a reason that may pass. */
  readonly passing: number;
  /** Jobs that failed as the same inputs will make them fail again. */
  readonly deterministic: number;
}
const NONE: Failures = { looks: 0, passing: 0, deterministic: 0 };

/** Somebody who needs the image, with a fingerprint of how they want it: only a change of that is a change. */
export interface Requester extends ImageRequester {
  readonly settings: string;
}

/** One image's run: plain data, small, carried over continue-as-new. Every rule below takes one and returns the next. */
export interface ImageRun {
  readonly need: ImageNeed;
  /** In the order in which they came. */
  readonly requesters: readonly Requester[];
  readonly state: ImageRunState;
  /** Number of the last Job that was begun; 0 before the first. */
  readonly attempts: number;
  /** Number of the last Job whose end this run has heard of. */
  readonly ended?: number | undefined;
  readonly failures: Failures;
  readonly job?: string | undefined;
  readonly problem?: Problem | undefined;
  /** Of the last Job, if it is what the problem is about. */
  readonly failure?: JobFailure | undefined;
  /** While waiting. Undefined: for a person or a changed input. */
  readonly nextTryAtMs?: number | undefined;
  /** What the last Job pushed. `fresh`: no look has said anything about it yet. */
  readonly made?: { readonly digest: string; readonly fresh: boolean } | undefined;
  /** A person asked: an image of ours that was rejected is made anew. */
  readonly remake?: boolean | undefined;
  /** Tokens of the wishes that were heard, the newest last. */
  readonly wishes: readonly string[];
  readonly result?: ResolvedImageResult | undefined;
}

/** Why a run starts over: a person asked, or the inputs have changed. */
export type Renewal = 'person' | 'input';

export function beginRun({ need, requester, retry }: ImageRequest): ImageRun {
  return {
    need,
    requesters: [{ ...requester, settings: settingsOf(need) }],
    state: 'Looking',
    attempts: 0,
    failures: NONE,
    wishes: retry === undefined ? [] : [retry],
  };
}

/**
 * Somebody needs the image, for the first time or again. Newer settings win over older ones; kernels add up. Settings that this requester has not named before, kernels
 * that nobody has named, and a wish that was not heard before are worth a try at once.
 */
export function joinRun(run: ImageRun, { need, requester, retry }: ImageRequest): ImageRun {
  const settings = settingsOf(need);
  const known = run.requesters.find((r) => r.workflowId === requester.workflowId);
  const changed = settings !== (known?.settings ?? settingsOf(run.need));
  const kernels = [...new Set([...run.need.kernels, ...need.kernels])].sort();
  const joined: ImageRun = {
    ...run,
    need: { ...(changed ? need : run.need), kernels },
    requesters:
      known === undefined
        ? [...run.requesters, { ...requester, settings }]
        : run.requesters.map((r) => (r === known ? { ...requester, settings } : r)),
  };
  if (retry !== undefined && !run.wishes.includes(retry))
    return renewRun({ ...joined, wishes: [...run.wishes, retry].slice(-WISHES_KEPT) }, 'person');
  return changed || kernels.length > run.need.kernels.length ? renewRun(joined, 'input') : joined;
}

export const leaveRun = (run: ImageRun, workflowId: string): ImageRun => ({
  ...run,
  requesters: run.requesters.filter((r) => r.workflowId !== workflowId),
});

/** Failures are forgotten, and a run that waits looks at once. A Job that runs, or waits for a slot, goes on. */
export function renewRun(run: ImageRun, why: Renewal): ImageRun {
  const renewed = { ...run, failures: NONE, remake: run.remake === true || why === 'person' };
  if (run.state !== 'Waiting') return renewed;
  return { ...renewed, state: 'Looking', problem: undefined, failure: undefined, nextTryAtMs: undefined, made: undefined };
}

/** The time that the run waited for has come. */
export const resumeRun = (run: ImageRun): ImageRun => ({ ...run, state: 'Looking', nextTryAtMs: undefined });

/** What the registry says: the image is there and passes, must be made, or cannot be judged now. */
export function afterLook(before: ImageRun, result: ImageResult, nowMs: number): ImageRun {
  const run = { ...before, remake: false };
  if ('digest' in result) {
    if (run.made === undefined || run.made.digest === result.digest) return pin(run, result);
    return waitAfterLook({ ...run, made: { ...run.made, fresh: false } }, { problem: otherDigest(run, result.digest) }, nowMs);
  }
  if (result.toMake === true && run.made?.fresh === true)
    return waitAfterJob({ ...run, made: { ...run.made, fresh: false } }, { problem: nothingServed(run), failure: undefined }, nowMs);
  if (!isToBeMade(before, result)) return waitAfterLook(run, result, nowMs);
  if (run.need.blocked !== undefined) return waitAfterLook(run, { problem: run.need.blocked }, nowMs);
  return { ...run, state: 'Queued', made: undefined, failures: { ...run.failures, looks: 0 }, nextTryAtMs: undefined };
}

/** Jobs that stand on the hub are counted, also those of a run that nobody remembers. */
export const withStandingJobs = (run: ImageRun, { attempts, running }: StandingJobs): ImageRun => ({
  ...run,
  attempts: Math.max(run.attempts, attempts, running ?? 0),
});

/**
 * The attempt whose Job runs and is followed: of a run that nobody remembers, or one that this run has lost sight of. A Job whose end is known may stand as running for a
 * moment longer, until its controller has seen what its pod did: followed again, it would tell of the same failure, and a person's wish would be used up by it.
 */
export const attemptToFollow = ({ ended = 0 }: ImageRun, { running }: StandingJobs): number | undefined =>
  running !== undefined && running > ended ? running : undefined;

/** @param attempt The one that runs already, if there is one; default: the next. */
export function beginAttempt(run: ImageRun, attempt = run.attempts + 1): ImageRun {
  return { ...run, state: 'Building', attempts: attempt, job: imageJobName(run.need.key, attempt), nextTryAtMs: undefined };
}

export function afterJob(before: ImageRun, result: RunImageJobResult, nowMs: number): ImageRun {
  if ('blocked' in result) return waitAfterJob(withoutLastAttempt(before), { problem: result.blocked, failure: undefined }, nowMs);
  const run = { ...before, ended: before.attempts };
  if (result.ok) {
    const made = { digest: result.digest, fresh: true };
    return { ...run, state: 'Looking', job: result.job, made, problem: undefined, failure: undefined };
  }
  const { failure, job } = result;
  const failed = { ...run, job };
  const problem = { reason: failure.reason, message: failure.message };
  if (!failure.deterministic) return waitAfterJob(failed, { problem, failure }, nowMs);
  const deterministic = run.failures.deterministic + 1;
  const failures = { ...run.failures, deterministic };
  return { ...failed, ...waiting, failures, problem, failure, nextTryAtMs: deterministic === 1 ? nowMs + ONCE_MORE_MS : undefined };
}

/** Something around the run does not work: an activity failed in a way that its own retries do not cure. */
export const afterTrouble = (run: ImageRun, message: string, nowMs: number): ImageRun =>
  run.state === 'Looking'
    ? waitAfterLook(run, { problem: { reason: 'RegistryUnavailable', message } }, nowMs)
    : waitAfterJob(run, { problem: { reason: jobReason(run), message }, failure: undefined }, nowMs);

/** Everything that was under way is let go of: whoever needs the image from now on begins with a look. */
export const restRun = (run: ImageRun): ImageRun => ({ ...run, state: 'Looking', nextTryAtMs: undefined, made: undefined });

/** Somebody cancelled the workflow in Temporal: nothing goes on by itself. */
export const afterCancellation = (run: ImageRun): ImageRun => ({
  ...run,
  ...waiting,
  problem: { reason: jobReason(run), message: cancelledMessage(run) },
  failure: undefined,
  nextTryAtMs: undefined,
});

/** What requesters are told. */
export function newsOf({ need, state, attempts, job, problem, failure, nextTryAtMs, result }: ImageRun): ImageNews {
  return {
    key: need.key,
    image: need.image,
    state,
    attempt: attempts,
    job,
    problem,
    log: failure?.log,
    nextTryAt: nextTryAtMs === undefined ? undefined : new Date(nextTryAtMs).toISOString(),
    result,
  };
}

/** Names of the modules that need it, each once, sorted. */
export const modulesOf = ({ requesters }: Pick<ImageRun, 'requesters'>): string[] => [...new Set(requesters.map((r) => r.module))].sort();

/** As the builder of Jobs names them. */
export const imageJobName = (key: string, attempt: number): string => `kmod-${key}-${attempt}`;

/** A short mark of a JSON value, to see whether it has changed: equal values give equal marks. Not a cryptographic hash, for which workflows have no means. */
export function fingerprint(value: unknown): string {
  const text = canonicalJson(value);
  let [a, b] = [0x811c9dc5, 0xc2b2ae35];
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193); // FNV-1a, twice: with its own prime
    b = Math.imul(b ^ unit, 0x9e3779b1); // and with another odd number
  }
  return [a, b].map((n) => (n >>> 0).toString(16).padStart(8, '0')).join('');
}

const waiting = { state: 'Waiting' } as const;

/** How the image is wanted. Which kernels and which module it is for are not settings: several share one run. */
const settingsOf = ({ kernels: _kernels, recipe, ...need }: ImageNeed): string =>
  fingerprint({ ...need, recipe: recipe === undefined ? undefined : { ...recipe, module: undefined } });

const pin = (run: ImageRun, result: ResolvedImageResult): ImageRun => ({
  ...run,
  state: 'Pinned',
  result,
  made: undefined,
  problem: undefined,
  failure: undefined,
  nextTryAtMs: undefined,
});

/** Made here, and somebody asked for another try: the same image would be rejected again. Nobody else's image is overwritten for that. */
const isToBeMade = (run: ImageRun, { toMake, problem }: Extract<ImageResult, { problem: Problem }>): boolean =>
  run.need.recipe !== undefined && (toMake === true || (run.remake === true && run.attempts > 0 && problem.reason === 'ImageRejected'));

interface FailedLook {
  readonly problem: Problem;
  readonly retryAfterMs?: number | undefined;
}

function waitAfterLook(run: ImageRun, { problem, retryAfterMs = 0 }: FailedLook, nowMs: number): ImageRun {
  const looks = run.failures.looks + 1;
  const waitMs = Math.max(backoffOf(looks, RUN_BACKOFF_MS), retryAfterMs);
  return { ...run, ...waiting, failures: { ...run.failures, looks }, problem, failure: undefined, nextTryAtMs: nowMs + waitMs };
}

interface FailedJob {
  readonly problem: Problem;
  readonly failure: JobFailure | undefined;
}

function waitAfterJob(run: ImageRun, shown: FailedJob, nowMs: number): ImageRun {
  const passing = run.failures.passing + 1;
  const waitMs = backoffOf(passing, RUN_BACKOFF_MS);
  return { ...run, ...waiting, ...shown, failures: { ...run.failures, passing }, nextTryAtMs: nowMs + waitMs };
}

/** Nothing was begun: the number is free for the next. */
function withoutLastAttempt(run: ImageRun): ImageRun {
  const attempts = Math.max(0, run.attempts - 1);
  return { ...run, attempts, job: attempts === 0 ? undefined : imageJobName(run.need.key, attempts) };
}

const jobReason = ({ need }: ImageRun): 'BuildFailed' | 'SignFailed' =>
  need.recipe?.build === undefined && need.recipe?.sign !== undefined ? 'SignFailed' : 'BuildFailed';

function otherDigest({ need, job, made, requesters }: ImageRun, served: string): Problem {
  return {
    reason: 'ImageRejected',
    message:
      `For ${need.image} the registry accepted the push and serves another digest: Job ${job ?? ''} pushed ${made?.digest ?? ''}, the registry serves ${served}. ` +
      `Nothing is pinned until it serves what was pushed. See what has changed it there; kmodflow retry ${requesters[0]?.module ?? ''} takes what it serves then, if it passes.`,
  };
}

function nothingServed({ need, job, made }: ImageRun): Problem {
  return {
    reason: 'ImageRejected',
    message: `For ${need.image} the registry accepted the push and serves another digest: Job ${job ?? ''} pushed ${made?.digest ?? ''}, the registry serves none of this image. It is made anew if that stays so; see whether something removes images there.`,
  };
}

const cancelledMessage = ({ need, requesters }: ImageRun): string =>
  `Somebody cancelled the workflow of image ${need.image} in Temporal. kmodflow retry ${requesters[0]?.module ?? ''} begins anew.`;
