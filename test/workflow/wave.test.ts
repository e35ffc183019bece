import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import fc from 'fast-check';
import type { FollowInput, WaveResult } from '../../src/domain/process.js';
import { eventually } from '../harness/eventually.js';
import type { FakeCluster } from './fake-hub.js';
import { MINUTE, openStage, type Scene, type Stage } from './stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, MINUTE);
afterAll(() => stage?.stop(), MINUTE);

const clustersNamed = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`c${String(i).padStart(3, '0')}`, 'k1']));

const policy = {
  maxConcurrent: 1 as number | string | undefined,
  maxFailures: '100%',
  paused: false,
  settleMs: 0,
  progressDeadlineMs: 60_000,
};

/** How a fleet behaves: what each cluster becomes, and after how many milliseconds. */
const aScript = fc.record({
  ends: fc.array(
    fc.tuple(fc.constantFrom<FakeCluster['state']>('Loaded', 'Loaded', 'Loaded', 'NoNodes', 'Failed'), fc.integer({ min: 0, max: 120 })),
    {
      minLength: 4,
      maxLength: 24,
    },
  ),
  maxConcurrent: fc.oneof(
    fc.integer({ min: 1, max: 6 }),
    fc.integer({ min: 1, max: 60 }).map((p) => `${p}%`),
  ),
});
/** Said again here, and not imported from the code under test: a share is rounded down, and one is always allowed. */
const allowed = (maxConcurrent: number | string, clusters: number): number =>
  typeof maxConcurrent === 'number' ? maxConcurrent : Math.max(1, Math.floor((Number.parseInt(maxConcurrent, 10) / 100) * clusters + 1e-9));

describe('the sliding window', () => {
  test.each(fc.sample(aScript, { numRuns: 8, seed: 20_260 }))(
    'never has more clusters unproven than allowed: $maxConcurrent',
    async (script) => {
      const names = Object.keys(clustersNamed(script.ends.length));
      await stage.perform(clustersNamed(names.length), async ({ hub, start, history }) => {
        hub.policy = { ...policy, maxConcurrent: script.maxConcurrent };
        hub.afterPublish = (cluster) => {
          const [state, afterMs] = script.ends[names.indexOf(cluster)] ?? ['Loaded', 0];
          if (afterMs < 10) return state;
          setTimeout(() => (hub.cluster(cluster).state = state), afterMs);
          return 'Loading';
        };
        await start();
        const [record] = await eventually('the rollout to end', async () => ((await history()).length > 0 ? history() : undefined), {
          timeoutMs: 40_000,
        });
        const count = (state: string): number => script.ends.filter(([end]) => end === state).length;
        expect(record?.clusters).toMatchObject({
          total: names.length,
          ...{ pending: 0, inFlight: 0, offline: 0, excluded: 0, written: names.length },
          ...{ loaded: count('Loaded'), noNodes: count('NoNodes'), failed: count('Failed') },
        });
        expect(hub.publishedTo().sort()).toEqual(names); // none lost, none twice
        expect(hub.mostUnproven).toBeLessThanOrEqual(allowed(script.maxConcurrent, names.length));
      });
    },
    MINUTE,
  );

  test('without maxConcurrent is the whole fleet, in batches of a hundred', async () => {
    await stage.perform(clustersNamed(250), async ({ hub, start, ready }) => {
      await start();
      await ready();
      expect(hub.inputsOf<{ clusters: string[] }>('publishBatch').map((i) => i.clusters.length)).toEqual([100, 100, 50]);
    });
  });

  test('is not held up by clusters that are offline', async () => {
    await stage.perform(clustersNamed(4), async ({ hub, start, until, history }) => {
      hub.policy = { ...policy, maxConcurrent: 1 };
      hub.cluster('c001').state = 'Offline';
      hub.afterPublish = (cluster) => (cluster === 'c002' ? 'Offline' : 'Loaded'); // goes away while it is in flight
      await start();
      await until('the rest to be loaded', (s) => s.fleet.states.Loaded === 2 && s.phase !== 'Progressing');
      expect(await history()).toMatchObject([{ outcome: 'Completed', clusters: { total: 3, loaded: 2, offline: 1, failed: 0 } }]);
      expect(hub.publishedTo()).toEqual(['c000', 'c002', 'c003']);
    });
  });
});

