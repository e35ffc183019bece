import { proveLoaded } from '../domain/load-proof.js';
import { publishedMs } from '../domain/assess-cluster.js';
import type { ClusterView, WorkView } from '../domain/views.js';

/**
 * Since when each spoke has reported, without a break, that it holds what was published: the hub's own clock, since the spokes' transition times prove nothing.
 *
 * A process that has just started has seen nothing yet. It believes a spoke at once only where a completed rollout had proven the same revision (the MCM's status
 * says so) and the content was not published a moment ago; every other cluster settles anew.
 */
export class LoadClock {
  readonly #now: () => number;
  readonly #heldSince = new Map<string, { readonly hash: string; readonly sinceMs: number }>();
  readonly #availableSince = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * @param known The view that names the cluster and the module. @param current Undefined: the ManifestWork is gone.
   * @param settledRevision At the first look of this process: the revision that a rollout has completed.
   */
  observeWork(known: WorkView, current: WorkView | undefined, cluster: ClusterView | undefined, settledRevision: string | undefined): void {
    const key = keyOf(known.cluster, known.module);
    if (current === undefined || !holds(current, cluster)) {
      this.#heldSince.delete(key);
      return;
    }
    const hash = current.declaredHash ?? '';
    if (this.#heldSince.get(key)?.hash === hash) return;
    const provenBefore =
      settledRevision !== undefined && current.revision === settledRevision && this.#now() - publishedMs(current) > RECENT_MS;
    this.#heldSince.set(key, { hash, sinceMs: provenBefore ? 0 : this.#now() });
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

  availableSinceMs(cluster: string): number {
    return this.#availableSince.get(cluster) ?? 0;
  }
}

/** Content younger than this may still be settling when a process starts (10 minutes). */
const RECENT_MS = 10 * 60_000;

const keyOf = (cluster: string, module: string): string => `${cluster}/${module}`;

function holds(work: WorkView, cluster: ClusterView | undefined): boolean {
  if (cluster?.available !== true) return false;
  const { verdict } = proveLoaded(work, cluster.kernels);
  return verdict === 'Holds' || verdict === 'NoNodes';
}
