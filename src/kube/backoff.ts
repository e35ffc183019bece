export interface BackoffOptions {
  /** First wait, default 200 ms. */
  readonly baseMs?: number | undefined;
  /** Longest wait, default 30,000 ms. */
  readonly maxMs?: number | undefined;
}

/** No Retry-After holds us longer than this (60 s): a cache that sleeps on a wrong header is a cache that is wrong. */
const MAX_RETRY_AFTER_MS = 60_000;

/**
 * Wait before attempt number `attempt` (1 is the first retry): doubled each time, of which between half and all is taken, so that
 * many clients do not come back together. A Retry-After is the least.
 * @param random A number in [0, 1).
 */
export function backoffMs(
  attempt: number,
  random: number,
  { baseMs = 200, maxMs = 30_000 }: BackoffOptions = {},
  retryAfterMs = 0,
): number {
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30));
  return Math.max(full * (0.5 + random / 2), Math.min(retryAfterMs, MAX_RETRY_AFTER_MS));
}
