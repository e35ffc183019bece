import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryOptions {
  /** Ends the attempts: the call rejects with an AbortError. */
  readonly signal: AbortSignal;
  readonly firstMs?: number;
  readonly longestMs?: number;
  /** Called after each failed attempt, with the error. */
  readonly onFailure?: (error: unknown) => void;
}

/** Tries until it works or the signal says stop, with pauses that double: 500 ms to 4 s unless told otherwise. The real agent's reach minutes. */
export async function untilItWorks<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, firstMs = 500, longestMs = 4_000, onFailure } = options;
  for (let pauseMs = firstMs; ; pauseMs = Math.min(2 * pauseMs, longestMs)) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      onFailure?.(error);
    }
    await sleep(pauseMs, undefined, { signal });
  }
}
