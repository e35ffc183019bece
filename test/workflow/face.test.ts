import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Exception } from '../../src/domain/fleet-summary.js';
import { eventually } from '../harness/eventually.js';
import { MINUTE, openStage, type Stage } from './stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
}, MINUTE);
afterAll(() => stage?.stop(), MINUTE);

const THREE = { c1: 'k1', c2: 'k1', c3: 'k2' };

const attributesOf = async (workflowId: string): Promise<Record<string, unknown>> => {
  const { typedSearchAttributes } = await stage.client.workflow.getHandle(workflowId).describe();
  return Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
};

describe('what people see in the Temporal UI', () => {
  test('is on the pages of the module, its rollout and its wave while they run', async () => {
    await stage.perform(THREE, async ({ hub, id, start, details }) => {
      hub.policy = { ...hub.policy, maxConcurrent: 2 };
      hub.afterPublish = () => 'Loading';
      await start();
      await eventually('the first clusters to be published', () => (hub.publishedTo().length === 2 ? true : undefined));
      const page = await eventually('the module to follow', async () => ((await details()).includes('Rollout 1') ? details() : undefined));
      expect(page).toContain(`### ${hub.name}: Progressing, 0 of 3 clusters done`);
      expect(page).toContain(`**Deployed:** nothing yet; the spec asks for \`${hub.name}-first\``);
      expect(page).toContain(hub.imageOf('k1'));
      expect(await details(`${id}/rollout/1`)).toContain(`### ${hub.name}, rollout 1: to \`${hub.name}-first\``);
      expect(await details(`${id}/rollout/1/wave/1`)).toContain(
        '**Now:** 2 clusters published and not proven yet, 1 waiting for their turn.',
      );
      const common = { KmodModule: hub.name, KmodRevision: `${hub.name}-first` };
      expect(await attributesOf(id)).toMatchObject({ ...common, KmodPhase: 'Progressing', KmodFailed: 0 });
      expect(await attributesOf(`${id}/rollout/1`)).toMatchObject(common);
      expect(await attributesOf(`${id}/rollout/1/wave/1`)).toMatchObject(common);
    });
  });

  test('names the cluster that failed, the reason and what to do', async () => {
    await stage.perform(THREE, async ({ hub, id, module, start, until, details }) => {
      hub.afterPublish = (cluster) => (cluster === 'c2' ? 'Failed' : 'Loaded');
      await start();
      await until('Degraded', (s) => s.phase === 'Degraded');
      const page = await details();
      expect(page).toContain(`### ${hub.name}: Degraded, 2 of 3 clusters done`);
      expect(page).toContain('**c2** ApplyFailed: Cluster c2 could not apply it.');
      expect(page).toContain(`kmodflow retry ${hub.name}`);
      expect(await module.query<Exception | undefined, [string]>('cluster', 'c2')).toMatchObject({ cluster: 'c2', reason: 'ApplyFailed' });
      expect(await module.query('cluster', 'c1')).toBeUndefined();
      expect(await module.query('plan')).toMatchObject({ phase: 'Degraded', behind: 0, removals: 0 });
      await eventually('the attributes', async () => ((await attributesOf(id))['KmodPhase'] === 'Degraded' ? true : undefined));
      expect(await attributesOf(id)).toMatchObject({ KmodFailed: 1 });
    });
  });

  test('has a summary on every activity and timer of a module', async () => {
    await stage.perform(THREE, async ({ module, start, ready }) => {
      await start();
      await ready();
      const events = await eventually('the timer', async () => {
        const all = (await module.fetchHistory()).events ?? [];
        return all.at(-1)?.timerStartedEventAttributes == null ? undefined : all;
      });
      const told = events.filter((e) => e.activityTaskScheduledEventAttributes != null || e.timerStartedEventAttributes != null);
      expect(told.length).toBeGreaterThan(5);
      for (const event of told) expect(event.userMetadata?.summary?.data?.length ?? 0).toBeGreaterThan(5);
    });
  });

  test('costs no event while nothing changes', async () => {
    await stage.perform(THREE, async ({ hub, module, start, ready, reconcile }) => {
      await start();
      await ready();
      await eventually('the report', () => (hub.reports.at(-1)?.phase === 'Ready' ? true : undefined));
      const [reports, looks] = [hub.reports.length, hub.inputsOf('observe').length];
      await reconcile();
      await eventually('another look', () => (hub.inputsOf('observe').length > looks ? true : undefined));
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(hub.reports).toHaveLength(reports);
      const { events } = await module.fetchHistory();
      const phases = events?.filter((e) => e.upsertWorkflowSearchAttributesEventAttributes != null) ?? [];
      expect(phases.length).toBeLessThanOrEqual(3);
    });
  });
});
