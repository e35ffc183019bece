import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { resources, type KubernetesObject } from '../../src/kube/index.js';
import { eventually } from '../harness/eventually.js';
import { follow } from '../harness/follow.js';
import { mappingsIn, MODULE } from '../harness/mcm.js';
import { conditionOf, contentVersionOf, deleteMcm, exceptionsIn, moduleIn, startStage, type Stage } from '../harness/module-stage.js';

const MINUTE = 60_000;
const A = '6.1.0-56-amd64';
const B = '6.1.0-56-rt-amd64';

let stage: Stage;

beforeAll(async () => {
  stage = await startStage();
}, 3 * MINUTE);

afterAll(async () => {
  await stage?.stop();
}, MINUTE);

/** `prefix-1` … `prefix-n`, each with one kernel. */
const many = (prefix: string, n: number, kernel = A): Record<string, string[]> =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`${prefix}-${i + 1}`, [kernel]]));

/** Another content with the same images. */
const variant = (value: string) => ({ container: { modprobe: { moduleName: MODULE, parameters: [`v=${value}`] } } });

/** A module with its clusters, loaded everywhere. */
async function aLoadedModule(
  name: string,
  clusters: Record<string, readonly string[]>,
  options?: Parameters<Stage['apply']>[1],
): Promise<void> {
  await stage.clusters(name, clusters);
  await stage.push(name, [A, B]);
  await stage.apply(name, options);
  await stage.ready(name, Object.keys(clusters).length);
}

const workflowEnd = (name: string): Promise<string> => stage.client.workflow.getHandle(`mcm/${name}`).result() as Promise<string>;

/** The sentence with which an update was refused. */
async function refusalOf(asking: Promise<unknown>): Promise<string> {
  const error: unknown = await asking.then(
    (answer) => new Error(`It was accepted: ${String(answer)}`),
    (e: unknown) => e,
  );
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}

describe('one cluster changes', () => {
  test.concurrent(
    'a kernel is added, then removed: exactly one write each, of that cluster alone',
    async () => {
      await aLoadedModule('kernels', many('kernels', 4));
      expect(stage.writesOf('kernels')).toHaveLength(4);
      const at = Date.now();
      await stage.fleet.setKernels('kernels-2', [A, B]);
      await eventually(
        'the second mapping',
        async () => Object.keys(mappingsIn(await stage.work('kernels', 'kernels-2'))).length === 2 || undefined,
      );
      expect(Date.now() - at).toBeLessThan(10_000);
      await stage.ready('kernels', 4);
      expect(
        stage
          .writesOf('kernels')
          .slice(4)
          .map((e) => e.namespace),
      ).toEqual(['kernels-2']);
      await stage.fleet.setKernels('kernels-2', [B]);
      await eventually(
        'one mapping',
        async () => Object.keys(mappingsIn(await stage.work('kernels', 'kernels-2'))).join() === B || undefined,
      );
      await stage.ready('kernels', 4);
      expect(
        stage
          .writesOf('kernels')
          .slice(4)
          .map((e) => e.namespace),
      ).toEqual(['kernels-2', 'kernels-2']);
      expect((await stage.status('kernels'))?.history).toHaveLength(1); // catching up is no rollout
    },
    MINUTE,
  );

  test.concurrent(
    'a cluster joins and is served, leaves the selector and loses the module, is deleted and is forgotten; the others see no write',
    async () => {
      await aLoadedModule('joins', many('joins', 3));
      const before = contentVersionOf(await stage.work('joins', 'joins-1'));
      await stage.clusters('joins', { 'joins-new': [A] });
      await stage.ready('joins', 4);
      await stage.fleet.setLabels('joins-2', { for: null });
      await eventually('the ManifestWork to go', async () => ((await stage.work('joins', 'joins-2')) === undefined ? true : undefined));
      expect((await stage.ready('joins', 3)).clusters?.selected).toBe(3);
      expect(stage.agents.spoke('joins-2').modules).toEqual([]);
      await stage.fleet.deleteCluster('joins-3');
      expect((await stage.ready('joins', 2)).clusters?.selected).toBe(2);
      await stage.fleet.setLabels('joins-2', { for: 'joins' });
      await stage.ready('joins', 3);
      expect(contentVersionOf(await stage.work('joins', 'joins-1'))).toBe(before);
      expect(
        stage
          .writesOf('joins')
          .map((e) => e.namespace)
          .sort(),
      ).toEqual(['joins-1', 'joins-2', 'joins-2', 'joins-3', 'joins-new']);
    },
    MINUTE,
  );

  test.concurrent(
    'an offline cluster is written nothing, does not stop a rollout, and catches up with the newest revision when it returns',
    async () => {
      await aLoadedModule('offline', many('offline', 3));
      await stage.fleet.setOffline('offline-3', true);
      stage.agents.faults.offline('offline-3');
      await stage.until('offline', 'one offline', (s) => s.clusters?.offline === 1);
      const before = contentVersionOf(await stage.work('offline', 'offline-3'));
      await stage.apply('offline', variant('2'));
      const status = await stage.until(
        'offline',
        'the others loaded',
        (s) => s.clusters?.loaded === 2 && s.currentRevision === s.updateRevision,
      );
      expect(status.phase).toBe('Ready');
      expect(exceptionsIn(status)).toEqual(['offline-3 ClusterUnavailable']);
      await stage.apply('offline', variant('3'));
      await stage.until('offline', 'the others loaded again', (s) => s.phase === 'Ready' && s.history?.length === 3);
      expect(contentVersionOf(await stage.work('offline', 'offline-3'))).toBe(before);
      stage.agents.faults.offline('offline-3', false);
      await stage.fleet.setOffline('offline-3', false);
      await stage.ready('offline', 3);
      const module = moduleIn(await stage.work('offline', 'offline-3'));
      expect(module.spec.moduleLoader?.container['modprobe']).toMatchObject({ parameters: ['v=3'] });
      expect(stage.writesOf('offline').filter((e) => e.namespace === 'offline-3')).toHaveLength(2); // revision 2 was never sent
    },
    MINUTE,
  );
});

