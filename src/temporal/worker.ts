import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import type { Activities } from '../../activities/index.js';
import type { Config } from '../config.js';
import type { Logger } from '../logger.js';
import { bundleWorkflows } from './bundle.js';

export interface WorkerOptions {
  readonly config: Pick<Config, 'temporalAddress' | 'temporalNamespace' | 'taskQueue'>;
  readonly activities: Activities;
  readonly logger: Logger;
  /** Bundled workflow code; without it, the one that the build made, or one that is made now. */
  readonly workflowBundle?: WorkflowBundleOption | undefined;
}

/** Activities at once in one worker. Batches write 16 objects each at a time; the API client limits what reaches the server. */
const ACTIVITIES_AT_ONCE = 40;
/** Workflows kept in memory: about 1 MB each. */
const CACHED_WORKFLOWS = 200;

/** Heartbeats go out at least this often, where the SDK would hold them back for 80 % of the heartbeat timeout: a late one costs the whole attempt. */
const HEARTBEATS_HELD_BACK = '2 seconds';
/** How long a workflow waits for the worker that has it in memory before any other may take it over: that one may have been killed. */
const STICKY = '5 seconds';

let runtimeInstalled = false;

/** Temporal's own lines go through our logger, so that one format leaves the process. */
function installRuntime(logger: Logger): void {
  if (runtimeInstalled) return;
  runtimeInstalled = true;
  const log = logger.child({ component: 'temporal' });
  Runtime.install({
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => {
      const { error, ...fields } = { ...meta };
      const line = { ...fields, ...(error === undefined ? {} : { err: error }) };
      if (level === 'ERROR') log.error(line, message);
      else if (level === 'WARN') log.warn(line, message);
      else log.debug(line, message);
    }),
    telemetryOptions: { logging: { forward: {}, filter: { core: 'WARN', other: 'ERROR' } } },
  });
}

/** A connected worker that does not poll yet: `run()` does. The caller closes the returned connection after that. */
export async function createWorker({
  config,
  activities,
  logger,
  workflowBundle,
}: WorkerOptions): Promise<{ worker: Worker; connection: NativeConnection }> {
  installRuntime(logger);
  const connection = await NativeConnection.connect({ address: config.temporalAddress });
  const worker = await Worker.create({
    connection,
    namespace: config.temporalNamespace,
    taskQueue: config.taskQueue,
    workflowBundle: workflowBundle ?? (await defaultBundle()),
    activities,
    maxConcurrentActivityTaskExecutions: ACTIVITIES_AT_ONCE,
    maxCachedWorkflows: CACHED_WORKFLOWS,
    maxHeartbeatThrottleInterval: HEARTBEATS_HELD_BACK,
    stickyQueueScheduleToStartTimeout: STICKY,
    shutdownGraceTime: '10 seconds',
    shutdownForceTime: '30 seconds',
  });
  return { worker, connection };
}

async function defaultBundle(): Promise<WorkflowBundleOption> {
  const built = fileURLToPath(new URL('../../workflow-bundle.js', import.meta.url));
  if (existsSync(built)) return { codePath: built };
  const source = ['../../workflows/index.js', '../../workflows/index.ts']
    .map((p) => fileURLToPath(new URL(p, import.meta.url)))
    .find(existsSync);
  return bundleWorkflows(source ?? 'workflows/index.js');
}
