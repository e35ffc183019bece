import { Agent, request, type Dispatcher } from 'undici';
import type { IncomingHttpHeaders } from 'undici/types/header.js';
import { classify, TransportFailure } from './transport-failure.js';

export { TransportFailure } from './transport-failure.js';

const MAX_REDIRECTS = 5;
const MAX_CONNECT_MS = 10_000;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** An error page up to this size is read to its end, so that the connection can be used again. */
const MAX_DRAIN_BYTES = 65_536;

export interface HttpQuestion {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly authorization?: string | undefined;
  readonly body?: string | undefined;
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** Plain HTTP is allowed, for this URL and for redirects. */
  readonly mayUseHttp: boolean;
  /** `host[:port]` whose certificate is not verified: this one alone, whatever a redirect names. */
  readonly unverifiedHost?: string | undefined;
  /** Called once for each request that reached a server; `hop` counts redirects. */
  readonly onRequest: (hop: number) => void;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Empty unless the status is 200. */
  readonly body: Buffer;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
  /** A redirect led to another origin at some point, so the answer speaks for somebody else than was asked. */
  readonly strayed: boolean;
}

export interface HttpStreamQuestion extends Omit<HttpQuestion, 'method' | 'body' | 'maxBytes'> {
  /** Milliseconds without a byte of the body after which the exchange has failed. `timeoutMs` is for the headers here. */
  readonly stallMs: number;
  /** Ends the exchange at any time. */
  readonly signal: AbortSignal;
}

export interface HttpStream extends Omit<HttpAnswer, 'body'> {
  /** Of a 200 or 206. To be read to its end or left early, once; its own failures are `TransportFailure`. Undefined for any other status. */
  readonly body: AsyncGenerator<Buffer> | undefined;
}

export interface Transport {
  /** @throws TransportFailure */
  ask(question: HttpQuestion): Promise<HttpAnswer>;
  /** As `ask` with GET, for an answer that is too large to be held. @throws TransportFailure */
  open(question: HttpStreamQuestion): Promise<HttpStream>;
  close(): Promise<void>;
}

/** HTTP with two keep-alive pools, one that verifies certificates and one that does not; redirects are followed here, since who gets a credential is decided here. */
export function createTransport(options: { readonly timeoutMs: number }): Transport {
  // HTTP/1.1 alone: one manifest a connection gains nothing from streams, and a failed connection is told apart from a failed request more easily.
  const pool = (rejectUnauthorized: boolean): Agent =>
    new Agent({
      allowH2: false,
      connections: 16,
      connect: { rejectUnauthorized, timeout: Math.min(MAX_CONNECT_MS, Math.ceil(options.timeoutMs / 4)) },
    });
  const verified = pool(true);
  const unverified = pool(false);

  async function ask(question: HttpQuestion): Promise<HttpAnswer> {
    const time = startTime(question);
    const take: Take<Buffer> = async (response, host) =>
      response.statusCode === 200 ? await readBody(response, question.maxBytes, host) : drain(response);
    try {
      return await follow({ ...question, bodyTimeoutMs: question.timeoutMs }, take, time.signal);
    } finally {
      time.stop();
    }
  }

  async function open(question: HttpStreamQuestion): Promise<HttpStream> {
    const time = startTime(question);
    const signal = AbortSignal.any([time.signal, question.signal]);
    const take: Take<AsyncGenerator<Buffer> | undefined> = (response, host) => {
      if (response.statusCode === 200 || response.statusCode === 206) return streamBody(response, host, signal);
      drain(response);
      return undefined;
    };
    try {
      return await follow({ ...question, method: 'GET', bodyTimeoutMs: question.stallMs }, take, signal);
    } finally {
      time.stop();
    }
  }

  async function follow<Body>(question: Exchange, take: Take<Body>, signal: AbortSignal): Promise<Answered<Body> & { strayed: boolean }> {
    let url = question.url;
    let strayed = false;
    for (let hop = 0; ; hop += 1) {
      const answer = await once(question, take, { url, authorization: strayed ? undefined : question.authorization, hop, signal });
      if (!REDIRECTS.has(answer.status)) return { ...answer, strayed };
      if (hop === MAX_REDIRECTS) throw new TransportFailure('redirect', url.host, `it redirects more than ${MAX_REDIRECTS} times`);
      const next = redirectTarget(question, url, answer);
      // A credential stays with the origin it was meant for, and does not come back when the chain returns there.
      strayed ||= next.origin !== url.origin;
      url = next;
    }
  }

  interface Hop {
    readonly url: URL;
    readonly authorization: string | undefined;
    readonly hop: number;
    readonly signal: AbortSignal;
  }

  async function once<Body>(question: Exchange, take: Take<Body>, { url, authorization, hop, signal }: Hop): Promise<Answered<Body>> {
    let counted = false;
    const count = (): void => {
      if (!counted) question.onRequest(hop);
      counted = true;
    };
    try {
      const response = await request(url, {
        dispatcher: url.host === question.unverifiedHost ? unverified : verified,
        method: question.method,
        headers: { ...question.headers, ...(authorization === undefined ? {} : { authorization }) },
        body: question.body ?? null,
        headersTimeout: question.timeoutMs,
        bodyTimeout: question.bodyTimeoutMs,
        signal,
      });
      count();
      return { status: response.statusCode, headers: response.headers, body: await take(response, url.host), url };
    } catch (error) {
      const failure = classify(error, url.host, signal.aborted);
      if (failure.reachedServer) count();
      throw failure;
    }
  }

  async function close(): Promise<void> {
    await Promise.all([verified.destroy(), unverified.destroy()]);
  }

  return { ask, open, close };
}

