import { describe, expect, test } from '@jest/globals';
import { Fault } from '../../../src/domain/fault.js';
import { aDigest } from '../domain/builders.js';
import {
  aBuiltNeed,
  aForeignNeed,
  anImage,
  CERTIFICATE,
  IMAGE,
  KERNEL,
  KEY,
  KEY_TAG,
  missingImage,
  resolving,
  signed,
} from './image-fakes.js';

const DOCKERFILE_GONE = { reason: 'BuildFailed', message: 'ConfigMap kmodflow-system/dockerfile does not exist.' } as const;

describe('where an image is looked for', () => {
  test('one that somebody else makes: under its own reference alone, with one request for its manifest', async () => {
    const hub = resolving({ [IMAGE]: anImage('1') });
    expect(await hub.resolve(aForeignNeed())).toEqual([
      { image: IMAGE, key: KEY, kernels: [KERNEL], digest: aDigest('1'), origin: 'Foreign', modules: [], rejected: [] },
    ]);
    expect(hub.reads).toEqual([IMAGE]);
  });

  test('one that kmodflow makes: under the tag of its key first, which nobody else moves', async () => {
    const hub = resolving({ [KEY_TAG]: anImage('2', { key: KEY }), [IMAGE]: anImage('1') });
    expect(await hub.resolve(aBuiltNeed())).toMatchObject([{ digest: aDigest('2'), origin: 'Made' }]);
    expect(hub.reads).toEqual([KEY_TAG]);
  });

  test('then under the tag of the spec, where an image of this key counts as made', async () => {
    const hub = resolving({ [IMAGE]: anImage('1', { key: KEY }) });
    expect(await hub.resolve(aBuiltNeed())).toMatchObject([{ digest: aDigest('1'), origin: 'Made' }]);
    expect(hub.reads).toEqual([KEY_TAG, IMAGE]);
  });

  test('the tag of a key under which somebody pushed another image is not believed', async () => {
    const hub = resolving({ [KEY_TAG]: anImage('2'), [IMAGE]: anImage('1') });
    expect(await hub.resolve(aBuiltNeed())).toMatchObject([{ digest: aDigest('1'), origin: 'Foreign' }]);
  });

  test('a digest that the revision has pinned for the reference: it and nothing else, also where there is a recipe', async () => {
    const digest = aDigest('3');
    const at = `registry.example.com/kmod@${digest}`;
    const hub = resolving({ [at]: anImage('3'), [IMAGE]: anImage('1') });
    expect(await hub.resolve(aBuiltNeed({ digest }, 7))).toMatchObject([{ digest, origin: 'Foreign' }]);
    expect(hub.reads).toEqual([at]);
    const made = resolving({ [at]: anImage('3', { key: KEY }) });
    expect(await made.resolve(aBuiltNeed({ digest }))).toMatchObject([{ digest, origin: 'Made' }]);
  });

  test('a digest that is pinned and gone is a missing image, and nothing is made for it', async () => {
    const digest = aDigest('3');
    const at = `registry.example.com/kmod@${digest}`;
    const [result] = await resolving({}).resolve(aBuiltNeed({ digest }));
    expect(result).toMatchObject({ problem: { reason: 'ImageMissing', message: missingImage(at).message } });
    expect(result).not.toHaveProperty('toMake');
  });
});

