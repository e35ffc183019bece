import { CancellationScope, condition, isCancellation, setCurrentDetails } from '@temporalio/workflow';
import { imageDetails, imageStatusOf, type ImageStatus } from '../src/domain/image-details.js';
import type { ImageRequest, ImageRequester } from '../src/domain/image-process.js';
import {
  afterCancellation,
  afterJob,
  afterLook,
  afterTrouble,
  attemptToFollow,
  beginAttempt,
  joinRun,
  leaveRun,
  newsOf,
  renewRun,
  restRun,
  resumeRun,
  withStandingJobs,
  type ImageRun,
} from '../src/domain/image-run.js';
import { adoptImageJobs, cancelImageJobs, releaseImageJob, resolveImages, runImageJob, standingImageJobs } from './activity-proxies.js';
import { nowMs } from './clock.js';
import { messageOf } from './failure-message.js';
import { isAlive } from './image-alive.js';
import { ImageCourier, type Told } from './image-courier.js';
import { ImageSlot, type SlotState } from './image-slot.js';
import { upsertAttributes, type Attributes } from './search-attributes.js';

/** What a run hands to the next one. */
export interface ImageSnapshot {
  readonly run: ImageRun;
  readonly slot: SlotState;
  readonly told: Told;
  readonly attributes: string;
}

export interface ImageTimes {
  /** The run has enough events. */
  readonly longEnough: () => boolean;
  /** Default {@link ALIVE_MS}. */
  readonly aliveMs?: number | undefined;
}

/** A requester that has died without a word must not keep an image's run alive (10 minutes). */
const ALIVE_MS = 10 * 60_000;
/** What the Temporal UI shows beside a timer: at most 200 bytes. */
const SUMMARY_CHARS = 150;

/** One image's process. Each step does what the state of its run asks for; the rules are those of src/domain/image-run.ts. */
export class ImageWork {
  readonly #slot: ImageSlot;
  readonly #courier: ImageCourier;
  readonly #isLongEnough: () => boolean;
  readonly #aliveMs: number;
  #run: ImageRun;
  #attributes: string;
  #aliveAtMs: number;
  /** What is cancelled when nobody needs the image any more. */
  #scope: CancellationScope | undefined;
  #lettingGo = false;
  /** Calls under way that nothing depends on. */
  #aside = 0;