describe('many clusters would lose the module at once', () => {
  test.concurrent(
    'it is held with RemovalHeld until a person confirms that very set',
    async () => {
      await aLoadedModule('mass', many('mass', 8));
      const leave = (n: number) => stage.fleet.setLabels(`mass-${n}`, { for: 'nobody' });
      await Promise.all([1, 2, 3, 4, 5].map(leave));
      const held = await stage.until('mass', 'five held', (s) => s.removal?.held === 5);
      expect(held.phase).toBe('Degraded');
      expect(conditionOf(held, 'Degraded')).toMatchObject({ status: 'True', reason: 'RemovalHeld' });
      expect(conditionOf(held, 'Degraded')?.message).toContain('5 of 8 clusters');
      expect(held.removal?.clusters).toEqual(['mass-1', 'mass-2', 'mass-3', 'mass-4', 'mass-5']);
      await sleep(500);
      expect((await stage.works('mass')).size).toBe(8);
      expect(await refusalOf(stage.ask('mass', 'confirmRemoval', { token: 'of-yesterday' }))).toContain('The set of clusters has changed');

      await leave(6);
      const more = await stage.until('mass', 'six held', (s) => s.removal?.held === 6);
      expect(more.removal?.token).not.toBe(held.removal?.token);
      expect(await refusalOf(stage.ask('mass', 'confirmRemoval', { token: held.removal?.token }))).toContain(
        `it is ${more.removal?.token} now`,
      );
      expect((await stage.works('mass')).size).toBe(8);
      // A change goes on for those that stay.
      await stage.apply('mass', variant('2'));
      await stage.until(
        'mass',
        'the change on the two that stay',
        (s) => s.clusters?.loaded === 2 && s.currentRevision === s.updateRevision,
      );

      expect(await stage.ask('mass', 'confirmRemoval', { token: more.removal?.token })).toContain('removed from 6 clusters');
      const after = await stage.ready('mass', 2);
      expect(after.removal).toBeUndefined();
      expect([...(await stage.works('mass')).keys()].sort()).toEqual(['mass-7', 'mass-8']);
      expect(await refusalOf(stage.ask('mass', 'confirmRemoval'))).toContain('No removal of module mass waits');
    },
    MINUTE,
  );

  test.concurrent(
    'clusters that come back before that lose nothing, and a few are removed without asking',
    async () => {
      await aLoadedModule('back', many('back', 6));
      const before = [...(await stage.works('back')).values()].map(contentVersionOf);
      await Promise.all([1, 2, 3, 4, 5].map((n) => stage.fleet.setLabels(`back-${n}`, { for: null })));
      await stage.until('back', 'five held', (s) => s.removal?.held === 5);
      await Promise.all([1, 2, 3, 4, 5].map((n) => stage.fleet.setLabels(`back-${n}`, { for: 'back' })));
      await stage.until('back', 'nothing held', (s) => s.phase === 'Ready' && s.removal === undefined && s.clusters?.loaded === 6);
      expect([...(await stage.works('back')).values()].map(contentVersionOf)).toEqual(before);
    },
    MINUTE,
  );
});

