import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MAX_DOCKERFILE_BYTES } from '../../src/domain/image-job.js';
import { resources } from '../../src/kube/index.js';
import { applySecret, applySigningPair } from '../harness/build-scene.js';
import { imagesIn, startBuildStage, type BuildStage } from '../harness/build-stage.js';
import { eventually } from '../harness/eventually.js';
import { readStoredImage } from '../harness/image-files.js';
import { mappingsIn } from '../harness/mcm.js';
import { conditionOf, contentVersionOf, exceptionsIn } from '../harness/module-stage.js';
import { opensslSigned } from '../harness/openssl-sign.js';
import { makeSigningPair } from '../harness/signing-pair.js';
import { OPERATOR_NAMESPACE } from '../harness/stack.js';

const MINUTE = 60_000;
const A = '6.1.0-56-amd64';
const B = '6.1.0-56-cloud-amd64';
const FILE = `/opt/lib/modules/${A}/simple_kmod.ko`;
const MODULES = ['/opt/lib/modules/${KERNEL_FULL_VERSION}/*.ko'];

const pair = makeSigningPair('inputs signer');
let stage: BuildStage;

beforeAll(async () => {
  stage = await startBuildStage({ prebuilt: [A, B], env: { KMODFLOW_MAX_BUILDS: '6' } });
}, 3 * MINUTE);

afterAll(async () => {
  await stage?.stop();
}, MINUTE);

/** Digest that a cluster is told for a kernel. */
const digestOn = async (module: string, cluster: string, kernel = A): Promise<string | undefined> =>
  mappingsIn((await stage.works(module)).get(cluster))[kernel]?.split('@')[1];

const applyConfigMap = (name: string, data: Readonly<Record<string, string>>): Promise<unknown> =>
  stage.api.apply(resources.configMaps, { metadata: { name, namespace: OPERATOR_NAMESPACE }, data } as never);

/** Waits until the image waits for this, and sees that nothing was begun for it. */
async function waitsFor(module: string, reason: string, sentence: string): Promise<void> {
  const status = await stage.until(module, sentence, (s) => s.images?.[0]?.message?.includes(sentence) === true);
  expect(status.images?.[0]).toMatchObject({ state: 'Failed', reason });
  expect(conditionOf(status, 'ImagesReady')).toMatchObject({ status: 'False', reason, message: expect.stringContaining(sentence) });
  expect(exceptionsIn(status)).toEqual([`${module}-1 ${reason}`]);
  expect((await stage.works(module)).size).toBe(0);
  expect(stage.jobs(module)).toEqual([]);
}

