import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ApplicationFailure,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  ParentClosePolicy,
  setCurrentDetails,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { ManagedClusterModuleSpec } from '../src/api/index.js';
import { canonicalJson } from '../src/domain/canonical-json.js';
import { moduleDetails } from '../src/domain/details.js';
import type { Exception } from '../src/domain/fleet-summary.js';
import { backoffOf, dueImages, imageProblems, imageStates, imageTries, nextImageLookMs, type ImageTries } from '../src/domain/image-tries.js';
import { catchUpWorkflowId, rolloutWorkflowId } from '../src/domain/messages.js';
import type { ModulePlan, ModuleStatus } from '../src/domain/module-status.js';
import { nextStep, type ActiveWork, type Step } from '../src/domain/next-step.js';
import { phaseOf } from '../src/domain/phase.js';
import type { Observation, ObservedModule, Report, RolloutRecord, WaveRef } from '../src/domain/process.js';
import { emptyFleet } from '../src/domain/fleet-summary.js';
import { isRunning, observe, planWave, recordRevision, removeWorks, report, resolveImages } from './activity-proxies.js';
import { nowMs, nowText } from './clock.js';
import { messageOf } from './failure-message.js';
import { setPausedSignal, stopSignal, type ConfirmRemoval, type Request, type WorkFinished } from './messages.js';
import { rollout } from './rollout.js';
import { upsertAttributes, type Attributes } from './search-attributes.js';
import { wave } from './wave.js';

/** What a run hands to the next one: plain JSON, small whatever the size of the fleet. */
export interface ModuleState {
  readonly headless?: ManagedClusterModuleSpec | undefined;
  /** Counts the specs of a headless module. */
  readonly generation: number;
  readonly deleting: boolean;
  readonly paused?: { readonly by: string; readonly reason: string } | undefined;
  readonly rolloutNumber: number;
  readonly catchUpNumber: number;
  readonly currentRevision?: string | undefined;
  readonly lastRolled?: string | undefined;
  readonly history: readonly RolloutRecord[];
  readonly active?: ActiveWork | undefined;
  readonly images: ImageTries;
  readonly confirmedRemoval?: string | undefined;
  /** A person asked to try failed clusters again; names the attempt. */
  readonly nudge?: string | undefined;
}

const HISTORY_KEPT = 10;
/** Looks even when nothing happened: an event may have been lost (10 minutes). */
const RESYNC_MS = 10 * 60_000;
/** While ManifestWorks of a deleted module wait for their spokes (30 seconds to 5 minutes). */
const REMOVAL_MS = { first: 30_000, most: 5 * 60_000 };
/** After a look that failed for a reason that retries do not cure (30 seconds to 10 minutes). */
const TROUBLE_MS = { first: 30_000, most: 10 * 60_000 };

/** One module's process: its state, one pass over it, and what people may ask of it. */
export class ModuleRun {
  readonly #name: string;
  #state: ModuleState;
  #dirty = false;
  #ended = false;
  #seen: Observation | undefined;
  #doing = 'Looking at the module for the first time.';
  #trouble: string | undefined;
  #failedLooks = 0;
  #removalLooks = 0;
  #wakeAtMs = 0;
  #reported = '';
  #attributes = '';

  constructor(name: string, state: ModuleState) {
    this.#name = name;
    this.#state = state;
  }

  get ended(): boolean {
    return this.#ended;
  }

  snapshot = (): ModuleState => this.#state;

  lookAgain(): void {
    this.#dirty = true;
  }

