import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHubApi, loadKubeConfig, type HubApi, type HubApiOptions } from '../../src/kube/index.js';
import { AUDIT_POLICY, readAuditLog, type AuditEvent } from './audit.js';
import { installCrds } from './crds.js';
import { writeKubeconfig } from './kubeconfig.js';
import { findPart } from './parts.js';
import { withFreePorts } from './ports.js';
import { makeTempDir, removeTempDir, run, type Running } from './process.js';
import { rest, type RestAccess } from './rest.js';

export interface ControlPlaneOptions {
  /** `all`: ManagedClusterModule, ManagedCluster, ManifestWork and Module are there and Established. Default `all`. */
  readonly crds?: 'all' | 'none';
  /** Jobs make pods, owner references are collected, namespaces terminate. Default false. */
  readonly controllerManager?: boolean;
  /** Keeps a log of writes (true or `writes`) or of every request (`all`) for {@link ControlPlane.auditEvents}. Default false. */
  readonly auditLog?: boolean | 'writes' | 'all';
  /** Names of users without any right until RBAC grants them some; see {@link ControlPlane.users}. */
  readonly users?: readonly string[];
  /** An etcd that runs already (another control plane's {@link ControlPlane.etcdUrl}), and the prefix that keeps the two apart. */
  readonly etcd?: { readonly url: string; readonly prefix: string };
  /** Parent of everything that is written to disk; default: a new temporary folder, removed on stop. A folder that is given is kept. */
  readonly dir?: string;
}

export interface UserAccess {
  readonly token: string;
  readonly kubeconfigPath: string;
}

export interface ControlPlane {
  readonly url: string;
  /** Of a member of `system:masters`. */
  readonly token: string;
  /** The API server's own certificate with its authority: trust this file to trust the server. */
  readonly caFile: string;
  /** Key of the serving certificate, for a proxy that stands in for the server. */
  readonly keyFile: string;
  readonly kubeconfigPath: string;
  readonly etcdUrl: string;
  /** The product's transport, as `system:masters`. */
  readonly api: HubApi;
  /** One more transport with connections, limits and request counters of its own; closed on stop. */
  readonly connect: (options?: Omit<HubApiOptions, 'kubeConfig'>) => HubApi;
  readonly users: Readonly<Record<string, UserAccess>>;
  readonly pids: { readonly apiServer: number; readonly etcd: number | undefined; readonly controllerManager: number | undefined };
  /** In the order of completion. @throws Error unless `auditLog` was asked for. */
  readonly auditEvents: () => AuditEvent[];
  /** Stops everything, last started first, and removes the temporary folder. A second call is harmless. */
  readonly stop: () => Promise<void>;
}

const CONTROLLERS = [
  'garbage-collector-controller',
  'namespace-controller',
  'job-controller',
  'ttl-after-finished-controller',
  'serviceaccount-controller',
  'pod-garbage-collector-controller',
];

/**
 * Starts etcd and kube-apiserver on the loopback interface, and what else is asked for.
 * @throws Error with the last lines of the log of the part that did not get ready. Nothing is left running then.
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const folder = options.dir ?? makeTempDir('control-plane');
  mkdirSync(folder, { recursive: true });
  const undo: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
    if (options.dir === undefined) removeTempDir(folder);
  };
  try {
    return { ...(await startParts(folder, options, (step) => undo.push(step))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @param onStop registers what has to be undone; the last comes first. */
async function startParts(
  folder: string,
  options: ControlPlaneOptions,
  onStop: (step: () => Promise<void>) => void,
): Promise<Omit<ControlPlane, 'stop'>> {
  const etcd = options.etcd ?? (await startEtcd(folder));
  if ('running' in etcd) onStop(etcd.running.stop);
  const { running, access, caFile, keyFile, userTokens } = await startApiServer(folder, etcd.url, options);
  onStop(running.stop);
  const kubeconfigPath = writeKubeconfig(join(folder, 'kubeconfig'), access);
  const manager = options.controllerManager === true ? await startControllerManager(folder, kubeconfigPath, access) : undefined;
  if (manager) onStop(manager.stop);
  if (options.crds !== 'none') await installCrds(access);
  const kubeConfig = loadKubeConfig({ path: kubeconfigPath });
  const connect: ControlPlane['connect'] = (settings) => {
    const connection = createHubApi({ ...settings, kubeConfig });
    onStop(() => connection.close());
    return connection;
  };
  return {
    url: access.url,
    token: access.token,
    caFile,
    keyFile,
    kubeconfigPath,
    etcdUrl: etcd.url,
    api: connect(),
    connect,
    users: userAccess(folder, access, userTokens),
    pids: { apiServer: running.pid, etcd: 'running' in etcd ? etcd.running.pid : undefined, controllerManager: manager?.pid },
    auditEvents: () => readAuditLog(options.auditLog ? auditLogFile(folder) : undefined),
  };
}

const auditLogFile = (folder: string): string => join(folder, 'audit.log');

