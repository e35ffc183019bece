import { ApplicationFailure } from '@temporalio/workflow';
import type { ManagedClusterModuleSpec } from '../src/api/index.js';
import { nowText } from './clock.js';
import type { ConfirmRemoval, Request } from './messages.js';
import type { ModuleMemory } from './module-memory.js';

/** What people may ask of a module: each request with the check that refuses it, and the sentence that answers it. The checks are synchronous and change nothing. */
export class ModuleRequests {
  readonly #memory: ModuleMemory;

  constructor(memory: ModuleMemory) {
    this.#memory = memory;
  }

  checkPause(): void {
    const { name, state } = this.#memory;
    if (state.paused !== undefined) refuse(`Module ${name} is paused already, by ${state.paused.by}.`);
  }

  pause({ by, reason = '' }: Request): string {
    this.#accept({ paused: { by, reason } });
    return `Module ${this.#memory.name} is paused. Clusters that are loading go on; nothing more is published or removed until you resume.`;
  }

  checkResume(): void {
    const { name, state, module } = this.#memory;
    if (state.paused !== undefined) return;
    refuse(
      module?.policy.paused === true
        ? `Module ${name} is paused by its spec. Set spec.rollout.paused to false.`
        : `Module ${name} is not paused.`,
    );
  }

  resume(_request: Request): string {
    this.#accept({ paused: undefined });
    return `Module ${this.#memory.name} goes on. ${this.#memory.module?.fleet.behind ?? 0} clusters wait to be published.`;
  }

  retry(_request: Request): string {
    const { state, module } = this.#memory;
    const failed = module?.fleet.states.Failed ?? 0;
    const images = Object.keys(state.images).length;
    this.#accept({
      images: {},
      imageRetry: nowText(),
      lastRolled: state.active === undefined && failed > 0 ? undefined : state.lastRolled,
    });
    if (failed > 0) this.#accept({ nudge: nowText() });
    return `${images} images are looked up again now; ${failed} failed clusters are tried again.`;
  }

  checkConfirmRemoval({ token }: ConfirmRemoval): void {
    const { name, module } = this.#memory;
    const removals = module?.removals;
    if (removals?.held !== true) refuse(`No removal of module ${name} waits for a confirmation.`);
    if (token !== undefined && removals?.token !== token)
      refuse(
        `The set of clusters has changed: it is ${removals?.token ?? 'empty'} now, not ${token}. Look at it again with kmodflow status ${name}.`,
      );
  }

  confirmRemoval({ token }: ConfirmRemoval): string {
    const removals = this.#memory.module?.removals;
    this.#accept({ confirmedRemoval: token ?? removals?.token });
    return `The module is removed from ${removals?.count ?? 0} clusters now.`;
  }

  checkDelete(): void {
    const { name, state } = this.#memory;
    if (state.headless === undefined)
      refuse(`Module ${name} stands in a ManagedClusterModule object. Delete that: kubectl delete managedclustermodule ${name}.`);
    if (state.deleting) refuse(`Module ${name} is being deleted already.`);
  }

  delete(_request: Request): string {
    this.#accept({ deleting: true });
    return `Module ${this.#memory.name} is being deleted: its ManifestWorks are removed from all clusters.`;
  }

  checkSetSpec(parse: () => unknown): void {
    const { name, state } = this.#memory;
    if (state.headless === undefined) refuse(`Module ${name} stands in a ManagedClusterModule object. Change that: kubectl apply.`);
    if (state.deleting) refuse(`Module ${name} is being deleted.`);
    parse();
  }

  setSpec(headless: ManagedClusterModuleSpec): string {
    this.#accept({ headless, generation: this.#memory.state.generation + 1 });
    return `Module ${this.#memory.name} has a new spec, number ${this.#memory.state.generation}. What differs is rolled out.`;
  }

  /** What a person asked for is acted upon at once. */
  #accept(change: Parameters<ModuleMemory['update']>[0]): void {
    this.#memory.update(change);
    this.#memory.dirty = true;
  }
}

function refuse(message: string): never {
  throw ApplicationFailure.nonRetryable(message, 'Invalid');
}
