import type { Exception } from '../src/domain/fleet-summary.js';
import type { Outcome, PublishResult, WaveProgress, WaveResult, WaveTotals } from '../src/domain/process.js';

/** The clusters of a wave between plan and outcome. Plain data goes in and comes out, so that it survives continue-as-new. */
export interface WaveSnapshot {
  readonly queue: readonly string[];
  readonly inFlight: readonly string[];
  readonly outcomes: Readonly<Record<string, number>>;
  readonly failures: readonly Exception[];
  readonly written: number;
  readonly total: number;
}

const FAILURES_KEPT = 20;

/**
 * Bookkeeping of one wave. Each cluster is in exactly one place: waiting in the queue, being published, in flight (published, not proven), or ended with an outcome.
 */
export class WaveState {
  readonly #queue: string[];
  readonly #queued: Set<string>;
  readonly #publishing = new Set<string>();
  /** Said to be behind while it was being published: it changed in the meantime, and nobody will say so again. */
  readonly #changed = new Set<string>();
  readonly #inFlight: Set<string>;
  /** In flight, and said to be behind: in the queue to be published again. Each keeps its place in the window, or the window would let another one in. */
  readonly #holding = new Set<string>();
  /** Outcome by cluster, of this run. */
  readonly #ended = new Map<string, Outcome>();
  /** Outcomes of earlier runs, by state: their names are not carried over. */
  readonly #endedBefore: Record<string, number>;
  readonly #failuresBefore: Map<string, Exception>;
  #written: number;
  #total: number;

  constructor(start: WaveSnapshot) {
    this.#queue = [...start.queue];
    this.#queued = new Set(start.queue);
    this.#inFlight = new Set(start.inFlight);
    this.#endedBefore = { ...start.outcomes };
    this.#failuresBefore = new Map(start.failures.map((f) => [f.cluster ?? '', f]));
    this.#written = start.written;
    this.#total = start.total;
  }

  static fresh = (clusters: readonly string[]): WaveState =>
    new WaveState({ queue: clusters, inFlight: [], outcomes: {}, failures: [], written: 0, total: clusters.length });

  get unproven(): number {
    return this.#unendedBatch.length + this.#inFlight.size + this.#holding.size;
  }

  /** The follower may be faster than the batch: what has an outcome by now is not unproven any more. */
  get #unendedBatch(): string[] {
    return [...this.#publishing].filter((c) => !this.#ended.has(c));
  }

  get waiting(): number {
    return this.#queue.length;
  }

  get finished(): boolean {
    return this.#queue.length === 0 && this.unproven === 0;
  }

  /** Everyone whose fate is open: what a new follower must watch. */
  get open(): string[] {
    return [...this.unpublished, ...this.inFlight];
  }