describe('a batch that is refused for good', () => {
  test('fails its clusters with the sentence of the refusal, and the rollout ends', async () => {
    await stage.perform(clustersNamed(3), async ({ hub, id, start, history }) => {
      hub.policy = { ...policy, maxFailures: 0, maxConcurrent: 2 };
      hub.before.publishBatch = () => {
        throw ApplicationFailure.nonRetryable('The hub refuses.', 'Invalid');
      };
      await start();
      await eventually('the rollout to end', async () => ((await history()).length > 0 ? true : undefined));
      expect(await history()).toMatchObject([{ outcome: 'Failed', clusters: { total: 3, failed: 3, written: 0 } }]);
      const { failures } = (await stage.client.workflow.getHandle(`${id}/rollout/1/wave/1`).result()) as WaveResult;
      expect(failures).toEqual(
        ['c000', 'c001', 'c002'].map((cluster) => ({ cluster, state: 'Failed', reason: 'ApplyFailed', message: 'The hub refuses.' })),
      );
    });
  });
});

describe('a follower that fails for good', () => {
  test('is started again after half a minute and says so meanwhile', async () => {
    await stage.perform(clustersNamed(2), async ({ hub, id, start, details }) => {
      hub.before.followWave = () => {
        throw ApplicationFailure.nonRetryable('The revision is gone.', 'Invalid');
      };
      await start();
      const wave = stage.client.workflow.getHandle(`${id}/rollout/1/wave/1`);
      const page = await eventually('the page to tell of it', async () => {
        const text = await details(wave.workflowId);
        return text.includes('The revision is gone.') ? text : undefined;
      });
      expect(page).toContain('It is started again by itself.');
      const { events } = await wave.fetchHistory();
      expect(events?.flatMap((e) => e.timerStartedEventAttributes?.startToFireTimeout?.seconds?.toString() ?? [])).toContain('30');
    });
  });
});

describe('a wave with a long history', () => {
  const startWave = async ({ hub, taskQueue }: Scene, eventsPerRun: number) => {
    const revision = hub.record();
    const clusters = [...hub.clusters.keys()];
    const input = { name: hub.name, revision, imageProblems: [], policy: hub.policy, title: 'wave', clusters, paused: false, eventsPerRun };
    return stage.client.workflow.start('wave', { workflowId: `wave/${hub.name}`, taskQueue, args: [input] });
  };

  test(
    'continues as new and loses nothing',
    async () => {
      await stage.perform(clustersNamed(12), async (scene) => {
        const { hub } = scene;
        hub.policy = { ...policy, maxConcurrent: 2 };
        hub.afterPublish = (cluster) => {
          setTimeout(() => (hub.cluster(cluster).state = cluster === 'c003' ? 'Failed' : 'Loaded'), 40);
          return 'Loading';
        };
        const wave = await startWave(scene, 30);
        const result = (await wave.result()) as WaveResult;
        expect(result).toMatchObject({
          stopped: false,
          totals: { total: 12, loaded: 11, failed: 1, written: 12, pending: 0, inFlight: 0 },
          failures: [{ cluster: 'c003' }],
        });
        expect(hub.publishedTo().sort()).toEqual([...hub.clusters.keys()]);
        expect(hub.mostUnproven).toBeLessThanOrEqual(2);
        expect((await wave.describe()).runId).not.toBe(wave.firstExecutionRunId);
        const followers = hub.inputsOf<FollowInput>('followWave');
        expect(followers.length).toBeGreaterThan(1);
        for (const { clusters, inFlight } of followers.slice(1)) expect(clusters.length + inFlight.length).toBeLessThan(12);
      });
    },
    MINUTE,
  );

  test(
    'stays paused in its next run, and what changes meanwhile is published to again',
    async () => {
      await stage.perform(clustersNamed(3), async (scene) => {
        const { hub } = scene;
        hub.policy = { ...policy, maxConcurrent: 1 };
        hub.afterPublish = () => 'Loading';
        const wave = await startWave(scene, 30);
        await eventually('c000 to be published', () => (hub.publishedTo().length === 1 ? true : undefined));
        await wave.signal('setPaused', true);
        hub.before.followWave = () => void Object.assign(hub.cluster('c000'), { published: 'edited by hand' }); // between two followers
        await eventually('the next run', async () => {
          await wave.signal('setPaused', true);
          return (await wave.describe()).runId === wave.firstExecutionRunId ? undefined : true;
        });
        await eventually('the edit', () => (hub.cluster('c000').published === 'edited by hand' ? true : undefined));
        await new Promise((resolve) => setTimeout(resolve, 200));
        expect(hub.publishedTo()).toEqual(['c000']);
        delete hub.before.followWave;
        hub.proveAll();
        await stage.client.workflow.getHandle(wave.workflowId).signal('setPaused', false);
        expect(await wave.result()).toMatchObject({ totals: { total: 3, loaded: 3, written: 4 } });
        expect(hub.publishedTo().sort()).toEqual(['c000', 'c000', 'c001', 'c002']);
      });
    },
    MINUTE,
  );
});
