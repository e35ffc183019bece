import { Agent, ProxyAgent, Socks5ProxyAgent, type Dispatcher } from 'undici';
import { Fault } from '../domain/fault.js';
import type { Credentials, CredentialSource } from './credentials.js';

/** Headers of ours on every request. */
const COMMON_HEADERS = { accept: 'application/json', 'user-agent': 'kmodflow' };

export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path and query. */
  readonly path: string;
  readonly body?: string | undefined;
  readonly contentType?: string | undefined;
  /** Default `application/json`. */
  readonly accept?: string | undefined;
  readonly signal: AbortSignal;
  /** Streams get connections of their own, so that watches never take the place of requests. */
  readonly stream?: boolean;
}

export interface Transport {
  /** Sends one request, no retries; after a 401 the next one has fresh credentials. Rejects with undici's errors, or the credential lookup's Fault. */
  send(request: TransportRequest): Promise<Dispatcher.ResponseData>;
  close(): Promise<void>;
}

interface Dispatchers {
  readonly fingerprint: string;
  readonly requests: Dispatcher;
  readonly streams: Dispatcher;
}

/** Keep-alive of idle connections, 30 s: well under the idle limits of load balancers. */
const KEEP_ALIVE_MS = 30_000;

function buildDispatcher({ dispatcher: options }: Credentials, connections: number | null): Dispatcher {
  // Our own timers rule. HTTP/2 would put every watch and write on one connection, whose loss then takes them all.
  const common = { connections, keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: 0, bodyTimeout: 0, allowH2: false };
  switch (options.type) {
    case 'proxy':
      return new ProxyAgent({ ...common, uri: options.uri, requestTls: options.requestTls as ProxyAgent.Options['requestTls'] });
    case 'socks':
      return new Socks5ProxyAgent(options.uri, { ...common, requestTls: options.requestTls } as Socks5ProxyAgent.Options);
    case 'agent':
      return new Agent({ ...common, connect: options.connect as Agent.Options['connect'] });
    case 'none':
      return new Agent(common);
  }
}

/**
 * The one way to the API server: a shared set of keep-alive connections, rebuilt only when the certificates change.
 * @param options `connections`: the most connections for requests; watches have as many as there are watches.
 */
export function createTransport(options: { server: string; credentials: CredentialSource; connections: number }): Transport {
  const { credentials, connections } = options;
  const server = new URL(options.server);
  // A server behind a path, as https://rancher.example/k8s/clusters/c-1 is.
  const prefix = server.pathname.replace(/\/+$/, '');
  let current: Dispatchers | undefined;
  let closed = false;

  const dispatchersFor = (fresh: Credentials): Dispatchers => {
    if (current?.fingerprint === fresh.fingerprint) return current;
    const old = current;
    current = { fingerprint: fresh.fingerprint, requests: buildDispatcher(fresh, connections), streams: buildDispatcher(fresh, null) };
    // What still runs on the old connections ends there in its own time.
    void old?.requests.close().catch(() => undefined);
    void old?.streams.close().catch(() => undefined);
    return current;
  };

  return {
    async send({ method, path, body, contentType, accept, signal, stream = false }) {
      const fresh = await credentials.current();
      if (closed) throw new Fault('Unavailable', 'The connection to the API server has been closed.');
      const dispatchers = dispatchersFor(fresh);
      const response = await (stream ? dispatchers.streams : dispatchers.requests).request({
        origin: server.origin,
        path: prefix + path,
        method,
        headers: {
          ...COMMON_HEADERS,
          ...(accept === undefined ? {} : { accept }),
          ...(contentType === undefined ? {} : { 'content-type': contentType }),
          ...fresh.headers,
        },
        body: body ?? null,
        signal,
      });
      if (response.statusCode === 401) credentials.refused(fresh);
      return response;
    },
    async close() {
      closed = true;
      const last = current;
      current = undefined;
      await Promise.all([last?.requests.close(), last?.streams.destroy()]);
    },
  };
}
