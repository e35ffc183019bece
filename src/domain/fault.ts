import type { Reason } from './reasons.js';

/**
 * What happens next after a fault:
 * - `Invalid`: a person must act; trying again would only repeat it.
 * - `Missing`: something may still appear; look again later.
 * - `Conflict`: somebody else wrote; read again and try again now.
 * - `Unavailable`: the backend is down or throttles; back off, and honour `retryAfterMs`.
 */
export type FaultKind = 'Invalid' | 'Missing' | 'Conflict' | 'Unavailable';

export interface FaultOptions {
  /** How long the backend asked us to wait, milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** The reason of the closed set that a person will read, where one fits. */
  readonly reason?: Reason | undefined;
  readonly cause?: unknown;
}

/** Thrown when a side effect did not succeed for a reason that we know how to treat. Anything else that is thrown is a bug. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly kind: FaultKind;
  readonly retryAfterMs: number | undefined;
  readonly reason: Reason | undefined;

  constructor(kind: FaultKind, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.retryAfterMs = options.retryAfterMs;
    this.reason = options.reason;
  }
}

export const isFault = (error: unknown, kind?: FaultKind): error is Fault =>
  error instanceof Fault && (kind === undefined || error.kind === kind);
