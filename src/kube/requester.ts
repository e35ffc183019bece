import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import type { Fault } from '../domain/fault.js';
import { faultOfError, faultOfStatus, isConnectionReset, parseStatus, timeoutFault, unreadableFault, type Attempt } from './faults.js';
import type { Semaphore } from './semaphore.js';
import type { Transport, TransportRequest } from './transport.js';

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'apply' | 'patch' | 'update' | 'delete';

export interface Call extends Omit<TransportRequest, 'signal' | 'stream'>, Attempt {
  readonly verb: Verb;
  readonly signal?: AbortSignal | undefined;
}

/** Times that a read is sent again after its connection broke. A write is not: nobody knows whether it was done. */
const READ_RETRIES = 2;
/** Times that any request is sent again after a 429, which says that it was not done. */
const THROTTLED_RETRIES = 3;
/** A longer Retry-After than this (2 s) is the caller's to wait for. */
const THROTTLED_MAX_WAIT_MS = 2_000;

const headerOf = (headers: Dispatcher.ResponseData['headers'], name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** The fault that an answer of status 300 or more means; reads its body to the end, which frees the connection. */
export async function refusal(attempt: Attempt, response: Dispatcher.ResponseData): Promise<Fault> {
  const body = await response.body.text().catch(() => '');
  return faultOfStatus(attempt, response.statusCode, parseStatus(body), headerOf(response.headers, 'retry-after'));
}

export interface RequesterOptions {
  readonly transport: Transport;
  readonly inFlight: Semaphore;
  /** For the whole of one attempt, body included. */
  readonly timeoutMs: number;
  readonly count: (verb: Verb, kind: string) => void;
}

/** Sends a request until it has an answer worth passing on; see the constants above for what is tried again. */
export class Requester {
  readonly #options: RequesterOptions;

  constructor(options: RequesterOptions) {
    this.#options = options;
  }

  /** @returns The body. @throws KubeFault, or the reason of `call.signal`. */
  text(call: Call): Promise<string> {
    // Waiting for a 429 keeps the place in the semaphore: a throttled client should send less, not other things.
    return this.#options.inFlight.run(() => this.#withRetries(call));
  }

  /** @returns The parsed body. @throws KubeFault, or the reason of `call.signal`. */
  async json<T>(call: Call): Promise<T> {
    const text = await this.text(call);
    try {
      return JSON.parse(text) as T;
    } catch {
      throw unreadableFault(call, 'the answer is not JSON. Is the server of the kubeconfig an API server?');
    }
  }

  async #withRetries(call: Call): Promise<string> {
    const budget = { resets: call.method === 'GET' ? READ_RETRIES : 0, throttled: THROTTLED_RETRIES, refused: 1 };
    for (;;) {
      call.signal?.throwIfAborted();
      let failure: Fault;
      try {
        return await this.#once(call);
      } catch (error) {
        call.signal?.throwIfAborted();
        if (isConnectionReset(error) && budget.resets > 0) {
          budget.resets -= 1;
          continue;
        }
        failure = faultOfError(call, error);
      }
      const waitMs = this.#retryDelay(failure, budget);
      if (waitMs === undefined) throw failure;
      if (waitMs > 0) await sleep(waitMs, undefined, call.signal === undefined ? {} : { signal: call.signal });
    }
  }

  /** How long to wait before the same request goes out again; undefined when the caller has to decide. */
  #retryDelay(
    failure: Fault & { readonly status?: number | undefined },
    budget: { throttled: number; refused: number },
  ): number | undefined {
    const { status, retryAfterMs } = failure;
    // A token may have been rotated since the last lookup: once more, for which the transport takes a new one.
    if (status === 401 && budget.refused > 0) {
      budget.refused -= 1;
      return 0;
    }
    if (status !== 429 || retryAfterMs === undefined || retryAfterMs > THROTTLED_MAX_WAIT_MS || budget.throttled === 0) return undefined;
    budget.throttled -= 1;
    return retryAfterMs;
  }

  async #once(call: Call): Promise<string> {
    const { transport, timeoutMs, count } = this.#options;
    const abort = new AbortController();
    const onAbort = (): void => abort.abort(call.signal?.reason);
    call.signal?.addEventListener('abort', onAbort, { once: true });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      abort.abort();
    }, timeoutMs);
    count(call.verb, call.kind);
    try {
      const response = await transport.send({ ...call, signal: abort.signal });
      if (response.statusCode >= 300) throw await refusal(call, response);
      return await response.body.text();
    } catch (error) {
      if (timedOut) throw timeoutFault(call, timeoutMs);
      throw error;
    } finally {
      clearTimeout(timer);
      call.signal?.removeEventListener('abort', onAbort);
    }
  }
}
