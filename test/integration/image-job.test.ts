import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRunImageJob, type RunImageJobDeps } from '../../activities/run-image-job.js';
import { createCancelImageJobs, createReleaseImageJob, createStandingImageJobs } from '../../activities/standing-image-jobs.js';
import type { ImageNeed, ImageRequester, RunImageJobResult } from '../../src/domain/image-process.js';
import { renderImageJob } from '../../src/domain/image-job.js';
import { resources, type KubernetesObject } from '../../src/kube/index.js';
import { startControlPlane, type ControlPlane } from '../harness/control-plane.js';
import { waitFor } from '../harness/process.js';
import { rest } from '../harness/rest.js';

const MINUTE = 60_000;
const NAMESPACE = 'kmodflow-system';
const DIGEST = `sha256:${'d'.repeat(64)}`;
/** As large as one may be, with what needs care on its way through JSON. */
const DOCKERFILE = `FROM scratch\n# "quoted" $(VAR) \\ ä\n${`# ${'x'.repeat(125)}\n`.repeat(1_023)}`;
const headless: ImageRequester = { workflowId: 'mcm/headless', module: 'headless' };

let hub: ControlPlane;

beforeAll(async () => {
  hub = await startControlPlane({ controllerManager: true });
  await hub.api.create(resources.namespaces, { metadata: { name: NAMESPACE } });
  await hub.api.create(resources.configMaps, {
    metadata: { name: 'dockerfile', namespace: NAMESPACE },
    data: { dockerfile: DOCKERFILE },
  } as never);
}, 3 * MINUTE);

afterAll(async () => {
  await hub?.stop();
}, MINUTE);

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Everything that a Job can have. */
const needOf = (key: string): ImageNeed => ({
  key,
  image: 'registry.example.com/kmods/kmod:1',
  kernels: ['6.1.0-18-amd64', '6.1.0-18-cloud-amd64'],
  secretName: 'registry.v1',
  tls: { insecure: true },
  expect: { dirName: '/opt' },
  recipe: {
    module: 'kmod',
    build: {
      dockerfile: { configMap: 'dockerfile', sha256: sha256(DOCKERFILE) },
      args: [{ name: 'A', value: '$(B) $$' }],
      secrets: ['registry.v1', `long.${'n'.repeat(200)}`],
      selector: { 'node-role.kubernetes.io/build': '' },
    },
    sign: { keySecret: 'signing-key', certSecret: 'signing-cert', certificate: 'c', files: ['/opt/*.ko'] },
    tolerations: [{ key: 'build', operator: 'Exists' }],
  },
});

const imageJobs: RunImageJobDeps['imageJobs'] = {
  builderImage: 'builder:1',
  signerImage: 'signer:1',
  activeDeadlineSeconds: 3_600,
  failedJobTtlSeconds: 86_400,
  requests: { cpu: '500m', memory: '1Gi' },
  limits: { memory: '4Gi' },
  storageLimit: '20Gi',
  cache: 'registry.example.com/cache',
  pullSecrets: ['pull'],
  imagePullPolicy: 'IfNotPresent',
  hostUsers: false,
  gcDelaySeconds: 0,
};

const silent = (): void => undefined;
const depsOf = (change: Partial<RunImageJobDeps['imageJobs']> = {}): RunImageJobDeps => ({
  api: hub.api,
  operatorNamespace: NAMESPACE,
  imageJobs: { ...imageJobs, ...change },
  sha256,
  now: () => Date.now(),
  logger: { debug: silent, info: silent, warn: silent, error: silent },
});

interface Run {
  readonly job: string;
  readonly result: Promise<RunImageJobResult>;
  readonly pod: () => Promise<KubernetesObject>;
}

/** Begins an attempt and waits until its pod is there. */
async function begin(key: string, change: Partial<RunImageJobDeps['imageJobs']> = {}, requesters = [headless]): Promise<Run> {
  const job = `kmod-${key}-1`;
  const result = createRunImageJob(depsOf(change))({ need: needOf(key), attempt: 1, requesters });
  const pods = async (): Promise<KubernetesObject[]> =>
    (await hub.api.listAll(resources.pods, { namespace: NAMESPACE, labelSelector: `job-name=${job}` })).items;
  await waitFor(`a pod of ${job}`, async () => (await pods()).length === 1);
  const pod = async (): Promise<KubernetesObject> => {
    const [found] = await pods();
    if (found === undefined) throw new Error(`${job} has no pod`);
    return found;
  };
  return { job, result, pod };
}

/** What a kubelet would report. */
async function reportPod({ pod }: Run, status: object): Promise<void> {
  await hub.api.updateStatus(resources.pods, { ...(await pod()), status } as KubernetesObject);
}

