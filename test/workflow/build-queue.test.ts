import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Worker } from '@temporalio/worker';
import type { QueueRequest } from '../../src/domain/build-queue.js';
import { BUILD_QUEUE_WORKFLOW_ID, imageWorkflowId, LEAVE_QUEUE_SIGNAL } from '../../src/domain/messages.js';
import { eventually } from '../harness/eventually.js';
import { aNeed, digestOf, MINUTE, openImageStage, type ImageScene, type ImageStage } from './image-stage.js';

let stage: ImageStage;
beforeAll(async () => {
  stage = await openImageStage();
}, MINUTE);
afterAll(() => stage?.stop(), MINUTE);

const queueHandle = () => stage.client.workflow.getHandle(BUILD_QUEUE_WORKFLOW_ID);

/** Asks for images of modules, one after the other; answers with their keys. */
async function askFor({ ask, requester, key }: ImageScene, modules: readonly string[]): Promise<string[]> {
  const keys: string[] = [];
  for (const [i, module] of modules.entries()) {
    const own = `${key}-${i + 1}`;
    const by = await requester(own);
    await ask({ by, need: aNeed(own), module });
    keys.push(own);
  }
  return keys;
}

const inQueue = (scene: ImageScene, running: number, waiting: number) =>
  eventually(
    `${running} running and ${waiting} waiting`,
    async () => {
      const view = await scene.queue();
      return view.running.length === running && view.waiting.length === waiting ? view : undefined;
    },
    { everyMs: 30, seen: () => scene.queue() },
  );

/** Histories of the queue's runs that have continued as new. The one that goes on is not among them: a history that ends in mid-task is never replayed to its end. */
async function continuedRuns({ client, taskQueue }: ImageScene) {
  const histories = [];
  for await (const { workflowId, runId } of client.workflow.list({ query: `TaskQueue = '${taskQueue}'` })) {
    if (workflowId !== BUILD_QUEUE_WORKFLOW_ID) continue;
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    if (history.events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes != null) histories.push(history);
  }
  return histories.length === 0 ? undefined : histories;
}

describe('a queue with two slots', () => {
  test('lets five images be made two at a time, in the order in which they came', async () => {
    await stage.perform(async (scene) => {
      const { builds, image, details } = scene;
      const gates = new Set<string>();
      builds.outcome = (input) => (gates.has(input.need.key) ? builds.succeed(input) : undefined);
      const keys: string[] = [];
      for (let i = 0; i < 5; i += 1) {
        keys.push(...(await askFor({ ...scene, key: `${scene.key}-${i}` }, ['first'])));
        await inQueue(scene, Math.min(2, i + 1), Math.max(0, i - 1)); // so that they come in this order
      }
      const view = await inQueue(scene, 2, 3);
      expect(view.capacity).toBe(2);
      expect(view.waiting.map(({ key, position }) => [key, position])).toEqual([
        [keys[2], 1],
        [keys[3], 2],
        [keys[4], 3],
      ]);
      const page = await details(BUILD_QUEUE_WORKFLOW_ID);
      expect(page).toContain('### 2 of 2 build slots taken, 3 waiting');
      expect(page).toContain(`1. registry.example.com/kmods/${keys[2]}`);
      expect(await details(imageWorkflowId(keys[4] ?? ''))).toContain('Waiting for a free build slot for attempt 1.');
      for (const key of keys) {
        gates.add(key);
        expect(await image(key).result()).toBe(digestOf('1'));
      }
      expect(builds.order).toEqual(keys);
      expect(builds.mostRunning).toBe(2);
    });
  });

  test('serves a module with one image as soon as a slot is free, whatever waits of another', async () => {
    await stage.perform(async (scene) => {
      const { builds, image } = scene;
      const gates = new Set<string>();
      builds.outcome = (input) => (gates.has(input.need.key) ? builds.succeed(input) : undefined);
      const many = await askFor(scene, ['many', 'many', 'many', 'many', 'many', 'many']);
      const view = await inQueue(scene, 2, 4);
      const [single = ''] = await askFor({ ...scene, key: `${scene.key}-single` }, ['few']);
      const { waiting } = await inQueue(scene, 2, 5);
      expect(waiting[0]?.key).toBe(single);
      const ending = view.running[0]?.key ?? '';
      gates.add(ending);
      await image(ending).result();
      await eventually('the single image to be made', () => (builds.runningJobs.has(single) ? true : undefined));
      expect(builds.jobs.map((j) => j.need.key)).toHaveLength(3);
      expect(many).toContain(ending);
    });
  });

  test('follows the newest capacity that it is told', async () => {
    await stage.perform(async (scene) => {
      const { builds } = scene;
      builds.outcome = () => undefined;
      await askFor(scene, ['first', 'first', 'first']);
      await inQueue(scene, 2, 1);
      builds.capacity = 4;
      await askFor({ ...scene, key: `${scene.key}-more` }, ['first']);
      const { capacity } = await inQueue(scene, 4, 0);
      expect(capacity).toBe(4);
    });
  });

  test('gives the slot of an image that nobody needs any more to the next', async () => {
    await stage.perform(async (scene) => {
      const { builds, image, key } = scene;
      builds.capacity = 1;
      builds.outcome = () => undefined;
      const [one = '', two = ''] = await askFor(scene, ['first', 'second']);
      const view = await inQueue(scene, 1, 1);
      const [running, waiting] = view.running[0]?.key === one ? [one, two] : [two, one];
      await image(running).signal('releaseImage', { workflowId: `needs/${key}/${running}` });
      expect(await image(running).result()).toBe('nobody needs it any more');
      await eventually('the next to be made', () => (builds.runningJobs.has(waiting) ? true : undefined));
    });
  });
});

