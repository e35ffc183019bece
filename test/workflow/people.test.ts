import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ObserveInput } from '../../src/domain/process.js';
import { eventually } from '../harness/eventually.js';
import { anMcm } from '../harness/mcm.js';
import { MINUTE, openStage, type Scene, type Stage } from './stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, MINUTE);
afterAll(() => stage?.stop(), MINUTE);

const THREE = { c1: 'k1', c2: 'k1', c3: 'k2' };
const TEN = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`c${i}`, 'k1']));
const oneByOne = { maxConcurrent: 1, maxFailures: 0, paused: false, settleMs: 0, progressDeadlineMs: 60_000 };

const specOf = ({ hub }: Scene) => anMcm({ name: hub.name, registryHost: 'registry.example.com' }).spec;

const acceptedUpdates = async ({ module }: Scene): Promise<number> => {
  const { events } = await module.fetchHistory();
  return (events ?? []).filter((e) => e.workflowExecutionUpdateAcceptedEventAttributes != null).length;
};

describe('pause', () => {
  test('in mid-rollout lets what is in flight finish and publishes nothing more until somebody resumes', async () => {
    await stage.perform(THREE, async ({ hub, id, start, until, ready, ask, details }) => {
      const wave = `${id}/rollout/1/wave/1`;
      hub.policy = oneByOne;
      hub.afterPublish = () => 'Loading';
      await start();
      await eventually('the first cluster to be published', () => (hub.publishedTo().length > 0 ? true : undefined));
      expect(await ask('pause', { reason: 'the line is down' })).toBe(
        `Module ${hub.name} is paused. Clusters that are loading go on; nothing more is published or removed until you resume.`,
      );
      await eventually('the wave to hear of it', async () => ((await details(wave)).includes('**Paused:**') ? true : undefined));
      const page = await details(wave);
      hub.proveAll();
      await eventually('c1 to be counted', async () => ((await details(wave)) === page ? undefined : true));
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(hub.publishedTo()).toEqual(['c1']);
      expect(await until('Paused', (s) => s.phase === 'Paused')).toMatchObject({ paused: { by: 'Ann', reason: 'the line is down' } });
      expect(await ask('resume')).toBe(`Module ${hub.name} goes on. 2 clusters wait to be published.`);
      await ready();
      expect(hub.publishedTo()).toEqual(['c1', 'c2', 'c3']);
    });
  });

  test('before anything began resolves images and records the revision, and no more', async () => {
    await stage.perform(THREE, async ({ hub, id, start, until, ready, reconcile }) => {
      hub.policy = { ...oneByOne, paused: true };
      await start();
      await until('Paused', (s) => s.phase === 'Paused' && s.updateRevision !== undefined);
      expect(hub.publishedTo()).toEqual([]);
      expect(hub.callsOf(`${id}/rollout/1`)).toEqual([]);
      hub.policy = oneByOne;
      await reconcile();
      await ready();
    });
  });
});

