import { condition, isCancellation } from '@temporalio/workflow';
import { backoffOf, dueImages, imageProblems, nextImageLookMs, triesFor } from '../src/domain/image-tries.js';
import { recentRemovals } from '../src/domain/fleet-summary.js';
import { idle, nextStep, type Step } from '../src/domain/next-step.js';
import type { Observation, ObservedModule } from '../src/domain/process.js';
import { observe, recordRevision, removeWorks } from './activity-proxies.js';
import { nowMs } from './clock.js';
import { messageOf } from './failure-message.js';
import { ModuleFace } from './module-face.js';
import { ModuleImages } from './module-images.js';
import { ModuleMemory, type ModuleState } from './module-memory.js';
import { ModuleRequests } from './module-requests.js';
import { moduleRef, ModuleWork } from './module-work.js';

/** Looks even when nothing happened: an event may have been lost (10 minutes). */
const RESYNC_MS = 10 * 60_000;
/** While a rollout runs its follower looks all the time; the module looks so often at most for what time alone changes, so that its numbers keep up (10 seconds). */
const MEANWHILE_MS = 10_000;
/** While ManifestWorks of a deleted module wait for their spokes (30 seconds to 5 minutes). */
const REMOVAL_MS = { first: 30_000, most: 5 * 60_000 };
/** After a look that failed for a reason that retries do not cure (30 seconds to 10 minutes). */
const TROUBLE_MS = { first: 30_000, most: 10 * 60_000 };
/** So that what time changes has changed when we look. */
const MARGIN_MS = 250;
/** What the Temporal UI shows beside a timer: at most 200 bytes. */
const SUMMARY_CHARS = 150;

/** One module's process: a pass looks, decides and acts until nothing is left to do but wait. */
export class ModuleRun {
  readonly requests: ModuleRequests;
  readonly face: ModuleFace;
  readonly work: ModuleWork;
  readonly images: ModuleImages;
  readonly #memory: ModuleMemory;
  #ended = false;
  #failedLooks = 0;
  #removalLooks = 0;
  #wakeAtMs = 0;

  constructor(name: string, state: ModuleState) {
    this.#memory = new ModuleMemory(name, state);
    this.requests = new ModuleRequests(this.#memory);
    this.face = new ModuleFace(this.#memory);
    this.work = new ModuleWork(this.#memory);
    this.images = new ModuleImages(this.#memory, () => this.face.show());
  }

  get ended(): boolean {
    return this.#ended;
  }

  snapshot = (): ModuleState => this.#memory.state;

  lookAgain(): void {
    this.#memory.dirty = true;
  }

  /** Waits for an event, a person or the next look that is due. */
  async waitForNews(): Promise<void> {
    const waitMs = Math.max(1_000, this.#wakeAtMs - nowMs());
    await condition(() => this.#memory.dirty, waitMs, { summary: this.#memory.doing.slice(0, SUMMARY_CHARS) });
  }

  /** Observes, and takes steps until nothing is left to do but wait, or until the run is long enough: a steady stream of events must not keep it from its end. */
  async pass(isLongEnough: () => boolean): Promise<void> {
    const memory = this.#memory;
    this.#wakeAtMs = nowMs() + RESYNC_MS;
    try {
      do {
        memory.dirty = false;
        const { generation } = memory.state;
        const problems = imageProblems(memory.state.images);
        const { nudge, heldRemoval } = memory.state;
        const removals = recentRemovals(memory.state.removals ?? [], nowMs());
        const recentlyRemoved = removals.reduce((sum, r) => sum + r.count, 0);
        const wasGone = memory.seen?.kind === 'gone';
        memory.seen = await observe(`Looks at ${memory.name} and its clusters`, {
          ...moduleRef(memory),
          imageProblems: problems,
          nudge,
          recentlyRemoved,
          heldRemoval,
        });
        memory.seenGeneration = generation;
        memory.update({ removals, heldRemoval: heldToken(memory.seen) });
        if (wasGone && memory.seen.kind !== 'gone') memory.startOver();
        this.#recall(memory.seen);
        const again = await this.#act(memory.seen);
        memory.dirty ||= again;
        if (!again) await this.face.tell(); // else what was seen is out of date already
      } while (memory.dirty && !this.#ended && !isLongEnough());
      memory.trouble = undefined;
      this.#failedLooks = 0;
    } catch (error) {
      if (isCancellation(error)) throw error;
      this.#failedLooks += 1;
      memory.trouble = messageOf(error);
      this.#wakeAtMs = nowMs() + backoffOf(this.#failedLooks, TROUBLE_MS);
    }
    this.face.show();
  }

  /** What the MCM's status remembers fills what this workflow does not know: Temporal's database may be new. */
  #recall(seen: Observation): void {
    if (seen.kind === 'gone') return;
    const { currentRevision, rolloutNumber, history } = seen.remembered;
    const { state } = this.#memory;
    this.#memory.update({
      currentRevision: state.currentRevision ?? currentRevision,
      rolloutNumber: Math.max(state.rolloutNumber, rolloutNumber),
      history: state.history.length === 0 ? history : state.history,
    });
  }

  /** @returns Whether to look again at once. */
  async #act(seen: Observation): Promise<boolean> {
    if (seen.kind === 'gone') return this.#removeEverything();
    await this.work.check();
    await this.work.passOnPause();
    if (seen.kind === 'invalid') return this.#waitForValidSpec();
    this.#removalLooks = 0;
    const { paused, state } = this.#memory;
    const { active, currentRevision, lastRolled, confirmedRemoval } = state;
    const images = triesFor(seen.needs, state.images);
    this.#memory.update({ images });
    await this.images.releaseAllBut(seen.needs);
    if (await this.images.pinProvided(seen)) return true;
    const due = dueImages(seen.needs, images, nowMs());
    const step = nextStep(seen, { paused, active, currentRevision, lastRolled, dueImages: due, confirmedRemoval });
    this.#wakeBy(nextImageLookMs(seen.needs, images));
    if (seen.changesInMs !== undefined)
      this.#wakeBy(nowMs() + Math.max(seen.changesInMs + MARGIN_MS, active === undefined ? 0 : MEANWHILE_MS));
    return this.#take(step, seen);
  }

  /** Whoever broke the spec does not want the old one rolled out any further; once it is mended, what is left is planned anew. */
  async #waitForValidSpec(): Promise<boolean> {
    const { active } = this.#memory.state;
    if (active !== undefined && !active.stopping && (await this.work.stop('The spec is not valid any more.'))) return true;
    this.#memory.doing = 'Waiting for a valid spec. What is published stays as it is.';
    return false;
  }

  #wakeBy(atMs: number | undefined): void {
    this.#wakeAtMs = Math.min(this.#wakeAtMs, atMs ?? this.#wakeAtMs);
  }

  async #take(step: Step, seen: ObservedModule): Promise<boolean> {
    switch (step.do) {
      case 'resolve':
        return this.#resolve(step.images, seen);
      case 'record':
        return this.#record(seen);
      case 'stop':
        return this.work.stop(step.why);
      case 'remove':
        return this.#remove(step.token, step.count);
      case 'rollout':
        await this.work.startRollout(step.revision, seen);
        return false;
      case 'catchUp':
        await this.work.startCatchUp(step.revision, seen);
        return false;
      case 'complete':
        this.#memory.update({ currentRevision: step.revision, lastRolled: step.revision });
        this.#memory.doing = idle(seen);
        return false;
      case 'wait':
        this.#memory.doing = step.why;
        return false;
    }
  }

