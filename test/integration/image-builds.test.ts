import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { resources, type KubernetesObject } from '../../src/kube/index.js';
import { applySigningPair, BUILDER_IMAGE, toolImages } from '../harness/build-scene.js';
import { imagesIn, startBuildStage, type BuildStage } from '../harness/build-stage.js';
import { eventually } from '../harness/eventually.js';
import { startFaultProxy, type FaultProxy } from '../harness/fault-proxy.js';
import { readStoredImage } from '../harness/image-files.js';
import { fakeKmod } from '../harness/kmod.js';
import { mappingsIn } from '../harness/mcm.js';
import { conditionOf, deleteMcm } from '../harness/module-stage.js';
import { opensslKey, opensslSigned } from '../harness/openssl-sign.js';
import { makeSigningPair } from '../harness/signing-pair.js';
import { OPERATOR_NAMESPACE } from '../harness/stack.js';

const MINUTE = 60_000;
const A = '6.1.0-56-amd64';
const B = '6.1.0-56-cloud-amd64';
const C = '6.1.0-56-rt-amd64';
const D = '6.1.0-57-amd64';
const ENV = { KMODFLOW_MAX_BUILDS: '8', KMODFLOW_BUILD_STORAGE: '100Mi' };
const MODULES = ['/opt/lib/modules/${KERNEL_FULL_VERSION}/*.ko'];

let stage: BuildStage;
let liar: FaultProxy;
let signing: { keySecret: { name: string }; certSecret: { name: string } };

beforeAll(async () => {
  stage = await startBuildStage({ prebuilt: [A, B, C, D], env: ENV });
  liar = await startFaultProxy(`http://${stage.registry.host}`);
  signing = await applySigningPair(stage.api, 'stage', makeSigningPair('stage signer'));
}, 3 * MINUTE);

afterAll(async () => {
  await stage?.stop();
  await liar?.stop();
}, MINUTE);

const sign = (more: object = {}) => ({ ...signing, filesToSign: MODULES, ...more });
const keyOf = (job: KubernetesObject | undefined): string => job?.metadata.labels?.['kmodflow.io/image-key'] ?? '';
const digestAt = async (repository: string, tag: string): Promise<string> =>
  (await readStoredImage(stage.registry.host, `kmods/${repository}`, tag)).digest;
/** What a registry serves of kmods/<module>, as spokes are told it. */
const pinned = (module: string, digest: string | undefined): string => `${stage.registry.host}/kmods/${module}@${digest}`;

async function eventsOf(module: string): Promise<string[]> {
  const { items } = await stage.api.listAll(resources.events);
  const events = items as unknown as {
    reason?: string;
    note?: string;
    message?: string;
    regarding?: { name?: string };
    involvedObject?: { name?: string };
  }[];
  return events
    .filter((e) => (e.regarding ?? e.involvedObject)?.name === module)
    .map((e) => `${e.reason ?? ''}: ${e.note ?? e.message ?? ''}`);
}