  constructor({ run, slot, told, attributes }: ImageSnapshot, { longEnough, aliveMs = ALIVE_MS }: ImageTimes) {
    this.#run = run;
    this.#slot = new ImageSlot(slot);
    this.#attributes = attributes;
    this.#isLongEnough = longEnough;
    this.#aliveMs = aliveMs;
    this.#aliveAtMs = nowMs() + aliveMs;
    this.#courier = new ImageCourier(
      () => ({ news: newsOf(this.#run), to: this.#run.requesters.map((r) => r.workflowId) }),
      (workflowId) => this.release(workflowId),
      told,
    );
    this.#set(run);
  }

  static fresh = (run: ImageRun): ImageSnapshot => ({ run, slot: 'None', told: {}, attributes: '' });

  get run(): ImageRun {
    return this.#run;
  }

  /** Nobody needs the image, or nobody did for a moment: what is under way must be ended. */
  get mustLetGo(): boolean {
    return this.#lettingGo || this.#isUnneeded;
  }

  get #isUnneeded(): boolean {
    return this.#run.requesters.length === 0;
  }

  status(): ImageStatus {
    return imageStatusOf(this.#run);
  }

  snapshot(): ImageSnapshot {
    return { run: this.#run, slot: this.#slot.state, told: this.#courier.told, attributes: this.#attributes };
  }

  join(request: ImageRequest): void {
    if (request.need.key !== this.#run.need.key) return; // of another image: whoever sent it has mistaken the id
    const before = this.#run.requesters.length;
    this.#set(joinRun(this.#run, request));
    if (this.#run.state === 'Building' && this.#run.requesters.length > before) void this.#adopt(request.requester);
    this.#courier.sendAgain(request.requester.workflowId);
  }

  release(workflowId: string): void {
    this.#set(leaveRun(this.#run, workflowId));
    if (!this.#isUnneeded || this.#scope === undefined) return;
    this.#lettingGo = true;
    this.#scope.cancel();
  }

  granted(): void {
    this.#slot.granted();
  }

  /** A person asks for another try. */
  renew(): void {
    this.#set(renewRun(this.#run, 'person'));
  }

  /** Until everybody has heard the newest. */
  async delivered(): Promise<void> {
    await condition(() => this.#courier.isIdle && this.#aside === 0);
  }

  async step(): Promise<void> {
    try {
      await this.#act();
    } catch (error) {
      if (isCancellation(error)) throw error;
      await this.#slot.leave();
      this.#set(afterTrouble(this.#run, messageOf(error), nowMs()));
    }
  }

  async #act(): Promise<void> {
    switch (this.#run.state) {
      case 'Looking':
        return this.#look();
      case 'Queued':
        return this.#queue();
      case 'Building':
        return this.#build();
      case 'Waiting':
        return this.#wait();
      case 'Pinned':
        return;
    }
  }

  async #look(): Promise<void> {
    const { need } = this.#run;
    const results = await this.#whileNeeded(() => resolveImages(`Looks for ${need.image}`, { images: [need] }));
    const result = results?.[0];
    if (result !== undefined) this.#set(afterLook(this.#run, result, nowMs()));
    else if (results !== undefined) this.#set(afterTrouble(this.#run, `The look-up of ${need.image} had no result.`, nowMs()));
  }

  /** Waits for a build slot. A Job that runs already, of a run that nobody remembers, goes on: it takes its slot without waiting. */
  async #queue(): Promise<void> {
    if (this.#slot.state === 'None') {
      const { key, image } = this.#run.need;
      const standing = await this.#whileNeeded(() => standingImageJobs(`Looks for Jobs of ${image}`, { key }));
      if (standing === undefined) return;
      this.#set(withStandingJobs(this.#run, standing));
      const running = attemptToFollow(this.#run, standing);
      if (running !== undefined) {
        await this.#slot.take(this.#run);
        this.#set(beginAttempt(this.#run, running));
        return;
      }
    }
    const asked = (): boolean => this.#slot.isAskedFor(this.#run);
    if (!asked()) await this.#slot.ask(this.#run);
    await this.#until(() => this.#slot.held || !asked(), undefined, `Waits for a free build slot for ${this.#run.need.image}`);
    if (this.#slot.held && !this.#isUnneeded) this.#set(beginAttempt(this.#run));
  }

  async #build(): Promise<void> {
    const { need, attempts, requesters } = this.#run;
    const input = { need, attempt: attempts, requesters: requesters.map(({ settings: _settings, ...requester }) => requester) };
    const result = await this.#whileNeeded(() => runImageJob(`Attempt ${attempts} of ${need.image}`, input));
    await this.#slot.leave();
    if (result === undefined) return;
    this.#set(afterJob(this.#run, result, nowMs()));
    // From here on the history has the result: the Job need not stay for a worker that asks once more.
    if (result.ok) await this.#regardless(() => releaseImageJob(`Lets ${result.job} go`, { key: need.key, attempt: attempts }));
  }

  /** The Job that runs must outlive the module that asked for it first. */
  async #adopt(requester: ImageRequester): Promise<void> {
    this.#aside += 1;
    const { key, image } = this.#run.need;
    try {
      await this.#regardless(() => adoptImageJobs(`Keeps the Job of ${image} for ${requester.module}`, { key, requesters: [requester] }));
    } catch (error) {
      if (!isCancellation(error)) throw error; // cancelled: nobody waits for this
    } finally {
      this.#aside -= 1;
    }
  }

  /** Work that makes things tidier, and whose failure changes nothing for the image. */
  async #regardless(work: () => Promise<unknown>): Promise<void> {
    await work().catch((error: unknown) => {
      if (isCancellation(error)) throw error;
    });
  }

  async #wait(): Promise<void> {
    const { nextTryAtMs, need } = this.#run;
    const summary =
      nextTryAtMs === undefined ? `Waits for a changed input or a retry of ${need.image}` : `Waits to try ${need.image} again`;
    await this.#until(() => this.#run.state !== 'Waiting', nextTryAtMs, summary);
    if (this.#run.state === 'Waiting' && nextTryAtMs !== undefined && nextTryAtMs <= nowMs()) this.#set(resumeRun(this.#run));
  }

  /** Waits until something holds, nobody is left, the time has come, or the run is long enough; now and then it asks whether the requesters still live. */
  async #until(holds: () => boolean, atMs: number | undefined, summary: string): Promise<void> {
    const untilMs = Math.min(atMs ?? Infinity, this.#aliveAtMs);
    const ready = (): boolean => holds() || this.#isUnneeded || this.#isLongEnough();
    await condition(ready, Math.max(1, untilMs - nowMs()), { summary: summary.slice(0, SUMMARY_CHARS) });
    if (nowMs() < this.#aliveAtMs) return;
    this.#aliveAtMs = nowMs() + this.#aliveMs;
    for (const { workflowId } of this.#run.requesters) if (!(await isAlive(workflowId))) this.release(workflowId);
    if (this.#slot.state === 'Asked') await this.#slot.ask(this.#run); // the queue may have lost it
  }

  /** @returns Undefined when nobody has needed the image any more meanwhile, and the work was cancelled. */
  async #whileNeeded<T>(work: () => Promise<T>): Promise<T | undefined> {
    const scope = new CancellationScope();
    this.#scope = scope;
    try {
      return await scope.run(work);
    } catch (error) {
      if (this.#lettingGo && isCancellation(error)) return undefined;
      throw error;
    } finally {
      this.#scope = undefined;
    }
  }

  /** Ends what is under way. Whoever needs the image from then on begins with a look. */
  async letGo(): Promise<void> {
    this.#lettingGo = false;
    await this.#slot.leave();
    const { key, image, recipe } = this.#run.need;
    if (recipe !== undefined)
      // One that cannot be deleted ends by its own deadline.
      await this.#regardless(() => cancelImageJobs(`Deletes Jobs of ${image} that still run`, { key }));
    this.#set(restRun(this.#run));
  }

  /** Somebody cancelled the workflow in Temporal. */
  async abandon(): Promise<void> {
    await this.letGo();
    await this.delivered();
    this.#set(afterCancellation(this.#run));
    await this.delivered();
  }

  #set(run: ImageRun): void {
    this.#run = run;
    setCurrentDetails(imageDetails(this.status()));
    const attributes: Attributes = {
      ...(run.requesters[0] === undefined ? {} : { module: run.requesters[0].module }),
      kernels: run.need.kernels.slice(0, 1),
      phase: run.state,
    };
    if (JSON.stringify(attributes) !== this.#attributes) {
      upsertAttributes(attributes);
      this.#attributes = JSON.stringify(attributes);
    }
    this.#courier.send();
  }
}
