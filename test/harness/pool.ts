/** Runs `work` over all items, `width` at a time. The first failure rejects after the ones under way have ended; no further one is begun. */
export async function forEachLimited<T>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    while (next < items.length && failure === undefined) {
      const index = next++;
      await work(items[index] as T, index).catch((error: unknown) => (failure ??= { error }));
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  if (failure !== undefined) throw failure.error;
}

/**
 * Keys to look at, each at most once at a time and `width` at a time in all. A key that is added while it is being looked at is looked at again.
 * `work` must handle its own errors: what it throws goes to `onError`.
 */
export class KeyQueue {
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  readonly #width: number;
  readonly #work: (key: string) => Promise<void>;
  readonly #onError: (key: string, error: unknown) => void;
  #closed = false;
  #idle: (() => void)[] = [];

  constructor(width: number, work: (key: string) => Promise<void>, onError: (key: string, error: unknown) => void) {
    this.#width = width;
    this.#work = work;
    this.#onError = onError;
  }

  add(key: string): void {
    if (this.#closed) return;
    this.#waiting.add(key);
    this.#fill();
  }

  /** Drops what waits; resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.clear();
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #fill(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#width) return;
      if (this.#running.has(key)) continue; // comes up again when that run ends
      this.#waiting.delete(key);
      this.#running.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    try {
      await this.#work(key);
    } catch (error) {
      this.#onError(key, error);
    }
    this.#running.delete(key);
    if (this.#running.size === 0) this.#idle.splice(0).forEach((resolve) => resolve());
    this.#fill();
  }
}
