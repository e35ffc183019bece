import type { ManagedClusterModuleSpec } from '../src/api/index.js';
import type { PastRemoval } from '../src/domain/fleet-summary.js';
import type { ImageTries } from '../src/domain/image-tries.js';
import type { ActiveWork } from '../src/domain/next-step.js';
import type { Observation, ObservedModule, RolloutRecord } from '../src/domain/process.js';

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
  /** Images that were asked of their workflows: key to reference. */
  readonly requested?: Readonly<Record<string, string>> | undefined;
  /** A person asked to try images again; names the attempt. */
  readonly imageRetry?: string | undefined;
  readonly confirmedRemoval?: string | undefined;
  /** Token of the removal that waits for a person. */
  readonly heldRemoval?: string | undefined;
  /** Removals of the last hour that nobody had to confirm. */
  readonly removals?: readonly PastRemoval[] | undefined;
  /** A person asked to try failed clusters again; names the attempt. */
  readonly nudge?: string | undefined;
}

/** Where a module begins. A headless one has its spec from the start. */
export const freshState = (headless: ManagedClusterModuleSpec | undefined): ModuleState => ({
  ...(headless === undefined ? {} : { headless }),
  generation: headless === undefined ? 0 : 1,
  deleting: false,
  rolloutNumber: 0,
  catchUpNumber: 0,
  history: [],
  images: {},
});

/** What is known of one module now: written by what runs it and by what people ask, read by what people see. */
export class ModuleMemory {
  readonly name: string;
  /** Something changed: look again. */
  dirty = false;
  seen: Observation | undefined;
  /** Generation of the headless spec that was last looked at: what is reported belongs to it, not to a spec that has just come in. */
  seenGeneration = 0;
  /** One sentence for people. */
  doing = 'Looking at the module for the first time.';
  /** Why the last look failed, if it did. */
  trouble: string | undefined;
  #state: ModuleState;

  constructor(name: string, state: ModuleState) {
    this.name = name;
    this.#state = state;
  }

  get state(): ModuleState {
    return this.#state;
  }

  update(change: Partial<ModuleState>): void {
    this.#state = { ...this.#state, ...change };
  }

  /** The module was gone and has been made anew: nothing of the old one counts but the numbers, since they name workflows, and what still runs. */
  startOver(): void {
    const { headless, generation, deleting, rolloutNumber, catchUpNumber, active, requested } = this.#state;
    this.#state = { headless, generation, deleting, rolloutNumber, catchUpNumber, active, requested, history: [], images: {} };
  }

  /** The last look, where it found a module with a valid spec. */
  get module(): ObservedModule | undefined {
    return this.seen?.kind === 'module' ? this.seen : undefined;
  }

  /** By a person or by the spec. */
  get paused(): boolean {
    return this.#state.paused !== undefined || this.module?.policy.paused === true;
  }
}