describe('an image that is not there', () => {
  test.concurrent(
    'is built once per kernel, pushed under its own tag and that of its key, inspected, pinned and rolled out',
    async () => {
      await stage.clusters('built', { 'built-1': [A], 'built-2': [B], 'built-3': [A, B] });
      await stage.dockerfile('built');
      await stage.apply('built');
      const status = await stage.ready('built', 3);
      expect(imagesIn(status)).toEqual([`${A} Pinned Made`, `${B} Pinned Made`]);
      expect(conditionOf(status, 'ImagesReady')).toMatchObject({
        status: 'True',
        message: 'All 2 images are pinned by digest: 2 made by kmodflow.',
      });
      const jobs = stage.jobs('built');
      expect(jobs).toHaveLength(2);
      expect(stage.pushes('built')).toEqual([A, B, ...jobs.map((j) => `kmodflow-${keyOf(j.object)}`)].sort());
      const digest = await digestAt('built', A);
      expect(mappingsIn((await stage.works('built')).get('built-3'))).toEqual({
        [A]: pinned('built', digest),
        [B]: pinned('built', await digestAt('built', B)),
      });
      expect((await stage.pins('built'))[A]).toMatchObject({ digest, origin: 'Made', modules: [{ kernel: A, name: 'simple_kmod' }] });
      expect((await eventsOf('built')).some((e) => e.startsWith('ImageReady: '))).toBe(true);
    },
    2 * MINUTE,
  );

  test.concurrent(
    'is built and signed in one Job, or signed from an unsigned image, and the pin says who signed it',
    async () => {
      await stage.clusters('signed', { 'signed-1': [A] });
      await stage.clusters('resigned', { 'resigned-1': [A] });
      await stage.dockerfile('signed');
      const plain = await stage.registry.pushImage({ repository: 'plain/mods', tag: A, kernels: [A], modules: ['simple_kmod'] });
      await stage.apply('signed', { sign: sign() });
      const unsignedImage = `${stage.registry.host}/plain/mods:\${KERNEL_FULL_VERSION}`;
      await stage.apply('resigned', { dockerfile: '', sign: sign({ unsignedImage, unsignedImageRegistryTLS: { insecure: true } }) });
      for (const name of ['signed', 'resigned']) {
        const status = await stage.ready(name, 1);
        expect(imagesIn(status)).toEqual([`${A} Pinned Made`]);
        const digest = await digestAt(name, A);
        expect(digest).not.toBe(plain.digest);
        expect((await stage.pins(name))[A]).toMatchObject({
          digest,
          modules: [{ kernel: A, name: 'simple_kmod', signer: 'stage signer' }],
        });
        const jobs = stage.jobs(name);
        expect(jobs).toHaveLength(1);
        expect(stage.pushes(name)).toEqual([A, `kmodflow-${keyOf(jobs[0]?.object)}`]);
        const { annotations } = await readStoredImage(stage.registry.host, `kmods/${name}`, A);
        expect(annotations['kmodflow.io/image-key']).toBe(keyOf(jobs[0]?.object));
      }
      const { out, code } = await stage.cli('images', 'signed');
      expect({ code, signer: out.includes('stage signer'), made: out.includes('kmodflow') }).toEqual({ code: 0, signer: true, made: true });
    },
    2 * MINUTE,
  );

  test.concurrent(
    'and whose build does not make the directory of the kernel stops on the hub, is told, and is not built again',
    async () => {
      await stage.clusters('nodir', { 'nodir-1': ['6.6.6-nowhere'] });
      await stage.api.apply(resources.configMaps, {
        metadata: { name: 'nodir-dockerfile', namespace: OPERATOR_NAMESPACE },
        data: { dockerfile: `FROM ${stage.bases.runtime}\nRUN echo nothing > /marker\n` },
      } as never);
      await stage.apply('nodir');
      const { message, attempt } = await stage.failed('nodir', 'ImageRejected');
      expect(message).toContain('/opt/lib/modules/6.6.6-nowhere');
      expect(attempt).toBe(1);
      expect(stage.jobs('nodir')).toHaveLength(1);
      expect((await stage.works('nodir')).size).toBe(0);
    },
    2 * MINUTE,
  );
});

