import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { resources } from '../../src/kube/index.js';
import { eventually } from '../harness/eventually.js';
import { mappingsIn, MODULE } from '../harness/mcm.js';
import { conditionOf, contentVersionOf, exceptionsIn, moduleIn, startStage, type Stage } from '../harness/module-stage.js';

const MINUTE = 60_000;
const KERNEL = '6.1.0-56-amd64';
const OTHER = '6.1.0-56-rt-amd64';

let stage: Stage;

beforeAll(async () => {
  stage = await startStage();
}, 3 * MINUTE);

afterAll(async () => {
  await stage?.stop();
}, MINUTE);

const imageAt = (module: string, kernel: string): string => `${stage.stack.registry.host}/kmods/${module}:${kernel}`;
const mapping = (module: string, more: object = {}): object => ({
  regexp: '^.+$',
  containerImage: imageAt(module, '${KERNEL_FULL_VERSION}'),
  ...more,
});

/** Events on an MCM, `type reason`. */
async function eventsOf(name: string): Promise<string[]> {
  const { items } = await stage.api.listAll(resources.events, { fieldSelector: `involvedObject.name=${name}` });
  return items.map((e) => `${String(e['type'])} ${String(e['reason'])}`);
}

interface Malformed {
  readonly name: string;
  readonly what: string;
  readonly options: Parameters<Stage['apply']>[1];
  readonly path: string;
  readonly says: RegExp;
  readonly reason?: string;
}

const malformed = (): Malformed[] => [
  {
    name: 'bad-regexp',
    what: 'a regexp that RE2 does not know',
    options: { container: { kernelMappings: [mapping('bad-regexp'), mapping('bad-regexp', { regexp: '^6\\.(?=1)' })] } },
    path: 'spec.moduleSpec.moduleLoader.container.kernelMappings[1].regexp',
    says: /not a valid RE2 expression/,
  },
  {
    name: 'bad-tag',
    what: 'an image without a tag',
    options: { container: { kernelMappings: [{ regexp: '.', containerImage: 'example.com/kmod' }] } },
    path: 'spec.moduleSpec.moduleLoader.container.kernelMappings[0].containerImage',
    says: /must explicitly set a tag or digest, such as example\.com\/kmod:\$\{KERNEL_FULL_VERSION\}/,
  },
  {
    name: 'bad-name-and-a-namespace',
    what: 'name and namespace that do not fit a label of the spokes',
    options: { spokeNamespace: 'kmm-modules-of-team-a' },
    path: 'metadata.name',
    says: /have 45 characters together; at most 41 are allowed/,
    reason: 'NameTooLong',
  },
  {
    name: 'bad-selector',
    what: 'a selector that no label can satisfy',
    options: { selector: { for: 'bad-selector', site: 'not a label value!' } },
    path: 'spec.selector["site"]',
    says: /a label value is at most 63 letters/,
  },
  {
    name: 'bad-both',
    what: 'literal and regexp in one mapping',
    options: { container: { kernelMappings: [mapping('bad-both', { literal: KERNEL })] } },
    path: 'spec.moduleSpec.moduleLoader.container.kernelMappings[0]',
    says: /mutually exclusive: keep one of them/,
  },
  {
    name: 'bad-modprobe',
    what: 'neither moduleName nor raw arguments',
    options: { container: { modprobe: { dirName: '/opt' } } },
    path: 'spec.moduleSpec.moduleLoader.container.modprobe.rawArgs.load',
    says: /set moduleName, or both rawArgs\.load and rawArgs\.unload/,
  },
  {
    name: 'bad-deadline',
    what: 'a deadline of more than a year',
    options: { rollout: { progressDeadline: '9000h' } },
    path: 'spec.rollout.progressDeadline',
    says: /expected a duration such as "90s"/,
  },
  {
    name: 'bad-template',
    what: 'a template that ends in the middle',
    options: { container: { kernelMappings: [{ regexp: '.', containerImage: 'example.com/kmod:${KERNEL_FULL_VERSION' }] } },
    path: 'spec.moduleSpec.moduleLoader.container.kernelMappings[0].containerImage',
    says: /not a valid template/,
  },
];

