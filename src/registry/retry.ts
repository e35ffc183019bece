import { TransportFailure, type HttpAnswer } from './transport.js';

/** What of an answer decides whether it is asked for again. */
type Head = Pick<HttpAnswer, 'status' | 'headers'>;

const FIRST_DELAY_MS = 500;
/** An hour: a server that names next week must not put an image aside until then. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** The time that one call may take, all of its requests and pauses together. */
export interface Budget {
  remainingMs(): number;
  /** What the next request may take: at most half of the whole, so that a server that hangs once leaves time for a second attempt. */
  requestMs(): number;
}

/** @param requestMs What one request may take at most. */
export function startBudget(timeoutMs: number, clock: () => number, requestMs = Math.ceil(timeoutMs / 2)): Budget {
  const deadline = clock() + timeoutMs;
  const remainingMs = (): number => deadline - clock();
  return { remainingMs, requestMs: () => Math.min(remainingMs(), requestMs) };
}

export interface RetryPolicy {
  readonly maxAttempts: number;
  readonly clock: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly random: () => number;
}

/** Milliseconds to wait by a `Retry-After` header (seconds, or a date), at most an hour; undefined when there is none that can be read. RFC 9110, 10.2.3. */
export function retryAfterMs(header: string | readonly string[] | undefined, nowMs: number): number | undefined {
  const value = (typeof header === 'string' ? header : header?.[0])?.trim();
  if (!value) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}

export const isBusy = (status: number): boolean => status === 429 || status >= 500;

/** The pause after the attempt with this number. */
export const backoffMs = (policy: RetryPolicy, number: number): number => FIRST_DELAY_MS * 2 ** (number - 1) * (0.5 + policy.random() / 2);

/**
 * Asks again while the server is busy or the connection breaks, as long as attempts and time allow.
 * @returns The last answer, a busy one included. @throws TransportFailure of the last attempt.
 */
export async function withRetries<Answer extends Head>(
  policy: RetryPolicy,
  budget: Budget,
  attempt: () => Promise<Answer>,
): Promise<Answer> {
  for (let number = 1; ; number += 1) {
    let answer: Answer | undefined;
    let failure: unknown;
    try {
      answer = await attempt();
      if (!isBusy(answer.status)) return answer;
    } catch (error) {
      if (!(error instanceof TransportFailure) || !error.mayHeal) throw error;
      failure = error;
    }
    // A server that names a time is believed: never sooner, and no guess on top.
    const delayMs = retryAfterMs(answer?.headers['retry-after'], policy.clock()) ?? backoffMs(policy, number);
    if (number >= policy.maxAttempts || delayMs >= budget.remainingMs()) {
      if (answer !== undefined) return answer;
      throw failure;
    }
    await policy.sleep(delayMs);
  }
}
