import type { KubeLogger } from '../kube/index.js';

/** After a failed call: doubled from 1 s up to 30 s. */
const RETRY_MS = { first: 1_000, most: 30_000 };

/**
 * Calls `tell` for a key once after a flood of touches: `delayMs` after the first one, never postponed by later ones, so that a steady stream cannot starve it.
 * At most one call per key is under way; a failed one is repeated with backoff until it succeeds.
 */
export class Debouncer {
  readonly #tell: (key: string) => Promise<void>;
  readonly #logger: KubeLogger;
  readonly #due = new Map<string, { readonly atMs: number; readonly timer: NodeJS.Timeout }>();
  readonly #busy = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, number>();
  #stopped = false;

  constructor(tell: (key: string) => Promise<void>, logger: KubeLogger) {
    this.#tell = tell;
    this.#logger = logger;
  }

  touch(key: string, delayMs: number): void {
    if (this.#stopped) return;
    const atMs = Date.now() + delayMs;
    const due = this.#due.get(key);
    if (due !== undefined && due.atMs <= atMs) return;
    if (due !== undefined) clearTimeout(due.timer);
    this.#due.set(key, { atMs, timer: setTimeout(() => this.#fire(key), delayMs) });
  }

  #fire(key: string): void {
    this.#due.delete(key);
    if (this.#busy.has(key)) return this.touch(key, 50); // the one under way may have looked already
    const call = this.#tell(key)
      .then(() => void this.#failures.delete(key))
      .catch((error: unknown) => this.#again(key, error))
      .finally(() => this.#busy.delete(key));
    this.#busy.set(key, call);
  }

  #again(key: string, error: unknown): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const delayMs = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** (failures - 1));
    this.#logger.warn({ err: error, module: key, retryMs: delayMs }, 'the workflow could not be told to look again');
    this.touch(key, delayMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { timer } of this.#due.values()) clearTimeout(timer);
    this.#due.clear();
    await Promise.allSettled(this.#busy.values());
  }
}