describe('a request that makes no sense is refused with the reason, and leaves no trace', () => {
  test('for a module that stands in an object', async () => {
    await stage.perform(THREE, async (scene) => {
      const { hub, start, ready, ask, until, reconcile } = scene;
      await start();
      await ready();
      await expect(ask('resume')).rejects.toThrow(`Module ${hub.name} is not paused.`);
      await expect(ask('confirmRemoval')).rejects.toThrow(`No removal of module ${hub.name} waits for a confirmation.`);
      await expect(ask('delete')).rejects.toThrow(
        `Module ${hub.name} stands in a ManagedClusterModule object. Delete that: kubectl delete managedclustermodule ${hub.name}.`,
      );
      await expect(ask('setSpec', { spec: specOf(scene) })).rejects.toThrow(
        `Module ${hub.name} stands in a ManagedClusterModule object. Change that: kubectl apply.`,
      );
      expect(await acceptedUpdates(scene)).toBe(0);
      await ask('pause');
      await expect(ask('pause')).rejects.toThrow(`Module ${hub.name} is paused already, by Ann.`);
      await ask('resume');
      hub.policy = { ...hub.policy, paused: true };
      await reconcile();
      await until('Paused', (s) => s.phase === 'Paused');
      await expect(ask('resume')).rejects.toThrow(`Module ${hub.name} is paused by its spec. Set spec.rollout.paused to false.`);
      expect(await acceptedUpdates(scene)).toBe(2);
    });
  });

  test('for a headless module', async () => {
    await stage.perform(THREE, async (scene) => {
      const { hub, start, ready, ask } = scene;
      await start({ spec: specOf(scene) });
      await ready();
      await expect(ask('setSpec', { spec: { selector: 'all', spokeNamespace: 7 } })).rejects.toThrow(
        /^The spec is not valid\. .*selector: .*; .*spokeNamespace: /,
      );
      hub.removalsFinish = false;
      hub.kind = 'gone';
      await ask('delete');
      await expect(ask('delete')).rejects.toThrow(`Module ${hub.name} is being deleted already.`);
      await expect(ask('setSpec', { spec: specOf(scene) })).rejects.toThrow(`Module ${hub.name} is being deleted.`);
      expect(await acceptedUpdates(scene)).toBe(1);
    });
  });
});

describe('clusters that are not selected any more', () => {
  test('lose the module at once when they are few', async () => {
    await stage.perform(TEN, async ({ hub, start, ready, reconcile, until }) => {
      await start();
      await ready();
      hub.cluster('c0').selected = false;
      await reconcile();
      await until('nine to be left', (s) => s.fleet.published === 9);
      expect(hub.inputsOf('removeWorks')).toHaveLength(1);
      expect(hub.cluster('c0').published).toBeUndefined();
    });
  });

  test('keep it when they are many, until a person confirms that very set', async () => {
    await stage.perform(TEN, async ({ hub, start, ready, reconcile, until, ask }) => {
      await start();
      await ready();
      for (const name of ['c0', 'c1', 'c2', 'c3', 'c4', 'c5']) hub.cluster(name).selected = false;
      await reconcile();
      const held = await until('the removal to be held', (s) => s.removals?.held === true);
      expect(held).toMatchObject({ phase: 'Degraded', removals: { count: 6, published: 10 } });
      expect(hub.inputsOf('removeWorks')).toEqual([]);
      const token = held.removals?.token ?? '';
      await expect(ask('confirmRemoval', { token: 'of another set' })).rejects.toThrow(
        `The set of clusters has changed: it is ${token} now, not of another set. Look at it again with kmodflow status ${hub.name}.`,
      );
      expect(hub.inputsOf('removeWorks')).toEqual([]);
      expect(await ask('confirmRemoval', { token })).toBe('The module is removed from 6 clusters now.');
      const after = await until('four to be left', (s) => s.fleet.published === 4);
      expect(after.phase).toBe('Ready');
      expect(hub.inputsOf('removeWorks')).toHaveLength(1);
    });
  });

  test('are not removed on a confirmation of another set', async () => {
    await stage.perform(TEN, async ({ hub, start, ready, reconcile, until, ask }) => {
      await start();
      await ready();
      for (const name of ['c0', 'c1', 'c2', 'c3', 'c4']) hub.cluster(name).selected = false;
      await reconcile();
      const held = await until('the removal to be held', (s) => s.removals?.held === true);
      hub.cluster('c5').selected = false; // nobody has seen this one yet
      await ask('confirmRemoval', { token: held.removals?.token });
      const now = await until('six to be held', (s) => s.removals?.count === 6);
      expect(now.removals?.held).toBe(true);
      expect(hub.inputsOf('removeWorks')).toEqual([]);
      expect(now.fleet.published).toBe(10);
    });
  });
});

