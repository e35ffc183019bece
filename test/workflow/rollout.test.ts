import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../harness/eventually.js';
import { MINUTE, openStage, type Stage } from './stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, MINUTE);
afterAll(() => stage?.stop(), MINUTE);

const THREE = { c1: 'k1', c2: 'k1', c3: 'k2' };

describe('a new module', () => {
  test('goes from the spec to Ready with not one activity too many', async () => {
    await stage.perform(THREE, async ({ hub, id, start, ready, history }) => {
      await start();
      await ready();
      expect(hub.callsOf(id)).toEqual([
        ...['observe', 'resolveImages', 'recordRevision', 'report'],
        ...['observe', 'report'], // the rollout has begun
        ...['observe', 'report'], // the rollout has ended
      ]);
      expect(hub.callsOf(`${id}/rollout/1`)).toEqual(['planWave']);
      expect(hub.callsOf(`${id}/rollout/1/wave/1`).sort()).toEqual(['followWave', 'publishBatch']);
      expect(hub.publishedTo()).toEqual(['c1', 'c2', 'c3']);
      expect(hub.reports.map((r) => r.phase)).toEqual(['Progressing', 'Progressing', 'Ready']);
      expect(await history()).toMatchObject([
        { number: 1, revision: `${hub.name}-first`, outcome: 'Completed', message: 'Completed: of 3 clusters 3 loaded.' },
      ]);
    });
  }, MINUTE);
});
