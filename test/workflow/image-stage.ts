import { jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import type { QueueView } from '../../src/domain/build-queue.js';
import type { ImageStatus } from '../../src/domain/image-details.js';
import type {
  ImageNeed,
  ImageNews,
  ImageRequest,
  ImageResult,
  JobFailure,
  RunImageJobInput,
  RunImageJobResult,
  StandingJobs,
} from '../../src/domain/image-process.js';
import type { Activities } from '../../activities/index.js';
import { BUILD_QUEUE_WORKFLOW_ID, ENQUEUE_SIGNAL, imageWorkflowId, NEED_IMAGE_SIGNAL } from '../../src/domain/messages.js';
import { bundleWorkflows } from '../../src/temporal/bundle.js';
import type { BuildQueueInput } from '../../workflows/build-queue.js';
import type { KmodImageInput } from '../../workflows/kmod-image.js';
import { eventually } from '../harness/eventually.js';
import { repositoryRoot } from '../harness/parts.js';
import { startTemporal } from '../harness/temporal.js';

export const MINUTE = 60_000;
jest.setTimeout(MINUTE);

export const KERNEL = '6.1.0-56-amd64';
export const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;
export const imageOf = (key: string): string => `registry.example.com/kmods/${key}:${KERNEL}`;

/** An image that kmodflow builds. */
export const aNeed = (key: string, change: Partial<ImageNeed> = {}): ImageNeed => ({
  key,
  image: imageOf(key),
  kernels: [KERNEL],
  expect: { dirName: '/opt' },
  recipe: { module: 'first', build: { dockerfile: { configMap: 'source', sha256: 'a'.repeat(64) }, args: [], secrets: [] } },
  ...change,
});

export const aFailure = (change: Partial<JobFailure> = {}): JobFailure => ({
  kind: 'Build',
  deterministic: true,
  reason: 'BuildFailed',
  message: 'Step 3/7 of the Dockerfile failed.',
  exitCode: 2,
  step: '3/7: RUN make',
  log: ['cc -c kmod.c', 'kmod.c:7: error: expected ;'],
  ...change,
});

type ImageActivities = Pick<
  Activities,
  | 'resolveImages'
  | 'runImageJob'
  | 'standingImageJobs'
  | 'adoptImageJobs'
  | 'releaseImageJob'
  | 'cancelImageJobs'
  | 'requestBuildSlot'
  | 'isRunning'
>;

/** A registry and a cluster that runs Jobs, in memory. A test changes the fields; the activities answer from them and write down each call. */
export class FakeBuilds {
  /** What the registry serves, by key. */
  readonly registry = new Map<string, string>();
  standing: StandingJobs = { attempts: 0 };
  capacity = 2;
  /** Input of the queue when it is started. */
  queueInput: BuildQueueInput = {};
  /** What becomes of an attempt; undefined: it runs on until it is cancelled. */
  outcome: (input: RunImageJobInput) => RunImageJobResult | undefined = (input) => this.succeed(input);
  /** Instead of a look at the registry. */
  look: ((need: ImageNeed) => ImageResult | undefined) | undefined;
  readonly looks: ImageNeed[] = [];
  readonly jobs: RunImageJobInput[] = [];
  readonly runningJobs = new Set<string>();
  mostRunning = 0;
  /** Keys whose running Jobs were deleted. */
  readonly cancelled: string[] = [];
  /** Modules for which a running Job was kept. */
  readonly adopters: string[] = [];
  /** Key and attempt of Jobs whose result is in safe hands. */
  readonly released: string[] = [];
  /** Keys in the order in which their first Job began. */
  get order(): string[] {
    return [...new Set(this.jobs.map((j) => j.need.key))];
  }

  readonly activities: ImageActivities;

  constructor(client: Client, taskQueue: string) {
    this.activities = {
      resolveImages: ({ images }) => Promise.resolve(images.map((need) => this.#resolve(need))),
      runImageJob: (input) => this.#run(input),
      standingImageJobs: () => Promise.resolve(this.standing),
      adoptImageJobs: ({ requesters }) => {
        this.adopters.push(...requesters.map((r) => r.module));
        return Promise.resolve();
      },
      releaseImageJob: ({ key, attempt }) => {
        this.released.push(`${key} ${attempt}`);
        return Promise.resolve();
      },
      cancelImageJobs: ({ key }) => {
        this.cancelled.push(key);
        return Promise.resolve({ deleted: 1 });
      },
      requestBuildSlot: async (request) => {
        await client.workflow.signalWithStart('buildQueue', {
          workflowId: BUILD_QUEUE_WORKFLOW_ID,
          taskQueue,
          args: [this.queueInput],
          signal: ENQUEUE_SIGNAL,
          signalArgs: [{ ...request, capacity: this.capacity }],
        });
      },
      isRunning: async (workflowId) => {
        const described = await client.workflow
          .getHandle(workflowId)
          .describe()
          .catch(() => undefined);
        return described?.status.name === 'RUNNING';
      },
    };
  }

  /** The Job builds and pushes. */
  succeed({ need, attempt }: RunImageJobInput, digest = digestOf('1')): RunImageJobResult {
    this.registry.set(need.key, digest);
    return { ok: true, job: `kmod-${need.key}-${attempt}`, digest, seconds: 1 };
  }

  fail({ need, attempt }: RunImageJobInput, change: Partial<JobFailure> = {}): RunImageJobResult {
    return { ok: false, job: `kmod-${need.key}-${attempt}`, failure: aFailure(change), seconds: 1 };
  }

  #resolve(need: ImageNeed): ImageResult {
    this.looks.push(need);
    const { key, image, kernels } = need;
    const digest = this.registry.get(key);
    const missing: ImageResult = {
      ...{ image, kernels, key, toMake: need.recipe !== undefined && need.blocked === undefined },
      problem: need.blocked ?? { reason: 'ImageMissing', message: `Image ${image} does not exist yet.` },
    };
    return this.look?.(need) ?? (digest === undefined ? missing : { image, key, kernels, digest });
  }

  async #run(input: RunImageJobInput): Promise<RunImageJobResult> {
    this.jobs.push(input);
    this.runningJobs.add(input.need.key);
    this.mostRunning = Math.max(this.mostRunning, this.runningJobs.size);
    try {
      for (;;) {
        const result = this.outcome(input);
        if (result !== undefined) return result;
        Context.current().heartbeat();
        await Context.current().sleep(20);
      }
    } finally {
      this.runningJobs.delete(input.need.key);
    }
  }
}

export interface ImageScene {
  readonly client: Client;
  readonly taskQueue: string;
  readonly builds: FakeBuilds;
  /** A key that no other test uses. */
  readonly key: string;
  /** A workflow that stands in for one who needs an image; answers with its id. */
  requester(name: string): Promise<string>;
  /** What that one was told. */
  heard(workflowId: string): Promise<ImageNews[]>;
  /** Asks for an image as the hub does. */
  ask(
    request: Partial<ImageRequest> & { readonly by: string; readonly need: ImageNeed; readonly module?: string },
    input?: KmodImageInput,
  ): Promise<void>;
  image(key?: string): WorkflowHandle;
  status(key?: string): Promise<ImageStatus>;
  until(what: string, holds: (status: ImageStatus) => boolean, key?: string): Promise<ImageStatus>;
  queue(): Promise<QueueView>;
  /** What the Temporal UI shows on the page of a workflow. */
  details(workflowId: string): Promise<string>;
}

export interface ImageStage {
  readonly client: Client;
  readonly bundle: WorkflowBundleOption;
  perform(play: (scene: ImageScene) => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

export async function openImageStage(): Promise<ImageStage> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { forward: {}, filter: 'ERROR' } } });
  const [temporal, bundle] = await Promise.all([
    startTemporal(),
    bundleWorkflows(join(repositoryRoot, 'test/workflow/image-workflows.ts')),
  ]);
  const [connection, native] = await Promise.all([
    Connection.connect({ address: temporal.address }),
    NativeConnection.connect({ address: temporal.address }),
  ]);
  const client = new Client({ connection });
  return {
    client,
    bundle,
    perform: (play) => perform({ client, native, bundle }, play),
    stop: async () => {
      await native.close().catch(() => undefined); // a case that was given up may still have its worker
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

async function perform({ client, native, bundle }: Parts, play: (scene: ImageScene) => Promise<void>): Promise<void> {
  const key = randomUUID().replaceAll('-', '').slice(0, 16);
  const taskQueue = `test-${key}`;
  const builds = new FakeBuilds(client, taskQueue);
  const worker = await Worker.create({
    connection: native,
    taskQueue,
    workflowBundle: bundle,
    activities: { ...builds.activities },
    maxHeartbeatThrottleInterval: 50, // so that a cancelled Job hears of it at once
    defaultHeartbeatThrottleInterval: 50,
  });
  await worker.runUntil(async () => {
    try {
      await play(sceneOf({ client, taskQueue, builds, key }));
    } finally {
      await terminateAll(client, taskQueue);
    }
  });
}

function sceneOf({ client, taskQueue, builds, key: ownKey }: Pick<ImageScene, 'client' | 'taskQueue' | 'builds' | 'key'>): ImageScene {
  const image = (key = ownKey): WorkflowHandle => client.workflow.getHandle(imageWorkflowId(key));
  const status = (key = ownKey): Promise<ImageStatus> => image(key).query<ImageStatus>('imageStatus');
  return {
    client,
    taskQueue,
    builds,
    key: ownKey,
    requester: async (name) => {
      const workflowId = `needs/${ownKey}/${name}`;
      await client.workflow.start('requester', { workflowId, taskQueue });
      return workflowId;
    },
    heard: (workflowId) => client.workflow.getHandle(workflowId).query<ImageNews[]>('heard'),
    ask: async ({ by, need, module = 'first', retry }, input = {}) => {
      const request: ImageRequest = { need, requester: { workflowId: by, module }, ...(retry === undefined ? {} : { retry }) };
      await client.workflow.signalWithStart('kmodImage', {
        workflowId: imageWorkflowId(need.key),
        taskQueue,
        args: [input],
        signal: NEED_IMAGE_SIGNAL,
        signalArgs: [request],
      });
    },
    image,
    status,
    until: (what, holds, key) =>
      eventually(
        what,
        async () => {
          const now = await status(key);
          return holds(now) ? now : undefined;
        },
        { timeoutMs: 30_000, everyMs: 30, seen: () => status(key) },
      ),
    queue: async () => {
      const handle = client.workflow.getHandle(BUILD_QUEUE_WORKFLOW_ID);
      // The queue of the test before answers too, as soon as somebody finds its worker: that takes half a minute.
      if ((await handle.describe()).taskQueue !== taskQueue) throw new Error('The queue has not begun yet.');
      return handle.query<QueueView>('queue');
    },
    details: async (workflowId) =>
      (await client.workflow.getHandle(workflowId).query<{ currentDetails?: string }>('__temporal_workflow_metadata')).currentDetails ?? '',
  };
}

async function terminateAll(client: Client, taskQueue: string): Promise<void> {
  const query = `TaskQueue = '${taskQueue}' AND ExecutionStatus = 'Running'`;
  const terminate = async (workflowId: string): Promise<void> => {
    await client.workflow
      .getHandle(workflowId)
      .terminate('the test is over')
      .catch(() => undefined); // it has ended meanwhile
  };
  await terminate(BUILD_QUEUE_WORKFLOW_ID); // one for all tests: it must not stay for the next because it is not listed yet
  for await (const { workflowId } of client.workflow.list({ query })) await terminate(workflowId);
}