  /** Published and not proven. */
  get inFlight(): string[] {
    return [...this.#inFlight, ...this.#holding];
  }

  /** Waiting for their turn, or being published. */
  get unpublished(): string[] {
    return [...this.#queue.filter((c) => !this.#holding.has(c)), ...this.#unendedBatch];
  }

  /**
   * Takes clusters out of the queue, in order: at most `most`, and of those that need a place in the window at most `places`.
   * What is published again has its place already.
   */
  take(places: number, most = Number.POSITIVE_INFINITY): string[] {
    const batch: string[] = [];
    let free = places;
    for (const cluster of this.#queue) {
      if (batch.length >= most || (free <= 0 && this.#holding.size === 0)) break;
      if (!this.#holding.delete(cluster) && free-- <= 0) continue;
      batch.push(cluster);
    }
    for (const cluster of batch) {
      this.#dequeue(cluster);
      this.#publishing.add(cluster);
    }
    return batch;
  }

  published({ written, unchanged, setAside }: PublishResult): void {
    this.#written += written.length;
    for (const cluster of [...written, ...unchanged]) {
      // The follower may have been faster: then the outcome stands already.
      if (this.#publishing.delete(cluster) && !this.#ended.has(cluster)) this.#inFlight.add(cluster);
      if (this.#changed.delete(cluster)) this.#enqueue(cluster);
    }
    for (const outcome of setAside) {
      this.#end(outcome);
      this.#publishing.delete(outcome.cluster);
      if (this.#changed.delete(outcome.cluster)) this.#enqueue(outcome.cluster);
    }
  }

  /** A batch that could not be published for a reason that a retry does not cure. */
  refused(batch: readonly string[], message: string): void {
    for (const cluster of batch) {
      this.#end({ cluster, state: 'Failed', problem: { reason: 'ApplyFailed', message } });
      this.#publishing.delete(cluster);
      this.#changed.delete(cluster); // the same refusal would come again
    }
  }

  observed({ outcomes, behind }: WaveProgress): void {
    for (const cluster of behind) this.#enqueue(cluster);
    for (const outcome of outcomes) {
      this.#changed.delete(outcome.cluster); // older than this outcome
      this.#end(outcome);
    }
  }

  /** The wave stops: what waits is left as it is. */
  dropQueue(): void {
    this.#queue.length = 0;
    this.#queued.clear();
    this.#holding.clear();
  }

  #enqueue(cluster: string): void {
    if (this.#publishing.has(cluster)) this.#changed.add(cluster);
    if (this.#queued.has(cluster) || this.#publishing.has(cluster)) return;
    if (this.#inFlight.delete(cluster)) this.#holding.add(cluster);
    else if (!this.#ended.delete(cluster) && !this.#forgetFailure(cluster)) this.#total += 1;
    this.#queue.push(cluster);
    this.#queued.add(cluster);
  }

  #dequeue(cluster: string): boolean {
    if (!this.#queued.delete(cluster)) return false;
    this.#holding.delete(cluster);
    this.#queue.splice(this.#queue.indexOf(cluster), 1);
    return true;
  }

  #end(outcome: Outcome): void {
    const { cluster } = outcome;
    const open = this.#dequeue(cluster) || this.#inFlight.delete(cluster) || this.#publishing.has(cluster);
    if (!open && !this.#ended.has(cluster) && !this.#forgetFailure(cluster)) this.#total += 1;
    this.#ended.set(cluster, outcome);
  }

  /** A cluster that failed in an earlier run is tried again: its failure counts no more. Only the failures that are carried over by name can be known. */
  #forgetFailure(cluster: string): boolean {
    if (!this.#failuresBefore.delete(cluster)) return false;
    this.#endedBefore['Failed'] = Math.max(0, (this.#endedBefore['Failed'] ?? 0) - 1);
    return true;
  }

  get totals(): WaveTotals {
    const count = (state: string): number =>
      (this.#endedBefore[state] ?? 0) + [...this.#ended.values()].filter((o) => o.state === state).length;
    return {
      total: this.#total,
      pending: this.#queue.length - this.#holding.size,
      inFlight: this.unproven,
      loaded: count('Loaded'),
      noNodes: count('NoNodes'),
      failed: count('Failed'),
      offline: count('Offline'),
      excluded: count('Excluded'),
      written: this.#written,
    };
  }

  get failures(): Exception[] {
    const now = [...this.#ended.values()].flatMap(({ cluster, state, problem }) =>
      state === 'Failed' && problem !== undefined ? [{ cluster, state, ...problem }] : [],
    );
    return [...this.#failuresBefore.values(), ...now]
      .sort((a, b) => ((a.cluster ?? '') < (b.cluster ?? '') ? -1 : 1))
      .slice(0, FAILURES_KEPT);
  }

  result(stopped: boolean): WaveResult {
    return { totals: this.totals, stopped, failures: this.failures };
  }

  snapshot(): WaveSnapshot {
    const outcomes = { ...this.#endedBefore };
    for (const { state } of this.#ended.values()) outcomes[state] = (outcomes[state] ?? 0) + 1;
    return {
      queue: this.unpublished,
      inFlight: this.inFlight,
      outcomes,
      failures: this.failures,
      written: this.#written,
      total: this.#total,
    };
  }
}
