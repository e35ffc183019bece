import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { resources } from '../../src/kube/index.js';
import { eventually } from '../harness/eventually.js';
import { startFaultProxy, type FaultProxy } from '../harness/fault-proxy.js';
import { mappingsIn, MODULE } from '../harness/mcm.js';
import { conditionOf, contentVersionOf, exceptionsIn, moduleIn, startStage, type Stage } from '../harness/module-stage.js';
import { REGISTRY_PASSWORD, REGISTRY_USER, startRegistry, type Registry } from '../harness/registry.js';
import { OPERATOR_NAMESPACE } from '../harness/stack.js';

const MINUTE = 60_000;
const A = '6.1.0-56-amd64';
const B = '6.1.0-56-rt-amd64';

let stage: Stage;
let locked: Registry;
let proxy: FaultProxy;

beforeAll(async () => {
  [stage, locked] = await Promise.all([startStage(), startRegistry({ auth: 'basic' })]);
  proxy = await startFaultProxy(`http://${stage.stack.registry.host}`);
}, 3 * MINUTE);

afterAll(async () => {
  await stage?.stop();
  await proxy?.stop();
  await locked?.stop();
}, MINUTE);

/** `kernel state reason` of every image in the status, and the digest where it is pinned. */
const imagesIn = (status: Awaited<ReturnType<Stage['status']>>): string[] =>
  (status?.images ?? []).map(({ kernel, state, reason, digest }) =>
    [kernel, state, reason, digest].filter((x) => x !== undefined).join(' '),
  );

const requestsFor = (repository: string): number =>
  Object.entries(stage.stack.registry.requests().manifests).reduce(
    (sum, [ref, { GET, HEAD }]) => sum + (ref.startsWith(repository) ? GET + HEAD : 0),
    0,
  );

const withParameter = (value: string) => ({ modprobe: { moduleName: MODULE, parameters: [value] } });