function startEtcd(folder: string): Promise<{ url: string; running: Running }> {
  return withFreePorts(2, async (clientPort, peerPort) => {
    const [url, peer] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`];
    const args = ['--name=hub', `--data-dir=${join(folder, 'etcd')}`, `--listen-client-urls=${url}`, `--advertise-client-urls=${url}`];
    args.push(`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`, `--initial-cluster=hub=${peer}`);
    // What a test stores need not survive a power cut.
    args.push('--unsafe-no-fsync', '--quota-backend-bytes=4294967296', '--log-level=warn');
    const ready = async (): Promise<true | string> => {
      const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2_000) });
      return answer.ok ? true : `health answered ${answer.status}`;
    };
    return { url, running: await run({ program: findPart('etcd'), args, logFile: join(folder, 'etcd.log'), ready }) };
  });
}

interface ApiServer {
  readonly running: Running;
  readonly access: RestAccess;
  readonly caFile: string;
  readonly keyFile: string;
  readonly userTokens: ReadonlyMap<string, string>;
}

async function startApiServer(folder: string, etcdUrl: string, options: ControlPlaneOptions): Promise<ApiServer> {
  const token = newToken();
  const userTokens = new Map((options.users ?? []).map((name) => [name, newToken()]));
  writeTokenFile(folder, token, userTokens);
  writeServiceAccountKeys(folder);
  const caFile = join(folder, 'certs', 'apiserver.crt');
  return withFreePorts(1, async (port) => {
    const url = `https://127.0.0.1:${port}`;
    const access = (): RestAccess => ({ url, token, ca: readFileSync(caFile, 'utf8') });
    const ready = async (): Promise<true | string> => {
      const { status, body } = await rest(access(), 'GET', '/readyz');
      return status === 200 ? true : `readyz answered ${status}: ${body}`;
    };
    const args = apiServerArgs(folder, etcdUrl, port, options);
    const running = await run({ program: findPart('kube-apiserver'), args, logFile: join(folder, 'kube-apiserver.log'), ready });
    return { running, access: access(), caFile, keyFile: join(folder, 'certs', 'apiserver.key'), userTokens };
  });
}

function apiServerArgs(folder: string, etcdUrl: string, port: number | undefined, options: ControlPlaneOptions): string[] {
  const args = [`--etcd-servers=${etcdUrl}`, `--secure-port=${port}`, '--bind-address=127.0.0.1', '--advertise-address=127.0.0.1'];
  if (options.etcd) args.push(`--etcd-prefix=${options.etcd.prefix}`);
  args.push(`--cert-dir=${join(folder, 'certs')}`, `--token-auth-file=${join(folder, 'tokens.csv')}`, '--authorization-mode=RBAC');
  args.push('--service-account-issuer=https://kubernetes.default.svc', `--service-account-key-file=${join(folder, 'sa.pub')}`);
  args.push(`--service-account-signing-key-file=${join(folder, 'sa.key')}`, '--service-cluster-ip-range=10.96.0.0/16');
  // Nobody reaches this server through its service, and the reconciler refuses a loopback address with an error every ten seconds.
  args.push('--endpoint-reconciler-type=none', '--allow-privileged=true', '--profiling=false');
  // Without the controller that makes default service accounts this plugin would refuse every pod.
  if (options.controllerManager !== true) args.push('--disable-admission-plugins=ServiceAccount');
  if (options.auditLog) {
    const policyFile = join(folder, 'audit-policy.json');
    writeFileSync(policyFile, JSON.stringify(AUDIT_POLICY[options.auditLog === 'all' ? 'all' : 'writes']));
    args.push(`--audit-policy-file=${policyFile}`, `--audit-log-path=${auditLogFile(folder)}`);
  }
  return args;
}

const newToken = (): string => randomBytes(16).toString('hex');

/** Lines of `token,user,uid,groups`. The API server reads the file once, so every user has to be known at the start. */
function writeTokenFile(folder: string, adminToken: string, users: ReadonlyMap<string, string>): void {
  const lines = [`${adminToken},admin,admin,system:masters`, ...[...users].map(([name, token]) => `${token},${name},${name},`)];
  writeFileSync(join(folder, 'tokens.csv'), `${lines.join('\n')}\n`, { mode: 0o600 });
}

function writeServiceAccountKeys(folder: string): void {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  writeFileSync(join(folder, 'sa.pub'), publicKey);
  writeFileSync(join(folder, 'sa.key'), privateKey, { mode: 0o600 });
}

function userAccess(folder: string, access: RestAccess, tokens: ReadonlyMap<string, string>): Record<string, UserAccess> {
  return Object.fromEntries(
    [...tokens].map(([name, token]) => [
      name,
      { token, kubeconfigPath: writeKubeconfig(join(folder, `kubeconfig-${encodeURIComponent(name)}`), { ...access, token }) },
    ]),
  );
}

function startControllerManager(folder: string, kubeconfigPath: string, access: RestAccess): Promise<Running> {
  const args = [`--kubeconfig=${kubeconfigPath}`, `--controllers=${CONTROLLERS.join(',')}`, '--leader-elect=false', '--secure-port=0'];
  args.push(`--service-account-private-key-file=${join(folder, 'sa.key')}`, '--kube-api-qps=200', '--kube-api-burst=400');
  const ready = async (): Promise<true | string> => {
    const { status } = await rest(access, 'GET', '/api/v1/namespaces/default/serviceaccounts/default');
    return status === 200 ? true : 'the service account default/default does not exist yet';
  };
  return run({ program: findPart('kube-controller-manager'), args, logFile: join(folder, 'kube-controller-manager.log'), ready });
}
