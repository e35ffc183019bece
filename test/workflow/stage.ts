import { jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { moduleWorkflowId } from '../../src/domain/messages.js';
import type { ModuleStatus } from '../../src/domain/module-status.js';
import type { RolloutRecord } from '../../src/domain/process.js';
import type { ManagedClusterModuleInput } from '../../workflows/managed-cluster-module.js';
import { eventually } from '../harness/eventually.js';
import { startTemporal } from '../harness/temporal.js';
import { workflowBundle } from '../harness/workflow-bundle.js';
import { FakeHub } from './fake-hub.js';

export const MINUTE = 60_000;
/** Of every case in a file that imports this. Read when the tests begin, so a hook would be too late. */
jest.setTimeout(MINUTE);

/** A Temporal server for a file of tests; each test gets a worker of its own with its own task queue. */
export interface Stage {
  readonly client: Client;
  /** Runs `play` while a worker serves the workflows with the activities of a fake hub. Whatever still runs afterwards is terminated. */
  perform(clusters: Readonly<Record<string, string>>, play: (scene: Scene) => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

export interface Scene {
  readonly client: Client;
  readonly hub: FakeHub;
  readonly taskQueue: string;
  /** Of the module's workflow. */
  readonly id: string;
  readonly module: WorkflowHandle;
  start(input?: Partial<ManagedClusterModuleInput>): Promise<void>;
  status(): Promise<ModuleStatus>;
  /** Waits until the status is as wanted. */
  until(what: string, holds: (status: ModuleStatus) => boolean): Promise<ModuleStatus>;
  ready(): Promise<ModuleStatus>;
  history(): Promise<readonly RolloutRecord[]>;
  /** What the Temporal UI shows on the page of a workflow; default the module's. */
  details(workflowId?: string): Promise<string>;
  /** Seconds of the timers that the module's workflow has started. */
  timers(): Promise<number[]>;
  reconcile(): Promise<void>;
  /** Answers with the sentence, or throws what the validator said. */
  ask(update: string, request?: Readonly<Record<string, unknown>>): Promise<string>;
}

export async function openStage(): Promise<Stage> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { forward: {}, filter: 'ERROR' } } });
  const [temporal, bundle] = await Promise.all([startTemporal(), workflowBundle()]);
  const [connection, native] = await Promise.all([
    Connection.connect({ address: temporal.address }),
    NativeConnection.connect({ address: temporal.address }),
  ]);
  const client = new Client({ connection });
  return {
    client,
    perform: (clusters, play) => perform({ client, native, bundle }, clusters, play),
    stop: async () => {
      // A case that was given up may still have its worker, which holds the connection. The server must be stopped all the same.
      await native.close().catch(() => undefined);
      await connection.close();
      await temporal.stop();
    },
  };
}

interface Parts {
  readonly client: Client;
  readonly native: NativeConnection;
  readonly bundle: WorkflowBundleOption;
}

async function perform(
  { client, native, bundle }: Parts,
  clusters: Readonly<Record<string, string>>,
  play: (scene: Scene) => Promise<void>,
): Promise<void> {
  const name = `m${randomUUID().slice(0, 8)}`;
  const hub = new FakeHub(name, client, clusters);
  const taskQueue = `test-${name}`;
  const worker = await Worker.create({
    connection: native,
    taskQueue,
    workflowBundle: bundle,
    activities: hub.activities,
    maxHeartbeatThrottleInterval: 50, // so that a cancelled follower hears of it at once
    defaultHeartbeatThrottleInterval: 50,
  });
  await worker.runUntil(async () => {
    try {
      await play(sceneOf(client, hub, taskQueue));
    } finally {
      await terminateAll(client, taskQueue);
    }
  });
}

function sceneOf(client: Client, hub: FakeHub, taskQueue: string): Scene {
  const id = moduleWorkflowId(hub.name);
  const module = client.workflow.getHandle(id);
  const status = (): Promise<ModuleStatus> => module.query<ModuleStatus>('status');
  const until: Scene['until'] = (what, holds) =>
    eventually(
      what,
      async () => {
        const now = await status();
        return holds(now) ? now : undefined;
      },
      { timeoutMs: 20_000, everyMs: 30, seen: status },
    );
  return {
    client,
    hub,
    taskQueue,
    id,
    module,
    start: async (input = {}) => {
      const args = [{ name: hub.name, ...input }];
      await client.workflow.start('managedClusterModule', { workflowId: id, taskQueue, args });
    },
    status,
    until,
    ready: () => until('the module to be Ready', ({ phase }) => phase === 'Ready'),
    history: () => module.query('history'),
    details: async (workflowId = id) =>
      (await client.workflow.getHandle(workflowId).query<{ currentDetails?: string }>('__temporal_workflow_metadata')).currentDetails ?? '',
    timers: async () => {
      const { events } = await module.fetchHistory();
      return (events ?? []).flatMap((e) => {
        const wait = e.timerStartedEventAttributes?.startToFireTimeout;
        return wait == null ? [] : [Number(wait.seconds ?? 0) + (wait.nanos ?? 0) / 1e9];
      });
    },
    reconcile: () => module.signal('reconcile'),
    ask: (update, request = {}) =>
      module.executeUpdate<string, [unknown]>(update, { args: [{ by: 'Ann', ...request }] }).catch(saidByValidator),
  };
}

/** The sentence of a refused update is its cause's message. */
const saidByValidator = (error: unknown): never => {
  throw error instanceof Error && error.cause instanceof Error ? error.cause : error;
};

async function terminateAll(client: Client, taskQueue: string): Promise<void> {
  const query = `TaskQueue = '${taskQueue}' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId } of client.workflow.list({ query }))
    await client.workflow
      .getHandle(workflowId)
      .terminate('the test is over')
      .catch(() => undefined); // it has ended meanwhile
}
