import type { Client } from '@temporalio/client';
import { moduleWorkflowId, RECONCILE_SIGNAL } from '../domain/messages.js';
import { matchesLabels } from '../domain/selector.js';
import type { ClusterView, WorkView } from '../domain/views.js';
import type { Fleet, KubeLogger, ModuleView } from '../kube/index.js';
import { Debouncer } from './debouncer.js';

export interface ControllerOptions {
  readonly fleet: Fleet;
  readonly client: Client;
  readonly taskQueue: string;
  /** Makes sure that Temporal has what the workflows need; called twice a minute, since its database may have been replaced by an empty one. */
  readonly prepareTemporal: () => Promise<unknown>;
  readonly logger: KubeLogger;
}

export interface Controller {
  stop(): Promise<void>;
}

/** A person waits for a changed spec; changes of the fleet come in groups; a spoke's reports come in floods and are told together. Milliseconds. */
const SPEC_MS = 20;
const WANTED_MS = 150;
const REPORTED_MS = 2_000;
/** Looking at a large fleet costs more, so its reports are told together for longer: 3 s more for 5,000 ManifestWorks. */
const REPORTED_MS_PER_WORK = 0.6;

const MODULE_WORKFLOW = 'managedClusterModule';

/**
 * Turns watch events into "look again" for the workflows of the modules that they concern. An event carries nothing and may be lost or doubled; the workflow id is the
 * lock, so any number of controllers may run. Wait for the fleet to be in sync before.
 */
export function startController({ fleet, client, taskQueue, prepareTemporal, logger }: ControllerOptions): Controller {
  const debouncer = new Debouncer(async (module) => {
    const exists = fleet.modules.has(module);
    if (exists) await signalWithStart(client, taskQueue, module);
    else await signalIfRunning(client, module);
    logger.debug({ module }, 'told the workflow to look again');
  }, logger);

  const concerned = function* (...labels: readonly (Readonly<Record<string, string>> | undefined)[]): Iterable<string> {
    for (const { name, selector } of fleet.modules.values())
      if (labels.some((l) => l !== undefined && matchesLabels(selector, l))) yield name;
  };
  const onModule = ({ before, after, key }: { before?: ModuleView | undefined; after?: ModuleView | undefined; key: string }): void => {
    if (before !== undefined && after !== undefined && !moduleChanged(before, after)) return;
    debouncer.touch(key, SPEC_MS);
  };
  const onCluster = ({ before, after }: { before?: ClusterView | undefined; after?: ClusterView | undefined }): void => {
    if (before !== undefined && after !== undefined && !clusterChanged(before, after)) return;
    for (const module of concerned(before?.labels, after?.labels)) debouncer.touch(module, WANTED_MS);
    for (const module of headless) debouncer.touch(module, WANTED_MS);
  };
  const onWork = ({ before, after }: { before?: WorkView | undefined; after?: WorkView | undefined }): void => {
    const module = (after ?? before)?.module;
    if (module === undefined) return;
    const wanted = before === undefined || after === undefined || workEdited(before, after);
    if (wanted || workReported(before, after))
      debouncer.touch(module, wanted && !ourOwnWrite(before, after) ? WANTED_MS : REPORTED_MS + fleet.works.size * REPORTED_MS_PER_WORK);
  };

  const onInput =
    (kind: 'ConfigMap' | 'Secret') =>
    ({ key }: { key: string }): void => {
      for (const { name, inputs } of fleet.modules.values()) if (inputs.includes(`${kind}/${key}`)) debouncer.touch(name, WANTED_MS);
      for (const module of headless) debouncer.touch(module, WANTED_MS);
    };

  /** Modules without an object: known by their running workflows alone. */
  const headless = new Set<string>();
  const stops = [
    fleet.modules.onChange(onModule),
    fleet.clusters.onChange(onCluster),
    fleet.works.onChange(onWork),
    fleet.configMaps.onChange(onInput('ConfigMap')),
    fleet.secrets.onChange(onInput('Secret')),
  ];
  for (const { name } of fleet.modules.values()) debouncer.touch(name, WANTED_MS);
  const compare = (): Promise<void> => compareWithTemporal({ fleet, client, prepareTemporal, debouncer, headless, logger });
  let comparing = compare();
  const refresh = setInterval(() => {
    comparing = comparing.then(compare);
  }, COMPARE_MS);
  return {
    stop: async () => {
      clearInterval(refresh);
      for (const stop of stops) stop();
      await comparing;
      await debouncer.stop();
    },
  };
}

