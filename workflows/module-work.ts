import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { getExternalWorkflowHandle, ParentClosePolicy, startChild, type ExternalWorkflowHandle } from '@temporalio/workflow';
import { imageProblems } from '../src/domain/image-tries.js';
import { catchUpWorkflowId, rolloutWorkflowId } from '../src/domain/messages.js';
import type { ActiveWork } from '../src/domain/next-step.js';
import type { ModuleRef, ObservedModule, WaveRef } from '../src/domain/process.js';
import { isRunning, planWave } from './activity-proxies.js';
import { nowMs, nowText } from './clock.js';
import { setPausedSignal, stopSignal, type WorkFinished } from './messages.js';
import type { ModuleMemory } from './module-memory.js';
import { rollout } from './rollout.js';
import { wave } from './wave.js';

const HISTORY_KEPT = 10;
/** A rollout that is younger is believed to run (5 minutes). */
const BELIEVED_MS = 5 * 60_000;

/** The rollout or catch-up of a module: at most one is under way. It outlives continue-as-new of the module's workflow, and reports by signal. */
export class ModuleWork {
  readonly #memory: ModuleMemory;
  /** What the work under way was last told. */
  #toldPaused: boolean | undefined;

  constructor(memory: ModuleMemory) {
    this.#memory = memory;
  }

  async startRollout(revision: string, seen: ObservedModule): Promise<void> {
    const { name, paused, state } = this.#memory;
    const number = state.rolloutNumber + 1;
    const workflowId = rolloutWorkflowId(name, number);
    const ref = this.#waveRef(revision, seen);
    this.#memory.update({ rolloutNumber: number, nudge: undefined });
    await this.#begin({ kind: 'rollout', workflowId, number, revision, startedAt: nowText(), stopping: false }, paused, () =>
      startChild(rollout, {
        workflowId,
        args: [{ ...ref, number, paused }],
        parentClosePolicy: ParentClosePolicy.ABANDON,
        staticSummary: `Rollout ${number}: ${name} to ${revision}`,
      }),
    );
    this.#memory.doing = `Rollout ${number} brings ${seen.fleet.behind} clusters to revision ${revision}.`;
  }

  async startCatchUp(revision: string, seen: ObservedModule): Promise<void> {
    const { name, state } = this.#memory;
    const number = state.catchUpNumber + 1;
    const workflowId = catchUpWorkflowId(name, number);
    const ref = this.#waveRef(revision, seen);
    const startedAt = nowText();
    const { clusters } = await planWave(`Plans the catch-up of ${seen.fleet.behind} clusters`, ref);
    const title = `${name}, catch-up ${number}`;
    const { paused } = this.#memory;
    this.#memory.update({ catchUpNumber: number, nudge: undefined });
    await this.#begin({ kind: 'catchUp', workflowId, number, revision, startedAt, stopping: false }, paused, () =>
      startChild(wave, {
        workflowId,
        args: [{ ...ref, title, clusters, paused, catchUp: { number, startedAt } }],
        parentClosePolicy: ParentClosePolicy.ABANDON,
        staticSummary: `Catch-up ${number}: ${clusters.length} clusters to ${revision}`,
      }),
    );
    this.#memory.doing = `${seen.fleet.behind} clusters catch up with revision ${revision}.`;
  }

  /** Counts as under way before it is started: work with nothing to do may report its end before its start is confirmed. */
  async #begin(active: ActiveWork, paused: boolean, start: () => Promise<unknown>): Promise<void> {
    this.#memory.update({ active });
    this.#toldPaused = paused;
    try {
      await startIfNew(start);
    } catch (error) {
      this.#forget(active);
      throw error;
    }
  }

  #forget({ workflowId }: ActiveWork): void {
    if (this.#memory.state.active?.workflowId === workflowId) this.#memory.update({ active: undefined });
  }

  #waveRef(revision: string, seen: ObservedModule): WaveRef {
    const { state } = this.#memory;
    return { ...moduleRef(this.#memory), revision, imageProblems: imageProblems(state.images), policy: seen.policy, nudge: state.nudge };
  }

  /** @returns Whether there turned out to be nothing to stop, so that the module is worth another look at once. */
  async stop(why: string): Promise<boolean> {
    const { active } = this.#memory.state;
    if (active === undefined) return false;
    await this.check();
    if (this.#memory.state.active === undefined) return true;
    this.#memory.update({ active: { ...active, stopping: true } }); // before the signal: its end may be told while we wait
    await this.#signal((handle) => handle.signal(stopSignal, why));
    this.#memory.doing = `${why} Waiting for the batch under way to finish.`;
    return false;
  }

  async passOnPause(): Promise<void> {
    const { paused, state } = this.#memory;
    if (state.active === undefined || this.#toldPaused === paused) return;
    this.#toldPaused = paused;
    await this.#signal((handle) => handle.signal(setPausedSignal, paused));
  }

  async #signal(send: (handle: ExternalWorkflowHandle) => Promise<void>): Promise<void> {
    const { active } = this.#memory.state;
    if (active !== undefined) await send(getExternalWorkflowHandle(active.workflowId)).catch(() => undefined); // it has just ended
  }

  /** Somebody may have terminated the rollout in the Temporal UI: it would never report. */
  async check(): Promise<void> {
    const { active } = this.#memory.state;
    if (active === undefined || nowMs() - Date.parse(active.startedAt) < BELIEVED_MS) return;
    if (await isRunning(`Asks whether ${active.workflowId} still runs`, active.workflowId)) return;
    this.#forget(active);
  }

  finished({ workflowId, record }: WorkFinished): void {
    const { active, history } = this.#memory.state;
    this.#memory.dirty = true;
    if (active?.workflowId !== workflowId) return;
    this.#memory.update({ active: undefined });
    if (active.kind === 'catchUp') return;
    this.#memory.update({ history: [record, ...history].slice(0, HISTORY_KEPT) });
    if (record.outcome === 'Superseded') return;
    this.#memory.update({
      lastRolled: record.revision,
      ...(record.outcome === 'Completed' ? { currentRevision: record.revision } : {}),
    });
  }
}

/** How activities are told which module is meant. A headless module that is being deleted has no spec any more: activities find it gone. */
export const moduleRef = ({ name, state: { headless, deleting } }: ModuleMemory): ModuleRef => ({
  name,
  ...(headless === undefined || deleting ? {} : { headless }),
});

/** A workflow of that id may run already: this one was restarted, or Temporal's database lost this one alone. Then it goes on. */
async function startIfNew(start: () => Promise<unknown>): Promise<void> {
  try {
    await start();
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}