describe('somebody else changes a ManifestWork', () => {
  const patch = (name: string, cluster: string, change: object) => stage.api.mergePatch(resources.manifestWorks, name, cluster, change);

  test.concurrent(
    'what is ours is put right, what is not stays',
    async () => {
      await aLoadedModule('hands', many('hands', 4));
      const good = moduleIn(await stage.work('hands', 'hands-1'));
      const foreign = { labels: { 'example.com/site': 'berlin' }, annotations: { 'example.com/note': 'kept' } };
      await patch('hands', 'hands-1', { metadata: foreign });
      const spec = (await stage.work('hands', 'hands-1'))?.['spec'] as {
        workload: { manifests: { spec: object }[] };
        manifestConfigs: object[];
      };

      await patch('hands', 'hands-1', {
        spec: { workload: { manifests: [{ ...good, spec: { ...good.spec, selector: { evil: 'true' } } }] } },
      });
      await patch('hands', 'hands-2', { metadata: { labels: { 'kmm.node.kubernetes.io/managedclustermodule.name': 'somebody-else' } } });
      await patch('hands', 'hands-3', {
        spec: { manifestConfigs: [{ ...spec.manifestConfigs[0], feedbackRules: [{ type: 'WellKnownStatus' }] }] },
      });
      await patch('hands', 'hands-4', {
        metadata: {
          annotations: { 'kmodflow.io/content-hash': null },
          labels: { 'kmm.node.kubernetes.io/managedclustermodule.name': null },
        },
      });

      const repaired = await eventually(
        'all four to be right again',
        async () => {
          const works = await stage.works('hands');
          const right = [...works.values()].filter((w) => {
            const { manifestConfigs } = w['spec'] as typeof spec;
            return (
              JSON.stringify(moduleIn(w)) === JSON.stringify(good) &&
              JSON.stringify(manifestConfigs) === JSON.stringify(spec.manifestConfigs)
            );
          });
          return right.length === 4 && right.every((w) => w.metadata.annotations?.['kmodflow.io/content-hash'] !== undefined)
            ? works
            : undefined;
        },
        { seen: async () => [...(await stage.works('hands')).values()] },
      );
      expect(repaired.get('hands-1')?.metadata.labels).toMatchObject(foreign.labels);
      expect(repaired.get('hands-1')?.metadata.annotations).toMatchObject(foreign.annotations);
      await stage.ready('hands', 4);
      const counts = stage.writesOf('hands').map((e) => e.namespace);
      expect(counts.slice(4).sort()).toEqual(['hands-1', 'hands-2', 'hands-3', 'hands-4']);
      expect(stage.agents.spoke('hands-1').modules[0]?.spec).toEqual(good.spec);

      await stage.apply('hands', variant('2')); // what is foreign survives a change of ours too
      await stage.until('hands', 'the second revision', (s) => s.phase === 'Ready' && s.history?.length === 2);
      const after = await stage.work('hands', 'hands-1');
      expect(after?.metadata.labels).toMatchObject(foreign.labels);
      expect(after?.metadata.annotations).toMatchObject(foreign.annotations);
    },
    MINUTE,
  );

  test.concurrent(
    'one that is deleted by hand is made again',
    async () => {
      await aLoadedModule('deleted', many('deleted', 2));
      const before = await stage.work('deleted', 'deleted-1');
      await stage.api.delete(resources.manifestWorks, 'deleted', 'deleted-1');
      await eventually('a new ManifestWork', async () => {
        const now = await stage.work('deleted', 'deleted-1');
        return now !== undefined && now.metadata.uid !== before?.metadata.uid ? now : undefined;
      });
      await stage.ready('deleted', 2);
      expect(stage.writesOf('deleted')).toHaveLength(3);
    },
    MINUTE,
  );
});