describe('an image that somebody else pushed', () => {
  test.concurrent(
    'is taken as it is; a rebuild generation has it built, a change of the generation once more, and the status echoes each only when it is done',
    async () => {
      await stage.clusters('foreign', { 'foreign-1': [A] });
      const theirs = await stage.registry.pushImage({ repository: 'kmods/foreign', tag: A, kernels: [A], modules: ['simple_kmod'] });
      await stage.dockerfile('foreign', { run: stage.gate.wait('foreign') });
      await stage.apply('foreign');
      const status = await stage.ready('foreign', 1);
      expect(imagesIn(status)).toEqual([`${A} Pinned Foreign`]);
      expect(stage.jobs('foreign')).toEqual([]);
      expect(mappingsIn((await stage.works('foreign')).get('foreign-1'))).toEqual({ [A]: theirs.pinned });

      await stage.apply('foreign', { moduleSpec: { imageRebuildTriggerGeneration: 1 } });
      const building = await stage.until('foreign', 'building', (s) => imagesIn(s)[0] === `${A} Building`);
      expect(building.imageRebuildTriggerGeneration).toBeUndefined();
      expect(mappingsIn((await stage.works('foreign')).get('foreign-1'))).toEqual({ [A]: theirs.pinned });
      stage.gate.open('foreign');
      const first = await stage.until('foreign', 'generation 1', (s) => s.imageRebuildTriggerGeneration === 1);
      expect(imagesIn(first)).toEqual([`${A} Pinned Made`]);
      const made = await digestAt('foreign', A);
      expect(made).not.toBe(theirs.digest);
      expect(mappingsIn((await stage.works('foreign')).get('foreign-1'))).toEqual({ [A]: pinned('foreign', made) });

      await stage.apply('foreign', { moduleSpec: { imageRebuildTriggerGeneration: 2 } });
      await stage.until('foreign', 'generation 2', (s) => s.imageRebuildTriggerGeneration === 2 && s.phase === 'Ready');
      expect(stage.jobs('foreign')).toHaveLength(2);
      const remade = await digestAt('foreign', A);
      expect(remade).not.toBe(made);
      expect(mappingsIn((await stage.works('foreign')).get('foreign-1'))).toEqual({ [A]: pinned('foreign', remade) });
    },
    2 * MINUTE,
  );

  test.concurrent(
    'stops on the hub with ImageRejected, the file and both values, when it is for another kernel, not signed, or signed by another key',
    async () => {
      const other = opensslKey('rsa:2048', '/CN=somebody else');
      const push = (name: string, more: object = {}) =>
        stage.registry.pushImage({ repository: `kmods/${name}`, tag: A, kernels: [A], modules: ['simple_kmod'], ...more });
      const unsignedImage = `${stage.registry.host}/plain/none:1`;
      const file = `/opt/lib/modules/${A}/simple_kmod.ko`;
      // The directory is right, and the module inside is for another kernel.
      const modules = fakeKmod({ kernel: B, name: 'simple_kmod' });
      await push('wrong', { kernels: [], files: { [file]: modules } });
      await push('naked');
      await push('stranger', { process: (module: Buffer) => opensslSigned(module, other) });
      const names = ['wrong', 'naked', 'stranger'];
      for (const name of names) {
        await stage.clusters(name, { [`${name}-1`]: [A] });
        await stage.apply(name, { dockerfile: '', ...(name === 'wrong' ? {} : { sign: sign({ unsignedImage }) }) });
      }
      const messages = await Promise.all(names.map(async (name) => (await stage.failed(name, 'ImageRejected')).message));
      const [wrong, naked, stranger] = messages;
      expect(wrong).toContain(
        `Image ${stage.registry.host}/kmods/wrong:${A} is not right for kernel ${A}: file ${file} was built for kernel "${B}" (vermagic "${B} SMP preempt mod_unload modversions"), where "${A}" is expected.`,
      );
      expect(naked).toContain(`file ${file} carries no signature, where a signature by stage signer (Secret stage-cert) is expected.`);
      expect(stranger).toContain(`file ${file} is signed by somebody else (serial number `);
      expect(stranger).toContain('where a signature by stage signer (Secret stage-cert) is expected.');
      for (const name of names) {
        expect((await stage.works(name)).size).toBe(0);
        expect(stage.jobs(name)).toEqual([]);
      }
    },
    2 * MINUTE,
  );
});