describe('an image that has to be made', () => {
  const problemOf = async (stored: ReturnType<typeof anImage> | undefined, generation?: number) => {
    const [result] = await resolving(stored === undefined ? {} : { [IMAGE]: stored }).resolve(aBuiltNeed({}, generation));
    return result;
  };

  test('is one that is nowhere', async () => {
    expect(await problemOf(undefined)).toEqual({
      image: IMAGE,
      key: KEY,
      kernels: [KERNEL],
      problem: { reason: 'ImageMissing', message: `Image ${IMAGE} does not exist yet. kmodflow makes it.` },
      toMake: true,
    });
  });

  test('is one that kmodflow made for other inputs', async () => {
    expect(await problemOf(anImage('1', { key: 'fedcba9876543210' }))).toMatchObject({
      toMake: true,
      problem: {
        message: `Image ${IMAGE} was made by kmodflow for other inputs (key fedcba9876543210, wanted ${KEY}). kmodflow makes it anew.`,
      },
    });
  });

  test('is one that somebody else pushed, once a rebuild generation asks for a new one', async () => {
    expect(await problemOf(anImage('1'))).toMatchObject({ digest: aDigest('1'), origin: 'Foreign' });
    expect(await problemOf(anImage('1'), 7)).toMatchObject({
      toMake: true,
      problem: {
        message: `Image ${IMAGE} was pushed by somebody else, and imageRebuildTriggerGeneration 7 asks for a new one. kmodflow makes it.`,
      },
    });
  });

  test('is never one without a recipe: then the registry’s own answer is the problem', async () => {
    const [result] = await resolving({}).resolve(aForeignNeed());
    expect(result).toMatchObject({ problem: { reason: 'ImageMissing', message: missingImage(IMAGE).message } });
    expect(result).not.toHaveProperty('toMake', true);
  });

  test('is not one that the registry refuses to show', async () => {
    const denied = new Fault('Missing', 'Registry registry.example.com refuses the credentials.', { reason: 'RegistryDenied' });
    const [result] = await resolving({ [KEY_TAG]: denied }).resolve(aBuiltNeed());
    expect(result).toMatchObject({ problem: { reason: 'RegistryDenied', message: denied.message } });
    const [second] = await resolving({ [IMAGE]: denied }).resolve(aBuiltNeed());
    expect(second).toMatchObject({ problem: { reason: 'RegistryDenied', message: denied.message } });
    expect([result, second]).not.toContainEqual(expect.objectContaining({ toMake: true }));
  });
});

describe('an image with an input that is missing', () => {
  test('is used when it is there all the same', async () => {
    const hub = resolving({ [IMAGE]: anImage('1') });
    expect(await hub.resolve(aBuiltNeed({ blocked: DOCKERFILE_GONE }))).toMatchObject([{ digest: aDigest('1') }]);
  });

  test('says what is missing when it is not there, and is not made', async () => {
    const [result] = await resolving({}).resolve(aBuiltNeed({ blocked: DOCKERFILE_GONE }));
    expect(result).toEqual({ image: IMAGE, key: KEY, kernels: [KERNEL], problem: DOCKERFILE_GONE });
  });

  test('says so too where nothing is there to be signed or built', async () => {
    const blocked = { reason: 'SignFailed', message: `Image ${IMAGE} is to be signed, and there is nothing to sign.` } as const;
    const need = aForeignNeed({ blocked, expect: signed });
    const [result] = await resolving({}).resolve(need);
    expect(result).toEqual({ image: IMAGE, key: KEY, kernels: [KERNEL], problem: blocked });
    expect(await resolving({ [IMAGE]: anImage('1') }).resolve(need)).toMatchObject([{ digest: aDigest('1'), origin: 'Foreign' }]);
  });

  test('is not even looked up where the certificate is what is missing: nothing could be said of it', async () => {
    const blocked = { reason: 'SignFailed', message: 'Secret kmodflow-system/cert does not exist.' } as const;
    const hub = resolving({ [IMAGE]: anImage('1') });
    const expectation = { ...signed, sign: { certSecret: 'cert', certificate: '', files: [] } };
    expect(await hub.resolve(aBuiltNeed({ blocked, expect: expectation }))).toMatchObject([{ problem: blocked }]);
    expect(hub.reads).toEqual([]);
  });
});