describe('a changed input', () => {
  test.concurrent(
    'is noticed without any other event and makes another image under another key, whichever input it is; going back to an earlier one builds nothing',
    async () => {
      const name = 'changed';
      const signing = await applySigningPair(stage.api, name, pair);
      await stage.clusters(name, { 'changed-1': [A] });
      await stage.dockerfile(name, { marker: 'one' });
      const apply = (build: object = {}, filesToSign = MODULES): Promise<unknown> =>
        stage.apply(name, { build: { ...build }, sign: { ...signing, filesToSign } });
      const digests: (string | undefined)[] = [];
      const rolledOut = async (what: string): Promise<void> => {
        await eventually(
          `another image after ${what}`,
          async () => {
            const now = await digestOn(name, 'changed-1');
            return now !== undefined && !digests.includes(now) ? true : undefined;
          },
          { timeoutMs: MINUTE, seen: () => stage.status(name) },
        );
        await stage.ready(name, 1);
        digests.push(await digestOn(name, 'changed-1'));
        expect({ what, jobs: stage.jobs(name).length }).toEqual({ what, jobs: digests.length });
      };
      await apply();
      await rolledOut('the first');
      await stage.dockerfile(name, { marker: 'two' });
      await rolledOut('the Dockerfile');
      await apply({ buildArgs: [{ name: 'X', value: 'y' }] });
      await rolledOut('the build argument');
      await apply({ buildArgs: [{ name: 'X', value: 'y' }] }, [FILE]);
      await rolledOut('the files to sign');
      await applySigningPair(stage.api, name, makeSigningPair('second signer'));
      await rolledOut('the certificate');
      expect((await stage.pins(name))[A]?.modules?.[0]?.signer).toBe('second signer');
      expect(new Set(stage.jobs(name).map((j) => j.object.metadata.labels?.['kmodflow.io/image-key'])).size).toBe(5);

      await applySigningPair(stage.api, name, pair);
      await stage.dockerfile(name, { marker: 'one' });
      await apply();
      await eventually('the first image again', async () => ((await digestOn(name, 'changed-1')) === digests[0] ? true : undefined));
      await stage.ready(name, 1);
      expect(stage.jobs(name)).toHaveLength(5);
      expect(stage.pushes(name)).toHaveLength(10);
    },
    3 * MINUTE,
  );

  test.concurrent(
    'changes nothing on the clusters where the digest comes out the same',
    async () => {
      const name = 'same';
      await stage.clusters(name, { 'same-1': [A], 'same-2': [B] });
      // One kernel's image is somebody else's, and is taken as it is whatever the Dockerfile says.
      await stage.registry.pushImage({ repository: `kmods/${name}`, tag: A, kernels: [A], modules: ['simple_kmod'] });
      await stage.dockerfile(name, { marker: 'one' });
      await stage.apply(name);
      const before = await stage.ready(name, 2);
      expect(imagesIn(before)).toEqual([`${A} Pinned Foreign`, `${B} Pinned Made`]);
      const versions = async (): Promise<string[]> => {
        const works = await stage.works(name);
        return ['same-1', 'same-2'].map((cluster) => contentVersionOf(works.get(cluster)));
      };
      const [one, two] = await versions();
      await stage.dockerfile(name, { marker: 'two' });
      const after = await stage.until(
        name,
        'the other revision rolled out',
        (s) => s.phase === 'Ready' && s.currentRevision === s.updateRevision && s.currentRevision !== before.currentRevision,
      );
      expect(after.clusters?.loaded).toBe(2);
      const [stillOne, newTwo] = await versions();
      expect(stillOne).toBe(one);
      expect(newTwo).not.toBe(two);
      expect(stage.jobs(name)).toHaveLength(2);
    },
    2 * MINUTE,
  );

  test.concurrent(
    'that is deleted leaves the revision and its clusters as they are',
    async () => {
      const name = 'gone';
      await stage.clusters(name, { 'gone-1': [A] });
      await stage.dockerfile(name);
      await stage.apply(name);
      const before = await stage.ready(name, 1);
      const version = contentVersionOf((await stage.works(name)).get('gone-1'));
      await stage.api.delete(resources.configMaps, 'gone-dockerfile', OPERATOR_NAMESPACE);
      await sleep(2_000);
      const after = await stage.ready(name, 1);
      expect(after.updateRevision).toBe(before.updateRevision);
      expect(contentVersionOf((await stage.works(name)).get('gone-1'))).toBe(version);
      expect(stage.jobs(name)).toHaveLength(1);
    },
    2 * MINUTE,
  );
});

describe('an input that is not there', () => {
  test.concurrent(
    'a Dockerfile: its ConfigMap, its key or its text is missing, or it is too long; the image waits, names it, and is built by itself in the end',
    async () => {
      const name = 'textless';
      await stage.clusters(name, { 'textless-1': [A] });
      await stage.apply(name);
      const where = `ConfigMap ${OPERATOR_NAMESPACE}/textless-dockerfile`;
      await waitsFor(
        name,
        'BuildFailed',
        `${where}, which holds the Dockerfile, does not exist. Create it; the build starts by itself then.`,
      );
      await applyConfigMap('textless-dockerfile', { Dockerfile: 'FROM scratch\n' });
      await waitsFor(name, 'BuildFailed', `${where} has no key "dockerfile". Put the Dockerfile there; the build starts by itself then.`);
      await applyConfigMap('textless-dockerfile', { dockerfile: ' \n' });
      await waitsFor(name, 'BuildFailed', `The Dockerfile in ${where}, key "dockerfile", is empty.`);
      await applyConfigMap('textless-dockerfile', { dockerfile: `FROM scratch\n# ${'x'.repeat(MAX_DOCKERFILE_BYTES)}` });
      await waitsFor(
        name,
        'BuildFailed',
        `The Dockerfile in ${where} has ${MAX_DOCKERFILE_BYTES + 15} bytes; at most ${MAX_DOCKERFILE_BYTES} are possible.`,
      );
      await stage.dockerfile(name);
      await stage.ready(name, 1);
      expect(stage.jobs(name)).toHaveLength(1);
    },
    2 * MINUTE,
  );

  test.concurrent(
    'a Secret for signing or building, or a data key in it: the image waits, names it, and is made by itself in the end',
    async () => {
      const name = 'secretless';
      await stage.clusters(name, { 'secretless-1': [A] });
      await stage.dockerfile(name);
      await stage.apply(name, {
        build: { secrets: [{ name: 'secretless-token' }] },
        sign: { keySecret: { name: 'secretless-key' }, certSecret: { name: 'secretless-cert' }, filesToSign: MODULES },
      });
      const missing = (secret: string): string => `Secret ${secret}, which `;
      await waitsFor(name, 'BuildFailed', `${missing('secretless-token')}the build mounts, does not exist in the operator namespace.`);
      await applySecret(stage.api, 'secretless-token', { token: 'none' });
      const where = `Secret ${OPERATOR_NAMESPACE}/secretless-cert`;
      await waitsFor(name, 'SignFailed', `${where}, which holds the certificate, does not exist.`);
      await applySecret(stage.api, 'secretless-cert', { certificate: pair.certificate });
      await waitsFor(name, 'SignFailed', `${where} has no data key "cert".`);
      await applySecret(stage.api, 'secretless-cert', { cert: pair.certificate });
      await waitsFor(name, 'SignFailed', `${missing('secretless-key')}holds the signing key, does not exist in the operator namespace.`);
      // Whether the key's Secret has the right data key is for the node to find out: the hub never reads it.
      await applySecret(stage.api, 'secretless-key', { pem: pair.key });
      const told =
        /"waiting":"A volume of its pod cannot be mounted \(Secret secretless-key\): [^\n]*references non-existent secret key: key/;
      await eventually('the hub to tell', () => told.test(stage.hub().log()) || undefined, { timeoutMs: MINUTE });
      await applySecret(stage.api, 'secretless-key', { key: pair.key });
      await stage.ready(name, 1);
      expect(stage.jobs(name)).toHaveLength(1);
      expect(stage.pushes(name)).toHaveLength(2);
    },
    2 * MINUTE,
  );
});

