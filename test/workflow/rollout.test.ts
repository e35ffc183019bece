import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ImageNeed } from '../../src/domain/image-process.js';
import type { PublishInput } from '../../src/domain/process.js';
import { eventually } from '../harness/eventually.js';
import { MINUTE, openStage, type Stage } from './stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, MINUTE);
afterAll(() => stage?.stop(), MINUTE);

const THREE = { c1: 'k1', c2: 'k1', c3: 'k2' };
const oneByOne = { maxConcurrent: 1, maxFailures: 0, paused: false, settleMs: 0, progressDeadlineMs: 60_000 };

describe('a new module', () => {
  test('goes from the spec to Ready with not one activity too many', async () => {
    await stage.perform(THREE, async ({ hub, id, start, ready, history }) => {
      await start();
      await ready();
      await eventually('the report to be written', () => (hub.reports.at(-1)?.phase === 'Ready' ? true : undefined));
      expect(hub.callsOf(id)).toEqual([
        ...['observe', 'resolveImages', 'recordRevision'],
        ...['observe', 'report'], // the rollout has begun
        ...['observe', 'report'], // the rollout has ended
      ]);
      expect(hub.callsOf(`${id}/rollout/1`)).toEqual(['planWave']);
      expect(hub.callsOf(`${id}/rollout/1/wave/1`).sort()).toEqual(['followWave', 'publishBatch']);
      expect(hub.publishedTo()).toEqual(['c1', 'c2', 'c3']);
      expect(hub.reports.map((r) => r.phase)).toEqual(['Progressing', 'Ready']);
      expect(await history()).toMatchObject([
        { number: 1, revision: `${hub.name}-first`, outcome: 'Completed', message: 'Completed: of 3 clusters 3 loaded.' },
      ]);
    });
  });

  test('without a moduleLoader is recorded and rolled out without asking a registry', async () => {
    await stage.perform(THREE, async ({ hub, id, start, ready }) => {
      hub.needsNoImage = true;
      await start();
      await ready();
      expect(hub.callsOf(id).slice(0, 3)).toEqual(['observe', 'recordRevision', 'observe']);
      expect(hub.inputsOf('resolveImages')).toEqual([]);
    });
  });

  test('goes on where the status of its MCM says it was, when Temporal has lost everything', async () => {
    await stage.perform(THREE, async ({ hub, id, start, ready, history }) => {
      const revision = hub.record();
      for (const cluster of hub.clusters.values()) Object.assign(cluster, { published: revision, state: 'Loaded' });
      hub.remembered = { currentRevision: revision, rolloutNumber: 7, history: [] };
      await start();
      await ready();
      expect(hub.callsOf(id)).toEqual(['observe', 'report']);
      hub.spec = 'second';
      await stage.client.workflow.getHandle(id).signal('reconcile');
      await eventually('rollout 8', async () => ((await history())[0]?.number === 8 ? true : undefined));
    });
  });
});

/** What the workflow of an image tells that somebody else has to push. */
const isMissing = ({ image }: Pick<ImageNeed, 'image'>) => ({
  state: 'Waiting' as const,
  problem: { reason: 'ImageMissing' as const, message: `Image ${image} does not exist.` },
});

describe('an image that is missing', () => {
  test('is left to its own workflow for ten minutes, and looked up at once when a person asks', async () => {
    await stage.perform({ c1: 'k1' }, async ({ hub, id, timers, start, until, ready, ask }) => {
      hub.digests.clear();
      hub.tells = isMissing;
      await start();
      const waiting = await until('the image to be missed', (s) => s.images[0]?.run?.state === 'Waiting');
      expect(waiting.phase).toBe('Pending');
      expect(waiting.images).toEqual([
        {
          image: hub.imageOf('k1'),
          kernels: ['k1'],
          problem: { reason: 'ImageMissing', message: `Image ${hub.imageOf('k1')} does not exist.` },
          run: { key: 'k1', image: hub.imageOf('k1'), attempt: 0, ...isMissing({ image: hub.imageOf('k1') }) },
        },
      ]);
      const [seconds] = await eventually('a timer', async () => ((await timers()).length > 0 ? timers() : undefined));
      expect(seconds).toBeGreaterThan(590);
      expect(seconds).toBeLessThanOrEqual(600);
      hub.digests.set('k1', 'sha256:01');
      expect(await ask('retry')).toBe('1 images are looked up again now; 0 failed clusters are tried again.');
      await ready();
      expect(hub.callsOf(id).filter((a) => a === 'resolveImages')).toHaveLength(2);
    });
  });

  test('for want of an input is looked up again after 10 seconds', async () => {
    await stage.perform({ c1: 'k1' }, async ({ hub, start, until, ready }) => {
      hub.digests.clear();
      hub.blocked = { reason: 'BuildFailed', message: 'ConfigMap x does not exist.' };
      await start();
      await until('the image to be missed', (s) => s.images[0]?.problem !== undefined);
      hub.digests.set('k1', 'sha256:01');
      await ready();
      expect(hub.inputsOf('resolveImages')).toHaveLength(2);
    });
  }, 40_000);

  test('keeps back only the clusters that need it', async () => {
    await stage.perform(THREE, async ({ hub, start, until, history }) => {
      hub.digests.delete('k2');
      hub.tells = isMissing;
      await start();
      const status = await until('the module to be Degraded', (s) => s.phase === 'Degraded');
      expect(hub.publishedTo()).toEqual(['c1', 'c2']);
      expect(status.fleet.states).toMatchObject({ Loaded: 2, Excluded: 1 });
      expect(status.fleet.exceptions).toMatchObject([{ cluster: 'c3', reason: 'ImageMissing' }]);
      expect(await history()).toMatchObject([{ outcome: 'Completed', clusters: { total: 2, loaded: 2 } }]);
    });
  });

  test('is rolled out to the rest as a catch-up once it is there', async () => {
    await stage.perform(THREE, async ({ hub, id, start, until, ready, history, ask }) => {
      hub.digests.delete('k2');
      hub.tells = isMissing;
      await start();
      await until('the module to be Degraded', (s) => s.phase === 'Degraded');
      hub.digests.set('k2', 'sha256:02');
      await ask('retry');
      await ready();
      expect(hub.publishedTo()).toEqual(['c1', 'c2', 'c3']);
      expect(hub.callsOf(`${id}/catch-up/1`).sort()).toEqual(['followWave', 'publishBatch']);
      expect(await history()).toHaveLength(1);
    });
  });
});

