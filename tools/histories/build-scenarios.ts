import { createHash } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import type { ImageStatus } from '../../src/domain/image-details.js';
import type { ImageNeed, ImageRequest } from '../../src/domain/image-process.js';
import {
  BUILD_QUEUE_WORKFLOW_ID,
  imageWorkflowId,
  moduleWorkflowId,
  NEED_IMAGE_SIGNAL,
  RELEASE_IMAGE_SIGNAL,
} from '../../src/domain/messages.js';
import { resources } from '../../src/kube/index.js';
import { applyDockerfile, applySecret, BUILD_ENV, imageJobs, startBuildScene, type BuildScene } from '../../test/harness/build-scene.js';
import { eventually } from '../../test/harness/eventually.js';
import { startInProcessHub, type InProcessHub } from '../../test/harness/in-process-hub.js';
import { anMcm, applyMcm, getMcm, type McmOptions } from '../../test/harness/mcm.js';
import { pushPrebuilt, QUICK_MODULE, quickDockerfile, type QuickBuild } from '../../test/harness/quick-build.js';
import { workflowBundle } from '../../test/harness/workflow-bundle.js';
import type { Recording } from './scenarios.js';

/** What builds need, and a hub in this process, so that names of this machine are known and can be taken out. */
export interface BuildStage extends BuildScene {
  readonly prebuilt: string;
}
export type BuildScenario = (stage: BuildStage) => Promise<readonly Recording[]>;

const KERNEL = '6.1.0-56-amd64';
const TASK_QUEUE = 'kmodflow';
const QUEUE_EVENTS = 30;
const BUILD_MS = 60_000;