describe('an image that cannot be had', () => {
  test.concurrent(
    'stops its own kernel alone, whether it does not exist or its registry is broken, and is found by itself once it can be',
    async () => {
      await stage.clusters('late', { 'late-1': [A], 'late-2': [B], 'late-3': [A, B] });
      await stage.clusters('broken', { 'broken-1': [A], 'broken-2': [B] });
      const a = await stage.push('late', [A]);
      await stage.push('broken', [A, B]);
      proxy.set({ path: /\/kmods\/broken\//, fault: { kind: 'status', status: 500 } });
      const direct = { literal: B, containerImage: `${stage.stack.registry.host}/kmods/broken:${B}` };
      await stage.apply('broken', {
        container: { kernelMappings: [{ literal: A, containerImage: `${proxy.host}/kmods/broken:${A}` }, direct] },
      });
      await stage.apply('late');

      const late = await stage.until('late', 'two loaded', (s) => s.clusters?.loaded === 2 && s.rollout?.phase === 'Completed');
      expect(late.phase).toBe('Degraded');
      expect(imagesIn(late)).toEqual([`${A} Pinned ${a[A]?.digest}`, `${B} Failed ImageMissing`]);
      expect(late.images?.[1]?.message).toContain(`Image ${stage.stack.registry.host}/kmods/late:${B} does not exist`);
      expect(exceptionsIn(late)).toEqual(['late-2 ImageMissing', `late-3/${B} ImageMissing`]);
      expect(conditionOf(late, 'ImagesReady')).toMatchObject({ status: 'False', reason: 'ImageMissing' });
      expect(conditionOf(late, 'ImagesReady')?.message).toContain('kmodflow retry late');
      expect(await stage.work('late', 'late-2')).toBeUndefined();
      expect(mappingsIn(await stage.work('late', 'late-3'))).toEqual({ [A]: a[A]?.pinned });
      const untouched = contentVersionOf(await stage.work('late', 'late-1'));

      const broken = await stage.until(
        'broken',
        'the healthy one loaded',
        (s) => s.clusters?.loaded === 1 && s.rollout?.phase === 'Completed',
      );
      expect(imagesIn(broken)[0]).toBe(`${A} Failed RegistryUnavailable`);
      expect(broken.images?.[0]?.message).toContain(`Registry ${proxy.host} has a fault of its own (HTTP 500)`);
      expect(exceptionsIn(broken)).toEqual(['broken-1 RegistryUnavailable']);

      proxy.set();
      const b = await stage.push('late', [B]);
      const ready = await stage.ready('late', 3, 40_000); // the second look comes 10 s after the first
      expect(mappingsIn(await stage.work('late', 'late-3'))).toEqual({ [A]: a[A]?.pinned, [B]: b[B]?.pinned });
      expect(mappingsIn(await stage.work('late', 'late-2'))).toEqual({ [B]: b[B]?.pinned });
      expect(contentVersionOf(await stage.work('late', 'late-1'))).toBe(untouched);
      expect(exceptionsIn(ready)).toEqual([]);
      expect(conditionOf(ready, 'ImagesReady')?.status).toBe('True');
      await stage.ready('broken', 2, 40_000);
    },
    2 * MINUTE,
  );

  test.concurrent(
    'when it is the only one, nothing is published, the cluster says what it waits for, and retry looks at once',
    async () => {
      await stage.clusters('only', { 'only-1': [A] });
      await stage.apply('only');
      const status = await stage.until('only', 'the missing image', (s) => imagesIn(s)[0] === `${A} Failed ImageMissing`);
      expect(exceptionsIn(status)).toEqual(['only-1 ImageMissing']);
      expect(status).toMatchObject({ phase: 'Degraded', clusters: { selected: 1, published: 0, excluded: 1 } });
      expect((await stage.works('only')).size).toBe(0);
      await stage.push('only', [A]);
      const asked = Date.now();
      expect(await stage.ask('only', 'retry')).toContain('1 images are looked up again now');
      await stage.ready('only', 1);
      expect(Date.now() - asked).toBeLessThan(9_000); // sooner than the look that was due by itself
    },
    MINUTE,
  );
});

describe('a change whose image is not ready', () => {
  test.concurrent(
    'leaves the mapping that is published for that kernel, and never publishes an empty list',
    async () => {
      await stage.clusters('keep', { 'keep-1': [A], 'keep-2': [B], 'keep-3': [A, B] });
      const first = await stage.push('keep', [A, B]);
      await stage.apply('keep');
      await stage.ready('keep', 3);
      const onlyB = contentVersionOf(await stage.work('keep', 'keep-2'));
      await stage.stack.registry.pushImage({ repository: 'kmods/keep-next', tag: A, kernels: [A], modules: [MODULE], label: 'next' });
      const next = (kernel: string): string => `${stage.stack.registry.host}/kmods/keep-next:${kernel}`;
      const container = { ...withParameter('next=1'), kernelMappings: [{ regexp: '.', containerImage: next('${KERNEL_FULL_VERSION}') }] };
      await stage.apply('keep', { container });
      const status = await stage.until(
        'keep',
        'the new revision where it can be',
        (s) => s.clusters?.loaded === 2 && s.rollout?.phase === 'Completed' && s.rollout.revision === s.updateRevision,
      );
      expect(exceptionsIn(status)).toEqual(['keep-2 ImageMissing', `keep-3/${B} ImageMissing`]);
      const mixed = await stage.work('keep', 'keep-3');
      expect(moduleIn(mixed).spec.moduleLoader?.container['modprobe']).toMatchObject({ parameters: ['next=1'] });
      const { [A]: newA, [B]: keptB } = mappingsIn(mixed);
      expect(newA).toMatch(/\/kmods\/keep-next@sha256:/);
      expect(keptB).toBe(first[B]?.pinned);
      expect(contentVersionOf(await stage.work('keep', 'keep-2'))).toBe(onlyB);
      expect(moduleIn(await stage.work('keep', 'keep-2')).spec.moduleLoader?.container.kernelMappings).toHaveLength(1);
      await stage.stack.registry.pushImage({ repository: 'kmods/keep-next', tag: B, kernels: [B], modules: [MODULE] });
      await stage.ask('keep', 'retry');
      await stage.ready('keep', 3);
      expect(mappingsIn(await stage.work('keep', 'keep-3'))[B]).toMatch(/\/kmods\/keep-next@sha256:/);
      expect(stage.agents.moduleRejections).toEqual([]);
    },
    MINUTE,
  );
});

describe('a registry that wants credentials', () => {
  const secret = (name: string, type: string, key: string, content: object): Promise<unknown> =>
    stage.api.apply(resources.secrets, {
      metadata: { name, namespace: OPERATOR_NAMESPACE },
      type,
      data: { [key]: Buffer.from(JSON.stringify(content)).toString('base64') },
    });
  const entry = (password: string) => ({ [locked.host]: { auth: Buffer.from(`${REGISTRY_USER}:${password}`).toString('base64') } });
  const options = (name: string, secretName?: string) => ({
    container: { kernelMappings: [{ regexp: '.', containerImage: `${locked.host}/kmods/${name}:\${KERNEL_FULL_VERSION}` }] },
    ...(secretName === undefined ? {} : { moduleSpec: { imageRepoSecret: { name: secretName } } }),
  });

  test.concurrent(
    'denies without a secret, with a missing one and with a wrong one, each with advice; the right one heals it',
    async () => {
      await stage.clusters('denied', { 'denied-1': [A] });
      const { digest } = await locked.pushImage({ repository: 'kmods/denied', tag: A, kernels: [A], modules: [MODULE] });
      await stage.apply('denied', options('denied'));
      const none = await stage.until('denied', 'a denial', (s) => imagesIn(s)[0] === `${A} Failed RegistryDenied`);
      expect(none.images?.[0]?.message).toContain(`Add an entry for ${locked.host} to the Secret that imageRepoSecret names`);
      expect(exceptionsIn(none)).toEqual(['denied-1 RegistryDenied']);

      await stage.apply('denied', options('denied', 'denied-pull'));
      const missing = await stage.until(
        'denied',
        'a missing Secret',
        (s) => s.images?.[0]?.message?.includes('does not exist on the hub') === true,
      );
      expect(missing.images?.[0]).toMatchObject({ reason: 'RegistryDenied' });
      expect(missing.images?.[0]?.message).toContain(`Secret ${OPERATOR_NAMESPACE}/denied-pull`);

      await secret('denied-pull', 'kubernetes.io/dockerconfigjson', '.dockerconfigjson', { auths: entry('wrong') });
      await stage.ask('denied', 'retry');
      const wrong = await stage.until(
        'denied',
        'wrong credentials',
        (s) => s.images?.[0]?.message?.includes('to the given credentials') === true,
      );
      expect(wrong.images?.[0]?.message).toContain(`Check the entry for ${locked.host}`);
      expect(JSON.stringify(wrong)).not.toContain('wrong"');

      await secret('denied-pull', 'kubernetes.io/dockerconfigjson', '.dockerconfigjson', { auths: entry(REGISTRY_PASSWORD) });
      await stage.ask('denied', 'retry');
      await stage.ready('denied', 1);
      expect(mappingsIn(await stage.work('denied', 'denied-1'))).toEqual({ [A]: `${locked.host}/kmods/denied@${digest}` });
      expect(JSON.stringify(await stage.status('denied'))).not.toContain(REGISTRY_PASSWORD);
      expect(JSON.stringify(await stage.client.workflow.getHandle('mcm/denied').fetchHistory())).not.toContain(
        Buffer.from(REGISTRY_PASSWORD).toString('base64').slice(0, 20),
      );
    },
    MINUTE,
  );

  test.concurrent(
    'takes a legacy .dockercfg as well',
    async () => {
      await stage.clusters('legacy', { 'legacy-1': [A] });
      await locked.pushImage({ repository: 'kmods/legacy', tag: A, kernels: [A], modules: [MODULE] });
      await secret('legacy-pull', 'kubernetes.io/dockercfg', '.dockercfg', entry(REGISTRY_PASSWORD));
      await stage.apply('legacy', options('legacy', 'legacy-pull'));
      await stage.ready('legacy', 1);
    },
    MINUTE,
  );
});

describe('a registry that is not there', () => {
  test.concurrent(
    'is RegistryUnavailable, and retry finds it when it is back',
    async () => {
      await stage.clusters('stopped', { 'stopped-1': [A] });
      const other = await startRegistry();
      const port = Number(other.host.split(':')[1]);
      await other.stop();
      await stage.apply('stopped', {
        container: { kernelMappings: [{ regexp: '.', containerImage: `${other.host}/kmods/stopped:${A}` }] },
      });
      const status = await stage.until('stopped', 'the registry to be missed', (s) => imagesIn(s)[0] === `${A} Failed RegistryUnavailable`);
      expect(exceptionsIn(status)).toEqual(['stopped-1 RegistryUnavailable']);
      const back = await startRegistry({ port });
      try {
        await back.pushImage({ repository: 'kmods/stopped', tag: A, kernels: [A], modules: [MODULE] });
        await stage.ask('stopped', 'retry');
        await stage.ready('stopped', 1);
      } finally {
        await back.stop();
      }
    },
    MINUTE,
  );
});

describe('a digest that is pinned', () => {
  test.concurrent(
    'stays when the tag is pushed again, until imageRebuildTriggerGeneration changes; then the new one rolls out',
    async () => {
      await stage.clusters('again', { 'again-1': [A], 'again-2': [A, B] });
      const first = await stage.push('again', [A, B]);
      await stage.apply('again');
      await stage.ready('again', 2);
      const before = [...(await stage.works('again')).values()].map(contentVersionOf);
      const asked = requestsFor('kmods/again:');
      expect(asked).toBe(2);
      const second = await stage.push('again', [A, B], 'second');
      expect(second[A]?.digest).not.toBe(first[A]?.digest);
      await stage.clusters('again', { 'again-3': [B] }); // a reason to look, and to render the kernel anew
      await stage.ready('again', 3);
      expect(mappingsIn(await stage.work('again', 'again-3'))).toEqual({ [B]: first[B]?.pinned });
      expect([...(await stage.works('again')).values()].slice(0, 2).map(contentVersionOf)).toEqual(before);
      expect(requestsFor('kmods/again:')).toBe(asked);

      await stage.apply('again', { moduleSpec: { imageRebuildTriggerGeneration: 1 } });
      const status = await stage.until(
        'again',
        'the rebuild acted on',
        (s) => s.imageRebuildTriggerGeneration === 1 && s.phase === 'Ready' && s.clusters?.loaded === 3,
      );
      expect(imagesIn(status)).toEqual([`${A} Pinned ${second[A]?.digest}`, `${B} Pinned ${second[B]?.digest}`]);
      expect(mappingsIn(await stage.work('again', 'again-2'))).toEqual({ [A]: second[A]?.pinned, [B]: second[B]?.pinned });
      expect(requestsFor('kmods/again:')).toBe(asked + 2);
      expect(status.history).toHaveLength(2);
    },
    MINUTE,
  );
});

describe('requests to the registry', () => {
  test.concurrent(
    'kernels and clusters that share one image cost one request, and a look without news costs none',
    async () => {
      await stage.clusters('shared', { 'shared-1': [A], 'shared-2': [B], 'shared-3': [A, B], 'shared-4': [A] });
      const { digest } = await stage.stack.registry.pushImage({
        repository: 'kmods/shared',
        tag: 'v1',
        kernels: [A, B],
        modules: [MODULE],
      });
      await stage.apply('shared', {
        container: { kernelMappings: [{ regexp: '.', containerImage: `${stage.stack.registry.host}/kmods/shared:v1` }] },
      });
      const status = await stage.ready('shared', 4);
      expect(imagesIn(status)).toEqual([`${A} Pinned ${digest}`, `${B} Pinned ${digest}`]);
      expect(requestsFor('kmods/shared:')).toBe(1);
      const image = `${stage.stack.registry.host}/kmods/shared@${digest}`;
      expect(mappingsIn(await stage.work('shared', 'shared-3'))).toEqual({ [A]: image, [B]: image });
      await stage.client.workflow.getHandle('mcm/shared').signal('reconcile');
      await sleep(1_000);
      expect(requestsFor('kmods/shared:')).toBe(1);
      expect(stage.writesOf('shared')).toHaveLength(4);
    },
    MINUTE,
  );

  test.concurrent(
    'an index is pinned by its own digest, and a reference by digest stays what it is',
    async () => {
      await stage.clusters('index', { 'index-1': [A], 'index-2': [B] });
      const { registry } = stage.stack;
      const amd64 = await registry.pushImage({ repository: 'kmods/index', tag: 'amd64', kernels: [A], modules: [MODULE] });
      const arm64 = await registry.pushImage({
        repository: 'kmods/index',
        tag: 'arm64',
        kernels: [A],
        modules: [MODULE],
        architecture: 'arm64',
      });
      const other = await registry.pushImage({ repository: 'kmods/index', tag: 'other', kernels: [B], modules: [MODULE] });
      const index = await registry.pushIndex({ repository: 'kmods/index', tag: 'v1', images: [amd64, arm64] });
      const kernelMappings = [
        { literal: A, containerImage: index.reference },
        { literal: B, containerImage: other.pinned },
      ];
      await stage.apply('index', { container: { kernelMappings } });
      await stage.ready('index', 2);
      expect(mappingsIn(await stage.work('index', 'index-1'))).toEqual({ [A]: index.pinned });
      expect(mappingsIn(await stage.work('index', 'index-2'))).toEqual({ [B]: other.pinned });
    },
    MINUTE,
  );
});

describe('what is pinned', () => {
  test(
    'stands in the ControllerRevision, survives the loss of the registry and of the hub, and comes back with its spec',
    async () => {
      await stage.clusters('pins', { 'pins-1': [A] });
      const first = await stage.push('pins', [A, B]);
      await stage.apply('pins');
      const { currentRevision = '' } = await stage.ready('pins', 1);
      const revision = await stage.api.get(resources.controllerRevisions, currentRevision, OPERATOR_NAMESPACE);
      const pins = JSON.parse(revision.metadata.annotations?.['kmodflow.io/pins'] ?? '{}') as Record<string, unknown>;
      const modules = [{ kernel: A, name: MODULE, sizeBytes: expect.any(Number), vermagic: expect.stringMatching(`^${A} `) }];
      const image = `${stage.stack.registry.host}/kmods/pins:${A}`;
      expect(pins).toEqual({ [A]: { image, digest: first[A]?.digest, origin: 'Foreign', modules } });

      await stage.apply('pins', { container: withParameter('x=1') });
      await stage.until('pins', 'the second revision', (s) => s.phase === 'Ready' && s.currentRevision !== currentRevision);
      await stage.push('pins', [A], 'pushed over');
      await stage.stopHub();
      await stage.startHub();
      const asked = requestsFor('kmods/pins:');
      await stage.apply('pins');
      await stage.until(
        'pins',
        'the first revision again',
        (s) => s.phase === 'Ready' && s.updateRevision === currentRevision && s.clusters?.loaded === 1,
      );
      expect(mappingsIn(await stage.work('pins', 'pins-1'))).toEqual({ [A]: first[A]?.pinned });
      expect(requestsFor('kmods/pins:')).toBe(asked);

      await stage.fleet.setKernels('pins-1', [A, B]); // appended to the same revision; what stands there stays
      await eventually('both kernels', async () => Object.keys(mappingsIn(await stage.work('pins', 'pins-1'))).length === 2 || undefined);
      expect(mappingsIn(await stage.work('pins', 'pins-1'))).toEqual({ [A]: first[A]?.pinned, [B]: first[B]?.pinned });
    },
    MINUTE,
  );
});

describe('after all of this', () => {
  test('no spoke was ever sent a Module that its API server refuses, such as one without mappings', () => {
    expect(stage.agents.moduleRejections).toEqual([]);
  });
});