describe('an MCM whose fields are malformed', () => {
  test.concurrent(
    'is Invalid with the path of the field and what would be right, publishes nothing, and is well after the fix',
    async () => {
      const cases = malformed();
      await Promise.all(
        cases.map(async ({ name, options }) => {
          await stage.clusters(name, { [`c-${name}`]: [KERNEL] });
          await stage.push(name, [KERNEL]);
          await stage.apply(name, options);
        }),
      );
      for (const { name, what, path, says, reason = 'InvalidSpec' } of cases) {
        const status = await stage.until(name, `Invalid for ${what}`, (s) => s.phase === 'Invalid');
        const ready = conditionOf(status, 'Ready');
        expect({ name, status: ready?.status, reason: ready?.reason }).toEqual({ name, status: 'False', reason });
        expect(ready?.message).toContain(path);
        expect(ready?.message).toMatch(says);
        expect(ready?.message).toContain(`kubectl edit managedclustermodule ${name}`);
        expect(conditionOf(status, 'Degraded')?.status).toBe('True');
        expect([...(await stage.works(name)).keys()]).toEqual([]);
        expect(
          await eventually(`an Event on ${name}`, async () => (await eventsOf(name)).find((e) => e === `Warning ${reason}`)),
        ).toBeDefined();
      }
      const mended = cases.filter(({ name }) => name !== 'bad-name-and-a-namespace');
      await Promise.all(mended.map(({ name }) => stage.apply(name)));
      await stage.apply('bad-name-and-a-namespace', { spokeNamespace: 'kmm' });
      for (const { name } of cases) {
        await stage.ready(name, 1);
        expect(conditionOf(await stage.status(name), 'Degraded')?.status).toBe('False');
      }
    },
    2 * MINUTE,
  );

  test.concurrent(
    'several problems at once are counted, and an MCM without any spec is Invalid and selects nothing to publish to',
    async () => {
      await stage.clusters('two-slips', { 'c-two-slips': [KERNEL] });
      await stage.apply('two-slips', { selector: { for: 'bad value!' }, container: { modprobe: { dirName: '/opt' } } });
      await stage.api.create(resources.managedClusterModules, { metadata: { name: 'no-spec' } });
      const status = await stage.until('two-slips', 'Invalid', (s) => s.phase === 'Invalid');
      expect(conditionOf(status, 'Ready')?.message).toMatch(
        /spec\.selector\["for"\].*2 further problems, the next at spec\.moduleSpec\.moduleLoader/,
      );
      const empty = await stage.until('no-spec', 'Invalid', (s) => s.phase === 'Invalid');
      expect(conditionOf(empty, 'Ready')?.message).toContain('spec.spokeNamespace');
      expect((await stage.works('no-spec')).size).toBe(0);
      await stage.api.delete(resources.managedClusterModules, 'no-spec');
    },
    MINUTE,
  );

  test.concurrent(
    'what is published stays as it is while the spec is invalid, also when a kernel changes meanwhile, and goes on after the fix',
    async () => {
      await stage.clusters('once-good', { 'once-good-1': [KERNEL], 'once-good-2': [KERNEL] });
      await stage.push('once-good', [KERNEL, OTHER]);
      await stage.apply('once-good');
      await stage.ready('once-good', 2);
      const before = [...(await stage.works('once-good')).values()].map(contentVersionOf);
      await stage.apply('once-good', { container: { kernelMappings: [mapping('once-good', { regexp: '(' })] } });
      await stage.until('once-good', 'Invalid', (s) => s.phase === 'Invalid');
      await stage.fleet.setKernels('once-good-2', [OTHER]);
      await stage.clusters('once-good', { 'once-good-3': [KERNEL] });
      await stage.until('once-good', 'a look at the third cluster', (s) => s.phase === 'Invalid' && s.clusters?.selected === 3);
      expect([...(await stage.works('once-good')).values()].map(contentVersionOf)).toEqual(before);
      await stage.apply('once-good');
      await stage.until(
        'once-good',
        'Ready with the new kernel',
        (s) => s.phase === 'Ready' && (s.images ?? []).some((i) => i.kernel === OTHER && i.digest !== undefined),
      );
      await stage.ready('once-good', 3);
      expect(Object.keys(mappingsIn(await stage.work('once-good', 'once-good-2')))).toEqual([OTHER]);
      const works = await stage.works('once-good');
      expect(contentVersionOf(works.get('once-good-1'))).toBe(before[0]); // the same content as before needs no write
    },
    MINUTE,
  );
});