describe('a rollout under way', () => {
  /** Samples every state of the ManifestWorks of a module, as the API server's own watch tells them. */
  function sample(name: string, isNew: (work: KubernetesObject) => boolean) {
    const works = new Map<string, KubernetesObject>();
    let most = 0;
    const proven = (work: KubernetesObject): boolean => {
      const status = work['status'] as
        | {
            resourceStatus?: {
              manifests?: { statusFeedback?: { values?: { name: string; fieldValue: { string?: string; integer?: number } }[] } }[];
            };
          }
        | undefined;
      const values = status?.resourceStatus?.manifests?.[0]?.statusFeedback?.values ?? [];
      const value = (key: string) => values.find((v) => v.name === key)?.fieldValue;
      return (
        value('contentHash')?.string === work.metadata.annotations?.['kmodflow.io/content-hash'] &&
        (value('moduleLoader.availableNumber')?.integer ?? 0) >= (value('moduleLoader.nodesMatchingSelectorNumber')?.integer ?? 1)
      );
    };
    const following = follow(stage.api, resources.manifestWorks, (key, work) => {
      if (work?.metadata.name !== name) return;
      works.set(key, work);
      most = Math.max(most, [...works.values()].filter((w) => isNew(w) && !proven(w)).length);
    });
    return { ready: following.ready, stop: following.stop, most: () => most };
  }

  test.concurrent(
    'maxConcurrent holds at every moment, for the first rollout and for a change',
    async () => {
      const { most, ready, stop } = sample('window', () => true);
      await ready;
      try {
        await stage.clusters('window', many('window', 9));
        await stage.push('window', [A]);
        await stage.apply('window', { rollout: { maxConcurrent: 2 } });
        await stage.ready('window', 9, MINUTE);
        await stage.apply('window', { rollout: { maxConcurrent: 2 }, ...variant('2') });
        await stage.until(
          'window',
          'the second revision everywhere',
          (s) => s.phase === 'Ready' && s.history?.length === 2 && s.clusters?.loaded === 9,
          MINUTE,
        );
        expect(most()).toBeLessThanOrEqual(2);
        expect(most()).toBeGreaterThan(0);
        expect(stage.writesOf('window')).toHaveLength(18);
      } finally {
        await stop();
      }
    },
    2 * MINUTE,
  );

  test.concurrent(
    'is superseded by a change of the spec: the old revision stops, the new one reaches everybody, no cluster gets both for nothing',
    async () => {
      await stage.clusters('super', many('super', 6));
      await stage.push('super', [A]);
      for (const n of [1, 2, 3, 4, 5, 6]) stage.agents.faults.slow(`super-${n}`, { loadMs: 1_500 });
      await stage.apply('super', { rollout: { maxConcurrent: 2 } });
      const first = await stage.until('super', 'a rollout under way', (s) => s.rollout?.phase === 'Progressing');
      await eventually('the first ManifestWork', async () => ((await stage.works('super')).size > 0 ? true : undefined));
      await stage.apply('super', { rollout: { maxConcurrent: 3 }, ...variant('2') });
      const done = await stage.until(
        'super',
        'the second revision',
        (s) => s.phase === 'Ready' && s.clusters?.loaded === 6 && s.updateRevision !== first.updateRevision,
        MINUTE,
      );
      expect(done.history?.map((h) => h.outcome)).toEqual(['Completed', 'Superseded']);
      expect(done.history?.[1]?.message).toContain(`revision ${first.rollout?.revision} is superseded`);
      for (const work of (await stage.works('super')).values())
        expect(moduleIn(work).spec.moduleLoader?.container['modprobe']).toMatchObject({ parameters: ['v=2'] });
      expect(stage.writesOf('super').length).toBeLessThanOrEqual(6 + 4); // those of the first window, and each once
    },
    2 * MINUTE,
  );

  test.concurrent(
    'pause holds it and resume lets it go on, by a person and by the spec',
    async () => {
      await stage.clusters('pause', many('pause', 4));
      await stage.push('pause', [A]);
      await stage.apply('pause', { rollout: { maxConcurrent: 1, paused: true } });
      const bySpec = await stage.until('pause', 'Paused by the spec', (s) => s.phase === 'Paused' && s.updateRevision !== undefined);
      expect(conditionOf(bySpec, 'Ready')).toMatchObject({ status: 'False', reason: 'Paused' });
      expect(conditionOf(bySpec, 'Ready')?.message).toContain('spec.rollout.paused');
      expect(await refusalOf(stage.ask('pause', 'resume'))).toContain('Set spec.rollout.paused to false');
      expect((await stage.works('pause')).size).toBe(0);

      for (const n of [1, 2, 3, 4]) stage.agents.faults.slow(`pause-${n}`, { loadMs: 700 });
      await stage.apply('pause', { rollout: { maxConcurrent: 1 } });
      await eventually('the first ManifestWork', async () => ((await stage.works('pause')).size > 0 ? true : undefined));
      expect(await stage.ask('pause', 'pause', { reason: 'lunch' })).toContain('is paused');
      expect(await refusalOf(stage.ask('pause', 'pause'))).toContain('is paused already, by the test');
      const byPerson = await stage.until('pause', 'Paused by a person', (s) => s.phase === 'Paused');
      expect(conditionOf(byPerson, 'Ready')?.message).toContain('Paused by the test: lunch');
      await sleep(500);
      const { size } = await stage.works('pause');
      expect(size).toBeLessThan(4);
      await stage.clusters('pause', { 'pause-5': [A] }); // a newcomer waits as well
      await sleep(2_000);
      expect((await stage.works('pause')).size).toBe(size);
      expect(await stage.ask('pause', 'resume')).toContain('goes on');
      await stage.ready('pause', 5);
      expect(stage.writesOf('pause')).toHaveLength(5);

      // A rollout that ends while it is paused, since everything was in flight: the one after it must hear of a pause too.
      await stage.apply('pause', variant('2'));
      await eventually('all writes of the second revision', () => (stage.writesOf('pause').length >= 10 ? true : undefined));
      await stage.ask('pause', 'pause');
      await stage.until(
        'pause',
        'the end of a paused rollout',
        (s) => s.phase === 'Paused' && s.history?.length === 2 && s.clusters?.loaded === 5,
      );
      await stage.ask('pause', 'resume');
      await stage.ready('pause', 5);
      await stage.apply('pause', { rollout: { maxConcurrent: 1 }, ...variant('3') });
      await eventually('the first write of the third revision', () => (stage.writesOf('pause').length > 10 ? true : undefined));
      await stage.ask('pause', 'pause');
      await sleep(1_500);
      const written = stage.writesOf('pause').length;
      expect(written).toBeLessThan(15);
      await sleep(1_500);
      expect(stage.writesOf('pause')).toHaveLength(written);
      await stage.ask('pause', 'resume');
      await stage.until('pause', 'the third revision', (s) => s.phase === 'Ready' && s.history?.length === 3 && s.clusters?.loaded === 5);
    },
    2 * MINUTE,
  );
});

