import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import type { KubernetesObject, ResourceType } from '../../../src/kube/index.js';

/** The only kind that the fake knows; any path that ends in its plural is its collection. */
export const gadgets: ResourceType = { group: 'example.com', version: 'v1', plural: 'gadgets', kind: 'Gadget', namespaced: false };

export type Verb = 'list' | 'watch' | 'get' | 'write';

export interface Recorded {
  readonly verb: Verb;
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Answers one request in the server's place. */
export type Answer = (response: ServerResponse, request: IncomingMessage) => void;

export const answerStatus =
  (code: number, status: object = {}, headers: Record<string, string> = {}): Answer =>
  (response) => {
    response.writeHead(code, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, ...status }));
  };
export const resetConnection: Answer = (_response, request) => void request.socket.resetAndDestroy();
export const neverAnswer: Answer = () => undefined;

interface HistoryEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly version: number;
  readonly object: KubernetesObject;
}

const expired = { reason: 'Expired', code: 410, message: 'The provided resource version is too old.' };

/** Speaks as much of the Kubernetes API as the transport and the watch cache use, and breaks on demand. Loopback, plain HTTP, port chosen by the OS. */
export class FakeApiServer {
  readonly requests: Recorded[] = [];
  /** Every connection that was ever opened. */
  connections = 0;
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #watchers = new Set<ServerResponse>();
  readonly #sockets = new Set<Socket>();
  readonly #snapshots = new Map<string, { version: number; items: KubernetesObject[] }>();
  readonly #answers = new Map<Verb, Answer[]>();
  readonly #always = new Map<Verb, Answer>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  #history: HistoryEvent[] = [];
  #version = 100;
  #uid = 0;
  #compacted = 0;