describe('two modules that need the same image', () => {
  const both = async (a: string, b: string): Promise<string> => {
    const image = `kmods/${a}:\${KERNEL_FULL_VERSION}`;
    await stage.clusters(a, { [`${a}-1`]: [A] });
    await stage.clusters(b, { [`${b}-1`]: [A] });
    await stage.dockerfile(a, { run: stage.gate.wait(a) });
    await stage.apply(a, { image });
    await stage.apply(b, { image, dockerfile: `${a}-dockerfile` });
    const building = (name: string) => stage.until(name, 'building', (s) => imagesIn(s)[0] === `${A} Building`);
    const [first, second] = await Promise.all([building(a), building(b)]);
    expect(first.images?.[0]?.workflow).toBe(second.images?.[0]?.workflow);
    await eventually('the build', () => stage.gate.waiting(a) === 1 || undefined);
    const [job] = stage.jobs(a);
    if (job === undefined) throw new Error('There is no Job.');
    return job.name;
  };

  test.concurrent(
    'share one Job and one push; it goes on when the one that asked first is deleted',
    async () => {
      const job = await both('share-a', 'share-b');
      await deleteMcm(stage.api, 'share-a');
      await eventually('the module to go', async () => ((await stage.works('share-a')).size === 0 ? true : undefined));
      await eventually('its workflow to end', async () => {
        const { status } = await stage.client.workflow.getHandle('mcm/share-a').describe();
        return status.name === 'RUNNING' ? undefined : status;
      });
      expect(stage.gate.waiting('share-a')).toBe(1);
      stage.gate.open('share-a');
      await stage.ready('share-b', 1);
      expect(stage.jobs('share-a').map((j) => j.name)).toEqual([job]);
      expect(stage.pushes('share-a')).toHaveLength(2);
      expect(mappingsIn((await stage.works('share-b')).get('share-b-1'))).toEqual({ [A]: pinned('share-a', await digestAt('share-a', A)) });
    },
    2 * MINUTE,
  );

  test.concurrent(
    'and are both deleted end its Job',
    async () => {
      const job = await both('drop-a', 'drop-b');
      await deleteMcm(stage.api, 'drop-a');
      await deleteMcm(stage.api, 'drop-b');
      await eventually('the Job to go', () => stage.jobs('drop-a').every((j) => j.gone) || undefined);
      await eventually('the build to end', () => stage.gate.waiting('drop-a') === 0 || undefined);
      await eventually('the workflow to end', async () => {
        const { status } = await stage.client.workflow.getHandle(`image/${job.split('-')[1] ?? ''}`).describe();
        return status.name === 'COMPLETED' ? status : undefined;
      });
      expect(stage.pushes('drop-a')).toEqual([]);
      expect(stage.jobs('drop-a')).toHaveLength(1);
    },
    2 * MINUTE,
  );
});

