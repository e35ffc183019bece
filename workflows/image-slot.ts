import { getExternalWorkflowHandle, isCancellation, workflowInfo } from '@temporalio/workflow';
import { modulesOf, type ImageRun } from '../src/domain/image-run.js';
import { BUILD_QUEUE_WORKFLOW_ID } from '../src/domain/messages.js';
import { requestBuildSlot } from './activity-proxies.js';
import { holdSlotSignal, leaveQueueSignal } from './messages.js';

/** `Asked`: in the queue. `Held`: a Job may run. */
export type SlotState = 'None' | 'Asked' | 'Held';

/** An image's place in the queue of builds. */
export class ImageSlot {
  #state: SlotState;
  #askedFor = '';

  constructor(state: SlotState = 'None') {
    this.#state = state;
  }

  get state(): SlotState {
    return this.#state;
  }

  get held(): boolean {
    return this.#state === 'Held';
  }

  /** The queue knows of this image, and of every module that needs it. */
  isAskedFor(run: ImageRun): boolean {
    return this.#state !== 'None' && this.#askedFor === modulesOf(run).join();
  }

  /** The queue says so. A grant that comes after the image has left is not one: the queue hears of that too. */
  granted(): void {
    if (this.#state === 'Asked') this.#state = 'Held';
  }

  /** Takes a place in the queue; asked again, it brings the place up to date, and a grant that was lost is sent again. */
  async ask(run: ImageRun): Promise<void> {
    const modules = modulesOf(run);
    if (this.#state === 'None') this.#state = 'Asked'; // before the call: the grant may be faster than its answer
    this.#askedFor = modules.join();
    const { key, image, kernels } = run.need;
    await requestBuildSlot(`Asks for a build slot for ${image}`, {
      workflowId: workflowInfo().workflowId,
      modules,
      key,
      title: `${image} for kernel ${kernels[0] ?? ''}`,
    });
  }

  /** A Job runs already: it counts, whether a slot is free or not. */
  async take(run: ImageRun): Promise<void> {
    await this.ask(run);
    this.#state = 'Held';
    await this.#tellQueue(holdSlotSignal);
  }

  async leave(): Promise<void> {
    if (this.#state === 'None') return;
    this.#state = 'None';
    await this.#tellQueue(leaveQueueSignal);
  }

  async #tellQueue(signal: typeof leaveQueueSignal): Promise<void> {
    try {
      await getExternalWorkflowHandle(BUILD_QUEUE_WORKFLOW_ID).signal(signal, { workflowId: workflowInfo().workflowId });
    } catch (error) {
      if (isCancellation(error)) throw error; // else there is no queue any more, and nothing to leave
    }
  }
}
