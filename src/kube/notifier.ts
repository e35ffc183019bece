/**
 * Calls listeners in order, one notification after the other, also when a listener causes the next one.
 * A listener that throws, or returns a promise that rejects, is reported and otherwise ignored.
 */
export class Notifier<T> {
  readonly #listeners = new Set<(value: T) => void>();
  readonly #queue: T[] = [];
  readonly #onError: (error: unknown) => void;
  #draining = false;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** @returns A function that takes the listener off again. */
  add(listener: (value: T) => void): () => void {
    // Wrapped, so that one function added twice is called twice and removed once.
    const entry = (value: T): void => listener(value);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  notify(value: T): void {
    this.#queue.push(value);
    if (this.#draining) return;
    this.#draining = true;
    for (let next = 0; next < this.#queue.length; next += 1) {
      for (const listener of this.#listeners) this.#call(listener, this.#queue[next] as T);
    }
    this.#queue.length = 0;
    this.#draining = false;
  }

  #call(listener: (value: T) => unknown, value: T): void {
    try {
      const result = listener(value);
      // The type says void, yet an async function fits it.
      if (typeof (result as PromiseLike<unknown> | undefined)?.then === 'function') Promise.resolve(result).catch(this.#onError);
    } catch (error) {
      this.#onError(error);
    }
  }
}