describe('an attempt that fails', () => {
  test.concurrent(
    'at a step of the Dockerfile is made once more, then waits; people see exit code, step and log; retry and a corrected ConfigMap go on',
    async () => {
      await stage.clusters('failing', { 'failing-1': [A] });
      await stage.dockerfile('failing', { run: 'echo compiling && echo "kmod.c:7: error: what is this" >&2 && exit 3' });
      await stage.apply('failing');
      const first = await stage.failed('failing', 'BuildFailed');
      expect(first).toMatchObject({ attempt: 1, nextTryAt: expect.any(String) });
      const row = await stage
        .until('failing', 'the second attempt', (s) => s.images?.[0]?.state === 'Failed' && s.images[0].attempt === 2)
        .then((s) => s.images?.[0]);
      expect(row?.nextTryAt).toBeUndefined();
      expect(row?.message).toContain('ended with exit code 3');
      expect(row?.message).toContain('RUN echo compiling');
      expect(row?.log?.join('\n')).toContain('kmod.c:7: error: what is this');
      expect(stage.jobs('failing').map((j) => j.name)).toEqual([1, 2].map((n) => `kmod-${keyOf(stage.jobs('failing')[0]?.object)}-${n}`));
      const events = await eventsOf('failing');
      const told = events.find((e) => e.startsWith('BuildFailed: ') && e.includes('attempt 2'));
      expect(told).toContain('exit code 3');
      expect(told).toContain('kmod.c:7: error: what is this');

      const images = await stage.cli('images', 'failing');
      expect(images.code).toBe(1);
      expect(images.out).toMatch(new RegExp(`${A} +Failed +BuildFailed +- +2 +when asked`));
      expect(images.out).toContain('kmod.c:7: error: what is this');
      const logs = await stage.cli('logs', 'failing', '--kernel', A);
      expect(logs).toMatchObject({ code: 0 });
      expect(logs.out).toContain('== build, attempt 2: failed, exit code 3 ==');
      expect(logs.out).toContain('kmod.c:7: error: what is this');

      const retried = await stage.cli('retry', 'failing');
      expect(retried.code).toBe(0);
      await stage.until('failing', 'the third attempt', (s) => s.images?.[0]?.state === 'Failed' && s.images[0].attempt === 3);
      expect(stage.jobs('failing')).toHaveLength(3);

      await stage.dockerfile('failing');
      const ready = await stage.ready('failing', 1);
      expect(imagesIn(ready)).toEqual([`${A} Pinned Made`]);
      expect(stage.pushes('failing')).toHaveLength(2);
    },
    2 * MINUTE,
  );

  test.concurrent(
    'since filesToSign matches nothing, or the key does not belong to the certificate, is SignFailed and pushes nothing; a wrong key is refused before anything is built',
    async () => {
      await stage.clusters('nomatch', { 'nomatch-1': [A] });
      await stage.clusters('mismatch', { 'mismatch-1': [A] });
      await stage.dockerfile('nomatch', { run: stage.gate.wait('nomatch') });
      stage.gate.open('nomatch');
      await stage.dockerfile('mismatch', { run: stage.gate.wait('mismatch') });
      const one = await applySigningPair(stage.api, 'mismatch-one', makeSigningPair('one'));
      const two = await applySigningPair(stage.api, 'mismatch-two', makeSigningPair('two'));
      await stage.apply('nomatch', { sign: sign({ filesToSign: ['/opt/lib/modules/*/nothing.ko'] }) });
      await stage.apply('mismatch', { sign: { keySecret: one.keySecret, certSecret: two.certSecret, filesToSign: MODULES } });
      const [nomatch, mismatch] = await Promise.all([stage.failed('nomatch', 'SignFailed'), stage.failed('mismatch', 'SignFailed')]);
      expect(nomatch.message).toContain('/opt/lib/modules/*/nothing.ko');
      expect(mismatch.message).toContain('does not belong');
      expect(stage.gate.arrivals('mismatch')).toBe(0);
      expect(stage.pushes('nomatch')).toEqual([]);
      expect(stage.pushes('mismatch')).toEqual([]);
    },
    2 * MINUTE,
  );

  test.concurrent(
    'since its Job was deleted by hand, its pod evicted, or a container ran out of memory is tried again by itself, with the reason told',
    async () => {
      const names = ['removed', 'evicted', 'memory'];
      const begin = async (name: string): Promise<readonly [string, string]> => {
        await stage.clusters(name, { [`${name}-1`]: [A] });
        await stage.dockerfile(name, { run: stage.gate.wait(name) });
        await stage.apply(name);
        await eventually('the build', () => stage.gate.waiting(name) === 1 || undefined, { timeoutMs: MINUTE });
        const job = stage.jobs(name)[0]?.name ?? '';
        return [job, await stage.podOf(job, 'build')];
      };
      const [removed, evicted, memory] = await Promise.all(names.map(begin));
      await stage.api.delete(resources.jobs, removed?.[0] ?? '', OPERATOR_NAMESPACE, { propagationPolicy: 'Background' });
      await stage.kubelet.evict(evicted?.[1] ?? '');
      await stage.kubelet.oomKill(memory?.[1] ?? '', 'build');
      const rows = await Promise.all(names.map((name) => stage.failed(name, 'BuildFailed')));
      expect(rows.map((r) => [r.attempt, r.nextTryAt !== undefined])).toEqual(names.map(() => [1, true]));
      const [m1, m2, m3] = rows.map((r) => r.message);
      expect(m1).toContain('somebody deleted it');
      expect(m2).toContain('its pod was evicted');
      expect(m3).toMatch(/memory/);
      for (const name of names) stage.gate.open(name);
      for (const name of names) {
        await stage.ready(name, 1);
        expect(stage.jobs(name)).toHaveLength(2);
        expect(stage.pushes(name)).toHaveLength(2);
      }
    },
    2 * MINUTE,
  );

  test.concurrent(
    'since it filled the disk says so and is tried again',
    async () => {
      await stage.clusters('disk', { 'disk-1': [A] });
      await stage.dockerfile('disk', { run: `dd if=/dev/zero of=/large bs=1M count=150 && ${stage.gate.wait('disk')}` });
      await stage.apply('disk');
      const row = await stage.failed('disk', 'BuildFailed');
      expect(row.message).toContain('more disk than it may');
      expect(row.message).toContain('KMODFLOW_BUILD_STORAGE');
      expect(row.nextTryAt).toBeDefined();
      await stage.until('disk', 'the second attempt', (s) => s.images?.[0]?.attempt === 2, MINUTE);
      await stage.dockerfile('disk');
      await stage.ready('disk', 1);
    },
    2 * MINUTE,
  );

  test.concurrent(
    'since the registry took the push and serves another digest is ImageRejected, and nothing is pinned before that changes',
    async () => {
      await stage.clusters('liar', { 'liar-1': [A] });
      const lie = await stage.registry.pushImage({ repository: 'kmods/liar', tag: 'lie', kernels: [A], modules: ['simple_kmod'] });
      await stage.dockerfile('liar', { run: stage.gate.wait('liar') });
      await stage.apply('liar', { image: `://${liar.host}/kmods/liar:\${KERNEL_FULL_VERSION}` });
      await eventually('the build', () => stage.gate.waiting('liar') === 1 || undefined, { timeoutMs: MINUTE });
      liar.set({
        method: /GET|HEAD/,
        path: /\/kmods\/liar\/manifests\//,
        fault: { kind: 'instead', path: '/v2/kmods/liar/manifests/lie' },
      });
      stage.gate.open('liar');
      const row = await stage.failed('liar', 'ImageRejected');
      expect(row.message).toContain(`The registry took the image for ${liar.host}/kmods/liar:kmodflow-`);
      expect(row.message).toContain(`and serves another one: `);
      expect(row.message).toContain(`${lie.digest} is served`);
      expect(row.nextTryAt).toBeDefined();
      expect((await stage.works('liar')).size).toBe(0);
      liar.set();
      const status = await stage.ready('liar', 1);
      expect(imagesIn(status)).toEqual([`${A} Pinned Made`]);
      const tag = `kmodflow-${keyOf(stage.jobs('liar', liar.host)[0]?.object)}`;
      expect(status.images?.[0]?.digest).toBe(await digestAt('liar', tag));
    },
    2 * MINUTE,
  );
});

