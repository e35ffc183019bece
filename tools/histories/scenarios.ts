import type { WorkflowHandle } from '@temporalio/client';
import type { ModuleStatus } from '../../src/domain/module-status.js';
import { effectivePolicy } from '../../src/domain/rollout-policy.js';
import { eventually } from '../../test/harness/eventually.js';
import { anMcm, type McmOptions } from '../../test/harness/mcm.js';
import { resources } from '../../src/kube/index.js';
import type { Stage } from '../../test/harness/module-stage.js';

/** A file name without its ending, and the run whose history it is. Without a run id it is the newest. */
export interface Recording {
  readonly file: string;
  readonly workflowId: string;
  readonly runId?: string;
}

export type Scenario = (stage: Stage) => Promise<readonly Recording[]>;

const KERNELS = ['6.1.0-56-amd64', '6.1.0-56-cloud-amd64', '6.1.0-56-rt-amd64'] as const;
const TASK_QUEUE = 'kmodflow';

/** `<module>-1` and so on, each with one of the kernels in turn. */
const clustersOf = (module: string, count: number): Record<string, readonly string[]> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${module}-${i + 1}`, [KERNELS[i % KERNELS.length] ?? KERNELS[0]]]));

const slowly = { maxConcurrent: 1, settle: '2s' } as const;

async function equip(stage: Stage, module: string, clusters: number): Promise<void> {
  await stage.push(module, KERNELS);
  await stage.clusters(module, clustersOf(module, clusters));
}

const published = (stage: Stage, module: string, count: number): Promise<boolean> =>
  eventually(`${count} ManifestWorks of ${module}`, async () => ((await stage.works(module)).size >= count ? true : undefined));

const statusOf = (handle: WorkflowHandle): Promise<ModuleStatus> => handle.query<ModuleStatus>('status');

const untilStatus = (handle: WorkflowHandle, what: string, holds: (status: ModuleStatus) => boolean): Promise<boolean> =>
  eventually(`${handle.workflowId}: ${what}`, async () => (holds(await statusOf(handle)) ? true : undefined), {
    timeoutMs: 60_000,
    seen: () => statusOf(handle),
  });

async function startHeadless(stage: Stage, name: string, more: Partial<McmOptions>, eventsPerRun?: number): Promise<WorkflowHandle> {
  const { spec } = anMcm({ name, registryHost: stage.stack.registry.host, selector: { for: name }, ...more });
  const input = { name, spec, ...(eventsPerRun === undefined ? {} : { eventsPerRun }) };
  await stage.client.workflow.start('managedClusterModule', { workflowId: `mcm/${name}`, taskQueue: TASK_QUEUE, args: [input] });
  return stage.client.workflow.getHandle(`mcm/${name}`);
}

const firstRolloutAndCatchUp: Scenario = async (stage) => {
  await equip(stage, 'first', 6);
  await stage.apply('first');
  await stage.ready('first', 6);
  await stage.fleet.addCluster({ name: 'first-7', kernels: [KERNELS[0]], labels: { for: 'first' } });
  await stage.ready('first', 7);
  return [
    { file: 'managedClusterModule-first-rollout-and-catch-up', workflowId: 'mcm/first' },
    { file: 'rollout-completed', workflowId: 'mcm/first/rollout/1' },
    { file: 'wave-completed', workflowId: 'mcm/first/rollout/1/wave/1' },
    { file: 'wave-catch-up', workflowId: 'mcm/first/catch-up/1' },
  ];
};

const supersededInMidRollout: Scenario = async (stage) => {
  await equip(stage, 'superseded', 3);
  await stage.apply('superseded', { rollout: slowly });
  await published(stage, 'superseded', 1);
  await stage.apply('superseded', { container: { modprobe: { moduleName: 'simple_kmod', parameters: ['debug=1'] } } });
  await stage.ready('superseded', 3, 60_000);
  return [
    { file: 'managedClusterModule-superseded', workflowId: 'mcm/superseded' },
    { file: 'rollout-superseded', workflowId: 'mcm/superseded/rollout/1' },
    { file: 'wave-stopped', workflowId: 'mcm/superseded/rollout/1/wave/1' },
  ];
};

const failedAndTriedAgain: Scenario = async (stage) => {
  await equip(stage, 'failing', 3);
  stage.agents.faults.applyFails('failing-2', 'namespaces "kmm-modules" not found');
  await stage.apply('failing', { rollout: { progressDeadline: '2s' } });
  await stage.until('failing', 'Degraded', (s) => s.phase === 'Degraded', 60_000);
  stage.agents.faults.clear('failing-2');
  await stage.ask('failing', 'retry');
  await stage.ready('failing', 3, 60_000);
  return [
    { file: 'managedClusterModule-failed-and-retried', workflowId: 'mcm/failing' },
    { file: 'rollout-failed', workflowId: 'mcm/failing/rollout/1' },
    { file: 'wave-with-a-failure', workflowId: 'mcm/failing/rollout/1/wave/1' },
  ];
};

const removed: Scenario = async (stage) => {
  await equip(stage, 'leaving', 6);
  await stage.apply('leaving');
  await stage.ready('leaving', 6);
  for (let i = 1; i <= 5; i += 1) await stage.fleet.setLabels(`leaving-${i}`, { for: null });
  await stage.until('leaving', 'the removal to be held', (s) => s.phase === 'Degraded');
  await stage.ask('leaving', 'confirmRemoval');
  await stage.ready('leaving', 1);
  await stage.api.delete(resources.managedClusterModules, 'leaving');
  await stage.client.workflow.getHandle('mcm/leaving').result();
  return [{ file: 'managedClusterModule-removal', workflowId: 'mcm/leaving' }];
};

const brokenAndMended: Scenario = async (stage) => {
  await equip(stage, 'broken', 2);
  const kernelMappings = [{ regexp: '(', containerImage: 'registry.example.com/kmods/broken:1' }];
  await stage.apply('broken', { container: { kernelMappings } });
  await stage.until('broken', 'Invalid', (s) => s.phase === 'Invalid');
  await stage.apply('broken');
  await stage.ready('broken', 2);
  return [{ file: 'managedClusterModule-invalid-and-mended', workflowId: 'mcm/broken' }];
};

const askedByPeople: Scenario = async (stage) => {
  const [amd64, cloud, rt] = KERNELS;
  await stage.push('asked', [amd64, rt]);
  await stage.clusters('asked', clustersOf('asked', 3));
  const handle = await startHeadless(stage, 'asked', {});
  await untilStatus(handle, 'an image to be missing', (s) => s.phase === 'Degraded' && s.history.length === 1);
  await stage.push('asked', [cloud]);
  await stage.ask('asked', 'retry');
  await untilStatus(handle, 'Ready', (s) => s.phase === 'Ready');
  const { spec } = anMcm({ name: 'asked', registryHost: stage.stack.registry.host, selector: { for: 'asked' }, rollout: slowly });
  await stage.ask('asked', 'setSpec', { spec: { ...spec, spokeNamespace: 'other' } });
  await untilStatus(handle, 'the second rollout', (s) => s.rollout?.number === 2 && s.fleet.states.Loading > 0);
  await stage.ask('asked', 'pause', { reason: 'to look at it' });
  await untilStatus(handle, 'Paused, and one cluster loaded', (s) => s.phase === 'Paused' && s.fleet.states.Loaded === 1);
  await stage.ask('asked', 'resume');
  await untilStatus(handle, 'Ready again', (s) => s.phase === 'Ready' && s.history.length === 2);
  await stage.ask('asked', 'delete');
  await handle.result();
  return [
    { file: 'managedClusterModule-headless-and-asked', workflowId: 'mcm/asked' },
    { file: 'rollout-paused', workflowId: 'mcm/asked/rollout/2' },
    { file: 'wave-paused', workflowId: 'mcm/asked/rollout/2/wave/1' },
  ];
};

const moduleWithManyEvents: Scenario = async (stage) => {
  await equip(stage, 'long', 3);
  const handle = await startHeadless(stage, 'long', { rollout: slowly }, 100);
  const { runId } = await handle.describe();
  await published(stage, 'long', 1);
  const next = await eventually(
    'the next run',
    async () => {
      await handle.signal('reconcile');
      const now = (await handle.describe()).runId;
      return now === runId ? undefined : now;
    },
    { everyMs: 10 },
  );
  await untilStatus(handle, 'Ready', (s) => s.phase === 'Ready');
  return [
    { file: 'managedClusterModule-continued-as-new', workflowId: 'mcm/long', runId },
    { file: 'managedClusterModule-continuation', workflowId: 'mcm/long', runId: next },
  ];
};

const waveWithManyEvents: Scenario = async (stage) => {
  await equip(stage, 'longwave', 6);
  const rollout = { maxConcurrent: 2, settle: '1s', paused: true };
  const handle = await startHeadless(stage, 'longwave', { rollout });
  await untilStatus(handle, 'a revision', (s) => s.updateRevision !== undefined && s.phase === 'Paused');
  const { updateRevision } = await statusOf(handle);
  const { spec } = anMcm({ name: 'longwave', registryHost: stage.stack.registry.host, selector: { for: 'longwave' }, rollout });
  const input = {
    ...{ name: 'longwave', headless: spec, revision: updateRevision, imageProblems: [], policy: effectivePolicy(rollout, 1_000) },
    ...{ title: 'longwave, rollout 1, wave 1', clusters: Object.keys(clustersOf('longwave', 6)), paused: false, eventsPerRun: 25 },
  };
  const workflowId = 'mcm/longwave/rollout/1/wave/1';
  const wave = await stage.client.workflow.start('wave', { workflowId, taskQueue: TASK_QUEUE, args: [input] });
  await wave.result();
  return [
    { file: 'wave-continued-as-new', workflowId, runId: wave.firstExecutionRunId },
    { file: 'wave-continuation', workflowId },
  ];
};

/** One after the other: what they have in common is the stage, and each has clusters of its own. */
export const scenarios: readonly Scenario[] = [
  firstRolloutAndCatchUp,
  supersededInMidRollout,
  failedAndTriedAgain,
  removed,
  brokenAndMended,
  askedByPeople,
  moduleWithManyEvents,
  waveWithManyEvents,
];
