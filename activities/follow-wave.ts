import { Context } from '@temporalio/activity';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFault } from '../src/domain/fault.js';
import type { FollowInput, Outcome, WaveProgress } from '../src/domain/process.js';
import { WAVE_PROGRESS_SIGNAL } from '../src/domain/messages.js';
import type { WorkView } from '../src/domain/views.js';
import type { Deps } from './deps.js';
import { SYNC_TIMEOUT_MS } from './observe.js';
import { fetchRevision, lookWith, type WaveLook, type WaveLookDeps } from './wave-look.js';
import { readModuleSource } from './module-source.js';

/** How often the follower looks while ManifestWorks change, and while they do not (settle times pass in silence). */
const BUSY_MS = 250;
const QUIET_MS = 1_000;
/** How often every cluster is looked at, changed or not: deadlines pass in silence too. */
const FULL_LOOK_MS = 10_000;
/** Names in one signal, so that its payload stays small. */
const NAMES_PER_SIGNAL = 1_000;
/** How often the MCM is read again for its selector and owner. */
const SOURCE_MS = 10_000;

type FollowDeps = WaveLookDeps & Pick<Deps, 'workflows'>;

/**
 * Follows the clusters of a wave through the watch cache and tells the wave what became of them, and which clusters need publishing that it does not know of: those
 * that joined, came back from offline, changed their kernel or were edited by hand. Runs until the wave cancels it; a retry starts over from the caches and at
 * worst says something twice.
 */
export const createFollowWave =
  (deps: FollowDeps) =>
  async (input: FollowInput): Promise<void> => {
    await deps.fleet.whenSynced(SYNC_TIMEOUT_MS);
    const context = Context.current();
    const follower = new Follower(deps, input, context.info.attempt === 1);
    const { works, clusters, revisions } = deps.fleet;
    const stopListening = [
      works.onChange(({ before, after }) => follower.changedWork(after ?? before)),
      clusters.onChange(({ key }) => follower.changed(key)),
      revisions.onChange(() => follower.changed()),
    ];
    try {
      for (;;) {
        context.cancellationSignal.throwIfAborted();
        await follower.tell(await follower.look());
        for (let waited = 0; waited < QUIET_MS && !(follower.hasNews && waited >= BUSY_MS); waited += BUSY_MS / 2)
          await sleep(BUSY_MS / 2, undefined, { signal: context.cancellationSignal });
      }
    } finally {
      for (const stop of stopListening) stop();
    }
  };

class Follower {
  readonly #deps: FollowDeps;
  readonly #input: FollowInput;
  /** Last thing told of each cluster: a final state, `behind` (and the writing that is behind) or `inFlight`. What the wave has in its queue starts as behind. */
  readonly #told: Map<string, string>;
  readonly #news = new Set<string>();
  /** Clusters whose proof may hold already: time alone makes them loaded. */
  readonly #settling = new Set<string>();
  #lookedAtAllMs = Number.NEGATIVE_INFINITY;
  #look: WaveLook | undefined;
  #sourceReadAtMs = Number.NEGATIVE_INFINITY;