describe('what holds up every build', () => {
  test(
    'a builder image that cannot be pulled is waited for, and told in the log',
    async () => {
      const image = toolImages()[BUILDER_IMAGE];
      if (image === undefined) throw new Error('There is no builder image.');
      await stage.clusters('pull', { 'pull-1': [A] });
      await stage.dockerfile('pull');
      stage.kubelet.removeImage(BUILDER_IMAGE);
      try {
        await stage.apply('pull');
        const told = `The image ${BUILDER_IMAGE} of the container build cannot be pulled`;
        await eventually('the hub to tell', () => stage.hub().log().includes(told) || undefined, { timeoutMs: MINUTE });
      } finally {
        stage.kubelet.addImage(BUILDER_IMAGE, image);
      }
      await stage.ready('pull', 1);
      expect(stage.jobs('pull')).toHaveLength(1);
    },
    2 * MINUTE,
  );
});

describe('a build whose hub goes away in the middle', () => {
  const begin = async (name: string): Promise<void> => {
    await stage.clusters(name, { [`${name}-1`]: [A] });
    await stage.dockerfile(name, { run: stage.gate.wait(name) });
    await stage.apply(name);
    await eventually('the build', () => stage.gate.waiting(name) === 1 || undefined, { timeoutMs: MINUTE });
    await stage.until(name, 'building', (s) => imagesIn(s)[0] === `${A} Building`);
  };
  const expectOne = async (name: string): Promise<void> => {
    stage.gate.open(name);
    await stage.ready(name, 1);
    expect(stage.jobs(name)).toHaveLength(1);
    expect(stage.gate.arrivals(name)).toBe(1);
    expect(stage.pushes(name)).toHaveLength(2);
  };

  test(
    'is taken over by the next worker, and by the next workflow when Temporal has forgotten everything: one Job, one push',
    async () => {
      await begin('stopped');
      await stage.restartHub(ENV);
      await expectOne('stopped');
      await begin('killed');
      // The build ends while nobody looks.
      await stage.restartHub(ENV, 'kill', async () => {
        stage.gate.open('killed');
        await eventually('the pushes', () => stage.pushes('killed').length === 2 || undefined);
      });
      await expectOne('killed');
      await begin('lost');
      await stage.temporal.restart(); // it kept everything in memory
      await expectOne('lost');
    },
    3 * MINUTE,
  );
});