  /** Waits for an event, a person or the next look that is due. */
  async waitForNews(): Promise<void> {
    const waitMs = Math.max(1_000, this.#wakeAtMs - nowMs());
    await condition(() => this.#dirty, waitMs, { summary: this.#doing.slice(0, 150) });
  }

  /** Observes, and takes steps until nothing is left to do but wait. */
  async pass(): Promise<void> {
    this.#wakeAtMs = nowMs() + RESYNC_MS;
    try {
      do {
        this.#dirty = false;
        this.#seen = await observe(`Looks at ${this.#name} and its clusters`, { ...this.#ref(), imageProblems: imageProblems(this.#state.images) });
        this.#recall(this.#seen);
        const again = await this.#act(this.#seen);
        this.#dirty ||= again;
        await this.#tell();
      } while (this.#dirty && !this.#ended);
      this.#trouble = undefined;
      this.#failedLooks = 0;
    } catch (error) {
      if (isCancellation(error)) throw error;
      this.#failedLooks += 1;
      this.#trouble = messageOf(error);
      this.#wakeAtMs = nowMs() + backoffOf(this.#failedLooks, TROUBLE_MS);
    }
    this.show();
  }

  #ref(): { name: string; headless?: ManagedClusterModuleSpec } {
    const { headless, deleting } = this.#state;
    return { name: this.#name, ...(headless === undefined || deleting ? {} : { headless }) };
  }

  /** What the MCM's status remembers fills what this workflow does not know: Temporal's database may be new. */
  #recall(seen: Observation): void {
    if (seen.kind === 'gone') return;
    const { currentRevision, rolloutNumber, history } = seen.remembered;
    this.#update({
      currentRevision: this.#state.currentRevision ?? currentRevision,
      rolloutNumber: Math.max(this.#state.rolloutNumber, rolloutNumber),
      history: this.#state.history.length === 0 ? history : this.#state.history,
    });
  }

  /** @returns Whether to look again at once. */
  async #act(seen: Observation): Promise<boolean> {
    if (seen.kind === 'gone') return this.#removeEverything();
    await this.#checkActive();
    if (seen.kind === 'invalid') {
      this.#doing = 'Waiting for a valid spec. What is published stays as it is.';
      return false;
    }
    this.#removalLooks = 0;
    await this.#passOnPause(seen.policy.paused);
    const step = nextStep(seen, {
      paused: this.#paused(seen),
      active: this.#state.active,
      currentRevision: this.#state.currentRevision,
      lastRolled: this.#state.lastRolled,
      dueImages: dueImages(seen.needs, this.#state.images, nowMs()),
      confirmedRemoval: this.#state.confirmedRemoval,
    });
    this.#wakeAtMs = Math.min(this.#wakeAtMs, nextImageLookMs(seen.needs, this.#state.images) ?? this.#wakeAtMs);
    return this.#take(step, seen);
  }

  async #take(step: Step, seen: ObservedModule): Promise<boolean> {
    switch (step.do) {
      case 'resolve':
        return this.#resolve(step.images, seen);
      case 'record':
        await recordRevision(`Records the revision of ${this.#name}`, { ...this.#ref(), hash: seen.revision.hash, pins: [] });
        return true;
      case 'stop':
        return this.#stopActive(step.why);
      case 'remove':
        return this.#remove(step.token, step.count);
      case 'rollout':
        return this.#startRollout(step.revision, seen);
      case 'catchUp':
        return this.#startCatchUp(step.revision, seen);
      case 'complete':
        this.#update({ currentRevision: step.revision, lastRolled: step.revision });
        this.#doing = 'Everything is as it should be.';
        return false;
      case 'wait':
        this.#doing = step.why;
        return false;
    }
  }

  async #resolve(images: readonly { image: string }[], seen: ObservedModule): Promise<boolean> {
    const needs = seen.needs.filter((n) => images.some((i) => i.image === n.image));
    this.#doing = `Resolving ${needs.length} images to digests.`;
    this.show();
    const results = await resolveImages(`Resolves ${needs.length} images: ${needs[0]?.image ?? ''}${needs.length > 1 ? ' …' : ''}`, { images: needs });
    const pins = results.flatMap((r) => ('digest' in r ? r.kernels.map((kernel) => ({ kernel, image: r.image, digest: r.digest })) : []));
    this.#update({ images: imageTries(this.#state.images, results, nowMs()) });
    if (pins.length > 0)
      await recordRevision(`Pins ${pins.length} kernels of ${this.#name}`, { ...this.#ref(), hash: seen.revision.hash, pins });
    return true;
  }

  async #remove(token: string, count: number): Promise<boolean> {
    this.#doing = `Removing the module from ${count} clusters that are not selected any more.`;
    this.show();
    await removeWorks(`Removes ${this.#name} from ${count} clusters`, { ...this.#ref(), scope: { token } });
    this.#update({ confirmedRemoval: undefined });
    return true;
  }

  async #removeEverything(): Promise<boolean> {
    await this.#stopActive('The module has been deleted.');
    const { remaining, sample } = await removeWorks(`Removes ${this.#name} everywhere`, { name: this.#name, scope: 'all' });
    this.#ended = remaining === 0 && this.#state.active === undefined;
    this.#removalLooks += 1;
    this.#wakeAtMs = nowMs() + backoffOf(this.#removalLooks, REMOVAL_MS);
    this.#doing =
      remaining > 0
        ? `The module is deleted. ${remaining} clusters have not confirmed the removal yet: ${sample.join(', ')}${remaining > sample.length ? ' …' : ''}.`
        : this.#ended
          ? 'The module is gone.'
          : 'The module is deleted. Waiting for the rollout to stop.';
    return false;
  }

  #waveRef(revision: string, seen: ObservedModule): WaveRef {
    return { ...this.#ref(), revision, imageProblems: imageProblems(this.#state.images), policy: seen.policy, nudge: this.#state.nudge };
  }

  async #startRollout(revision: string, seen: ObservedModule): Promise<boolean> {
    const number = this.#state.rolloutNumber + 1;
    const workflowId = rolloutWorkflowId(this.#name, number);
    await startIfNew(() =>
      startChild(rollout, {
        workflowId,
        args: [{ ...this.#waveRef(revision, seen), number, paused: this.#paused(seen) }],
        parentClosePolicy: ParentClosePolicy.ABANDON, // outlives continue-as-new of this workflow; it reports by signal
        staticSummary: `Rollout ${number}: ${this.#name} to ${revision}`,
      }),
    );
    this.#activate({ kind: 'rollout', workflowId, number, revision, startedAt: nowText(), stopping: false });
    this.#update({ rolloutNumber: number, nudge: undefined });
    this.#doing = `Rollout ${number} brings ${seen.fleet.behind} clusters to revision ${revision}.`;
    return false;
  }

  async #startCatchUp(revision: string, seen: ObservedModule): Promise<boolean> {
    const number = this.#state.catchUpNumber + 1;
    const workflowId = catchUpWorkflowId(this.#name, number);
    const ref = this.#waveRef(revision, seen);
    const startedAt = nowText();
    const { clusters } = await planWave(`Plans the catch-up of ${seen.fleet.behind} clusters`, ref);
    const title = `${this.#name}, catch-up ${number}`;
    await startIfNew(() =>
      startChild(wave, {
        workflowId,
        args: [{ ...ref, title, clusters, paused: this.#paused(seen), catchUp: { number, startedAt } }],
        parentClosePolicy: ParentClosePolicy.ABANDON,
        staticSummary: `Catch-up ${number}: ${clusters.length} clusters to ${revision}`,
      }),
    );
    this.#activate({ kind: 'catchUp', workflowId, number, revision, startedAt, stopping: false });
    this.#update({ catchUpNumber: number });
    this.#doing = `${seen.fleet.behind} clusters catch up with revision ${revision}.`;
    return false;
  }

  #activate(active: ActiveWork): void {
    this.#update({ active });
  }

  async #stopActive(why: string): Promise<boolean> {
    const { active } = this.#state;
    if (active === undefined) return false;
    await this.#checkActive();
    if (this.#state.active === undefined) return true;
    await this.#signalActive((handle) => handle.signal(stopSignal, why));
    this.#update({ active: { ...active, stopping: true } });
    this.#doing = `${why} Waiting for the batch under way to finish.`;
    return false;
  }

  async #passOnPause(specPaused: boolean): Promise<void> {
    const paused = specPaused || this.#state.paused !== undefined;
    if (this.#state.active === undefined || this.#toldPaused === paused) return;
    this.#toldPaused = paused;
    await this.#signalActive((handle) => handle.signal(setPausedSignal, paused));
  }
  #toldPaused: boolean | undefined;

  async #signalActive(send: (handle: ReturnType<typeof getExternalWorkflowHandle>) => Promise<void>): Promise<void> {
    const { active } = this.#state;
    if (active !== undefined) await send(getExternalWorkflowHandle(active.workflowId)).catch(() => undefined); // it has just ended
  }

  /** Somebody may have terminated the rollout in the Temporal UI: it would never report. */
  async #checkActive(): Promise<void> {
    const { active } = this.#state;
    if (active === undefined || nowMs() - Date.parse(active.startedAt) < RESYNC_MS / 2) return;
    if (await isRunning(`Asks whether ${active.workflowId} still runs`, active.workflowId)) return;
    if (this.#state.active?.workflowId === active.workflowId) this.#update({ active: undefined });
  }

  workFinished({ workflowId, record }: WorkFinished): void {
    const { active } = this.#state;
    this.#dirty = true;
    if (active?.workflowId !== workflowId) return;
    this.#update({ active: undefined });
    if (active.kind === 'catchUp') return;
    this.#update({ history: [record, ...this.#state.history].slice(0, HISTORY_KEPT) });
    if (record.outcome === 'Superseded') return;
    this.#update({
      lastRolled: record.revision,
      ...(record.outcome === 'Completed' ? { currentRevision: record.revision } : {}),
    });
  }

  #paused(seen: Observation | undefined): boolean {
    return this.#state.paused !== undefined || (seen?.kind === 'module' && seen.policy.paused);
  }

  #update(change: Partial<ModuleState>): void {
    this.#state = { ...this.#state, ...change };
  }

  // What people see ------------------------------------------------------------------------------------------------------------------

  #report(): Report {
    const seen = this.#seen;
    const { active, currentRevision, history, paused } = this.#state;
    const module = seen?.kind === 'module' ? seen : undefined;
    return {
      name: this.#name,
      generation: seen === undefined || seen.kind === 'gone' ? 0 : this.#state.headless === undefined ? seen.generation : this.#state.generation,
      phase: phaseOf(seen, { active, paused: this.#paused(seen), currentRevision }),
      fleet: seen === undefined || seen.kind === 'gone' ? emptyFleet() : seen.fleet,
      currentRevision,
      updateRevision: module?.revision.name,
      images: module === undefined ? [] : imageStates(module.pinned, module.needs, this.#state.images),
      rollout: active?.kind === 'rollout' ? { number: active.number, revision: active.revision, phase: active.stopping ? 'Stopping' : 'Progressing', startedAt: active.startedAt } : undefined,
      history,
      removals: module?.removals,
      problems: seen?.kind === 'invalid' ? seen.problems : [],
      paused: paused ?? (this.#paused(seen) ? { by: 'spec.rollout.paused', reason: '' } : undefined),
      workflow: { id: workflowInfo().workflowId, runId: workflowInfo().runId },
    };
  }

  /** Writes status and Events, search attributes and details, each only when it changed. */
  async #tell(): Promise<void> {
    this.show();
    const now = this.#report();
    const attributes: Attributes = { module: this.#name, phase: now.phase, revision: now.updateRevision, failed: now.fleet.states.Failed };
    if (JSON.stringify(attributes) !== this.#attributes) {
      upsertAttributes(attributes);
      this.#attributes = JSON.stringify(attributes);
    }
    if (this.#seen?.kind === 'gone' || this.#state.headless !== undefined) return;
    const text = canonicalJson(now);
    if (text === this.#reported) return;
    await report(`${now.phase}: ${now.fleet.states.Loaded} of ${now.fleet.selected} clusters loaded`, now);
    this.#reported = text;
  }

  show(): void {
    setCurrentDetails(moduleDetails(this.status()));
  }

  status(): ModuleStatus {
    return { ...this.#report(), doing: this.#doing, trouble: this.#trouble, headless: this.#state.headless !== undefined };
  }

  plan(): ModulePlan {
    const { phase, fleet, removals } = this.#report();
    return { phase, behind: fleet.behind, removals: removals?.count ?? 0, next: this.#doing };
  }

  exceptionOf = (cluster: string): Exception | undefined => this.#report().fleet.exceptions.find((e) => e.cluster === cluster);

  history = (): readonly RolloutRecord[] => this.#state.history;

  // What people ask ------------------------------------------------------------------------------------------------------------------

  checkPause(): void {
    if (this.#state.paused !== undefined) refuse(`Module ${this.#name} is paused already, by ${this.#state.paused.by}.`);
  }

  pause({ by, reason = '' }: Request): string {
    this.#update({ paused: { by, reason } });
    this.#dirty = true;
    return `Module ${this.#name} is paused. Clusters that are loading go on; nothing more is published or removed until you resume.`;
  }

  checkResume(): void {
    if (this.#state.paused !== undefined) return;
    const bySpec = this.#seen?.kind === 'module' && this.#seen.policy.paused;
    refuse(bySpec ? `Module ${this.#name} is paused by its spec. Set spec.rollout.paused to false.` : `Module ${this.#name} is not paused.`);
  }

  resume(_request: Request): string {
    this.#update({ paused: undefined });
    this.#dirty = true;
    const behind = this.#seen?.kind === 'module' ? this.#seen.fleet.behind : 0;
    return `Module ${this.#name} goes on. ${behind} clusters wait to be published.`;
  }

  retry(_request: Request): string {
    const failed = this.#seen?.kind === 'module' ? this.#seen.fleet.states.Failed : 0;
    const images = Object.keys(this.#state.images).length;
    this.#update({ images: {}, lastRolled: this.#state.active === undefined && failed > 0 ? undefined : this.#state.lastRolled });
    if (failed > 0) this.#update({ nudge: nowText() });
    this.#dirty = true;
    return `${images} images are looked up again now; ${failed} failed clusters are tried again.`;
  }

  checkConfirmRemoval({ token }: ConfirmRemoval): void {
    const removals = this.#seen?.kind === 'module' ? this.#seen.removals : undefined;
    if (removals?.held !== true) refuse(`No removal of module ${this.#name} waits for a confirmation.`);
    if (token !== undefined && removals?.token !== token)
      refuse(`The set of clusters has changed: it is ${removals?.token ?? 'empty'} now, not ${token}. Look at it again with kmodflow status ${this.#name}.`);
  }

  confirmRemoval({ token }: ConfirmRemoval): string {
    const removals = this.#seen?.kind === 'module' ? this.#seen.removals : undefined;
    this.#update({ confirmedRemoval: token ?? removals?.token });
    this.#dirty = true;
    return `The module is removed from ${removals?.count ?? 0} clusters now.`;
  }

  checkDelete(): void {
    if (this.#state.headless === undefined)
      refuse(`Module ${this.#name} stands in a ManagedClusterModule object. Delete that: kubectl delete managedclustermodule ${this.#name}.`);
    if (this.#state.deleting) refuse(`Module ${this.#name} is being deleted already.`);
  }

  delete(_request: Request): string {
    this.#update({ deleting: true });
    this.#dirty = true;
    return `Module ${this.#name} is being deleted: its ManifestWorks are removed from all clusters.`;
  }

  checkSetSpec(parse: () => unknown): void {
    if (this.#state.headless === undefined)
      refuse(`Module ${this.#name} stands in a ManagedClusterModule object. Change that: kubectl apply.`);
    if (this.#state.deleting) refuse(`Module ${this.#name} is being deleted.`);
    parse();
  }

  setSpec(headless: ManagedClusterModuleSpec): string {
    this.#update({ headless, generation: this.#state.generation + 1 });
    this.#dirty = true;
    return `Module ${this.#name} has a new spec, number ${this.#state.generation}. What differs is rolled out.`;
  }
}

function refuse(message: string): never {
  throw ApplicationFailure.nonRetryable(message, 'Invalid');
}

/** A workflow of that id may run already: this one was restarted, or Temporal's database lost this one alone. Then it goes on. */
async function startIfNew(start: () => Promise<unknown>): Promise<void> {
  try {
    await start();
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}
