import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pushImage, pushIndex, type ImageToPush, type IndexToPush, type PushedImage, type PushTarget } from './oci-push.js';
import { findPart } from './parts.js';
import { withFreePorts } from './ports.js';
import { makeTempDir, removeTempDir, run, type Running } from './process.js';

export interface RegistryOptions {
  /** `basic`: {@link REGISTRY_USER} and {@link REGISTRY_PASSWORD} are needed for everything. Default `none`. */
  readonly auth?: 'none' | 'basic';
  /** Keeps the blobs over a restart; default: a temporary folder, removed on stop. */
  readonly dir?: string;
  /** Default: a free one. */
  readonly port?: number;
}

export interface ManifestRequests {
  readonly GET: number;
  readonly HEAD: number;
}

export interface RegistryRequests {
  /** `repository:tag` or `repository@digest` to the number of requests. */
  readonly manifests: Readonly<Record<string, ManifestRequests>>;
  /** GET and HEAD of manifests together. */
  readonly manifestTotal: number;
  readonly blobGets: number;
}

export interface PushedManifest {
  readonly repository: string;
  /** Tag or digest. */
  readonly reference: string;
  readonly status: number;
}

export interface Registry {
  /** `127.0.0.1:port`, plain HTTP. */
  readonly host: string;
  readonly pid: number;
  /** What everybody asked for since the start, from the registry's own access log. Pushes of this harness do not appear in it. */
  readonly requests: () => RegistryRequests;
  /** Every manifest that the registry took, in order, from its own access log; those of this harness are among them. */
  readonly pushes: () => PushedManifest[];
  /** Digests of all manifests and of all other blobs that a repository ever took, from the registry's own storage. */
  readonly stored: (repository: string) => { readonly manifests: string[]; readonly blobs: string[] };
  readonly pushImage: (image: ImageToPush) => Promise<PushedImage>;
  readonly pushIndex: (index: IndexToPush) => Promise<PushedImage>;
  readonly stop: () => Promise<void>;
}

export const REGISTRY_USER = 'kmodflow-test';
export const REGISTRY_PASSWORD = 'kmodflow-test-password';
/** bcrypt of the password above at the lowest cost; the registry takes no other kind of hash, and Node has no bcrypt. */
const HTPASSWD = `${REGISTRY_USER}:$2b$04$kmodflowTestSaltUsed1.2g.yv8wVpEpPbeB7Tl1wHwOBEdcBWIi\n`;

/**
 * Starts the distribution project's registry on the loopback interface with storage on disk; tags can be overwritten and manifests deleted.
 * @throws Error with the last lines of its log when it does not get ready.
 */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const folder = makeTempDir('registry');
  const logFile = join(folder, 'registry.log');
  const authorization =
    options.auth === 'basic' ? `Basic ${Buffer.from(`${REGISTRY_USER}:${REGISTRY_PASSWORD}`).toString('base64')}` : undefined;
  try {
    const { host, running } = await withFreePorts(1, (port) => startServer(folder, logFile, `127.0.0.1:${options.port ?? port}`, options));
    const target: PushTarget = { host, ...(authorization !== undefined && { authorization }) };
    return {
      host,
      pid: running.pid,
      requests: () => countRequests(readFileSync(logFile, 'utf8')),
      pushes: () => manifestPushes(readFileSync(logFile, 'utf8')),
      stored: (repository) => storedIn(options.dir ?? join(folder, 'blobs'), repository),
      pushImage: (image) => pushImage(target, image),
      pushIndex: (index) => pushIndex(target, index),
      async stop() {
        await running.stop();
        removeTempDir(folder);
      },
    };
  } catch (error) {
    removeTempDir(folder);
    throw error;
  }
}

async function startServer(
  folder: string,
  logFile: string,
  host: string,
  options: RegistryOptions,
): Promise<{ host: string; running: Running }> {
  const htpasswd = join(folder, 'htpasswd');
  writeFileSync(htpasswd, HTPASSWD, { mode: 0o600 });
  const config = {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: false } },
    storage: {
      filesystem: { rootdirectory: options.dir ?? join(folder, 'blobs') },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: { addr: host, secret: 'shared by nobody' },
    ...(options.auth === 'basic' && { auth: { htpasswd: { realm: 'kmodflow', path: htpasswd } } }),
  };
  const configFile = join(folder, 'config.yml');
  writeFileSync(configFile, JSON.stringify(config, null, 2));
  const ready = async (): Promise<true | string> => {
    const { status } = await fetch(`http://${host}/v2/`, { signal: AbortSignal.timeout(2_000) });
    return status === (options.auth === 'basic' ? 401 : 200) ? true : `/v2/ answered ${status}`;
  };
  const running = await run({
    program: findPart('registry'),
    args: ['serve', configFile],
    logFile,
    ready,
    // The registry would export traces to a collector that is not there.
    env: { OTEL_TRACES_EXPORTER: 'none' },
  });
  return { host, running };
}

const MANIFEST_READ = /"(GET|HEAD) \/v2\/(\S+)\/manifests\/(\S+) HTTP/;
const BLOB_READ = /"GET \/v2\/\S+\/blobs\/sha256:/;

function countRequests(accessLog: string): RegistryRequests {
  const manifests: Record<string, { GET: number; HEAD: number }> = {};
  let [manifestTotal, blobGets] = [0, 0];
  for (const line of accessLog.split('\n')) {
    if (BLOB_READ.test(line)) blobGets++;
    const [, method, repository, reference] = MANIFEST_READ.exec(line) ?? [];
    if (method === undefined || reference === undefined) continue;
    const key = `${repository}${reference.includes(':') ? '@' : ':'}${reference}`;
    const counts = (manifests[key] ??= { GET: 0, HEAD: 0 });
    counts[method as keyof ManifestRequests]++;
    manifestTotal++;
  }
  return { manifests, manifestTotal, blobGets };
}

const MANIFEST_WRITE = /"PUT \/v2\/(\S+)\/manifests\/(\S+) HTTP\/[0-9.]+" (\d{3})/;

const manifestPushes = (accessLog: string): PushedManifest[] =>
  accessLog.split('\n').flatMap((line) => {
    const [, repository, reference, status] = MANIFEST_WRITE.exec(line) ?? [];
    return repository === undefined || reference === undefined ? [] : [{ repository, reference, status: Number(status) }];
  });

function storedIn(root: string, repository: string): { manifests: string[]; blobs: string[] } {
  const folder = join(root, 'docker/registry/v2/repositories', repository);
  const digests = (path: string): string[] => readdirSync(join(folder, path)).map((hex) => `sha256:${hex}`);
  return { manifests: digests('_manifests/revisions/sha256'), blobs: digests('_layers/sha256') };
}
