import { WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ManagedClusterModuleSpec } from '../api/index.js';
import { moduleWorkflowId, WAVE_PROGRESS_SIGNAL } from '../domain/messages.js';
import type { ModuleStatus } from '../domain/module-status.js';
import type { RolloutRecord } from '../domain/process.js';
import type { ManagedClusterModuleInput } from '../../workflows/managed-cluster-module.js';
import { eventTime, payloadReader, type PayloadReader } from './payloads.js';
import { toFault, tooLate, type Asked } from './temporal-faults.js';
import type { Started } from './types.js';
import type { ModuleWorkflows, Request, RunningModule, WaveRun, WaveStep } from './workflows.js';

export interface TemporalWorkflowsOptions {
  /** Connects on first use, so that what Kubernetes alone can answer needs no Temporal. */
  readonly connect: () => Promise<Client>;
  readonly taskQueue: string;
  /** How long a worker may take to answer a query, default 5,000 ms, */
  readonly queryTimeoutMs?: number | undefined;
  /** and a request of a person, default 15,000 ms. */
  readonly updateTimeoutMs?: number | undefined;
}

const WORKFLOW_TYPE = 'managedClusterModule';
const MODULE_PREFIX = moduleWorkflowId('');
/** Visibility queries are strings; module names are DNS names, but nobody has to believe that. */
const quoted = (text: string): string => `"${text.replace(/[\\"]/g, (c) => `\\${c}`)}"`;

type HistoryEvent = NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>[number];

/** The modules' workflows over Temporal's client. */
export function createTemporalWorkflows(options: TemporalWorkflowsOptions): ModuleWorkflows {
  const { connect, taskQueue, queryTimeoutMs = 5_000, updateTimeoutMs = 15_000 } = options;

  /** Connects, bounds the call and puts what goes wrong into words. */
  const ask = async <T>(about: Partial<Asked>, timeoutMs: number, call: (client: Client) => Promise<T>): Promise<T> => {
    const client = await connect();
    const asked = { module: '', needsWorker: false, ...about, taskQueue };
    try {
      return await inTime(
        timeoutMs,
        client.withDeadline(Date.now() + timeoutMs, () => call(client)),
        () => tooLate(asked),
      );
    } catch (error) {
      throw toFault(error, asked);
    }
  };
  const query = <T>(module: string, name: string): Promise<T> =>
    ask({ module, needsWorker: true }, queryTimeoutMs, (client) => client.workflow.getHandle(moduleWorkflowId(module)).query<T>(name));

  return {
    start: (name, spec) => ask({ module: name }, queryTimeoutMs, (client) => startModule(client, taskQueue, name, spec)),

    async status(name) {
      // A closed workflow still answers queries; what it says about a module that is gone would mislead.
      await ask({ module: name }, queryTimeoutMs, assertRunning(name));
      return query<ModuleStatus>(name, 'status');
    },

    history: (name) => query<readonly RolloutRecord[]>(name, 'history'),

    async request(name, request: Request, argument) {
      await ask({ module: name }, queryTimeoutMs, assertRunning(name));
      return ask({ module: name, request, needsWorker: true }, updateTimeoutMs, (client) =>
        client.workflow.getHandle(moduleWorkflowId(name)).executeUpdate<string, [object]>(request, { args: [argument] }),
      );
    },

    async headlessSpec(name) {
      const { reader, events } = await ask({ module: name }, HISTORY_TIMEOUT_MS, async (client) => {
        await assertRunning(name)(client);
        return readHistory(client, moduleWorkflowId(name));
      });
      return specOf(events, reader);
    },

    running: () =>
      ask({}, HISTORY_TIMEOUT_MS, async (client) => {
        const found: RunningModule[] = [];
        for await (const { workflowId, startTime, searchAttributes } of client.workflow.list({
          query: `WorkflowType = ${quoted(WORKFLOW_TYPE)} AND ExecutionStatus = "Running"`,
        })) {
          const phase = searchAttributes['KmodPhase']?.[0];
          found.push({
            name: workflowId.slice(MODULE_PREFIX.length),
            phase: typeof phase === 'string' ? phase : undefined,
            startedAt: startTime,
          });
        }
        return found;
      }),

    waves: (name, limit) =>
      ask({ module: name }, HISTORY_TIMEOUT_MS, async (client) => {
        const found: WaveRun[] = [];
        const ids = `WorkflowId STARTS_WITH ${quoted(`${moduleWorkflowId(name)}/`)}`;
        for await (const { workflowId, runId } of client.workflow.list({ query: `WorkflowType = "wave" AND ${ids}`, pageSize: limit })) {
          found.push({ workflowId, runId });
          if (found.length >= limit) break;
        }
        return found;
      }),

    waveSteps: ({ workflowId, runId }) =>
      ask({ module: workflowId }, HISTORY_TIMEOUT_MS, async (client) => {
        const { events, reader } = await readHistory(client, workflowId, runId);
        return stepsOf(events, reader);
      }),
  };
}