/** One build at a time, so that the queue has something to do. */
export async function startBuildStage(): Promise<BuildStage> {
  const [scene, bundle] = await Promise.all([startBuildScene(), workflowBundle()]);
  let hub: InProcessHub | undefined;
  const stop = async (): Promise<void> => {
    await hub?.stop();
    await scene.stop();
  };
  try {
    const prebuilt = await pushPrebuilt(scene.registry, [KERNEL]);
    // Before anybody needs it, so that its runs are short.
    await scene.client.workflow.start('buildQueue', {
      ...{ workflowId: BUILD_QUEUE_WORKFLOW_ID, taskQueue: TASK_QUEUE },
      args: [{ eventsPerRun: QUEUE_EVENTS }],
    });
    hub = await startInProcessHub({
      ...{ kubeconfigPath: scene.control.kubeconfigPath, temporalAddress: scene.temporal.address, workflowBundle: bundle },
      env: { ...BUILD_ENV, KMODFLOW_MAX_BUILDS: '1' },
    });
    return { ...scene, prebuilt, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const textOf = (stage: BuildStage, build: Partial<QuickBuild>): string =>
  quickDockerfile({ bases: stage.bases, prebuilt: stage.prebuilt, ...build });

/** A cluster, a Dockerfile and an MCM of that name. @returns The Dockerfile. */
async function applyBuild(stage: BuildStage, name: string, build: Partial<QuickBuild>, secret?: string): Promise<string> {
  const dockerfile = textOf(stage, build);
  await stage.fleet.addCluster({ name: `${name}-1`, kernels: [KERNEL], labels: { for: name } });
  await applyDockerfile(stage.api, name, dockerfile);
  const secrets = secret === undefined ? {} : { secrets: [{ name: secret }] };
  const container: McmOptions['container'] = {
    modprobe: { moduleName: QUICK_MODULE },
    build: { dockerfileConfigMap: { name }, baseImageRegistryTLS: { insecure: true }, ...secrets },
  };
  await applyMcm(stage.api, anMcm({ name, registryHost: stage.registry.host, selector: { for: name }, container }));
  return dockerfile;
}

const untilPhase = ({ api }: BuildStage, name: string, phase: string): Promise<boolean> =>
  eventually(
    `${name} to be ${phase}`,
    async () => {
      const { metadata, status } = await getMcm(api, name);
      return status?.observedGeneration === metadata.generation && status?.phase === phase ? true : undefined;
    },
    { timeoutMs: BUILD_MS, seen: async () => (await getMcm(api, name)).status },
  );

const statusOf = (image: WorkflowHandle): Promise<ImageStatus> => image.query<ImageStatus>('imageStatus');

const untilImage = (image: WorkflowHandle, what: string, holds: (status: ImageStatus) => boolean): Promise<boolean> =>
  eventually(`${image.workflowId}: ${what}`, async () => (holds(await statusOf(image)) ? true : undefined), {
    timeoutMs: BUILD_MS,
    seen: () => statusOf(image),
  });

/** The workflow of the one image that a module waits for. */
const imageOf = (stage: BuildStage, name: string): Promise<WorkflowHandle> =>
  eventually(`${name} to ask for its image`, async () => {
    for await (const { workflowId } of stage.client.workflow.list({ query: `WorkflowType = 'kmodImage'` })) {
      const image = stage.client.workflow.getHandle(workflowId);
      if ((await statusOf(image).catch(() => undefined))?.modules.includes(name) === true) return image;
    }
    return undefined;
  });

const untilJobRuns = (stage: BuildStage, { workflowId }: WorkflowHandle): Promise<boolean> =>
  eventually('the Job to have a pod', async () => {
    const job = (await imageJobs(stage.api)).find(
      (j) => imageWorkflowId(j.metadata.labels?.['kmodflow.io/image-key'] ?? '') === workflowId,
    );
    return (job?.['status'] as { active?: number } | undefined)?.active === 1 ? true : undefined;
  });

const askToRetry = (stage: BuildStage, workflowId: string): Promise<string> =>
  stage.client.workflow.getHandle(workflowId).executeUpdate<string, [unknown]>('retry', { args: [{ by: 'the test' }] });

/** Two modules with an image each, and one build slot: the second image waits in the queue. */
const builtOneByOne: BuildScenario = async (stage) => {
  await applyBuild(stage, 'built', { run: 'sleep 3' });
  await applyBuild(stage, 'queued', { marker: 'two' });
  await untilPhase(stage, 'built', 'Ready');
  await untilPhase(stage, 'queued', 'Ready');
  const [built, queued] = await Promise.all(['built', 'queued'].map((name) => keyOfPin(stage, name)));
  return [
    { file: 'managedClusterModule-image-built', workflowId: moduleWorkflowId('built') },
    { file: 'kmodImage-built', workflowId: imageWorkflowId(built ?? '') },
    { file: 'kmodImage-queued-and-built', workflowId: imageWorkflowId(queued ?? '') },
  ];
};

/** The key of the image that a module's Job made. */
async function keyOfPin({ api }: BuildStage, name: string): Promise<string> {
  const owned = (await imageJobs(api)).find((job) => job.metadata.ownerReferences?.some((owner) => owner.name === name));
  const key = owned?.metadata.labels?.['kmodflow.io/image-key'];
  if (key === undefined) throw new Error(`No Job belongs to module ${name}.`);
  return key;
}

/** A build that needs the right content of a Secret, which is no part of the key: it fails in the same way twice, waits, and succeeds once somebody has asked. */
const failedTwiceAndRetried: BuildScenario = async (stage) => {
  await applySecret(stage.api, 'token', { value: 'wrong' });
  await applyBuild(stage, 'retried', { run: 'test "$(cat /run/secrets/token/value)" = right' }, 'token');
  const image = await imageOf(stage, 'retried');
  await untilImage(image, 'to wait for a person', (s) => s.state === 'Waiting' && s.attempt === 2 && s.nextTryAt === undefined);
  await untilPhase(stage, 'retried', 'Degraded');
  await applySecret(stage.api, 'token', { value: 'right' });
  await askToRetry(stage, moduleWorkflowId('retried'));
  await untilPhase(stage, 'retried', 'Ready');
  return [
    { file: 'managedClusterModule-build-failed-and-retried', workflowId: moduleWorkflowId('retried') },
    { file: 'kmodImage-failed-twice-and-retried', workflowId: image.workflowId },
  ];
};

/** The workflow of an image is lost while its Job runs; the next one takes the Job over. Then the module goes, and with it the Job. */
const takenOverAndReleased: BuildScenario = async (stage) => {
  await applyBuild(stage, 'leaving', { run: 'sleep 120' });
  const lost = await imageOf(stage, 'leaving');
  await untilJobRuns(stage, lost);
  await lost.terminate('to see who goes on');
  await askToRetry(stage, moduleWorkflowId('leaving'));
  const image = stage.client.workflow.getHandle(lost.workflowId);
  await eventually('the next run', async () => ((await image.describe()).status.name === 'RUNNING' ? true : undefined));
  await untilImage(image, 'to follow the Job', (s) => s.state === 'Building');
  await stage.api.delete(resources.managedClusterModules, 'leaving');
  await image.result();
  await stage.client.workflow.getHandle(moduleWorkflowId('leaving')).result();
  return [
    { file: 'kmodImage-taken-over-and-released', workflowId: image.workflowId },
    { file: 'managedClusterModule-removal-in-mid-build', workflowId: moduleWorkflowId('leaving') },
  ];
};

/** A module that needs no image and lives on: those who are asked by hand tell it their news. */
async function aListener(stage: BuildStage): Promise<string> {
  const { spec } = anMcm({ name: 'listener', registryHost: stage.registry.host, selector: { for: 'nobody' } });
  const workflowId = moduleWorkflowId('listener');
  await stage.client.workflow.start('managedClusterModule', {
    ...{ workflowId, taskQueue: TASK_QUEUE, workflowIdConflictPolicy: 'USE_EXISTING' as const },
    args: [{ name: 'listener', spec }],
  });
  return workflowId;
}

interface ByHand {
  readonly need: ImageNeed;
  readonly retry?: string;
  readonly eventsPerRun?: number;
}

async function askByHand(stage: BuildStage, { need, retry, eventsPerRun }: ByHand): Promise<WorkflowHandle> {
  const workflowId = imageWorkflowId(need.key);
  const requester = { workflowId: await aListener(stage), module: 'listener' };
  const request: ImageRequest = { need, requester, retry };
  await stage.client.workflow.signalWithStart('kmodImage', {
    ...{ workflowId, taskQueue: TASK_QUEUE, signal: NEED_IMAGE_SIGNAL, signalArgs: [request] },
    args: [eventsPerRun === undefined ? {} : { eventsPerRun }],
  });
  return stage.client.workflow.getHandle(workflowId);
}

/** An image that somebody else pushes. */
const foreign = ({ registry }: BuildStage, key: string, repository: string): ImageNeed => ({
  ...{ key, image: `${registry.host}/kmods/${repository}:${KERNEL}`, kernels: [KERNEL] },
  tls: { insecure: true },
  expect: { dirName: '/opt' },
});

const push = ({ registry }: BuildStage, repository: string): Promise<unknown> =>
  registry.pushImage({ repository: `kmods/${repository}`, tag: KERNEL, kernels: [KERNEL] });

const found: BuildScenario = async (stage) => {
  await push(stage, 'found');
  const image = await askByHand(stage, { need: foreign(stage, '00000000000000f0', 'found') });
  await image.result();
  return [{ file: 'kmodImage-found', workflowId: image.workflowId }];
};

/** What the Dockerfile's ConfigMap should hold is not there when the Job is to begin; it appears while the image waits. */
const blockedAndUnblocked: BuildScenario = async (stage) => {
  const dockerfile = textOf(stage, { marker: 'late' });
  const build = {
    dockerfile: { configMap: 'late', sha256: createHash('sha256').update(dockerfile).digest('hex') },
    ...{ args: [{ name: 'KERNEL_FULL_VERSION', value: KERNEL }], secrets: [], baseTls: { insecure: true } },
  };
  const need = { ...foreign(stage, '00000000000000b0', 'late'), recipe: { module: 'listener', build } };
  const image = await askByHand(stage, { need });
  await untilImage(image, 'to wait for the ConfigMap', (s) => s.state === 'Waiting');
  await applyDockerfile(stage.api, 'late', dockerfile);
  await askToRetry(stage, image.workflowId);
  await image.result();
  return [{ file: 'kmodImage-blocked-and-unblocked', workflowId: image.workflowId }];
};

/**
 * At a registry that no machine has (RFC 2606): a run that continues as new carries fingerprints of what it told, and those must still be right when the name of this
 * machine's registry has been taken out.
 */
const waitedForAcrossRuns: BuildScenario = async (stage) => {
  const need = { ...foreign(stage, '00000000000000c0', 'awaited'), image: `registry.invalid/kmods/awaited:${KERNEL}` };
  const image = await askByHand(stage, { need, eventsPerRun: 40 });
  const { runId } = await image.describe();
  let wishes = 0;
  const next = await eventually(
    'the next run',
    async () => {
      wishes += 1;
      await askByHand(stage, { need, retry: `wish ${wishes}` });
      const now = (await image.describe()).runId;
      return now === runId ? undefined : now;
    },
    { timeoutMs: BUILD_MS },
  );
  await askByHand(stage, { need, retry: 'the last wish' });
  await untilImage(image, 'to wait in its second run', (s) => s.state === 'Waiting');
  await image.signal(RELEASE_IMAGE_SIGNAL, { workflowId: await aListener(stage) });
  await image.result();
  return [
    { file: 'kmodImage-continued-as-new', workflowId: image.workflowId, runId },
    { file: 'kmodImage-continuation', workflowId: image.workflowId, runId: next },
  ];
};

/** It has let all of them build, one at a time. Nobody is in it any more: it ends after a minute. */
const queueOfAll: BuildScenario = async (stage) => {
  const queue = stage.client.workflow.getHandle(BUILD_QUEUE_WORKFLOW_ID);
  await queue.result();
  const runs: { runId: string; startTime: Date }[] = [];
  for await (const run of stage.client.workflow.list({ query: `WorkflowId = '${BUILD_QUEUE_WORKFLOW_ID}'` })) runs.push(run);
  const [first, second] = runs.sort((a, b) => a.startTime.getTime() - b.startTime.getTime());
  if (first === undefined || second === undefined) throw new Error('The queue has never continued as new.');
  return [
    { file: 'buildQueue-continued-as-new', workflowId: BUILD_QUEUE_WORKFLOW_ID, runId: first.runId },
    { file: 'buildQueue-continuation', workflowId: BUILD_QUEUE_WORKFLOW_ID, runId: second.runId },
    { file: 'buildQueue-ended', workflowId: BUILD_QUEUE_WORKFLOW_ID },
  ];
};

/** One after the other, on one stage. The queue of all comes last. */
export const buildScenarios: readonly BuildScenario[] = [
  builtOneByOne,
  failedTwiceAndRetried,
  takenOverAndReleased,
  found,
  blockedAndUnblocked,
  waitedForAcrossRuns,
  queueOfAll,
];