describe('a cluster in trouble', () => {
  test.concurrent(
    'one that does not load fails with LoadTimeout after the deadline, and retry brings it home; the others are unharmed',
    async () => {
      await stage.clusters('timeout', many('timeout', 3));
      await stage.push('timeout', [A]);
      stage.agents.faults.neverLoads('timeout-2');
      await stage.apply('timeout', { rollout: { progressDeadline: '3s' } });
      const status = await stage.until('timeout', 'a failure', (s) => s.clusters?.failed === 1 && s.rollout?.phase === 'Failed');
      expect(status).toMatchObject({ phase: 'Degraded', numberDegraded: 1, clusters: { loaded: 2 } });
      expect(exceptionsIn(status)).toEqual(['timeout-2 LoadTimeout']);
      expect(status.exceptions?.[0]?.message).toMatch(/has loaded the module on 0 of 1 nodes \(moduleLoader\) after \d+ seconds/);
      expect(conditionOf(status, 'Degraded')?.message).toContain('kmodflow retry timeout');
      expect(stage.writesOf('timeout')).toHaveLength(3);

      const triedInVain = contentVersionOf(await stage.work('timeout', 'timeout-2'));
      expect(await stage.ask('timeout', 'retry')).toContain('1 failed clusters are tried again');
      await eventually(
        'a second attempt',
        async () => contentVersionOf(await stage.work('timeout', 'timeout-2')) !== triedInVain || undefined,
      );
      expect((await stage.work('timeout', 'timeout-2'))?.metadata.labels).toHaveProperty(['kmodflow.io/retry']);
      await stage.until('timeout', 'the second failure', (s) => s.clusters?.failed === 1 && s.history?.length === 2);

      stage.agents.faults.clear('timeout-2');
      const healed = await stage.ready('timeout', 3); // it loads by itself: that needs no rollout
      expect(exceptionsIn(healed)).toEqual([]);
      expect(healed.currentRevision).toBe(healed.updateRevision);
      expect(stage.writesOf('timeout').filter((e) => e.namespace !== 'timeout-2')).toHaveLength(2);
    },
    MINUTE,
  );

  test.concurrent(
    'one that refuses the Module fails with ApplyFailed and the message of its agent, and retry makes the agent try at once',
    async () => {
      await stage.clusters('apply', many('apply', 2));
      await stage.push('apply', [A]);
      stage.agents.faults.applyFails('apply-1', 'namespaces "kmm-modules" not found');
      await stage.apply('apply', { rollout: { progressDeadline: '2s' } });
      const status = await stage.until('apply', 'a failure', (s) => s.clusters?.failed === 1 && s.rollout?.phase === 'Failed');
      expect(exceptionsIn(status)).toEqual(['apply-1 ApplyFailed']);
      expect(status.exceptions?.[0]?.message).toContain('namespaces "kmm-modules" not found');
      expect(await stage.ask('apply', 'retry')).toContain('1 failed clusters are tried again');
      const label = async () => (await stage.work('apply', 'apply-1'))?.metadata.labels?.['kmodflow.io/retry'];
      expect(await eventually('the label that makes the agent try', label)).toMatch(/^\d{4}-/);
      stage.agents.faults.applyFails('apply-1', undefined);
      const healed = await stage.ready('apply', 2);
      expect(healed.history?.map((h) => h.outcome)).toContain('Failed');
    },
    MINUTE,
  );

  test.concurrent(
    'one whose node goes and comes back is Loading meanwhile and Loaded again without a write',
    async () => {
      // It settles for longer than reports are gathered, so the end of the settle time comes without any event.
      await aLoadedModule('nodes', many('nodes', 2), { rollout: { settle: '4s', progressDeadline: '12s' } });
      const published = Date.parse((await stage.work('nodes', 'nodes-1'))?.metadata.annotations?.['kmodflow.io/published-at'] ?? '');
      await sleep(Math.max(0, published + 12_500 - Date.now())); // a node that goes long after the rollout is no failed rollout
      stage.agents.faults.neverLoads('nodes-1');
      const without = await stage.until('nodes', 'one not loaded', (s) => s.clusters?.loaded === 1);
      expect(without).toMatchObject({ phase: 'Progressing', clusters: { loading: 1, failed: 0 } });
      stage.agents.faults.neverLoads('nodes-1', false);
      await stage.ready('nodes', 2);
      expect(stage.writesOf('nodes')).toHaveLength(2);
    },
    MINUTE,
  );
});

