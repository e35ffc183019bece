import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { eventually } from '../harness/eventually.js';
import { MINUTE, openStage, type Scene, type Stage } from './stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, MINUTE);
afterAll(() => stage?.stop(), MINUTE);

const THREE = { c1: 'k1', c2: 'k1', c3: 'k2' };
const oneByOne = { maxConcurrent: 1, maxFailures: 0, paused: false, settleMs: 0, progressDeadlineMs: 60_000 };

const nextRun = async ({ module, reconcile }: Scene): Promise<void> => {
  const { runId } = await module.describe();
  await eventually('the next run', async () => {
    await reconcile();
    return (await module.describe()).runId === runId ? undefined : true;
  });
};

describe('a module with a long history', () => {
  test('continues as new in mid-rollout: the rollout goes on and reports to the new run', async () => {
    await stage.perform(THREE, async (scene) => {
      const { hub, id, module, start, ready, history, status } = scene;
      hub.policy = oneByOne;
      hub.afterPublish = () => 'Loading';
      await start({ eventsPerRun: 60 });
      const { runId } = await module.describe();
      await eventually('the first cluster to be published', () => (hub.publishedTo().length > 0 ? true : undefined));
      await nextRun(scene);
      expect((await status()).rollout).toMatchObject({ number: 1, revision: `${hub.name}-first`, phase: 'Progressing' });
      hub.proveAll();
      await ready();
      expect(hub.callsOf(`${id}/rollout/1`)).toEqual(['planWave']);
      expect(hub.callsOf(`${id}/rollout/2`)).toEqual([]);
      expect(hub.publishedTo()).toEqual(['c1', 'c2', 'c3']);
      expect(await history()).toMatchObject([{ number: 1, outcome: 'Completed', clusters: { loaded: 3 } }]);
      const { events } = await stage.client.workflow.getHandle(id, runId).fetchHistory();
      expect(events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes).toBeTruthy();
    });
  });

  test('stays paused, and knows by whom', async () => {
    await stage.perform(THREE, async (scene) => {
      const { hub, start, ask, status } = scene;
      await start({ eventsPerRun: 60 });
      await ask('pause', { reason: 'night' });
      await nextRun(scene);
      expect((await status()).paused).toEqual({ by: 'Ann', reason: 'night' });
      const published = hub.publishedTo().length;
      await ask('resume');
      await scene.ready();
      expect(published).toBeLessThanOrEqual(3);
      expect(hub.publishedTo()).toEqual(['c1', 'c2', 'c3']);
    });
  });

  test('continues as new although events never cease', async () => {
    await stage.perform(THREE, async ({ hub, module, start, ready, reconcile }) => {
      await start({ eventsPerRun: 100 });
      await ready();
      hub.before.observe = reconcile; // each look is overtaken by the next event
      const { runId } = await module.describe();
      await reconcile();
      await eventually('the next run', async () => ((await module.describe()).runId === runId ? undefined : true));
      delete hub.before.observe;
      const { events } = await stage.client.workflow.getHandle(module.workflowId, runId).fetchHistory();
      expect(events?.length).toBeLessThan(130);
    });
  });

  test('that is headless keeps its spec and its number', async () => {
    await stage.perform(THREE, async (scene) => {
      const { hub, start, ready, until } = scene;
      const spec = { selector: { fleet: 'test' }, spokeNamespace: 'kmm', moduleSpec: { selector: {} } };
      await start({ spec, eventsPerRun: 60 });
      await ready();
      await nextRun(scene);
      await until('the next run to look', (s) => s.headless && s.generation === 1);
      expect(hub.inputsOf<{ headless: unknown }>('observe').at(-1)?.headless).toMatchObject({ spokeNamespace: 'kmm' });
    });
  });
});

describe('a look that fails for good', () => {
  test('does not end the workflow: it says why, and looks again after half a minute or when something happens', async () => {
    await stage.perform(THREE, async ({ hub, timers, start, until, reconcile, ready, details }) => {
      hub.before.observe = () => {
        throw ApplicationFailure.nonRetryable('The view is broken.', 'Invalid');
      };
      await start();
      await until('trouble', (s) => s.trouble === 'The view is broken.');
      expect(await details()).toContain('**The last look failed:** The view is broken. It is tried again by itself.');
      const [seconds] = await eventually('a timer', async () => ((await timers()).length > 0 ? timers() : undefined));
      expect(seconds).toBeGreaterThan(28);
      expect(seconds).toBeLessThanOrEqual(30);
      delete hub.before.observe;
      await reconcile();
      expect((await ready()).trouble).toBeUndefined();
      expect(await details()).not.toContain('The last look failed');
    });
  });

  test('for a status that cannot be written does not stop the rollout', async () => {
    await stage.perform(THREE, async ({ hub, start, until, history, reconcile, ready }) => {
      hub.before.report = () => {
        throw ApplicationFailure.nonRetryable('The status is refused.', 'Invalid');
      };
      await start();
      await until('trouble', (s) => s.trouble === 'The status is refused.');
      await eventually('the rollout to end', async () => ((await history()).length > 0 ? true : undefined));
      expect(hub.publishedTo()).toEqual(['c1', 'c2', 'c3']);
      delete hub.before.report;
      await reconcile();
      await ready();
      await eventually('the status to be written', () => (hub.reports.at(-1)?.phase === 'Ready' ? true : undefined));
    });
  });

  test('and comes back by itself is not even noticed', async () => {
    await stage.perform(THREE, async ({ hub, start, ready }) => {
      let failures = 2;
      hub.before.observe = () => {
        if (failures-- > 0) throw new Error('The API server is away.');
      };
      await start();
      expect((await ready()).trouble).toBeUndefined();
    });
  });
});

describe('a rollout that somebody terminated by hand', () => {
  test('is noticed, and the next one brings the clusters to the revision', async () => {
    await stage.perform(THREE, async ({ hub, id, start, ready, history }) => {
      const revision = hub.record();
      hub.runs = false;
      const active = {
        kind: 'rollout',
        workflowId: `${id}/rollout/1`,
        number: 1,
        revision,
        startedAt: '2026-01-01T00:00:00.000Z',
        stopping: false,
      } as const;
      await start({ carried: { generation: 0, deleting: false, rolloutNumber: 1, catchUpNumber: 0, history: [], images: {}, active } });
      await ready();
      expect(hub.inputsOf('isRunning')).toEqual([`${id}/rollout/1`]);
      expect(await history()).toMatchObject([{ number: 2, outcome: 'Completed' }]);
      expect(hub.publishedTo()).toEqual(['c1', 'c2', 'c3']);
    });
  });

  test('is not asked about while it is young', async () => {
    await stage.perform(THREE, async ({ hub, start, reconcile, ready }) => {
      hub.policy = oneByOne;
      await start();
      await reconcile();
      await ready();
      expect(hub.inputsOf('isRunning')).toEqual([]);
    });
  });
});