/** How often the running workflows are compared with the modules (30 seconds). */
const COMPARE_MS = 30_000;

const moduleChanged = (before: ModuleView, after: ModuleView): boolean =>
  before.uid !== after.uid || before.generation !== after.generation || before.deleting !== after.deleting;

const clusterChanged = (before: ClusterView, after: ClusterView): boolean =>
  before.kernels?.join('\n') !== after.kernels?.join('\n') ||
  before.available !== after.available ||
  before.accepted !== after.accepted ||
  before.deleting !== after.deleting ||
  JSON.stringify(before.labels) !== JSON.stringify(after.labels);

const workEdited = (before: WorkView, after: WorkView): boolean =>
  before.contentHash !== after.contentHash ||
  before.declaredHash !== after.declaredHash ||
  before.wellFormed !== after.wellFormed ||
  before.deleting !== after.deleting ||
  before.uid !== after.uid;

/** What the hub wrote itself needs no look beyond the one that counts. */
const ourOwnWrite = (before: WorkView | undefined, after: WorkView | undefined): boolean =>
  after !== undefined &&
  !after.deleting &&
  after.contentHash === after.declaredHash &&
  after.wellFormed &&
  before?.publishedAt !== after.publishedAt;

const workReported = (before: WorkView | undefined, after: WorkView | undefined): boolean =>
  JSON.stringify([before?.applied, before?.manifestApplied, before?.echoedHash, before?.counters]) !==
  JSON.stringify([after?.applied, after?.manifestApplied, after?.echoedHash, after?.counters]);

const signalWithStart = async (client: Client, taskQueue: string, module: string): Promise<void> => {
  await client.workflow.signalWithStart(MODULE_WORKFLOW, {
    workflowId: moduleWorkflowId(module),
    taskQueue,
    args: [{ name: module }],
    signal: RECONCILE_SIGNAL,
    signalArgs: [],
    staticSummary: `Looks after the kernel module ${module} on the whole fleet`,
  });
};

const signalIfRunning = async (client: Client, module: string): Promise<void> => {
  await client.workflow
    .getHandle(moduleWorkflowId(module))
    .signal(RECONCILE_SIGNAL)
    .catch((error: unknown) => {
      if ((error as Error).name !== 'WorkflowNotFoundError') throw error;
    });
};

interface Comparison extends Omit<ControllerOptions, 'taskQueue'> {
  readonly debouncer: Debouncer;
  readonly headless: Set<string>;
}

/**
 * What no event tells. A workflow without an object is headless, or its MCM was deleted while nothing was running: either way it looks again, and knows which. A module
 * without a workflow has lost it, with Temporal's database or by a hand: it gets a new one.
 */
async function compareWithTemporal({ fleet, client, prepareTemporal, debouncer, headless, logger }: Comparison): Promise<void> {
  try {
    await prepareTemporal();
    const running = await runningModules(client);
    for (const module of running) if (!fleet.modules.has(module) && !headless.has(module)) debouncer.touch(module, WANTED_MS);
    for (const { name } of fleet.modules.values()) if (!running.has(name)) debouncer.touch(name, WANTED_MS);
    headless.clear();
    for (const module of running) if (!fleet.modules.has(module)) headless.add(module);
  } catch (error) {
    logger.warn({ err: error }, 'the running workflows could not be listed; tried again in half a minute');
  }
}

async function runningModules(client: Client): Promise<Set<string>> {
  const running = new Set<string>();
  const query = `WorkflowType = '${MODULE_WORKFLOW}' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId } of client.workflow.list({ query })) running.add(workflowId.slice(moduleWorkflowId('').length));
  return running;
}