describe('the module moves or goes', () => {
  test.concurrent(
    'another spokeNamespace replaces the Module on every spoke',
    async () => {
      await aLoadedModule('moves', many('moves', 2));
      await stage.apply('moves', { spokeNamespace: 'elsewhere' });
      await stage.until('moves', 'the second revision', (s) => s.phase === 'Ready' && s.history?.length === 2 && s.clusters?.loaded === 2);
      for (const work of (await stage.works('moves')).values()) expect(moduleIn(work).metadata.namespace).toBe('elsewhere');
      expect(stage.agents.spoke('moves-1').modules.map((m) => m.metadata.namespace)).toEqual(['elsewhere']);
    },
    MINUTE,
  );

  test.concurrent(
    'deleted: every ManifestWork goes, also in the middle of a rollout, and the workflow ends when the last spoke has let go',
    async () => {
      await stage.clusters('gone', many('gone', 5));
      await stage.push('gone', [A]);
      stage.agents.faults.holdFinalizer('gone-1');
      await stage.apply('gone', { rollout: { maxConcurrent: 1 } });
      await eventually('some ManifestWorks', async () => ((await stage.works('gone')).size >= 2 ? true : undefined));
      await deleteMcm(stage.api, 'gone');
      await eventually(
        'only the held one to be left',
        async () => [...(await stage.works('gone')).keys()].join() === 'gone-1' || undefined,
      );
      const handle = stage.client.workflow.getHandle('mcm/gone');
      expect((await handle.describe()).status.name).toBe('RUNNING');
      expect((await handle.query<{ phase: string }>('status')).phase).toBe('Removing');
      stage.agents.faults.holdFinalizer('gone-1', false);
      expect(await workflowEnd('gone')).toBe('Module gone is gone, and so are its ManifestWorks.');
      expect((await stage.works('gone')).size).toBe(0);
      const revisions = await stage.api.listAll(resources.controllerRevisions, { labelSelector: 'kmodflow.io/module=gone' });
      expect(revisions.items).toEqual([]);
    },
    MINUTE,
  );

  test.concurrent(
    'deleted and made again at once: it ends with the ManifestWorks of the new one, owned by it',
    async () => {
      await aLoadedModule('phoenix', many('phoenix', 3));
      const old = await stage.api.get(resources.managedClusterModules, 'phoenix');
      await deleteMcm(stage.api, 'phoenix');
      const made = await stage.apply('phoenix');
      expect(made.metadata.uid).not.toBe(old.metadata.uid);
      const owners = async (): Promise<unknown[]> =>
        [...(await stage.works('phoenix')).values()].map((w) => w.metadata.ownerReferences?.map((o) => o.uid).join());
      await eventually('three ManifestWorks of the new owner', async () => {
        const now = await owners();
        return now.length === 3 && now.every((o) => o === made.metadata.uid) ? true : undefined;
      });
      await stage.ready('phoenix', 3);
      // And once more after the removal has begun: a spoke still holds on to the old one.
      stage.agents.faults.holdFinalizer('phoenix-1');
      await deleteMcm(stage.api, 'phoenix');
      await eventually('the removal to have begun', async () =>
        (await stage.work('phoenix', 'phoenix-1'))?.metadata.deletionTimestamp !== undefined ? true : undefined,
      );
      const again = await stage.apply('phoenix');
      await stage.until('phoenix', 'the other two loaded', (s) => s.clusters?.loaded === 2);
      stage.agents.faults.holdFinalizer('phoenix-1', false);
      const status = await stage.ready('phoenix', 3);
      expect(await owners()).toEqual([again.metadata.uid, again.metadata.uid, again.metadata.uid]);
      expect(status.history).toHaveLength(1);
    },
    MINUTE,
  );
});