describe('a headless module', () => {
  test('with a bad spec fails at once and says every problem by path', async () => {
    await stage.perform({}, async ({ hub, start, module }) => {
      await start({ spec: { selector: { fleet: 7 }, spokeNamespace: ['kmm'], moduleSpec: 'none' } });
      const failure = await module.result().catch((error: Error) => error.cause as Error);
      expect(failure).toMatchObject({ type: 'Invalid', message: expect.stringMatching(/^The spec is not valid\. /) });
      const { message } = failure as Error;
      for (const path of ['selector', 'spokeNamespace', 'moduleSpec']) expect(message).toContain(path);
      expect(hub.calls).toEqual([]);
    });
  });

  test('takes its spec along, is given another one, and ends when it is deleted', async () => {
    await stage.perform(THREE, async (scene) => {
      const { hub, module, start, ready, ask, until } = scene;
      const spec = specOf(scene);
      await start({ spec });
      expect(await ready()).toMatchObject({ headless: true, generation: 1 });
      expect(hub.inputsOf<ObserveInput>('observe')[0]?.headless).toMatchObject(spec);
      hub.spec = 'second';
      expect(await ask('setSpec', { spec: { ...spec, spokeNamespace: 'other' } })).toBe(
        `Module ${hub.name} has a new spec, number 2. What differs is rolled out.`,
      );
      await until('the second spec to be rolled out', (s) => s.phase === 'Ready' && s.currentRevision === `${hub.name}-second`);
      expect(hub.inputsOf<ObserveInput>('observe').at(-1)?.headless?.spokeNamespace).toBe('other');
      expect(hub.reports).toEqual([]); // there is no object to write a status into
      hub.kind = 'gone';
      expect(await ask('delete')).toBe(`Module ${hub.name} is being deleted: its ManifestWorks are removed from all clusters.`);
      expect(await module.result()).toBe(`Module ${hub.name} is gone, and so are its ManifestWorks.`);
      expect(hub.inputsOf<ObserveInput>('observe').at(-1)).not.toHaveProperty('headless');
    });
  });
});

describe('a module that is deleted', () => {
  test('in mid-rollout stops the rollout, removes everything and ends', async () => {
    await stage.perform(THREE, async ({ hub, id, module, start, reconcile }) => {
      hub.policy = oneByOne;
      hub.afterPublish = () => 'Loading';
      await start();
      await eventually('the first cluster to be published', () => (hub.publishedTo().length > 0 ? true : undefined));
      hub.kind = 'gone';
      await reconcile();
      await module.result();
      expect(hub.publishedTo()).toEqual(['c1']);
      expect(hub.cluster('c1').published).toBeUndefined();
      expect(await stage.client.workflow.getHandle(`${id}/rollout/1`).result()).toMatchObject({
        outcome: 'Superseded',
        message: 'The module has been deleted.',
      });
    });
  });

  test('waits for the spokes, and says for which', async () => {
    await stage.perform(THREE, async ({ hub, module, start, ready, reconcile, until }) => {
      await start();
      await ready();
      hub.kind = 'gone';
      hub.removalsFinish = false;
      await reconcile();
      const status = await until('Removing', (s) => s.doing.includes('have not confirmed'));
      expect(status).toMatchObject({
        phase: 'Removing',
        doing: 'The module is deleted. 3 clusters have not confirmed the removal yet: c1, c2, c3.',
      });
      hub.removalsFinish = true;
      await reconcile();
      await module.result();
    });
  });
});

describe('a spec that is not valid', () => {
  test('publishes nothing, leaves what is published, and goes on when it is mended', async () => {
    await stage.perform(THREE, async ({ hub, start, ready, reconcile, until }) => {
      await start();
      await ready();
      hub.kind = 'invalid';
      hub.problems = [{ path: 'spec.spokeNamespace', message: 'is not a name' }];
      await reconcile();
      const status = await until('Invalid', (s) => s.phase === 'Invalid');
      expect(status.problems).toEqual([{ path: 'spec.spokeNamespace', message: 'is not a name' }]);
      expect(status.fleet.published).toBe(3);
      hub.kind = 'module';
      await reconcile();
      await ready();
      expect(hub.publishedTo()).toEqual(['c1', 'c2', 'c3']);
    });
  });
});