describe('the inspection', () => {
  const rejected = { kernel: 'b', reason: 'ImageRejected', message: 'No directory /opt/lib/modules/b.' } as const;

  test('is told the kernels, the expectation and the certificate', async () => {
    const hub = resolving({ [IMAGE]: anImage('1') });
    await hub.resolve(aForeignNeed({ expect: signed, kernels: ['a', 'b'] }));
    expect(hub.asks).toEqual([{ kernels: ['a', 'b'], expect: signed, certificate: CERTIFICATE }]);
  });

  test('accepts an image for some kernels and rejects it for others', async () => {
    const hub = resolving({ [IMAGE]: anImage('1', { inspection: () => ({ modules: [], accepted: ['a'], rejected: [rejected] }) }) });
    expect(await hub.resolve(aForeignNeed({ kernels: ['a', 'b'] }))).toMatchObject([
      { digest: aDigest('1'), kernels: ['a'], rejected: [rejected] },
    ]);
  });

  test('that accepts no kernel makes the image a failed one, and does not have it made anew', async () => {
    const inspection = () => ({ modules: [], accepted: [], rejected: [rejected] });
    const [result] = await resolving({ [KEY_TAG]: anImage('1', { key: KEY, inspection }) }).resolve(aBuiltNeed({ kernels: ['b'] }));
    expect(result).toEqual({ image: IMAGE, key: KEY, kernels: ['b'], problem: { reason: rejected.reason, message: rejected.message } });
  });

  test('does not begin when the certificate has gone since', async () => {
    const hub = resolving({ [IMAGE]: anImage('1') }, { certificateProblem: 'Secret kmodflow-system/cert does not exist.' });
    expect(await hub.resolve(aForeignNeed({ expect: signed }))).toMatchObject([
      { problem: { reason: 'SignFailed', message: 'Secret kmodflow-system/cert does not exist.' } },
    ]);
    expect(hub.asks).toEqual([]);
  });

  test('of many images answers for each, in the order of their names', async () => {
    const references = Array.from({ length: 40 }, (_, i) => `registry.example.com/kmod:${String(i).padStart(2, '0')}`);
    const hub = resolving(Object.fromEntries(references.map((r) => [r, anImage('1')])));
    const results = await hub.resolve(...references.map((image) => aForeignNeed({ image })));
    expect(results.map((r) => r.image)).toEqual(references);
  });
});

describe('a failure', () => {
  test('of one image says nothing of the others', async () => {
    const [bad, good] = ['registry.example.com/a:1', 'registry.example.com/b:1'];
    const busy = new Fault('Unavailable', 'Registry registry.example.com throttles.', {
      reason: 'RegistryUnavailable',
      retryAfterMs: 5_000,
    });
    const hub = resolving({ [bad]: busy, [good]: anImage('1') });
    expect(await hub.resolve(aForeignNeed({ image: bad }), aForeignNeed({ image: good }))).toMatchObject([
      { image: bad, problem: { reason: 'RegistryUnavailable', message: busy.message }, retryAfterMs: 5_000 },
      { image: good, digest: aDigest('1') },
    ]);
  });

  test('of Kubernetes, and a bug, fail the activity itself', async () => {
    const outage = new Fault('Unavailable', 'The API server does not answer.');
    const hub = resolving({ [IMAGE]: anImage('1') }, { secrets: { pull: outage } });
    await expect(hub.resolve(aForeignNeed({ secretName: 'pull' }))).rejects.toBe(outage);
    const bug = new TypeError('undefined is not a function');
    await expect(resolving({ [IMAGE]: bug }).resolve(aForeignNeed())).rejects.toBe(bug);
  });
});

describe('credentials', () => {
  const login = { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': Buffer.from('{"auths":{}}').toString('base64') } };

  test('come from the Secret of the operator namespace, read once for all images that name it', async () => {
    const [a, b] = ['registry.example.com/a:1', 'registry.example.com/b:1'];
    const hub = resolving({ [a]: anImage('1'), [b]: anImage('2') }, { secrets: { pull: login } });
    const tls = { insecure: true };
    await hub.resolve(aForeignNeed({ image: a, secretName: 'pull', tls }), aForeignNeed({ image: b, secretName: 'pull' }));
    expect(hub.secretReads).toEqual(['Secret kmodflow-system/pull']);
    expect(hub.options).toMatchObject([{ tls }, {}]);
    expect(hub.options[0]?.credentials).toBe(hub.options[1]?.credentials);
    expect(hub.options[0]?.credentials).toBeDefined();
  });

  test('that do not exist, or hold no logins, are the problem of the images that need them alone', async () => {
    const [a, b, c] = ['registry.example.com/a:1', 'registry.example.com/b:1', 'registry.example.com/c:1'];
    const hub = resolving({ [a]: anImage('1'), [b]: anImage('2'), [c]: anImage('3') }, { secrets: { empty: { data: {} } } });
    const results = await hub.resolve(
      aForeignNeed({ image: a, secretName: 'gone' }),
      aForeignNeed({ image: b, secretName: 'empty' }),
      aForeignNeed({ image: c }),
    );
    expect(results).toMatchObject([
      {
        problem: {
          reason: 'RegistryDenied',
          message:
            "Secret kmodflow-system/gone, which spec.moduleSpec.imageRepoSecret names, does not exist on the hub. Create it there with the registry's credentials.",
        },
      },
      { problem: { reason: 'InvalidSpec' } },
      { digest: aDigest('3') },
    ]);
    expect(hub.reads).toEqual([c]);
  });
});
