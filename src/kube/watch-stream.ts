import { faultOfError, faultOfStatus, timeoutFault, unreadableFault, type Attempt } from './faults.js';
import { refusal } from './requester.js';
import type { Transport } from './transport.js';
import type { WatchEvent } from './types.js';

const NEWLINE = 0x0a;

/** Cuts a byte stream into lines. An unfinished last line is never given out: the stream broke in the middle of it. */
export function createLineSplitter(onLine: (line: string) => void): (chunk: Buffer) => void {
  let pieces: Buffer[] = [];
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line =
        pieces.length === 0 ? chunk.toString('utf8', start, end) : Buffer.concat([...pieces, chunk.subarray(start, end)]).toString('utf8');
      if (pieces.length > 0) pieces = [];
      start = end + 1;
      if (line !== '') onLine(line);
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
  };
}

const EVENT_TYPES: ReadonlySet<string> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);

interface RawEvent {
  readonly type?: string;
  readonly object?: { readonly code?: number; readonly metadata?: unknown } | null;
}

function parseEvent(attempt: Attempt, line: string): WatchEvent {
  let event: RawEvent;
  try {
    event = JSON.parse(line) as RawEvent;
  } catch {
    throw unreadableFault(attempt, 'the watch sent a line that is not JSON.');
  }
  if (event.type === 'ERROR') throw faultOfStatus(attempt, event.object?.code ?? 500, event.object ?? {});
  const metadata = event.object?.metadata;
  if (!EVENT_TYPES.has(event.type ?? '') || typeof metadata !== 'object' || metadata === null) {
    throw unreadableFault(attempt, `the watch sent an event that is not understood (type ${JSON.stringify(event.type ?? null)}).`);
  }
  return event as WatchEvent;
}

export interface WatchStreamOptions {
  readonly transport: Transport;
  readonly attempt: Attempt;
  readonly path: string;
  readonly accept?: string | undefined;
  /** For the server to accept the watch. */
  readonly openTimeoutMs: number;
  /** Without a byte for this long the stream counts as dead. */
  readonly idleTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onOpen?: (() => void) | undefined;
  readonly onEvent: (event: WatchEvent) => void;
}

/** Aborts `controller` when nothing has happened for a while, and remembers after how long. */
class Silence {
  /** Set once the time was up. */
  elapsedMs: number | undefined;
  readonly #controller: AbortController;
  #timer: NodeJS.Timeout | undefined;

  constructor(controller: AbortController) {
    this.#controller = controller;
  }

  /** From now on at most `ms` between two calls of `heard`. */
  allow(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.elapsedMs = ms;
      this.#controller.abort();
    }, ms);
  }

  heard(): void {
    this.#timer?.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** What the receiver of an event threw: a bug of ours, which must not pass for a fault of the server's. */
class ReceiverError extends Error {}

/**
 * Reads one watch to its end. Resolves when the server ends it in good order or `signal` aborts.
 * @throws KubeFault for a refused watch, an ERROR event, a line that cannot be read, silence, or a broken connection; and what `onEvent` throws.
 */
export async function readWatchStream(options: WatchStreamOptions): Promise<void> {
  const { attempt, openTimeoutMs, signal } = options;
  if (signal?.aborted) return;
  const abort = new AbortController();
  const onAbort = (): void => abort.abort();
  signal?.addEventListener('abort', onAbort, { once: true });
  const silence = new Silence(abort);
  silence.allow(openTimeoutMs);
  try {
    await readEvents(options, abort.signal, silence);
  } catch (error) {
    if (error instanceof ReceiverError) throw error.cause;
    if (signal?.aborted) return;
    if (silence.elapsedMs !== undefined) throw timeoutFault(attempt, silence.elapsedMs);
    throw faultOfError(attempt, error);
  } finally {
    silence.end();
    signal?.removeEventListener('abort', onAbort);
    abort.abort();
  }
}

async function readEvents(options: WatchStreamOptions, abort: AbortSignal, silence: Silence): Promise<void> {
  const { transport, attempt, path, accept, idleTimeoutMs, signal, onOpen, onEvent } = options;
  const response = await transport.send({ method: 'GET', path, accept, signal: abort, stream: true });
  if (response.statusCode >= 300) throw await refusal(attempt, response);
  silence.allow(idleTimeoutMs);
  onOpen?.();
  const split = createLineSplitter((line) => {
    const event = parseEvent(attempt, line);
    try {
      onEvent(event);
    } catch (error) {
      throw new ReceiverError('the receiver of an event threw', { cause: error });
    }
  });
  for await (const chunk of response.body) {
    silence.heard();
    split(chunk as Buffer);
    if (signal?.aborted) return;
  }
}