/** A whole history may be several megabytes (30 seconds). */
const HISTORY_TIMEOUT_MS = 30_000;

/** The SDK asks again by itself when a call runs into the server's own limit, so its deadline alone would not end the waiting. */
async function inTime<T>(timeoutMs: number, call: Promise<T>, late: () => Error): Promise<T> {
  const over = new AbortController();
  const alarm = sleep(timeoutMs + 500, undefined, { signal: over.signal }).then(
    () => Promise.reject(late()),
    () => new Promise<never>(() => undefined), // the call was faster
  );
  try {
    return await Promise.race([call, alarm]);
  } finally {
    over.abort();
    call.catch(() => undefined); // it may still fail after we stopped listening
  }
}

async function startModule(client: Client, taskQueue: string, name: string, spec: ManagedClusterModuleSpec): Promise<Started> {
  const workflowId = moduleWorkflowId(name);
  const input: ManagedClusterModuleInput = { name, spec };
  const handle = await client.workflow.start(WORKFLOW_TYPE, {
    workflowId,
    taskQueue,
    args: [input],
    workflowIdConflictPolicy: 'FAIL',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    staticSummary: `Module ${name}, started without an object`,
  });
  return { name, workflowId, runId: handle.firstExecutionRunId };
}

const assertRunning =
  (name: string) =>
  async (client: Client): Promise<void> => {
    const workflowId = moduleWorkflowId(name);
    const { status } = await client.workflow.getHandle(workflowId).describe();
    if (status.name !== 'RUNNING' && status.name !== 'PAUSED')
      throw new WorkflowNotFoundError(`it is ${status.name}`, workflowId, undefined);
  };

async function readHistory(
  client: Client,
  workflowId: string,
  runId?: string,
): Promise<{ events: readonly HistoryEvent[]; reader: PayloadReader }> {
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  return { events: events ?? [], reader: payloadReader(client.options.loadedDataConverter) };
}

/** The spec of the run's input, or the one that a later update gave it. */
async function specOf(events: readonly HistoryEvent[], read: PayloadReader): Promise<ManagedClusterModuleSpec | undefined> {
  let spec: ManagedClusterModuleSpec | undefined;
  for (const event of events) {
    const started = event.workflowExecutionStartedEventAttributes;
    if (started) {
      const input = await read<Pick<ManagedClusterModuleInput, 'spec' | 'carried'>>(started.input);
      spec = input?.carried?.headless ?? (input?.spec as ManagedClusterModuleSpec | undefined);
    }
    const accepted = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input;
    if (accepted?.name === ('setSpec' satisfies Request))
      spec = (await read<{ spec: ManagedClusterModuleSpec }>(accepted.args))?.spec ?? spec;
  }
  return spec;
}

async function stepsOf(events: readonly HistoryEvent[], read: PayloadReader): Promise<WaveStep[]> {
  const steps: WaveStep[] = [];
  const inputs = new Map<string, unknown>();
  for (const event of events) {
    const at = eventTime(event.eventTime);
    const { activityTaskScheduledEventAttributes: scheduled, activityTaskCompletedEventAttributes: completed } = event;
    const { workflowExecutionSignaledEventAttributes: signaled, workflowExecutionStartedEventAttributes: started } = event;
    if (started) steps.push({ at, kind: 'started', payload: await read(started.input) });
    if (scheduled?.activityType?.name === 'publishBatch') inputs.set(String(event.eventId), await read(scheduled.input));
    if (completed && inputs.has(String(completed.scheduledEventId)))
      steps.push({ at, kind: 'published', input: inputs.get(String(completed.scheduledEventId)), payload: await read(completed.result) });
    if (signaled?.signalName === WAVE_PROGRESS_SIGNAL) steps.push({ at, kind: 'progress', payload: await read(signaled.input) });
  }
  return steps;
}