describe('a spec that changes in mid-rollout', () => {
  test('supersedes the rollout: nothing more of the old revision is published, and the new one goes everywhere', async () => {
    await stage.perform(THREE, async ({ hub, start, reconcile, ready, history }) => {
      hub.policy = oneByOne;
      hub.afterPublish = () => 'Loading';
      await start();
      await eventually('the first cluster to be published', () => (hub.publishedTo().length > 0 ? true : undefined));
      hub.spec = 'second';
      hub.afterPublish = () => 'Loaded';
      await reconcile();
      await ready();
      const published = hub.inputsOf<PublishInput>('publishBatch').map(({ revision, clusters }) => [revision, ...clusters]);
      const [first, second] = [`${hub.name}-first`, `${hub.name}-second`];
      expect(published).toEqual([
        [first, 'c1'],
        [second, 'c1'],
        [second, 'c2'],
        [second, 'c3'],
      ]);
      expect(await history()).toMatchObject([
        { number: 2, revision: second, outcome: 'Completed' },
        { number: 1, revision: first, outcome: 'Superseded', message: `The spec has changed: revision ${first} is superseded.` },
      ]);
    });
  });
});

describe('a cluster that joins', () => {
  test('after the rollout catches up without a new one', async () => {
    await stage.perform(THREE, async ({ hub, id, start, reconcile, until, ready, history }) => {
      await start();
      await ready();
      hub.add('c4', 'k2');
      await reconcile();
      await until('four clusters to be loaded', (s) => s.phase === 'Ready' && s.fleet.states.Loaded === 4);
      expect(hub.publishedTo()).toEqual(['c1', 'c2', 'c3', 'c4']);
      expect(hub.callsOf(`${id}/catch-up/1`).sort()).toEqual(['followWave', 'publishBatch']);
      expect(await history()).toHaveLength(1);
    });
  });

  test('during the rollout is taken into the wave that runs', async () => {
    await stage.perform(THREE, async ({ hub, id, start, ready, history }) => {
      hub.policy = oneByOne;
      hub.afterPublish = () => 'Loading';
      await start();
      await eventually('the first cluster to be published', () => (hub.publishedTo().length > 0 ? true : undefined));
      hub.add('c0', 'k1');
      hub.proveAll();
      await ready();
      expect(hub.publishedTo().sort()).toEqual(['c0', 'c1', 'c2', 'c3']);
      expect(hub.callsOf(`${id}/catch-up/1`)).toEqual([]);
      expect(await history()).toMatchObject([{ outcome: 'Completed', clusters: { total: 4, loaded: 4 } }]);
    });
  });

  test('and changes its kernel while it is in flight is published to again', async () => {
    await stage.perform({ c1: 'k1', c2: 'k2' }, async ({ hub, start, ready, history }) => {
      hub.afterPublish = () => 'Loading';
      await start();
      await eventually('both to be published', () => (hub.publishedTo().length === 2 ? true : undefined));
      hub.cluster('c1').published = 'edited by hand';
      await eventually('c1 to be published again', () => (hub.publishedTo().length === 3 ? true : undefined));
      hub.proveAll();
      await ready();
      expect(hub.publishedTo()).toEqual(['c1', 'c2', 'c1']);
      expect(await history()).toMatchObject([{ clusters: { total: 2, loaded: 2, written: 3 } }]);
    });
  });
});

describe('clusters that fail', () => {
  test('end the rollout as failed, degrade the module, and are tried again when a person asks', async () => {
    await stage.perform(THREE, async ({ hub, start, until, ready, history, ask }) => {
      hub.afterPublish = (cluster) => (cluster === 'c2' ? 'Failed' : 'Loaded');
      await start();
      const status = await until('the module to be Degraded', (s) => s.phase === 'Degraded');
      expect(status.fleet.exceptions).toMatchObject([{ cluster: 'c2', reason: 'ApplyFailed', message: 'Cluster c2 could not apply it.' }]);
      expect(await history()).toMatchObject([{ outcome: 'Failed', clusters: { loaded: 2, failed: 1 } }]);
      expect(hub.publishedTo()).toEqual(['c1', 'c2', 'c3']);
      hub.afterPublish = () => 'Loaded';
      expect(await ask('retry')).toBe('0 images are looked up again now; 1 failed clusters are tried again.');
      await ready();
      expect(hub.publishedTo()).toEqual(['c1', 'c2', 'c3', 'c2']);
    });
  });
});
