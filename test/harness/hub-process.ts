import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from './parts.js';
import { makeTempDir, removeTempDir, run } from './process.js';

/** As the first line of main.js has them: V8 keeps less garbage then; see docs/performance.md. */
const NODE_FLAGS = ['--max-semi-space-size=4', '--max-old-space-size=512'];

export interface HubProcessOptions {
  readonly kubeconfigPath: string;
  readonly temporalAddress: string;
  readonly part?: 'hub' | 'controller' | 'worker';
  readonly operatorNamespace?: string;
  readonly taskQueue?: string;
  /** Go-like duration; default `1s`. */
  readonly settle?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface HubProcess {
  readonly pid: number;
  /** Resident memory, MiB; undefined once it is gone. */
  readonly rssMiB: () => number | undefined;
  readonly log: () => string;
  /** No chance to clean up, as when a node loses its power. */
  readonly kill: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Runs the built CLI (`dist/`) as its users do: a process of its own. Ready when it says so in its log. */
export async function startHubProcess(options: HubProcessOptions): Promise<HubProcess> {
  const folder = makeTempDir('hub');
  const logFile = join(folder, 'hub.log');
  const log = (): string => readFileSync(logFile, 'utf8');
  const running = await run({
    program: process.execPath,
    args: [
      ...NODE_FLAGS,
      join(repositoryRoot, 'dist/src/cli/main.js'),
      options.part ?? 'hub',
      '--kubeconfig',
      options.kubeconfigPath,
      '--temporal-address',
      options.temporalAddress,
    ],
    logFile,
    env: {
      OPERATOR_NAMESPACE: options.operatorNamespace ?? 'kmodflow-system',
      KMODFLOW_TASK_QUEUE: options.taskQueue ?? 'kmodflow',
      KMODFLOW_SETTLE: options.settle ?? '1s',
      KMODFLOW_LOG_LEVEL: 'info',
      ...options.env,
    },
    ready: async () => (log().includes('kmodflow is running') ? true : 'it has not said "kmodflow is running"'),
    stopTimeoutMs: 30_000,
  });
  return {
    pid: running.pid,
    rssMiB: () => residentMiB(running.pid),
    log,
    kill: async () => {
      process.kill(running.pid, 'SIGKILL');
      await running.stop();
      removeTempDir(folder);
    },
    stop: async () => {
      await running.stop();
      removeTempDir(folder);
    },
  };
}

function residentMiB(pid: number): number | undefined {
  try {
    const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? undefined : Math.round(Number(kib) / 1024);
  } catch {
    return undefined;
  }
}