describe('two hubs at once', () => {
  test(
    'share the work and write nothing twice',
    async () => {
      const second = await stage.startHub({});
      try {
        await aLoadedModule('twins', many('twins', 12), { rollout: { maxConcurrent: 5 } });
        expect(stage.writesOf('twins')).toHaveLength(12);
        await stage.fleet.setKernels('twins-3', [B]);
        await stage.until('twins', 'the new kernel', (s) => s.phase === 'Ready' && (s.images ?? []).some((i) => i.kernel === B));
        await stage.ready('twins', 12);
        expect(
          stage
            .writesOf('twins')
            .slice(12)
            .map((e) => e.namespace),
        ).toEqual(['twins-3']);
        await stage.apply('twins', { rollout: { maxConcurrent: 5 }, ...variant('2') });
        await stage.until(
          'twins',
          'the second revision',
          (s) => s.phase === 'Ready' && s.history?.length === 2 && s.clusters?.loaded === 12,
        );
        expect(stage.writesOf('twins')).toHaveLength(25);
      } finally {
        await second.stop();
      }
      await stage.fleet.setKernels('twins-3', [A]); // and one alone goes on
      await eventually(
        'the first kernel again',
        async () => Object.keys(mappingsIn(await stage.work('twins', 'twins-3'))).join() === A || undefined,
      );
    },
    2 * MINUTE,
  );
});

describe('no hub for a while', () => {
  test(
    'deleted while no hub was running: the next hub finishes it, and a module that changed meanwhile is brought up to date',
    async () => {
      await aLoadedModule('asleep', many('asleep', 2));
      await aLoadedModule('awake', many('awake', 2));
      await stage.stopHub();
      await deleteMcm(stage.api, 'asleep');
      await stage.fleet.setKernels('awake-1', [B]);
      const untouched = contentVersionOf(await stage.work('awake', 'awake-2'));
      await stage.startHub();
      expect(await workflowEnd('asleep')).toContain('is gone');
      expect((await stage.works('asleep')).size).toBe(0);
      await eventually(
        'the new kernel',
        async () => Object.keys(mappingsIn(await stage.work('awake', 'awake-1'))).join() === B || undefined,
      );
      await stage.ready('awake', 2);
      expect(contentVersionOf(await stage.work('awake', 'awake-2'))).toBe(untouched);
    },
    MINUTE,
  );
});
