import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowBundleOption } from '@temporalio/worker';
import type { KubeConfig } from '@kubernetes/client-node';
import { createActivities } from '../activities/index.js';
import type { Config } from './config.js';
import { startController } from './controller/controller.js';
import {
  createEventRecorder,
  createFleet,
  createHubApi,
  createImageInputs,
  loadKubeConfig,
  type Fleet,
  type HubApi,
} from './kube/index.js';
import type { Logger } from './logger.js';
import { createRegistryClient, type RegistryClient } from './registry/index.js';
import { connectTemporal } from './temporal/connection.js';
import { ensureSearchAttributes } from './temporal/search-attributes.js';
import { createWorker } from './temporal/worker.js';
import { createWorkflowMessages } from './temporal/workflow-messages.js';

export interface HubOptions {
  readonly config: Config;
  /** `hub` is controller and worker in one process, with one set of watch caches. */
  readonly parts: 'hub' | 'controller' | 'worker';
  readonly logger: Logger;
  /** Ends the hub: activities get ten seconds to finish. */
  readonly signal: AbortSignal;
  readonly kubeConfig?: KubeConfig | undefined;
  readonly workflowBundle?: WorkflowBundleOption | undefined;
  /** Called once everything runs. */
  readonly onReady?: ((hub: RunningHub) => void) | undefined;
}

/** What a running hub lets others look at: benches and tests count requests. */
export interface RunningHub {
  readonly api: HubApi;
  readonly fleet: Fleet;
  readonly registry: RegistryClient;
}

const SYNC_TIMEOUT_MS = 120_000;

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * Runs a hub until `signal` aborts.
 * @throws Fault `Unavailable` when Temporal or the API server does not answer, `Invalid` for a kubeconfig that cannot be used.
 */
export async function runHub({ config, parts, logger, signal, kubeConfig, workflowBundle, onReady }: HubOptions): Promise<void> {
  const api = createHubApi({
    kubeConfig: kubeConfig ?? loadKubeConfig({ path: config.kubeconfig, context: config.context }),
    maxInFlight: config.maxWrites,
    logger,
  });
  const fleet = createFleet({ api, operatorNamespace: config.operatorNamespace, sha256, logger, now: Date.now });
  const registry = createRegistryClient({ logger });
  const closers: (() => Promise<unknown>)[] = [() => fleet.stop(), () => registry.close(), () => api.close()];
  try {
    const client = await connectTemporal(config);
    closers.unshift(() => client.connection.close());
    const prepareTemporal = async (): Promise<void> => {
      const registered = await ensureSearchAttributes(client.connection, config.temporalNamespace);
      if (registered.length > 0) logger.info({ registered }, 'registered search attributes');
    };
    await prepareTemporal();
    fleet.start();
    await fleet.whenSynced(SYNC_TIMEOUT_MS);
    logger.info({ clusters: fleet.clusters.size, works: fleet.works.size, modules: fleet.modules.size }, 'the fleet is known');
    const running: Promise<unknown>[] = [];
    if (parts !== 'controller') {
      const activities = createActivities({
        api,
        fleet,
        registry,
        workflows: createWorkflowMessages(client, config.taskQueue),
        inputs: createImageInputs({ api, fleet, operatorNamespace: config.operatorNamespace }),
        imageJobs: config.imageJobs,
        events: createEventRecorder(api, { component: 'kmodflow', instance: hostname(), logger }),
        sha256,
        now: Date.now,
        operatorNamespace: config.operatorNamespace,
        defaultSettleMs: config.settleMs,
        logger,
      });
      const { worker, connection } = await createWorker({ config, activities, logger, workflowBundle });
      closers.unshift(() => connection.close());
      signal.addEventListener('abort', () => worker.shutdown(), { once: true });
      const ended = worker.run().catch((error: unknown) => {
        if (!signal.aborted) throw error;
        logger.warn({ err: error }, 'Work was still under way when the worker stopped; another worker takes it over');
      });
      running.push(ended);
    }
    if (parts !== 'worker') {
      const controller = startController({ fleet, client, taskQueue: config.taskQueue, prepareTemporal, logger });
      closers.unshift(() => controller.stop());
    }
    logger.info({ parts, temporal: config.temporalAddress, taskQueue: config.taskQueue }, 'kmodflow is running');
    onReady?.({ api, fleet, registry });
    await Promise.all([...running, untilAborted(signal)]);
  } finally {
    for (const close of closers) await close().catch((error: unknown) => logger.debug({ err: error }, 'a part did not close cleanly'));
  }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  signal.aborted ? Promise.resolve() : sleep(2 ** 31 - 1, undefined, { signal, ref: true }).catch(() => undefined);
