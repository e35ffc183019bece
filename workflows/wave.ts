import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { moduleWorkflowId } from '../src/domain/messages.js';
import type { WaveRef, WaveResult } from '../src/domain/process.js';
import { concurrencyOf } from '../src/domain/rollout-policy.js';
import { waveDetails } from '../src/domain/details.js';
import { followWave, publishBatch } from './activity-proxies.js';
import { nowText } from './clock.js';
import { messageOf } from './failure-message.js';
import { setPausedSignal, stopSignal, waveProgressSignal, workFinishedSignal } from './messages.js';
import { upsertAttributes } from './search-attributes.js';
import { WaveState, type WaveSnapshot } from './wave-state.js';

export interface WaveInput extends WaveRef {
  readonly title: string;
  readonly clusters: readonly string[];
  readonly paused: boolean;
  /** Set for a catch-up: it has no rollout that waits for it, and tells the module's workflow itself. */
  readonly catchUp?: { readonly number: number; readonly startedAt: string } | undefined;
  readonly carried?: WaveSnapshot | undefined;
}

/** Clusters published by one activity, */
const BATCH_SIZE = 100;
/** and activities that publish at once. */
const BATCHES_AT_ONCE = 3;
/** Continue as new before Temporal asks for it (4,096 events), so that a run stays readable. */
const EVENTS_PER_RUN = 3_000;

/**
 * Brings a set of clusters to one revision: a sliding window of at most `maxConcurrent` unproven clusters, published in batches, followed through one long activity.
 * Ends when every cluster has an outcome, or when it is stopped; then the batch under way is finished and nothing more is published.
 */
export async function wave(input: WaveInput): Promise<WaveResult> {
  const state = input.carried === undefined ? WaveState.fresh(input.clusters) : new WaveState(input.carried);
  let paused = input.paused;
  let stop: string | undefined;
  let trouble: string | undefined;
  let changes = 0;
  let batches = 0;
  const show = (): void => setCurrentDetails(waveDetails({ title: input.title, revision: input.revision, totals: state.totals, failures: state.failures, paused, stop, trouble }));
  setHandler(waveProgressSignal, (progress) => {
    state.observed(progress);
    changes += 1;
  });
  setHandler(setPausedSignal, (value) => {
    paused = value;
    changes += 1;
  });
  setHandler(stopSignal, (why) => {
    stop = why;
    state.dropQueue();
    changes += 1;
  });
  upsertAttributes({ module: input.name, revision: input.revision });
  show();

  const publish = async (clusters: string[]): Promise<void> => {
    batches += 1;
    try {
      const { clusters: _all, title: _title, carried: _carried, catchUp: _catchUp, paused: _paused, ...ref } = input;
      const summary = `${clusters.length} clusters: ${clusters[0]}${clusters.length > 1 ? ` … ${clusters.at(-1)}` : ''}`;
      state.published(await publishBatch(summary, { ...ref, clusters, workflowId: workflowInfo().workflowId }));
    } catch (error) {
      if (isCancellation(error)) throw error;
      state.refused(clusters, messageOf(error));
    } finally {
      batches -= 1;
      changes += 1;
    }
  };
  const spawnBatches = (): void => {
    while (!paused && stop === undefined && batches < BATCHES_AT_ONCE && state.waiting > 0) {
      const free = concurrencyOf(input.policy.maxConcurrent, state.totals.total) - state.unproven;
      if (free <= 0) return;
      void publish(state.take(Math.min(free, BATCH_SIZE)));
    }
  };

  const keepFollowing = async (): Promise<never> => {
    for (;;) {
      try {
        await follow(input, state.open);
      } catch (error) {
        if (isCancellation(error)) throw error;
        trouble = messageOf(error);
        show();
      }
      await sleep('30 seconds', { summary: 'The follower of the wave failed; it is started again' });
      trouble = undefined;
    }
  };
  const following = new CancellationScope();
  const follower = following.run(() => keepFollowing());
  follower.catch(() => undefined); // awaited below; until then a rejection must not count as unhandled
  const finished = (): boolean => batches === 0 && (state.finished || stop !== undefined);
  while (!finished()) {
    spawnBatches();
    const seen = changes;
    await condition(() => changes !== seen, '1 hour', { summary: 'Waiting for clusters to report' });
    show();
    if (workflowInfo().historyLength > EVENTS_PER_RUN || workflowInfo().continueAsNewSuggested) break;
  }
  await condition(() => batches === 0);
  following.cancel();
  await follower.catch((error: unknown) => {
    if (!isCancellation(error)) throw error;
  });
  await condition(allHandlersFinished);
  if (!finished()) await continueAsNew<typeof wave>({ ...input, clusters: [], paused, carried: state.snapshot() });
  const result = state.result(stop !== undefined);
  if (input.catchUp !== undefined) await tellModule(input, input.catchUp, result);
  show();
  return result;
}

const follow = (input: WaveInput, clusters: string[]): Promise<void> => {
  const { title: _title, carried: _carried, catchUp: _catchUp, paused: _paused, ...ref } = input;
  return followWave(`Follows ${clusters.length} clusters until each is loaded`, { ...ref, clusters, workflowId: workflowInfo().workflowId });
};

async function tellModule(input: WaveInput, catchUp: { number: number; startedAt: string }, { totals, stopped }: WaveResult): Promise<void> {
  const record = {
    number: catchUp.number,
    revision: input.revision,
    outcome: stopped ? ('Superseded' as const) : totals.failed > 0 ? ('Failed' as const) : ('Completed' as const),
    startedAt: catchUp.startedAt,
    finishedAt: nowText(),
    clusters: totals,
    message: `${totals.total} clusters caught up with revision ${input.revision}.`,
  };
  await getExternalWorkflowHandle(moduleWorkflowId(input.name))
    .signal(workFinishedSignal, { workflowId: workflowInfo().workflowId, record })
    .catch(() => undefined); // the module's workflow has ended: nobody needs to know
}
