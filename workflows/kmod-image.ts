import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  setHandler,
} from '@temporalio/workflow';
import { checkImageRetry, imageRetryAnswer } from '../src/domain/image-details.js';
import type { ImageRequest } from '../src/domain/image-process.js';
import { beginRun } from '../src/domain/image-run.js';
import { isLongEnough } from './history-length.js';
import { ImageWork, type ImageSnapshot } from './image-work.js';
import { imageStatusQuery, needImageSignal, releaseImageSignal, retryUpdate, slotGrantedSignal } from './messages.js';

export interface KmodImageInput {
  /** Who needs the image first. Without it the first `needImage` says so. */
  readonly request?: ImageRequest | undefined;
  /** State of the run before, after continue-as-new. */
  readonly carried?: ImageSnapshot | undefined;
  /** A run continues as new after so many events. Default: `EVENTS_PER_RUN` of history-length.ts. */
  readonly eventsPerRun?: number | undefined;
  /** How often a run that waits asks whether its requesters still run, milliseconds. Default: 10 minutes. */
  readonly aliveMs?: number | undefined;
}

/**
 * Provides one image, for all who need it: looks for it in the registry, has it built and signed when it is not there, and tells every requester how far it is. One per
 * key; its id is the lock, so that nothing is built twice.
 * @returns The digest, or that nobody needs the image any more.
 */
export async function kmodImage(input: KmodImageInput): Promise<string> {
  const { eventsPerRun, aliveMs } = input;
  const longEnough = (): boolean => isLongEnough(eventsPerRun);
  const early: ImageRequest[] = input.request === undefined ? [] : [input.request];
  setHandler(needImageSignal, (request) => void early.push(request));
  const snapshot = input.carried ?? (await firstRequest(early));
  const work = new ImageWork(snapshot, { longEnough, aliveMs });
  for (const request of early) work.join(request);
  setHandler(needImageSignal, (request) => work.join(request), {
    description:
      'Somebody needs this image. Sent again, it is answered with how far the image is; other settings and a new retry token are tried at once.',
  });
  setHandler(releaseImageSignal, ({ workflowId }) => work.release(workflowId), {
    description: 'That workflow does not need the image any more. When nobody is left, a running Job is deleted.',
  });
  setHandler(slotGrantedSignal, () => work.granted(), { description: 'The build queue lets the Job begin.' });
  setHandler(imageStatusQuery, () => work.status());
  // An update and not a signal: whoever asks must hear what happens next. The validator is synchronous; its throw is the answer.
  setHandler(
    retryUpdate,
    (_request) => {
      work.renew();
      return imageRetryAnswer(work.status());
    },
    {
      validator: (_request) => {
        const refusal = checkImageRetry(work.status());
        if (refusal !== undefined) throw ApplicationFailure.nonRetryable(refusal, 'Invalid');
      },
    },
  );
  try {
    return await provide(work, longEnough, (carried) => continueAsNew<typeof kmodImage>({ carried, eventsPerRun, aliveMs }));
  } catch (error) {
    if (isCancellation(error)) await CancellationScope.nonCancellable(() => work.abandon());
    throw error;
  }
}

/** @param next Continues as new. */
async function provide(work: ImageWork, longEnough: () => boolean, next: (carried: ImageSnapshot) => Promise<never>): Promise<string> {
  for (;;) {
    if (work.mustLetGo) await work.letGo();
    else await work.step();
    const isOver = (): boolean => work.run.requesters.length === 0 || work.run.state === 'Pinned';
    if (!isOver() && !longEnough()) continue;
    await condition(allHandlersFinished);
    await work.delivered();
    // Nothing may be awaited from here on: who joins meanwhile makes Temporal ask once more.
    if (work.run.state === 'Pinned') return work.run.result?.digest ?? '';
    if (work.mustLetGo && work.run.state !== 'Looking') continue;
    if (work.run.requesters.length === 0) return 'nobody needs it any more';
    if (longEnough()) await next(work.snapshot());
  }
}

/** Whoever starts the workflow signals it at once; one that was started by hand without a word must not wait for ever. */
async function firstRequest(early: ImageRequest[]): Promise<ImageSnapshot> {
  const told = await condition(() => early.length > 0, '1 minute', { summary: 'Waits to be told which image is needed' });
  const [request] = early;
  if (!told || request === undefined)
    throw ApplicationFailure.nonRetryable(
      'Nobody has said which image is needed: start this workflow with {"request": {"need": …, "requester": …}}, or let the module ask for it.',
      'Invalid',
    );
  return ImageWork.fresh(beginRun(request));
}