  static async start(): Promise<FakeApiServer> {
    const fake = new FakeApiServer();
    fake.#server.on('connection', (socket) => {
      fake.connections += 1;
      fake.#sockets.add(socket);
      socket.on('close', () => fake.#sockets.delete(socket));
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  kubeConfig(user: object = { token: 'sesame-token' }): KubeConfig {
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromClusterAndUser({ name: 'fake', server: this.url, skipTLSVerify: true }, { name: 'tester', ...user });
    return kubeConfig;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  // What the world does

  /** Creates or changes an object. */
  put(name: string, value: unknown): KubernetesObject {
    const before = this.#objects.get(name);
    this.#version += 1;
    const object: KubernetesObject = {
      apiVersion: 'example.com/v1',
      kind: 'Gadget',
      metadata: { name, uid: before?.metadata.uid ?? `uid-${++this.#uid}`, resourceVersion: String(this.#version) },
      value,
    };
    this.#objects.set(name, object);
    this.#happened({ type: before === undefined ? 'ADDED' : 'MODIFIED', version: this.#version, object });
    return object;
  }

  remove(name: string): void {
    const before = this.#objects.get(name);
    if (before === undefined) return;
    this.#objects.delete(name);
    this.#version += 1;
    const metadata = { ...before.metadata, resourceVersion: String(this.#version) };
    this.#happened({ type: 'DELETED', version: this.#version, object: { ...before, metadata } });
  }

  /** Name to value, as a list would show it. */
  content(): Map<string, unknown> {
    return new Map([...this.#objects].map(([name, object]) => [name, object['value']]));
  }

  get version(): number {
    return this.#version;
  }

  get openWatches(): number {
    return this.#watchers.size;
  }

  // Faults

  /** The next requests of this kind are answered so, one each. */
  next(verb: Verb, ...answers: Answer[]): void {
    this.#answers.set(verb, [...(this.#answers.get(verb) ?? []), ...answers]);
  }

  /** Every request of this kind is answered so, until `recover`. */
  always(verb: Verb, answer: Answer): void {
    this.#always.set(verb, answer);
  }

  recover(): void {
    this.#always.clear();
    this.#answers.clear();
  }

  /** Breaks every watch, after half a line if `midLine`. */
  dropWatches(midLine = false): void {
    for (const watcher of this.#watchers) {
      if (midLine) watcher.write('{"type":"MODIFIED","object":{"metadata":{"name":"ha', () => watcher.destroy());
      else watcher.destroy();
    }
    this.#watchers.clear();
  }

  /** Ends every watch in good order, as the server does when timeoutSeconds are over. */
  endWatches(): void {
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
  }

  sendRaw(text: string): void {
    for (const watcher of this.#watchers) watcher.write(text);
  }

  sendError(status: object): void {
    this.sendRaw(`${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', ...status } })}\n`);
    this.endWatches();
  }

  bookmark(): void {
    const metadata = { resourceVersion: String(this.#version) };
    this.sendRaw(`${JSON.stringify({ type: 'BOOKMARK', object: { kind: 'Gadget', apiVersion: 'example.com/v1', metadata } })}\n`);
  }

  /** Sends the newest event once more. */
  repeatLastEvent(): void {
    const last = this.#history.at(-1);
    if (last !== undefined) this.sendRaw(line(last));
  }

  /** Forgets all history: watches from an older version, and lists under way, answer 410. */
  compact(): void {
    this.#compacted = this.#version;
    this.#history = [];
    this.#snapshots.clear();
  }

  /** Goes back to an earlier version number, as a restored backup does. The content stays. */
  rewind(version: number): void {
    this.#version = version;
    for (const object of this.#objects.values()) object.metadata.resourceVersion = String(++this.#version);
    this.compact();
  }

  #happened(event: HistoryEvent): void {
    this.#history.push(event);
    this.sendRaw(line(event));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const verb = verbOf(request, url);
    let body = '';
    for await (const chunk of request) body += String(chunk);
    this.requests.push({ verb, method: request.method ?? '', url, headers: request.headers, body });
    const answer = this.#answers.get(verb)?.shift() ?? this.#always.get(verb);
    if (answer !== undefined) return answer(response, request);
    if (verb === 'watch') return this.#watch(url, response);
    if (verb === 'list') return this.#list(url, response);
    if (verb === 'get') return this.#get(url, response);
    return answerStatus(200, { kind: 'Gadget', metadata: { name: 'written', resourceVersion: '1' } })(response, request);
  }

  #get(url: URL, response: ServerResponse): void {
    const name = url.pathname.split('/').at(-1) ?? '';
    const object = this.#objects.get(name);
    if (object === undefined)
      response.writeHead(404).end(JSON.stringify({ kind: 'Status', reason: 'NotFound', message: `gadgets "${name}" not found` }));
    else response.writeHead(200).end(JSON.stringify(object));
  }

  #list(url: URL, response: ServerResponse): void {
    const token = url.searchParams.get('continue');
    const [id = '', offsetText = '0'] = (token ?? '').split(':');
    const snapshot = token === null ? { version: this.#version, items: [...this.#objects.values()] } : this.#snapshots.get(id);
    if (snapshot === undefined) {
      response.writeHead(410).end(JSON.stringify({ kind: 'Status', ...expired }));
      return;
    }
    const offset = Number(offsetText);
    const limit = Number(url.searchParams.get('limit') ?? '0') || Infinity;
    const items = snapshot.items.slice(offset, offset + limit);
    const snapshotId = token === null ? `s${this.requests.length}` : id;
    const more = offset + items.length < snapshot.items.length;
    if (more) this.#snapshots.set(snapshotId, snapshot);
    const metadata = { resourceVersion: String(snapshot.version), ...(more ? { continue: `${snapshotId}:${offset + items.length}` } : {}) };
    response.writeHead(200).end(JSON.stringify({ kind: 'GadgetList', metadata, items }));
  }

  #watch(url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get('resourceVersion') ?? '0');
    response.writeHead(200, { 'content-type': 'application/json' });
    if (from < this.#compacted) {
      response.end(`${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', ...expired } })}\n`);
      return;
    }
    response.flushHeaders();
    for (const event of this.#history) if (event.version > from) response.write(line(event));
    this.#watchers.add(response);
    response.on('close', () => this.#watchers.delete(response));
  }
}

const line = ({ type, object }: HistoryEvent): string => `${JSON.stringify({ type, object })}\n`;

function verbOf({ method }: IncomingMessage, url: URL): Verb {
  if (method !== 'GET') return 'write';
  if (url.searchParams.get('watch') === 'true') return 'watch';
  return url.pathname.endsWith('s') ? 'list' : 'get';
}
