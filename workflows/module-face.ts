import { setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import { canonicalJson } from '../src/domain/canonical-json.js';
import { moduleDetails } from '../src/domain/details.js';
import { emptyFleet, type Exception, type FleetSummary } from '../src/domain/fleet-summary.js';
import { imageStates, isMaking } from '../src/domain/image-tries.js';
import type { ModulePlan, ModuleStatus } from '../src/domain/module-status.js';
import type { ActiveWork } from '../src/domain/next-step.js';
import { phaseOf } from '../src/domain/phase.js';
import type { Report, RolloutRecord, RolloutState } from '../src/domain/process.js';
import { report } from './activity-proxies.js';
import type { ModuleMemory } from './module-memory.js';
import { upsertAttributes, type Attributes } from './search-attributes.js';

/** What people see of a module: one report, which the status, the Events, the search attributes, the details in the UI and the queries show. */
export class ModuleFace {
  readonly #memory: ModuleMemory;
  #reported = '';
  #attributes = '';

  constructor(memory: ModuleMemory) {
    this.#memory = memory;
  }

  /** Writes status and Events, search attributes and details, each only when it changed. */
  async tell(): Promise<void> {
    this.show();
    const now = this.report();
    const attributes: Attributes = { module: now.name, phase: now.phase, revision: now.updateRevision, failed: now.fleet.states.Failed };
    if (JSON.stringify(attributes) !== this.#attributes) {
      upsertAttributes(attributes);
      this.#attributes = JSON.stringify(attributes);
    }
    if (this.#memory.seen?.kind === 'gone' || this.#memory.state.headless !== undefined) return;
    const text = canonicalJson(now);
    if (text === this.#reported) return;
    await report(`${now.phase}: ${now.fleet.states.Loaded} of ${now.fleet.selected} clusters loaded`, now);
    this.#reported = text;
  }

  show(): void {
    setCurrentDetails(moduleDetails(this.status()));
  }

  status(): ModuleStatus {
    const { doing, trouble, state } = this.#memory;
    return { ...this.report(), doing, trouble, headless: state.headless !== undefined };
  }

  plan(): ModulePlan {
    const { phase, fleet, removals } = this.report();
    return { phase, behind: fleet.behind, removals: removals?.count ?? 0, next: this.#memory.doing };
  }

  exceptionOf = (cluster: string): Exception | undefined => this.report().fleet.exceptions.find((e) => e.cluster === cluster);

  history = (): readonly RolloutRecord[] => this.#memory.state.history;

  report(): Report {
    const { name, state, seen, paused } = this.#memory;
    const { workflowId, runId } = workflowInfo();
    return {
      name,
      phase: phaseOf(seen, { active: state.active, paused, currentRevision: state.currentRevision, making: isMaking(state.images) }),
      ...this.#observed(),
      currentRevision: state.currentRevision,
      rollout: rolloutState(state.active),
      history: state.history,
      paused: state.paused ?? (paused ? { by: 'spec.rollout.paused', reason: '' } : undefined),
      workflow: { id: workflowId, runId },
    };
  }

  /** The part of the report that the last look says. */
  #observed(): Pick<Report, 'generation' | 'fleet' | 'updateRevision' | 'images' | 'removals' | 'problems' | 'notes'> {
    const { module, seen, state } = this.#memory;
    return {
      generation: this.#generation(),
      fleet: this.#fleet(),
      updateRevision: module?.revision.name,
      images: module === undefined ? [] : imageStates(module.pinned, module.needs, state.images),
      removals: module?.removals,
      problems: seen?.kind === 'invalid' ? seen.problems : [],
      notes: module?.notes,
    };
  }

  #generation(): number {
    const { seen, state } = this.#memory;
    if (seen === undefined || seen.kind === 'gone') return 0;
    return state.headless === undefined ? seen.generation : this.#memory.seenGeneration;
  }

  #fleet(): FleetSummary {
    const { seen } = this.#memory;
    return seen === undefined || seen.kind === 'gone' ? emptyFleet() : seen.fleet;
  }
}

function rolloutState(active: ActiveWork | undefined): RolloutState | undefined {
  if (active?.kind !== 'rollout') return undefined;
  const { number, revision, startedAt, stopping } = active;
  return { number, revision, phase: stopping ? 'Stopping' : 'Progressing', startedAt };
}
