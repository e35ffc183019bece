import { condition, getExternalWorkflowHandle, isCancellation, setCurrentDetails } from '@temporalio/workflow';
import {
  emptyQueue,
  enqueue,
  hold,
  isEmpty,
  leave,
  nextGrants,
  viewQueue,
  type QueueRequest,
  type QueueState,
  type QueueView,
} from '../src/domain/build-queue.js';
import { queueDetails } from '../src/domain/image-details.js';
import { nowMs, nowText } from './clock.js';
import { isAlive } from './image-alive.js';
import { slotGrantedSignal } from './messages.js';

/** A workflow that has died in the queue must not block a slot for long (2 minutes). */
const ALIVE_MS = 2 * 60_000;
/** The waiting that one such check asks after, in turn: one that died is found when it gets its slot, too. */
const CHECKED_AT_ONCE = 20;
/** So long the queue stays when nobody is in it (1 minute). */
const IDLE_MS = 60_000;

export interface QueueTimes {
  /** The run has enough events. */
  readonly longEnough: () => boolean;
  /** Default {@link IDLE_MS}. */
  readonly idleMs?: number | undefined;
  /** Default {@link ALIVE_MS}. */
  readonly aliveMs?: number | undefined;
}

/** What a run hands to the next one. */
export interface QueueSnapshot {
  readonly queue: QueueState;
  /** Who has a slot and must be told so. */
  readonly toTell: readonly string[];
}

/** Hands build slots out. The rules are those of src/domain/build-queue.ts. */
export class QueueWork {
  readonly #isLongEnough: () => boolean;
  readonly #idleMs: number;
  readonly #aliveMs: number;
  #state: QueueState;
  #changed = true;
  #aliveAtMs: number;
  #nextChecked = 0;
  #idle = false;
  /** Who has a slot and asks for one: the grant was lost, or the workflow has begun anew. */
  readonly #toTell: Set<string>;

  constructor(carried: QueueSnapshot | undefined, { longEnough, idleMs = IDLE_MS, aliveMs = ALIVE_MS }: QueueTimes) {
    this.#state = carried?.queue ?? emptyQueue();
    this.#toTell = new Set(carried?.toTell);
    this.#isLongEnough = longEnough;
    this.#idleMs = idleMs;
    this.#aliveMs = aliveMs;
    this.#aliveAtMs = nowMs() + aliveMs;
    this.show();
  }

  snapshot(): QueueSnapshot {
    return { queue: this.#state, toTell: [...this.#toTell] };
  }

  /** Nobody has been in the queue for a while. */
  get ended(): boolean {
    return this.#idle && isEmpty(this.#state) && !this.#changed;
  }

  view(): QueueView {
    return viewQueue(this.#state);
  }

  show(): void {
    setCurrentDetails(queueDetails(this.#state));
  }

  enqueue(request: QueueRequest & { readonly capacity: number }): void {
    this.#set(enqueue(this.#state, request, nowText()));
    if (this.#state.running.some((e) => e.workflowId === request.workflowId)) this.#toTell.add(request.workflowId);
  }

  hold(workflowId: string): void {
    this.#set(hold(this.#state, workflowId, nowText()));
  }

  leave(workflowId: string): void {
    this.#toTell.delete(workflowId);
    this.#set(leave(this.#state, workflowId));
  }

  /** Grants what is free, then waits for the next change, or looks who still lives. */
  async step(): Promise<void> {
    this.#changed = false;
    await this.#grant();
    this.show();
    const empty = isEmpty(this.#state);
    if (empty) this.#aliveAtMs = nowMs() + this.#aliveMs;
    const waitMs = empty ? this.#idleMs : Math.max(1, this.#aliveAtMs - nowMs());
    const summary = empty ? 'Nobody is in the queue' : `${this.#state.running.length} builds run, ${this.#state.waiting.length} wait`;
    const woken = await condition(() => this.#changed || this.#isLongEnough(), waitMs, { summary });
    this.#idle = empty && !woken;
    if (!empty && nowMs() >= this.#aliveAtMs) await this.#dropTheDead();
  }

  /** The slot is taken before the news goes out, so that nobody else gets it meanwhile. */
  async #grant(): Promise<void> {
    const granted = nextGrants(this.#state);
    for (const id of granted) this.#set(hold(this.#state, id, nowText()));
    const told = [...new Set([...granted, ...this.#toTell])];
    this.#toTell.clear();
    await Promise.all(told.map((id) => this.#tell(id)));
  }

  async #tell(workflowId: string): Promise<void> {
    try {
      await getExternalWorkflowHandle(workflowId).signal(slotGrantedSignal);
    } catch (error) {
      if (isCancellation(error)) throw error;
      this.leave(workflowId); // there is no such workflow any more: the slot is free again
    }
  }

  async #dropTheDead(): Promise<void> {
    this.#aliveAtMs = nowMs() + this.#aliveMs;
    const { running, waiting } = this.#state;
    const from = this.#nextChecked < waiting.length ? this.#nextChecked : 0;
    this.#nextChecked = from + CHECKED_AT_ONCE;
    const ids = [...running, ...waiting.slice(from, from + CHECKED_AT_ONCE)].map((e) => e.workflowId);
    await Promise.all(
      ids.map(async (id) => {
        if (!(await isAlive(id))) this.leave(id);
      }),
    );
  }

  #set(state: QueueState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#changed = true;
  }
}
