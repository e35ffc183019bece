import { allHandlersFinished, condition, continueAsNew, setHandler } from '@temporalio/workflow';
import type { WaveResult } from '../src/domain/process.js';
import { isLongEnough } from './history-length.js';
import { setPausedSignal, stopSignal, waveProgressSignal } from './messages.js';
import { upsertAttributes } from './search-attributes.js';
import { WaveRun, type WaveInput } from './wave-run.js';

/**
 * Brings a set of clusters to one revision: a sliding window of at most `maxConcurrent` unproven clusters, published in batches, followed through one long activity.
 * Ends when every cluster has an outcome, or when it is stopped; then the batch under way is finished and nothing more is published.
 */
export async function wave(input: WaveInput): Promise<WaveResult> {
  const run = new WaveRun(input);
  setHandler(waveProgressSignal, (progress) => run.observed(progress));
  setHandler(setPausedSignal, (paused) => run.setPaused(paused));
  setHandler(stopSignal, (why) => run.stop(why));
  upsertAttributes({ module: input.name, revision: input.revision });
  run.show();
  const stopFollowing = run.follow();
  while (!run.finished) {
    run.spawnBatches();
    await run.waitForChange();
    run.show();
    if (isLongEnough(input.eventsPerRun)) break;
  }
  await run.batchesDone();
  await stopFollowing();
  await condition(allHandlersFinished);
  if (!run.finished) await continueAsNew<typeof wave>(run.next());
  await run.tellModule();
  run.show();
  return run.result;
}