/** What an exchange needs, whatever becomes of the body. */
interface Exchange extends Omit<HttpQuestion, 'maxBytes'> {
  readonly bodyTimeoutMs: number;
}

interface Answered<Body> {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Body;
  readonly url: URL;
}

/** Takes the body of an answer; every answer's must be taken, or its connection stays occupied. */
type Take<Body> = (response: Dispatcher.ResponseData, host: string) => Body | Promise<Body>;

function startTime({ timeoutMs, url }: Pick<HttpQuestion, 'timeoutMs' | 'url'>): { signal: AbortSignal; stop: () => void } {
  if (timeoutMs <= 0) throw new TransportFailure('timeout', url.host, 'no time was left for the request');
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  return { signal: controller.signal, stop: () => clearTimeout(timer) };
}

/** Leaving the loop early ends the connection: nobody wants the rest of a large body. */
async function* streamBody(response: Dispatcher.ResponseData, host: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    throw classify(error, host, signal.aborted);
  }
}

async function readBody(response: Dispatcher.ResponseData, maxBytes: number, host: string): Promise<Buffer> {
  const tooLarge = (): TransportFailure => new TransportFailure('tooLarge', host, `the answer is larger than ${maxBytes} bytes`);
  const chunks: Buffer[] = [];
  let size = 0;
  if (Number(response.headers['content-length'] ?? 0) > maxBytes) {
    response.body.on('error', () => undefined).destroy();
    throw tooLarge();
  }
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Nobody waits for the rest of an error page: it is read aside, and its own failure means nothing. */
function drain(response: Dispatcher.ResponseData): Buffer {
  response.body.dump({ limit: MAX_DRAIN_BYTES }).catch(() => undefined);
  return Buffer.alloc(0);
}

function redirectTarget(
  question: Pick<HttpQuestion, 'mayUseHttp' | 'method'>,
  from: URL,
  answer: Pick<HttpAnswer, 'status' | 'headers'>,
): URL {
  const refuse = (why: string): TransportFailure => new TransportFailure('redirect', from.host, why);
  const location = answer.headers['location'];
  if (typeof location !== 'string' || !URL.canParse(location, from.href)) throw refuse('it redirects without saying where to');
  const next = new URL(location, from);
  next.username = '';
  next.password = '';
  next.hash = '';
  if (next.protocol !== 'https:' && next.protocol !== 'http:') throw refuse('it redirects to something that is not HTTP');
  if (next.protocol === 'http:' && !question.mayUseHttp)
    throw refuse('it redirects to plain HTTP, which registryTLS.insecure does not allow');
  // The body of a POST is a credential: it is not repeated elsewhere, and 301 to 303 would turn it into a GET.
  if (question.method === 'POST' && (answer.status < 307 || next.origin !== from.origin))
    throw refuse('it redirects a request that carries an identity token');
  return next;
}