  async #record({ revision }: ObservedModule): Promise<boolean> {
    await recordRevision(`Records the revision of ${this.#memory.name}`, { ...moduleRef(this.#memory), hash: revision.hash, pins: [] });
    return true;
  }

  async #resolve(images: readonly { image: string }[], seen: ObservedModule): Promise<boolean> {
    await this.images.resolve(
      seen.needs.filter((n) => images.some((i) => i.image === n.image)),
      seen,
    );
    return true;
  }

  async #remove(token: string, count: number): Promise<boolean> {
    const memory = this.#memory;
    memory.doing = `Removing the module from ${count} clusters that are not selected any more.`;
    this.face.show();
    const { deleted } = await removeWorks(`Removes ${memory.name} from ${count} clusters`, { ...moduleRef(memory), scope: { token } });
    const { removals = [], confirmedRemoval } = memory.state;
    const counts = confirmedRemoval !== token && deleted > 0;
    memory.update({ confirmedRemoval: undefined, removals: counts ? [...removals, { atMs: nowMs(), count: deleted }] : removals });
    return true;
  }

  async #removeEverything(): Promise<boolean> {
    const memory = this.#memory;
    await this.work.stop('The module has been deleted.');
    await this.images.releaseAllBut([]);
    const removed = await removeWorks(`Removes ${memory.name} everywhere`, { name: memory.name, scope: 'all' });
    if (removed.exists === true) return true;
    const { remaining, sample } = removed;
    // Whoever asked for a look meanwhile may have seen a new module of this name.
    this.#ended = remaining === 0 && memory.state.active === undefined && !memory.dirty;
    this.#removalLooks += 1;
    this.#wakeAtMs = nowMs() + backoffOf(this.#removalLooks, REMOVAL_MS);
    memory.doing =
      remaining > 0
        ? `The module is deleted. ${remaining} clusters have not confirmed the removal yet: ${sample.join(', ')}${remaining > sample.length ? ' …' : ''}.`
        : this.#ended
          ? 'The module is gone.'
          : 'The module is deleted. Waiting for the rollout to stop.';
    return false;
  }
}

const heldToken = (seen: Observation): string | undefined =>
  seen.kind === 'module' && seen.removals.held ? seen.removals.token : undefined;
