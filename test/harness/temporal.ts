import { join } from 'node:path';
import { findPart } from './parts.js';
import { withFreePorts } from './ports.js';
import { makeTempDir, removeTempDir, run, type Running } from './process.js';

export interface TemporalOptions {
  /** SQLite file that keeps workflows over a restart. Without it everything is in memory, and `restart` loses it. */
  readonly dbFile?: string;
  /** Port of gRPC; default: a free one. */
  readonly port?: number;
  /** Port of the web UI; without it there is no UI. */
  readonly uiPort?: number;
  /** Search attribute name to type. Default: {@link SEARCH_ATTRIBUTES}. */
  readonly searchAttributes?: Readonly<Record<string, string>>;
}

export interface Temporal {
  /** `host:port` of gRPC. */
  readonly address: string;
  readonly uiUrl: string | undefined;
  readonly namespace: string;
  readonly pid: number;
  readonly stop: () => Promise<void>;
  /** Stops the server and starts it again on the same ports with the same database file; afterwards `pid` is the new one. */
  readonly restart: () => Promise<void>;
}

/** What kmodflow's workflows set on themselves. */
export const SEARCH_ATTRIBUTES: Readonly<Record<string, string>> = {
  KmodModule: 'Keyword',
  KmodPhase: 'Keyword',
  KmodRevision: 'Keyword',
  KmodCluster: 'Keyword',
  KmodKernel: 'KeywordList',
  KmodFailed: 'Int',
};

const NAMESPACE = 'default';

interface Ports {
  readonly grpc: number;
  readonly http: number;
  readonly metrics: number;
}

/**
 * Starts Temporal's development server on the loopback interface. It is ready when the namespace is there and every search attribute is registered.
 * @throws Error with the last lines of its log when it does not get ready within a minute.
 */
export async function startTemporal(options: TemporalOptions = {}): Promise<Temporal> {
  const folder = makeTempDir('temporal');
  const start = (ports: Ports): Promise<Running> => startServer(ports, options, join(folder, 'temporal.log'));
  try {
    const ports = { grpc: 0, http: 0, metrics: 0 };
    let server = await withFreePorts(3, (grpc = 0, http = 0, metrics = 0) => {
      Object.assign(ports, { grpc: options.port ?? grpc, http, metrics });
      return start(ports);
    });
    return {
      address: `127.0.0.1:${ports.grpc}`,
      uiUrl: options.uiPort === undefined ? undefined : `http://127.0.0.1:${options.uiPort}`,
      namespace: NAMESPACE,
      get pid() {
        return server.pid;
      },
      async restart() {
        await server.stop();
        server = await start(ports);
      },
      async stop() {
        await server.stop();
        removeTempDir(folder);
      },
    };
  } catch (error) {
    removeTempDir(folder);
    throw error;
  }
}

function startServer(ports: Ports, options: TemporalOptions, logFile: string): Promise<Running> {
  const attributes = options.searchAttributes ?? SEARCH_ATTRIBUTES;
  const args = ['server', 'start-dev', '--ip', '127.0.0.1', '--log-level', 'warn'];
  args.push('--port', String(ports.grpc), '--http-port', String(ports.http), '--metrics-port', String(ports.metrics));
  args.push(...(options.uiPort === undefined ? ['--headless'] : ['--ui-port', String(options.uiPort), '--ui-disable-news-fetch']));
  if (options.dbFile !== undefined) {
    // Without these two a database file makes fan-out about six times slower than memory.
    args.push('--db-filename', options.dbFile, '--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL');
  }
  for (const [name, type] of Object.entries(attributes)) args.push('--search-attribute', `${name}=${type}`);
  const ready = (): Promise<true | string> => isReady(`http://127.0.0.1:${ports.http}`, Object.keys(attributes));
  return run({ program: findPart('temporal'), args, logFile, ready });
}

async function isReady(httpUrl: string, attributes: readonly string[]): Promise<true | string> {
  const answer = await fetch(`${httpUrl}/api/v1/namespaces/${NAMESPACE}/search-attributes`, { signal: AbortSignal.timeout(2_000) });
  const body = await answer.text();
  if (!answer.ok) return `namespace ${NAMESPACE} answered ${answer.status}: ${body}`;
  const registered = (JSON.parse(body) as { customAttributes?: Record<string, string> }).customAttributes ?? {};
  const missing = attributes.filter((name) => !(name in registered));
  return missing.length === 0 ? true : `search attributes not registered yet: ${missing.join(', ')}`;
}