const terminated = (exitCode: number, said: object) => ({
  state: { terminated: { exitCode, message: JSON.stringify(said), startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:00:01Z' } },
  ready: false,
  restartCount: 0,
  image: 'x',
  imageID: 'x',
});

test('a Job with everything in it has no field that the API server does not know', async () => {
  const need = needOf('0'.repeat(16));
  const job = renderImageJob({ need, attempt: 1, requesters: [headless], dockerfile: DOCKERFILE, config: imageJobs, namespace: NAMESPACE });
  const { url, token, caFile } = hub;
  const path = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs?dryRun=All&fieldValidation=Strict`;
  const answer = await rest({ url, token, ca: readFileSync(caFile, 'utf8') }, 'POST', path, job);
  expect(answer).toMatchObject({ status: 201 });
});

test(
  'an attempt that works is told with its digest, and its Job goes once it is released',
  async () => {
    const key = '1'.repeat(16);
    const run = await begin(key);
    const { metadata } = await run.pod();
    expect(metadata.annotations?.['kmodflow.io/dockerfile']).toBe(DOCKERFILE);
    expect(await createStandingImageJobs(depsOf())({ key })).toEqual({ attempts: 1, running: 1 });
    await reportPod(run, { phase: 'Succeeded', containerStatuses: [{ name: 'push', ...terminated(0, { digest: DIGEST }) }] });
    expect(await run.result).toMatchObject({ ok: true, job: run.job, digest: DIGEST });
    await waitFor('the Job to be complete', async () => (await createStandingImageJobs(depsOf())({ key })).running === undefined);
    // A worker that lost the result finds it again, and begins nothing.
    expect(await createRunImageJob(depsOf())({ need: needOf(key), attempt: 1, requesters: [headless] })).toMatchObject({ digest: DIGEST });
    await createReleaseImageJob(depsOf())({ key, attempt: 1 });
    await waitFor('the Job to go', async () => (await createStandingImageJobs(depsOf())({ key })).attempts === 0);
  },
  MINUTE,
);

test(
  'an attempt that fails is told with what its container said',
  async () => {
    const run = await begin('2'.repeat(16));
    const said = { stage: 'Build', exitCode: 2, step: '3/7: RUN make', message: 'The step "3/7: RUN make" ended with exit code 2.' };
    await reportPod(run, { phase: 'Failed', initContainerStatuses: [{ name: 'build', ...terminated(2, said) }] });
    expect(await run.result).toMatchObject({
      ok: false,
      failure: { kind: 'Build', exitCode: 2, step: '3/7: RUN make', deterministic: true, log: [] },
    });
  },
  MINUTE,
);

test(
  'a Job that is deleted, a pod that is deleted, and a cancelled key each say so',
  async () => {
    const [byHand, pod, cancelled] = await Promise.all([begin('3'.repeat(16)), begin('4'.repeat(16)), begin('5'.repeat(16))]);
    await hub.api.delete(resources.jobs, byHand.job, NAMESPACE, { propagationPolicy: 'Background' });
    await hub.api.delete(resources.pods, (await pod.pod()).metadata.name, NAMESPACE);
    expect(await createCancelImageJobs(depsOf())({ key: '5'.repeat(16) })).toEqual({ deleted: 1 });
    const kinds = (await Promise.all([byHand, pod, cancelled].map((r) => r.result))).map((r) => !r.ok && 'failure' in r && r.failure.kind);
    expect(kinds).toEqual(['Deleted', 'NodeLost', 'Deleted']);
  },
  MINUTE,
);

test(
  'a Job that no node takes in time is ended by Kubernetes, and that is what is told',
  async () => {
    const run = await begin('6'.repeat(16), { activeDeadlineSeconds: 5 });
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes are available.' };
    await reportPod(run, { phase: 'Pending', conditions: [condition] });
    expect(await run.result).toMatchObject({
      ok: false,
      failure: { kind: 'Unschedulable', message: expect.stringContaining('0/1 nodes are available.') },
    });
  },
  MINUTE,
);

test(
  'a Job goes with the last module that needs it',
  async () => {
    const mcm = (name: string) =>
      hub.api.create(resources.managedClusterModules, {
        metadata: { name },
        spec: { spokeNamespace: 'kmm', selector: {}, moduleSpec: { selector: {} } },
      } as never);
    const [one, two] = await Promise.all([mcm('one'), mcm('two')]);
    const requesters = [one, two].map(({ metadata: { name, uid } }) => ({ workflowId: `mcm/${name}`, module: name, uid }));
    const run = await begin('7'.repeat(16), {}, requesters.slice(0, 1));
    const joined = createRunImageJob(depsOf())({ need: needOf('7'.repeat(16)), attempt: 1, requesters });
    const owners = async () => (await hub.api.get(resources.jobs, run.job, NAMESPACE)).metadata.ownerReferences?.length;
    await waitFor('the second owner', async () => (await owners()) === 2);
    await hub.api.delete(resources.managedClusterModules, 'one');
    // The garbage collector looks for new kinds of objects every half a minute, and knows nothing of this one before.
    await waitFor('the first owner to be dropped', async () => (await owners()) === 1, 90_000);
    await hub.api.delete(resources.managedClusterModules, 'two');
    for (const result of await Promise.all([run.result, joined])) expect(result).toMatchObject({ ok: false, failure: { kind: 'Deleted' } });
  },
  3 * MINUTE,
);
