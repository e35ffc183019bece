import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ImageNews, ImageRequest } from '../../src/domain/image-process.js';
import { IMAGE_NEWS_SIGNAL } from '../../src/domain/messages.js';
import { openStage, type Scene, type Stage } from './stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.stop());

const DIGEST = `sha256:${'d'.repeat(64)}`;

const requestsOf = (scene: Scene): ImageRequest[] =>
  scene.hub.inputsOf<{ requests: ImageRequest[] }>('requestImages').flatMap(({ requests }) => requests);

const tell = (scene: Scene, change: Partial<ImageNews>): Promise<void> =>
  scene.module.signal(IMAGE_NEWS_SIGNAL, { key: 'k1', image: scene.hub.imageOf('k1'), state: 'Building', attempt: 1, ...change });

/** One cluster whose image is not in the registry, and a module that has asked for it. */
async function withMissingImage(play: (scene: Scene) => Promise<void>): Promise<void> {
  await stage.perform({ c1: 'k1' }, async (scene) => {
    scene.hub.digests.clear();
    await scene.start();
    await scene.until('the image to be asked for', () => requestsOf(scene).length > 0);
    await play(scene);
  });
}

describe('an image that is not in the registry', () => {
  test('is asked of its workflow once, by the module’s name and uid', async () => {
    await withMissingImage(async (scene) => {
      await scene.reconcile();
      await scene.until('another look', () => scene.hub.inputsOf('observe').length >= 3);
      expect(requestsOf(scene)).toEqual([
        {
          need: { key: 'k1', image: scene.hub.imageOf('k1'), kernels: ['k1'], expect: { dirName: '/opt' } },
          requester: { workflowId: scene.id, module: scene.hub.name, uid: 'uid' },
        },
      ]);
    });
  });

  test('is shown as its workflow tells, and pinned as that provides it, without another look at the registry', async () => {
    await withMissingImage(async (scene) => {
      const problem = { reason: 'BuildFailed', message: 'Step 3/7 failed.' } as const;
      await tell(scene, { problem, attempt: 2, log: ['make: error'] });
      const { images } = await scene.until('the failure to show', (s) => s.images[0]?.problem?.reason === 'BuildFailed');
      expect(images).toEqual([
        expect.objectContaining({
          problem,
          run: { key: 'k1', image: scene.hub.imageOf('k1'), state: 'Building', attempt: 2, problem, log: ['make: error'] },
        }),
      ]);
      const looks = scene.hub.inputsOf('resolveImages').length;
      const modules = [{ kernel: 'k1', name: 'kmod', sizeBytes: 1, vermagic: 'k1' }];
      const result = { key: 'k1', image: scene.hub.imageOf('k1'), kernels: ['k1'], digest: DIGEST, origin: 'Made', modules } as const;
      await tell(scene, { state: 'Pinned', result });
      await scene.ready();
      expect(scene.hub.inputsOf<{ pins: unknown[] }>('recordRevision').flatMap(({ pins }) => pins)).toEqual([
        { kernel: 'k1', image: scene.hub.imageOf('k1'), digest: DIGEST, origin: 'Made', key: 'k1', modules },
      ]);
      expect(scene.hub.inputsOf('resolveImages')).toHaveLength(looks);
    });
  });

  test('is asked for again with the wish of a person who says "retry"', async () => {
    await withMissingImage(async (scene) => {
      await scene.ask('retry');
      await scene.until('the second request', () => requestsOf(scene).length === 2);
      expect(requestsOf(scene).map((r) => r.retry)).toEqual([undefined, expect.stringMatching(/^\d{4}-/)]);
    });
  });

  test('news of an image that is not needed any more changes nothing', async () => {
    await withMissingImage(async (scene) => {
      await tell(scene, { key: 'other', problem: { reason: 'BuildFailed', message: 'not ours' } });
      await scene.reconcile();
      const before = scene.hub.inputsOf('observe').length;
      await scene.until('another look', () => scene.hub.inputsOf('observe').length > before);
      expect((await scene.status()).images[0]?.problem).toBeUndefined();
    });
  });

  test('is released when no cluster needs it any more', async () => {
    await withMissingImage(async (scene) => {
      scene.hub.cluster('c1').selected = false;
      await scene.reconcile();
      const { events } = await scene.until('nothing to be needed', (s) => s.images.length === 0).then(() => scene.module.fetchHistory());
      const released = (events ?? []).flatMap((e) => e.signalExternalWorkflowExecutionInitiatedEventAttributes ?? []);
      expect(released.map((e) => [e.workflowExecution?.workflowId, e.signalName])).toEqual([['image/k1', 'releaseImage']]);
    });
  });

  test('is not asked for while an input of it is missing, since the hub watches for that', async () => {
    await stage.perform({ c1: 'k1' }, async (scene) => {
      scene.hub.digests.clear();
      scene.hub.blocked = { reason: 'BuildFailed', message: 'ConfigMap x does not exist.' };
      await scene.start();
      await scene.until('the image to be missed', (s) => s.images[0]?.problem !== undefined);
      expect(requestsOf(scene)).toEqual([]);
    });
  });
});

test('an image that is in the registry needs no workflow and no marker in the history', async () => {
  await stage.perform({ c1: 'k1' }, async (scene) => {
    await scene.start();
    await scene.ready();
    expect(requestsOf(scene)).toEqual([]);
    const { events } = await scene.module.fetchHistory();
    expect((events ?? []).filter((e) => e.markerRecordedEventAttributes != null)).toEqual([]);
  });
});
