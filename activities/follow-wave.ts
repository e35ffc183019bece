import { Context } from '@temporalio/activity';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FollowInput, Outcome, WaveProgress } from '../src/domain/process.js';
import { WAVE_PROGRESS_SIGNAL } from '../src/domain/messages.js';
import type { Deps } from './deps.js';
import { SYNC_TIMEOUT_MS } from './observe.js';
import { lookWith, type WaveLook } from './wave-look.js';
import { readModuleSource } from './module-source.js';

/** How often the follower looks while ManifestWorks change, and while they do not (settle times and deadlines pass in silence). */
const BUSY_MS = 250;
const QUIET_MS = 1_000;
/** Names in one signal, so that its payload stays small. */
const NAMES_PER_SIGNAL = 1_000;
/** How often the MCM is read again for its selector and owner. */
const SOURCE_MS = 10_000;

type FollowDeps = Pick<Deps, 'api' | 'fleet' | 'sha256' | 'now' | 'workflows' | 'logger'>;

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
    let changed = true;
    const stopListening = [deps.fleet.works, deps.fleet.clusters, deps.fleet.revisions].map((cache) => cache.onChange(() => (changed = true)));
    try {
      for (;;) {
        context.cancellationSignal.throwIfAborted();
        context.heartbeat();
        changed = false;
        await follower.tell(await follower.look());
        for (let waited = 0; waited < QUIET_MS && !(changed && waited >= BUSY_MS); waited += BUSY_MS / 2)
          await sleep(BUSY_MS / 2, undefined, { signal: context.cancellationSignal });
      }
    } finally {
      for (const stop of stopListening) stop();
    }
  };

class Follower {
  readonly #deps: FollowDeps;
  readonly #input: FollowInput;
  /** Last thing told of each cluster: a final state, `behind` or `inFlight`. Members start as behind: the wave has them in its queue. */
  readonly #told: Map<string, string>;
  #look: WaveLook | undefined;
  #sourceReadAtMs = Number.NEGATIVE_INFINITY;

  /** @param first False on a retry: what was told before is not known then, so everything is told again. */
  constructor(deps: FollowDeps, input: FollowInput, first: boolean) {
    this.#deps = deps;
    this.#input = input;
    this.#told = new Map(input.clusters.map((c) => [c, first ? 'behind' : 'unknown']));
  }

  async look(): Promise<WaveProgress> {
    const look = await this.#currentLook();
    if (look === undefined) return { outcomes: [], behind: [] };
    const outcomes: Outcome[] = [];
    const behind: string[] = [];
    for (const cluster of look.selected()) {
      const { state, behind: isBehind, final, problem } = look.spoke(cluster).assessment;
      const told = this.#told.get(cluster.name);
      if (isBehind) {
        if (told === 'behind') continue;
        behind.push(cluster.name);
        this.#told.set(cluster.name, 'behind');
      } else if (final && told !== undefined && told !== state) {
        outcomes.push({ cluster: cluster.name, state, problem });
        this.#told.set(cluster.name, state);
      } else if (!final && told !== undefined) this.#told.set(cluster.name, 'inFlight');
    }
    return { outcomes: [...outcomes, ...this.#lost(look)], behind };
  }

  /** Members that are not selected any more, or whose ManagedCluster is gone, are not the wave's business. */
  #lost(look: WaveLook): Outcome[] {
    const lost: Outcome[] = [];
    for (const name of this.#told.keys()) {
      const cluster = this.#deps.fleet.clusters.get(name);
      if (cluster !== undefined && look.isSelected(cluster)) continue;
      this.#told.delete(name);
      lost.push({ cluster: name, state: 'Excluded', problem: { reason: 'ClusterDeleting', message: `Cluster ${name} is not selected any more.` } });
    }
    return lost;
  }

  /** A fresh look over the caches; the MCM itself is read again now and then. */
  async #currentLook(): Promise<WaveLook | undefined> {
    const now = this.#deps.now();
    if (this.#look === undefined || now - this.#sourceReadAtMs > SOURCE_MS) {
      const source = await readModuleSource(this.#deps, this.#input);
      this.#sourceReadAtMs = now;
      this.#look = source === undefined ? undefined : lookWith(this.#deps, this.#input, source);
    } else this.#look = lookWith(this.#deps, this.#input, this.#look.source);
    return this.#look;
  }

  async tell({ outcomes, behind }: WaveProgress): Promise<void> {
    for (let i = 0; i < Math.max(outcomes.length, behind.length); i += NAMES_PER_SIGNAL) {
      const part: WaveProgress = { outcomes: outcomes.slice(i, i + NAMES_PER_SIGNAL), behind: behind.slice(i, i + NAMES_PER_SIGNAL) };
      await this.#deps.workflows.signal(this.#input.workflowId, WAVE_PROGRESS_SIGNAL, part);
    }
  }
}
