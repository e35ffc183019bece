import { proveLoaded } from '../domain/load-proof.js';
import { publishedMs } from '../domain/assess-cluster.js';
import type { ClusterView, WorkView } from '../domain/views.js';
import type { ModuleView } from './module-view.js';

/**
 * Since when each spoke has reported, without a break, that it holds what was published: the hub's own clock, since the spokes' transition times prove nothing.
 *
 * A process that has just started has seen nothing yet. It believes a spoke at once only where the MCM's status says that a rollout had proven the same content; every
 * other cluster settles anew.
 */
export class LoadClock {
  readonly #now: () => number;
  readonly #heldSince = new Map<string, { readonly hash: string; readonly sinceMs: number }>();
  readonly #availableSince = new Map<string, number>();
  /** When the proof broke, and for how long it had held until then: newest last, each held for less time than the one before it. */
  readonly #lost = new Map<string, readonly Loss[]>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * @param known The view that names the cluster and the module. @param current Undefined: the ManifestWork is gone.
   * @param remembered At the first look of this process: the module, whose status tells what was proven before.
   */
  observeWork(known: WorkView, current: WorkView | undefined, cluster: ClusterView | undefined, remembered: ModuleView | undefined): void {
    const key = keyOf(known.cluster, known.module);
    if (current === undefined || !holds(current, cluster)) {
      this.#lose(key, current);
      return;
    }
    const hash = current.declaredHash ?? '';
    if (this.#heldSince.get(key)?.hash === hash) return;
    const believed = remembered !== undefined && wasProven(current, remembered, this.#now());
    this.#heldSince.set(key, { hash, sinceMs: believed ? 0 : this.#now() });
  }

  #lose(key: string, current: WorkView | undefined): void {
    const held = this.#heldSince.get(key);
    this.#heldSince.delete(key);
    if (current === undefined) this.#lost.delete(key);
    else if (held !== undefined) {
      const loss = { hash: held.hash, atMs: this.#now(), heldMs: this.#now() - held.sinceMs };
      const before = (this.#lost.get(key) ?? []).filter((l) => l.hash === loss.hash && l.heldMs > loss.heldMs);
      this.#lost.set(key, [...before.slice(-(LOSSES_KEPT - 1)), loss]);
    }
  }

  observeCluster(name: string, cluster: ClusterView | undefined, firstLook: boolean): void {
    if (cluster?.available !== true) this.#availableSince.delete(name);
    else if (!this.#availableSince.has(name)) this.#availableSince.set(name, firstLook ? 0 : this.#now());
  }

  /** Milliseconds since the epoch; undefined while the proof does not hold for this content. */
  heldSinceMs(work: WorkView | undefined): number | undefined {
    if (work === undefined) return undefined;
    const held = this.#heldSince.get(keyOf(work.cluster, work.module));
    return held !== undefined && held.hash === work.declaredHash ? held.sinceMs : undefined;
  }

  /** When content that had been proven, having held for `settleMs`, stopped holding last. Undefined: never, as far as this process has seen. */
  lostAtMs(work: WorkView | undefined, settleMs: number): number | undefined {
    if (work === undefined) return undefined;
    return this.#lost.get(keyOf(work.cluster, work.module))?.findLast((l) => l.hash === work.declaredHash && l.heldMs >= settleMs)?.atMs;
  }

  availableSinceMs(cluster: string): number {
    return this.#availableSince.get(cluster) ?? 0;
  }
}

interface Loss {
  readonly hash: string;
  readonly atMs: number;
  readonly heldMs: number;
}
const LOSSES_KEPT = 5;

/** Content that was published after its rollout, to a cluster that caught up, may still be settling for so long (10 minutes). */
const RECENT_MS = 10 * 60_000;

/**
 * Whether a rollout that has ended had proven this content: it ends when each of its clusters is proven, or has an outcome that the status tells of.
 */
function wasProven(work: WorkView, { currentRevision, endedMs, troubled }: ModuleView, nowMs: number): boolean {
  const { revision } = work;
  if (revision === undefined || troubled.includes(work.cluster)) return false;
  const published = publishedMs(work);
  const ended = endedMs[revision];
  if (ended !== undefined && published <= ended) return true;
  return (ended !== undefined || revision === currentRevision) && nowMs - published > RECENT_MS;
}

const keyOf = (cluster: string, module: string): string => `${cluster}/${module}`;

function holds(work: WorkView, cluster: ClusterView | undefined): boolean {
  if (cluster?.available !== true) return false;
  const { verdict } = proveLoaded(work, cluster.kernels);
  return verdict === 'Holds' || verdict === 'NoNodes';
}