describe('an MCM without moduleLoader', () => {
  const plugin = { container: { image: 'example.com/plugin:v1' } };

  test.concurrent(
    'with a device plugin alone is published without mappings and gets loaded, also on a cluster that reports no kernels',
    async () => {
      await stage.clusters('plugin', { 'plugin-1': [KERNEL], 'plugin-2': undefined });
      await stage.apply('plugin', { moduleSpec: { moduleLoader: undefined, devicePlugin: plugin } });
      const status = await stage.ready('plugin', 2);
      for (const work of (await stage.works('plugin')).values()) {
        expect(moduleIn(work).spec.moduleLoader).toBeUndefined();
        expect(moduleIn(work).spec.devicePlugin).toEqual(plugin);
      }
      expect(conditionOf(status, 'ImagesReady')).toMatchObject({ status: 'True', reason: 'NoImageNeeded' });
      expect(stage.agents.spoke('plugin-2').modules.map((m) => m.metadata.name)).toEqual(['plugin']);
    },
    MINUTE,
  );

  test.concurrent(
    'with a DRA driver alone likewise, and a loader that is added later brings the mappings',
    async () => {
      await stage.clusters('dra', { 'dra-1': [KERNEL] });
      await stage.push('dra', [KERNEL]);
      const dra = { driverName: 'gpu.example.com', container: { image: 'example.com/dra:v1' } };
      await stage.apply('dra', { moduleSpec: { moduleLoader: undefined, dra } });
      await stage.ready('dra', 1);
      expect(moduleIn(await stage.work('dra', 'dra-1')).spec.dra).toMatchObject(dra);
      await stage.apply('dra', { moduleSpec: { dra } });
      await stage.ready('dra', 1);
      expect(Object.keys(mappingsIn(await stage.work('dra', 'dra-1')))).toEqual([KERNEL]);
      expect(stage.agents.moduleRejections).toEqual([]);
    },
    MINUTE,
  );
});