describe('a workflow that has died', () => {
  test('does not block its slot, nor its place in the queue', async () => {
    await stage.perform(async (scene) => {
      const { builds, image } = scene;
      builds.capacity = 1;
      builds.queueInput = { aliveMs: 500 };
      builds.outcome = () => undefined;
      await askFor(scene, ['first', 'second', 'third']);
      const { running, waiting } = await inQueue(scene, 1, 2);
      const ids = [running[0]?.key, waiting[0]?.key, waiting[1]?.key].map((k) => k ?? '');
      await image(ids[0]).terminate('the test asks for it');
      await image(ids[1]).terminate('the test asks for it');
      const view = await inQueue(scene, 1, 0);
      expect(view.running[0]?.key).toBe(ids[2]);
      await eventually('the third to be made', () => (builds.runningJobs.has(ids[2] ?? '') ? true : undefined));
    });
  });

  test('gets no slot: a grant that finds nobody is taken back at once', async () => {
    await stage.perform(async (scene) => {
      const { builds } = scene;
      builds.capacity = 1;
      builds.outcome = () => undefined;
      const request: QueueRequest = { workflowId: 'image/nobody', modules: ['first'], key: 'nobody', title: 'nobody' };
      await builds.activities.requestBuildSlot(request);
      const [key = ''] = await askFor(scene, ['second']);
      await eventually('the living to be made', () => (builds.runningJobs.has(key) ? true : undefined));
      expect((await scene.queue()).running.map((e) => e.key)).toEqual([key]);
    });
  });
});

describe('an empty queue', () => {
  test('ends after a while; who comes then starts it anew', async () => {
    await stage.perform(async (scene) => {
      const { builds, image } = scene;
      builds.queueInput = { idleMs: 300 };
      const [one = ''] = await askFor(scene, ['first']);
      await image(one).result();
      expect(await queueHandle().result()).toBe('Nobody is in the queue.');
      const [two = ''] = await askFor({ ...scene, key: `${scene.key}-again` }, ['first']);
      expect(await image(two).result()).toBe(digestOf('1'));
    });
  });

  test('loses nobody who comes while it ends', async () => {
    await stage.perform(async ({ builds, client, taskQueue }) => {
      // One who asks every few milliseconds around the end of the queue: each must be granted.
      builds.queueInput = { idleMs: 20 };
      for (let i = 0; i < 15; i += 1) {
        const workflowId = `needs/${taskQueue}/${i}`;
        await client.workflow.start('slotTaker', { workflowId, taskQueue });
        await builds.activities.requestBuildSlot({ workflowId, modules: ['first'], key: `${i}`, title: `${i}` });
        expect(await client.workflow.getHandle(workflowId).result()).toBe('granted');
        await queueHandle().signal(LEAVE_QUEUE_SIGNAL, { workflowId });
        await new Promise((resolve) => setTimeout(resolve, i * 5));
      }
    });
  });

  test('stays a minute by default', async () => {
    await stage.perform(async (scene) => {
      const [one = ''] = await askFor(scene, ['first']);
      await scene.image(one).result();
      await eventually('the timer of the empty queue', async () => {
        const { events } = await queueHandle().fetchHistory();
        const timer = events?.findLast((e) => e.timerStartedEventAttributes != null)?.timerStartedEventAttributes;
        return Number(timer?.startToFireTimeout?.seconds) === 60 ? true : undefined;
      });
    });
  });
});

test('a queue with a long history continues as new and forgets nobody', async () => {
  await stage.perform(async (scene) => {
    const { builds, image } = scene;
    builds.queueInput = { eventsPerRun: 15 };
    const gates = new Set<string>();
    builds.outcome = (input) => (gates.has(input.need.key) ? builds.succeed(input) : undefined);
    const keys = await askFor(scene, ['first', 'second', 'first', 'second', 'first', 'third']);
    await inQueue(scene, 2, 4);
    await eventually('two builds at once', async () => (builds.mostRunning === 2 ? true : undefined));
    const statuses = () => Promise.all(keys.map((key) => scene.status(key).catch(() => key)));
    await eventually(
      'all images to be made',
      async () => {
        for (const { key } of (await scene.queue()).running) gates.add(key);
        return builds.order.length === keys.length ? true : undefined;
      },
      { everyMs: 50, seen: async () => ({ queue: await scene.queue(), statuses: await statuses(), jobs: builds.order }) },
    );
    for (const key of keys) gates.add(key);
    for (const key of keys) expect(await image(key).result()).toBe(digestOf('1'));
    expect(builds.mostRunning).toBe(2);
    for (const history of await eventually('runs that have ended', () => continuedRuns(scene)))
      await Worker.runReplayHistory({ workflowBundle: stage.bundle }, history, BUILD_QUEUE_WORKFLOW_ID);
  });
});
