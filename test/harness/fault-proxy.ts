import { readFileSync } from 'node:fs';
import {
  createServer as createHttpServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer, request as httpsRequest, Agent as HttpsAgent } from 'node:https';
import { Agent as HttpAgent } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeKubeconfig } from './kubeconfig.js';
import { makeTempDir, removeTempDir } from './process.js';

export type Fault =
  /** Answers in the target's place. `retryAfterSeconds` becomes the header. A 4xx or 5xx without `body` gets a Kubernetes Status as its body. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterSeconds?: number; readonly body?: string }
  /** Never answers; the connection stays open until the caller gives up or the proxy stops. */
  | { readonly kind: 'hang' }
  /** Closes the connection with a TCP reset before any answer. */
  | { readonly kind: 'reset' }
  /** Passes the request on after this time. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Passes the request on, so that it has its effect, and resets the connection instead of answering. */
  | { readonly kind: 'lose-answer' }
  /** Passes the request on and resets the connection after this many bytes of the answer's body. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** Answers with what the target has under another path, as one that lies does. */
  | { readonly kind: 'instead'; readonly path: string };

export interface FaultRule {
  readonly method?: RegExp | string;
  /** Matched against path and query. */
  readonly path?: RegExp | string;
  /** Default: without end. */
  readonly times?: number;
  readonly fault: Fault;
}

export interface ProxiedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** What the proxy did to it, if anything. */
  readonly fault?: Fault['kind'];
}

export interface FaultProxyOptions {
  /** For an HTTPS target. With `keyFile` the proxy serves HTTPS with the same certificate (it must be valid for 127.0.0.1), otherwise plain HTTP. */
  readonly tls?: { readonly caFile: string; readonly keyFile?: string };
  /** Written into the kubeconfig. */
  readonly token?: string;
}

export interface FaultProxy {
  readonly url: string;
  /** `host:port`, for a registry reference. */
  readonly host: string;
  /** A kubeconfig that leads here; made only when a token was given. */
  readonly kubeconfigPath: string | undefined;
  /** Replaces all rules; the first that matches and has not been used up acts. Nothing: everything passes. Open requests are left alone. */
  readonly set: (...rules: readonly (FaultRule | undefined)[]) => void;
  /** Resets every open connection, watches among them. */
  readonly cutConnections: () => void;
  /** Every request since the start, in the order of arrival. */
  readonly requests: readonly ProxiedRequest[];
  readonly stop: () => Promise<void>;
}

/** Starts a reverse proxy on the loopback interface that streams in both directions, and misbehaves on demand. */
export async function startFaultProxy(targetUrl: string, options: FaultProxyOptions = {}): Promise<FaultProxy> {
  const forward = createForwarder(targetUrl, options.tls?.caFile);
  const requests: ProxiedRequest[] = [];
  const sockets = new Set<Socket>();
  let rules: { rule: FaultRule; left: number }[] = [];
  const listener: RequestListener = (request, response) => {
    const [method, path] = [request.method ?? '', request.url ?? ''];
    const active = rules.find(({ rule, left }) => left > 0 && matches(rule.method, method) && matches(rule.path, path));
    if (active) active.left--;
    const fault = active?.rule.fault;
    requests.push({ method, path, at: Date.now(), ...(fault && { fault: fault.kind }) });
    const reset = (): void => void request.socket.resetAndDestroy();
    void act(fault, { request, response, reset }, forward.send);
  };
  const server = createServer(options.tls, listener);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const serves = options.tls?.keyFile === undefined ? 'http' : 'https';
  const url = `${serves}://${host}`;
  const folder = options.token === undefined ? undefined : makeTempDir('fault-proxy');
  const cutConnections = (): void => sockets.forEach((socket) => socket.resetAndDestroy());
  return {
    url,
    host,
    kubeconfigPath: folder === undefined ? undefined : writeProxyKubeconfig(folder, url, serves, options),
    set(...wanted) {
      rules = wanted.filter((rule) => rule !== undefined).map((rule) => ({ rule, left: rule.times ?? Infinity }));
    },
    cutConnections,
    requests,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      cutConnections();
      forward.close();
      await closed;
      if (folder !== undefined) removeTempDir(folder);
    },
  };
}