describe('kernels that a cluster reports', () => {
  test.concurrent(
    'one that cannot be parsed is left out with InvalidKernelVersion, and the others go on',
    async () => {
      await stage.clusters('odd', { 'odd-1': [KERNEL], 'odd-2': ['rubbish', KERNEL], 'odd-3': ['6.1'] });
      await stage.push('odd', [KERNEL]);
      await stage.apply('odd');
      const status = await stage.until('odd', 'two clusters loaded', (s) => s.clusters?.loaded === 2 && s.rollout?.phase === 'Completed');
      expect(exceptionsIn(status)).toEqual(['odd-2/rubbish InvalidKernelVersion', 'odd-3 InvalidKernelVersion']);
      expect(status.exceptions?.[0]?.message).toMatch(/Kernel "6\.1" cannot be parsed; expected at least three components/);
      expect(Object.keys(mappingsIn(await stage.work('odd', 'odd-2')))).toEqual([KERNEL]);
      expect([...(await stage.works('odd')).keys()].sort()).toEqual(['odd-1', 'odd-2']);
      expect(status).toMatchObject({ phase: 'Degraded', clusters: { selected: 3, excluded: 1, failed: 0 } });
      expect(conditionOf(status, 'Degraded')).toMatchObject({ status: 'True', reason: 'InvalidKernelVersion' });
    },
    MINUTE,
  );

  test.concurrent(
    'one that no mapping matches is left out with NoMatchingMapping, and a mapping that is added serves it',
    async () => {
      await stage.clusters('unmapped', { 'unmapped-1': [KERNEL], 'unmapped-2': [OTHER], 'unmapped-3': [KERNEL, OTHER] });
      await stage.push('unmapped', [KERNEL, OTHER]);
      const only = { literal: KERNEL, containerImage: imageAt('unmapped', KERNEL) };
      await stage.apply('unmapped', { container: { kernelMappings: [only] } });
      const status = await stage.until(
        'unmapped',
        'two clusters loaded',
        (s) => s.clusters?.loaded === 2 && s.rollout?.phase === 'Completed',
      );
      expect(exceptionsIn(status)).toEqual(['unmapped-2 NoMatchingMapping', `unmapped-3/${OTHER} NoMatchingMapping`]);
      expect(status.exceptions?.[0]?.message).toContain(
        `No entry of spec.moduleSpec.moduleLoader.container.kernelMappings matches kernel ${OTHER}`,
      );
      expect(await stage.work('unmapped', 'unmapped-2')).toBeUndefined();
      await stage.apply('unmapped', {
        container: { kernelMappings: [only, { literal: OTHER, containerImage: imageAt('unmapped', OTHER) }] },
      });
      expect(exceptionsIn(await stage.ready('unmapped', 3))).toEqual([]);
      expect(Object.keys(mappingsIn(await stage.work('unmapped', 'unmapped-3')))).toEqual([KERNEL, OTHER]);
    },
    MINUTE,
  );

  test.concurrent(
    'no kernel of the fleet has a mapping: nothing is published, and the status says so',
    async () => {
      await stage.clusters('all-unmapped', { 'all-unmapped-1': [OTHER] });
      await stage.apply('all-unmapped', {
        container: { kernelMappings: [{ literal: KERNEL, containerImage: imageAt('all-unmapped', KERNEL) }] },
      });
      const status = await stage.until('all-unmapped', 'Degraded', (s) => s.phase === 'Degraded');
      expect(exceptionsIn(status)).toEqual(['all-unmapped-1 NoMatchingMapping']);
      expect((await stage.works('all-unmapped')).size).toBe(0);
    },
    MINUTE,
  );

  test.concurrent(
    'blank lines, carriage returns, a trailing plus and duplicates in the claim do not matter',
    async () => {
      await stage.clusters('messy', {
        'messy-1': ['', ` ${KERNEL}+\r`, '\r', KERNEL, `${OTHER}\r`, OTHER, ''],
        'messy-2': [OTHER, KERNEL],
      });
      const pushed = await stage.push('messy', [KERNEL, OTHER]);
      await stage.apply('messy');
      const status = await stage.ready('messy', 2);
      const [one, two] = [await stage.work('messy', 'messy-1'), await stage.work('messy', 'messy-2')];
      expect(mappingsIn(one)).toEqual({ [KERNEL]: pushed[KERNEL]?.pinned, [OTHER]: pushed[OTHER]?.pinned });
      expect(moduleIn(one)).toEqual(moduleIn(two));
      expect(status.images?.map((i) => i.kernel)).toEqual([KERNEL, OTHER]);
      const before = contentVersionOf(one);
      await stage.fleet.setKernels('messy-1', [OTHER, '', KERNEL, KERNEL]);
      await stage.fleet.setKernels('messy-2', [KERNEL]); // a change that does matter, so that we know when both were looked at
      await eventually(
        'the other cluster to lose a kernel',
        async () => Object.keys(mappingsIn(await stage.work('messy', 'messy-2'))).length === 1 || undefined,
      );
      expect(contentVersionOf(await stage.work('messy', 'messy-1'))).toBe(before);
    },
    MINUTE,
  );

  test.concurrent(
    'a claim that vanishes deletes and changes nothing, shows as NoKernelClaim, and costs nothing when it returns',
    async () => {
      await stage.clusters('claim', { 'claim-1': [KERNEL], 'claim-2': [KERNEL], 'claim-3': undefined });
      await stage.push('claim', [KERNEL]);
      await stage.apply('claim');
      const first = await stage.until('claim', 'two loaded', (s) => s.clusters?.loaded === 2 && s.rollout?.phase === 'Completed');
      expect(exceptionsIn(first)).toEqual(['claim-3 NoKernelClaim']);
      const before = contentVersionOf(await stage.work('claim', 'claim-1'));
      await stage.fleet.setKernels('claim-1', undefined);
      const without = await stage.until('claim', 'a second cluster without a claim', (s) => s.clusters?.excluded === 2);
      expect(exceptionsIn(without)).toEqual(['claim-1 NoKernelClaim', 'claim-3 NoKernelClaim']);
      expect(without.exceptions?.[0]?.message).toContain('Check that KMM runs there with KMM_MANAGED=1');
      await stage.fleet.setKernels('claim-1', ['', '\r']); // an empty claim says as little
      await stage.fleet.setKernels('claim-3', [KERNEL]);
      await stage.until('claim', 'the third cluster loaded', (s) => s.clusters?.loaded === 2 && s.clusters.excluded === 1);
      expect(contentVersionOf(await stage.work('claim', 'claim-1'))).toBe(before);
      expect(stage.agents.spoke('claim-1').modules).toHaveLength(1);
      await stage.fleet.setKernels('claim-1', [KERNEL]);
      await stage.ready('claim', 3);
      expect(contentVersionOf(await stage.work('claim', 'claim-1'))).toBe(before);
    },
    MINUTE,
  );
});

