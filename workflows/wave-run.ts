import {
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { waveDetails } from '../src/domain/details.js';
import { moduleWorkflowId } from '../src/domain/messages.js';
import type { RolloutRecord, WaveProgress, WaveRef, WaveResult } from '../src/domain/process.js';
import { concurrencyOf } from '../src/domain/rollout-arithmetic.js';
import { followWave, publishBatch } from './activity-proxies.js';
import { nowText } from './clock.js';
import { messageOf } from './failure-message.js';
import { workFinishedSignal } from './messages.js';
import { WaveState, type WaveSnapshot } from './wave-state.js';

export interface WaveInput extends WaveRef {
  readonly title: string;
  readonly clusters: readonly string[];
  readonly paused: boolean;
  /** Set for a catch-up: it has no rollout that waits for it, and tells the module's workflow itself. */
  readonly catchUp?: { readonly number: number; readonly startedAt: string } | undefined;
  readonly carried?: WaveSnapshot | undefined;
  /** A run continues as new after so many events. Default: `EVENTS_PER_RUN` of history-length.ts. */
  readonly eventsPerRun?: number | undefined;
}

/** Clusters published by one activity, */
const BATCH_SIZE = 100;
/** and activities that publish at once. */
const BATCHES_AT_ONCE = 3;

/** One run of a wave: what it was told, its batches and its follower. Every change wakes the loop in `wave`. */
export class WaveRun {
  readonly #input: WaveInput;
  readonly #ref: WaveRef;
  readonly #state: WaveState;
  readonly #following = new CancellationScope();
  #paused: boolean;
  #stop: string | undefined;
  #trouble: string | undefined;
  #changes = 0;
  #batches = 0;

  constructor(input: WaveInput) {
    this.#input = input;
    const { title: _title, clusters: _clusters, paused, catchUp: _catchUp, carried, eventsPerRun: _eventsPerRun, ...ref } = input;
    this.#ref = ref;
    this.#paused = paused;
    this.#state = carried === undefined ? WaveState.fresh(input.clusters) : new WaveState(carried);
  }

  observed(progress: WaveProgress): void {
    this.#state.observed(progress);
    this.#changes += 1;
  }

  setPaused(paused: boolean): void {
    this.#paused = paused;
    this.#changes += 1;
  }

  stop(why: string): void {
    this.#stop = why;
    this.#state.dropQueue();
    this.#changes += 1;
  }

  get finished(): boolean {
    return this.#batches === 0 && (this.#state.finished || this.#stop !== undefined);
  }

  get result(): WaveResult {
    return this.#state.result(this.#stop !== undefined);
  }

  /** Input of the run that continues this one. */
  next(): WaveInput {
    return { ...this.#input, clusters: [], paused: this.#paused, carried: this.#state.snapshot() };
  }

  show(): void {
    const { title, revision } = this.#input;
    const { totals, failures } = this.#state;
    setCurrentDetails(waveDetails({ title, revision, totals, failures, paused: this.#paused, stop: this.#stop, trouble: this.#trouble }));
  }

  async waitForChange(): Promise<void> {
    const seen = this.#changes;
    await condition(() => this.#changes !== seen, '1 hour', { summary: 'Waiting for clusters to report' });
  }

  /** As many batches as the window has room for. Nothing while paused or stopping. */
  spawnBatches(): void {
    while (!this.#paused && this.#stop === undefined && this.#batches < BATCHES_AT_ONCE && this.#state.waiting > 0) {
      const free = concurrencyOf(this.#input.policy.maxConcurrent, this.#state.totals.total) - this.#state.unproven;
      const batch = this.#state.take(free, BATCH_SIZE);
      if (batch.length === 0) return;
      void this.#publish(batch);
    }
  }

  async batchesDone(): Promise<void> {
    await condition(() => this.#batches === 0);
  }

  async #publish(clusters: string[]): Promise<void> {
    this.#batches += 1;
    try {
      const summary = `${clusters.length} clusters: ${clusters[0]}${clusters.length > 1 ? ` … ${clusters.at(-1)}` : ''}`;
      this.#state.published(await publishBatch(summary, { ...this.#ref, clusters, workflowId: workflowInfo().workflowId }));
    } catch (error) {
      if (isCancellation(error)) throw error;
      this.#state.refused(clusters, messageOf(error));
    } finally {
      this.#batches -= 1;
      this.#changes += 1;
    }
  }

  /** @returns A function that ends the following. */
  follow(): () => Promise<void> {
    const follower = this.#following.run(() => this.#keepFollowing());
    follower.catch(() => undefined); // awaited when the following ends; until then a rejection must not count as unhandled
    return async () => {
      this.#following.cancel();
      await follower.catch((error: unknown) => {
        if (!isCancellation(error)) throw error;
      });
    };
  }

  async #keepFollowing(): Promise<never> {
    for (;;) {
      const { unpublished, inFlight } = this.#state;
      const summary = `Follows ${unpublished.length + inFlight.length} clusters until each is loaded`;
      try {
        await followWave(summary, { ...this.#ref, clusters: unpublished, inFlight, workflowId: workflowInfo().workflowId });
      } catch (error) {
        if (isCancellation(error)) throw error;
        this.#trouble = messageOf(error);
        this.show();
      }
      await sleep('30 seconds', { summary: 'The follower of the wave failed; it is started again' });
      this.#trouble = undefined;
    }
  }

  /** A catch-up has no rollout that waits for it: it tells the module's workflow itself. */
  async tellModule(): Promise<void> {
    const { name, revision, catchUp } = this.#input;
    if (catchUp === undefined) return;
    const { totals, stopped } = this.result;
    const record: RolloutRecord = {
      number: catchUp.number,
      revision,
      outcome: stopped ? 'Superseded' : totals.failed > 0 ? 'Failed' : 'Completed',
      startedAt: catchUp.startedAt,
      finishedAt: nowText(),
      clusters: totals,
      message: `${totals.total} clusters caught up with revision ${revision}.`,
    };
    await getExternalWorkflowHandle(moduleWorkflowId(name))
      .signal(workFinishedSignal, { workflowId: workflowInfo().workflowId, record })
      .catch(() => undefined); // the module's workflow has ended: nobody needs to know
  }
}