const matches = (pattern: RegExp | string | undefined, text: string): boolean =>
  pattern === undefined || (typeof pattern === 'string' ? pattern === text : pattern.test(text));

function createServer(tls: FaultProxyOptions['tls'], listener: RequestListener): Server {
  if (tls?.keyFile === undefined) return createHttpServer(listener);
  return createHttpsServer({ cert: readFileSync(tls.caFile), key: readFileSync(tls.keyFile) }, listener);
}

function writeProxyKubeconfig(folder: string, url: string, serves: 'http' | 'https', { tls, token = '' }: FaultProxyOptions): string {
  const ca = serves === 'https' && tls ? readFileSync(tls.caFile, 'utf8') : undefined;
  return writeKubeconfig(join(folder, 'kubeconfig'), { url, token, ...(ca !== undefined && { ca }) });
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly reset: () => void;
}

type Send = (exchange: Exchange, answered: (answer: IncomingMessage) => void, path?: string) => void;

function createForwarder(targetUrl: string, caFile: string | undefined): { send: Send; close: () => void } {
  const secure = targetUrl.startsWith('https:');
  const agent = secure ? new HttpsAgent({ keepAlive: true, ca: caFile && readFileSync(caFile) }) : new HttpAgent({ keepAlive: true });
  const send: Send = ({ request, response, reset }, answered, path = request.url) => {
    const target = new URL(targetUrl);
    const headers = { ...request.headers, host: target.host };
    const call = (secure ? httpsRequest : httpRequest)(
      { protocol: target.protocol, host: target.hostname, port: target.port, path, method: request.method, headers, agent },
      answered,
    );
    call.on('error', reset);
    response.on('close', () => response.writableFinished || call.destroy()); // a caller that gives up a watch ends it at the target too
    request.pipe(call);
  };
  return { send, close: () => agent.destroy() };
}

async function act(fault: Fault | undefined, exchange: Exchange, send: Send): Promise<void> {
  const { request, response, reset } = exchange;
  switch (fault?.kind) {
    case 'status':
      return answerWith(fault, request, response);
    case 'hang':
      request.resume();
      return;
    case 'reset':
      return reset();
    case 'lose-answer':
      return send(exchange, (answer) => answer.resume().on('end', reset));
    case 'cut':
      return send(exchange, (answer) => passThenCut(answer, exchange, fault.afterBytes));
    case 'instead':
      return send(exchange, (answer) => pass(answer, exchange), fault.path);
    case 'delay':
      await sleep(fault.ms);
      return send(exchange, (answer) => pass(answer, exchange));
    case undefined:
      return send(exchange, (answer) => pass(answer, exchange));
  }
}

function answerWith(fault: Extract<Fault, { kind: 'status' }>, request: IncomingMessage, response: ServerResponse): void {
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    code: fault.status,
    message: 'made up by the fault proxy',
  };
  request.resume();
  response.writeHead(fault.status, {
    'content-type': 'application/json',
    ...(fault.retryAfterSeconds !== undefined && { 'retry-after': String(fault.retryAfterSeconds) }),
  });
  response.end(fault.body ?? JSON.stringify(status));
}

function pass(answer: IncomingMessage, { response, reset }: Exchange): void {
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  response.flushHeaders(); // a watch sends its headers long before its first event
  answer.on('error', reset);
  answer.pipe(response);
}

function passThenCut(answer: IncomingMessage, { response, reset }: Exchange, afterBytes: number): void {
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  let left = afterBytes;
  answer.on('error', reset);
  answer.on('end', reset);
  answer.on('data', (chunk: Buffer) => {
    if (left <= 0) return;
    const last = chunk.length >= left;
    response.write(chunk.subarray(0, left), () => last && setTimeout(reset, 20)); // so that the bytes are on the wire before the reset discards them
    left -= chunk.length;
  });
}