describe('a ManagedCluster that cannot be served', () => {
  test.concurrent(
    'gets nothing before the hub accepts it, and is served once it does',
    async () => {
      await stage.clusters('accept', { 'accept-1': [KERNEL], 'accept-2': [KERNEL] });
      await stage.push('accept', [KERNEL]);
      const accepts = (yes: boolean) =>
        stage.api.mergePatch(resources.managedClusters, 'accept-2', undefined, { spec: { hubAcceptsClient: yes } });
      await accepts(false);
      await stage.apply('accept');
      const status = await stage.until('accept', 'one loaded', (s) => s.clusters?.loaded === 1 && s.rollout?.phase === 'Completed');
      expect(exceptionsIn(status)).toEqual(['accept-2 ClusterNotAccepted']);
      expect(status.exceptions?.[0]?.message).toContain('Accept it with spec.hubAcceptsClient: true');
      expect(await stage.work('accept', 'accept-2')).toBeUndefined();
      await accepts(true);
      await stage.ready('accept', 2);
    },
    MINUTE,
  );

  test.concurrent(
    'that is being deleted gets nothing more, keeps what it has, and leaves the others alone',
    async () => {
      await stage.clusters('leaving', { 'leaving-1': [KERNEL], 'leaving-2': [KERNEL] });
      await stage.push('leaving', [KERNEL]);
      await stage.apply('leaving');
      await stage.ready('leaving', 2);
      const before = contentVersionOf(await stage.work('leaving', 'leaving-2'));
      await stage.fleet.startDetach('leaving-2');
      const status = await stage.until('leaving', 'one excluded', (s) => s.clusters?.excluded === 1);
      expect(exceptionsIn(status)).toEqual(['leaving-2 ClusterDeleting']);
      await stage.apply('leaving', { container: { modprobe: { moduleName: MODULE, parameters: ['new=1'] } } });
      await stage.until(
        'leaving',
        'the change on the other cluster',
        (s) => s.clusters?.loaded === 1 && s.currentRevision === s.updateRevision,
      );
      expect(contentVersionOf(await stage.work('leaving', 'leaving-2'))).toBe(before);
      await stage.fleet.deleteCluster('leaving-2');
      const after = await stage.ready('leaving', 1);
      expect(after.clusters?.selected).toBe(1);
    },
    MINUTE,
  );

  test.concurrent(
    'whose namespace is missing fails alone with a reason, is not tried in a busy loop, and is served once the namespace is there',
    async () => {
      await stage.clusters('homeless', { 'homeless-1': [KERNEL] });
      await stage.fleet.addCluster({ name: 'homeless-2', kernels: [KERNEL], labels: { for: 'homeless' }, withoutNamespace: true });
      await stage.push('homeless', [KERNEL]);
      await stage.apply('homeless');
      const status = await stage.until('homeless', 'one failed', (s) => s.clusters?.failed === 1 && s.clusters.loaded === 1);
      expect(status.phase).toBe('Degraded');
      expect(exceptionsIn(status)).toEqual(['homeless-2 ClusterNotAccepted']);
      expect(status.exceptions?.[0]?.message).toContain('The hub has no namespace homeless-2');
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      expect(stage.writesOf('homeless').length).toBeLessThanOrEqual(3);
      await stage.api.create(resources.namespaces, { metadata: { name: 'homeless-2' } });
      expect(await stage.ask('homeless', 'retry')).toContain('1 failed clusters are tried again');
      await stage.ready('homeless', 2);
    },
    MINUTE,
  );
});

describe('after all of this', () => {
  test('no spoke was ever sent a Module that its API server refuses, such as one without mappings', () => {
    expect(stage.agents.moduleRejections).toEqual([]);
  });
});