describe('signing that cannot be', () => {
  test.concurrent(
    'with one Secret for key and certificate is refused, and the hub does not read it',
    async () => {
      const name = 'twice';
      await stage.clusters(name, { 'twice-1': [A] });
      await stage.dockerfile(name);
      await applySecret(stage.api, 'twice-both', { key: pair.key, cert: pair.certificate });
      await stage.apply(name, { sign: { keySecret: { name: 'twice-both' }, certSecret: { name: 'twice-both' }, filesToSign: MODULES } });
      await waitsFor(name, 'SignFailed', 'sign.keySecret and sign.certSecret both name Secret twice-both.');
    },
    MINUTE,
  );

  test.concurrent(
    'without anything to sign says so, and goes on when somebody pushes the signed image',
    async () => {
      const name = 'sourceless';
      const signing = await applySigningPair(stage.api, name, pair);
      await stage.clusters(name, { 'sourceless-1': [A] });
      await stage.apply(name, { dockerfile: '', sign: { ...signing, filesToSign: MODULES } });
      await waitsFor(
        name,
        'SignFailed',
        'is to be signed, and there is nothing to sign: set sign.unsignedImage, or build it by setting build',
      );
      const { digest } = await stage.registry.pushImage({
        repository: `kmods/${name}`,
        tag: A,
        kernels: [A],
        modules: ['simple_kmod'],
        process: (module) => opensslSigned(module, { key: pair.key, certificate: Buffer.from(pair.certificate) }),
      });
      const status = await stage.ready(name, 1);
      expect(imagesIn(status)).toEqual([`${A} Pinned Foreign`]);
      expect(await digestOn(name, 'sourceless-1')).toBe(digest);
      expect((await readStoredImage(stage.registry.host, `kmods/${name}`, A)).digest).toBe(digest);
      expect(stage.jobs(name)).toEqual([]);
    },
    2 * MINUTE,
  );
});

describe('a template that cannot be expanded', () => {
  test.concurrent(
    'leaves its kernel out, with the name of the variable, and builds nothing',
    async () => {
      const name = 'template';
      await stage.clusters(name, { 'template-1': [A] });
      await stage.dockerfile(name);
      await stage.apply(name, { image: 'kmods/template:${KERNEL_FULL_VERSON}' });
      const status = await stage.until(name, 'a problem', (s) => s.phase === 'Invalid' || (s.exceptions ?? []).length > 0);
      expect(JSON.stringify([status.conditions, status.exceptions])).toContain('KERNEL_FULL_VERSON');
      expect(stage.jobs(name)).toEqual([]);
      expect((await stage.works(name)).size).toBe(0);
    },
    MINUTE,
  );
});