  /** @param first False on a retry: what was told before is not known then, so everything is told again. */
  constructor(deps: FollowDeps, input: FollowInput, first: boolean) {
    this.#deps = deps;
    this.#input = input;
    this.#told = new Map([
      ...input.clusters.map((c) => [c, first ? 'behind' : 'unknown'] as const),
      ...input.inFlight.map((c) => [c, 'unknown'] as const),
    ]);
  }

  /** @param cluster Undefined: everything may have changed. */
  changed(cluster?: string): void {
    if (cluster === undefined) this.#lookedAtAllMs = Number.NEGATIVE_INFINITY;
    else this.#news.add(cluster);
  }

  changedWork(work: WorkView | undefined): void {
    if (work?.module === this.#input.name) this.#news.add(work.cluster);
  }

  get hasNews(): boolean {
    return this.#news.size > 0;
  }

  /** Looks at what changed and at what settles; now and then at everything. A fleet of thousands that is quiet costs next to nothing. */
  async look(): Promise<WaveProgress> {
    const look = await this.#currentLook();
    if (look === undefined) return { outcomes: [], behind: [] };
    const nowMs = this.#deps.now();
    const everything = nowMs - this.#lookedAtAllMs > FULL_LOOK_MS;
    const names = everything ? look.selected().map((c) => c.name) : [...new Set([...this.#news, ...this.#settling])];
    if (everything) this.#lookedAtAllMs = nowMs;
    this.#news.clear();
    this.#settling.clear();
    const progress = { outcomes: everything ? this.#lost(look) : [], behind: [] as string[] };
    for (const name of names) this.#judge(look, name, progress);
    return progress;
  }

  #judge(look: WaveLook, name: string, { outcomes, behind }: { outcomes: Outcome[]; behind: string[] }): void {
    const cluster = this.#deps.fleet.clusters.get(name);
    if (cluster === undefined || !look.isSelected(cluster)) {
      if (this.#told.delete(name)) outcomes.push(notSelected(name));
      return;
    }
    const { assessment, work } = look.spoke(cluster);
    const { state, behind: isBehind, final, problem } = assessment;
    const told = this.#told.get(name);
    if (isBehind) {
      // What this wave has written and is behind all the same has changed since, even if no look fell in between.
      const now = work?.workflow === this.#input.workflowId ? `behind ${work.publishedAt ?? ''}` : 'behind';
      if (told !== now) behind.push(name);
      this.#told.set(name, now);
      return;
    }
    if (told === undefined) return; // not the wave's: it had what it needs before
    if (!final) {
      this.#told.set(name, 'inFlight');
      if (state === 'Loading') this.#settling.add(name);
      return;
    }
    if (told !== state) outcomes.push({ cluster: name, state, problem });
    this.#told.set(name, state);
  }

  /** Members that are not selected any more, or whose ManagedCluster is gone, are not the wave's business. */
  #lost(look: WaveLook): Outcome[] {
    const lost = [...this.#told.keys()].filter((name) => {
      const cluster = this.#deps.fleet.clusters.get(name);
      return cluster === undefined || !look.isSelected(cluster);
    });
    for (const name of lost) this.#told.delete(name);
    return lost.map(notSelected);
  }

  /** A fresh look over the caches; the MCM itself is read again now and then. */
  async #currentLook(): Promise<WaveLook | undefined> {
    const now = this.#deps.now();
    const known = this.#look?.source;
    if (known !== undefined && now - this.#sourceReadAtMs <= SOURCE_MS) {
      this.#look = lookWith(this.#deps, this.#input, known);
      return this.#look;
    }
    const source = await readModuleSource(this.#deps, this.#input).catch((error: unknown) => {
      if (known === undefined || !isFault(error, 'Unavailable')) throw error;
      return known; // the API server is away for the moment: go on with what was read last
    });
    this.#sourceReadAtMs = now;
    if (known === undefined) await fetchRevision(this.#deps, this.#input);
    this.#look = source === undefined ? undefined : lookWith(this.#deps, this.#input, source);
    return this.#look;
  }

  async tell({ outcomes, behind }: WaveProgress): Promise<void> {
    for (let i = 0; i < Math.max(outcomes.length, behind.length); i += NAMES_PER_SIGNAL) {
      const part: WaveProgress = { outcomes: outcomes.slice(i, i + NAMES_PER_SIGNAL), behind: behind.slice(i, i + NAMES_PER_SIGNAL) };
      await this.#deps.workflows.signal(this.#input.workflowId, WAVE_PROGRESS_SIGNAL, part);
    }
  }
}

const notSelected = (cluster: string): Outcome => ({
  cluster,
  state: 'Excluded',
  problem: { reason: 'ClusterDeleting', message: `Cluster ${cluster} is not selected any more.` },
});