describe('the queue', () => {
  test(
    'runs no more builds at once than it may, gives a second module its turn before the first has had all of its, and forgets those of a deleted module',
    async () => {
      const kernels = [A, B, C, D];
      await stage.restartHub({ ...ENV, KMODFLOW_MAX_BUILDS: '2' });
      await stage.clusters('many', Object.fromEntries(kernels.map((k, i) => [`many-${i}`, [k]])));
      await stage.clusters('few', { 'few-1': [A] });
      await stage.dockerfile('many', { run: `${stage.gate.wait('many')}-\${KERNEL_FULL_VERSION}` });
      await stage.dockerfile('few', { run: stage.gate.wait('few') });
      const gates = kernels.map((k) => `many-${k}`);
      const arrived = (): string[] => gates.filter((g) => stage.gate.arrivals(g) > 0);
      const begun = new Date();
      await stage.apply('many');
      await eventually('two builds', () => arrived().length === 2 || undefined, { timeoutMs: MINUTE });
      const status = await stage.until('many', 'two queued', (s) => imagesIn(s).filter((i) => i.endsWith('Queued')).length === 2);
      expect(conditionOf(status, 'ImagesReady')?.message).toContain('2 images wait for a free place to be built');
      await stage.apply('few');
      await stage.until('few', 'queued', (s) => imagesIn(s)[0] === `${A} Queued`);

      stage.gate.open(arrived()[0] ?? '');
      await eventually('the turn of the other module', () => stage.gate.waiting('few') === 1 || undefined, { timeoutMs: MINUTE });
      expect(arrived()).toHaveLength(2);
      await deleteMcm(stage.api, 'many');
      await eventually('its Jobs to go', () => stage.gate.waiting(arrived()[1] ?? '') === 0 || undefined);
      stage.gate.open('few');
      await stage.ready('few', 1);
      expect(stage.mostBuildsAtOnce(begun)).toBe(2);
      expect(stage.jobs('many')).toHaveLength(2);
      expect(stage.pushes('many')).toHaveLength(2);
    },
    2 * MINUTE,
  );
});
