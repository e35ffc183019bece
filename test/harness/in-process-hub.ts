import type { WorkflowBundleOption } from '@temporalio/worker';
import { loadConfig } from '../../src/config.js';
import { runHub, type RunningHub } from '../../src/hub.js';
import { loadKubeConfig } from '../../src/kube/index.js';
import { createLogger } from '../../src/logger.js';

export interface InProcessHubOptions {
  readonly kubeconfigPath: string;
  readonly temporalAddress: string;
  readonly workflowBundle: WorkflowBundleOption;
  readonly settleMs?: number;
  readonly taskQueue?: string;
  readonly parts?: 'hub' | 'controller' | 'worker';
  /** Settings as the environment of a hub has them. The one of this process does not count. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface InProcessHub extends RunningHub {
  readonly stop: () => Promise<void>;
}

/** A hub in this process: quick to start, and its caches and counters can be looked at. Logs go to KMODFLOW_TEST_LOG (a level) on stdout; default nothing. */
export async function startInProcessHub(options: InProcessHubOptions): Promise<InProcessHub> {
  const controller = new AbortController();
  const config = loadConfig(options.env ?? {}, {
    temporalAddress: options.temporalAddress,
    settleMs: options.settleMs ?? 300,
    ...(options.taskQueue === undefined ? {} : { taskQueue: options.taskQueue }),
  });
  let ended: Promise<void> = Promise.resolve();
  const running = await new Promise<RunningHub>((resolve, reject) => {
    ended = runHub({
      config,
      parts: options.parts ?? 'hub',
      logger: createLogger(process.env['KMODFLOW_TEST_LOG'] ?? 'silent'),
      signal: controller.signal,
      kubeConfig: loadKubeConfig({ path: options.kubeconfigPath }),
      workflowBundle: options.workflowBundle,
      onReady: resolve,
    });
    ended.catch(reject);
  });
  return {
    ...running,
    stop: async () => {
      controller.abort();
      await ended;
    },
  };
}
