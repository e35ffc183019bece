import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ManagedClusterModuleSpec, ModuleSpec } from '../../../src/api/index.js';
import { cannotBeJudged, imageNeeds, inputHashes, inputNames, watchedInputs, type KnownInputs } from '../../../src/domain/image-need.js';
import type { ImageNeed } from '../../../src/domain/image-process.js';

type Container = NonNullable<ModuleSpec['moduleLoader']>['container'];

const KERNEL = '6.1.0-56-amd64';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const dockerfile = (text: string) => ({ text, sha256: sha256(text) });

const BUILD = { dockerfileConfigMap: { name: 'dockerfile' } };
const SIGN = { keySecret: { name: 'key' }, certSecret: { name: 'cert' }, filesToSign: ['/opt/lib/modules/${KERNEL_FULL_VERSION}/*.ko'] };

const INPUTS: KnownInputs = {
  dockerfiles: new Map([['dockerfile', dockerfile('FROM a\nARG KERNEL_FULL_VERSION')]]),
  certificates: new Map([['cert', { fingerprint: 'f1' }]]),
  missingSecrets: new Set(),
};

const specOf = (container: Partial<Container>, more: Partial<ModuleSpec> = {}): ManagedClusterModuleSpec => ({
  selector: {},
  spokeNamespace: 'kmm',
  moduleSpec: {
    selector: {},
    moduleLoader: {
      container: {
        modprobe: { moduleName: 'kmod', dirName: '/opt' },
        containerImage: 'reg/kmod:${KERNEL_FULL_VERSION}',
        kernelMappings: [{ regexp: '.+', containerImage: '' }],
        ...container,
      },
    },
    ...more,
  },
});

const needsOf = (spec: ManagedClusterModuleSpec, inputs = INPUTS, { name = 'net', kernels = [KERNEL] } = {}): ImageNeed[] =>
  imageNeeds({ name, spec, kernels, inputs, sha256 });
const need = (...args: Parameters<typeof needsOf>): ImageNeed => needsOf(...args)[0] as ImageNeed;
const keyOf = (...args: Parameters<typeof needsOf>): string => need(...args).key;

describe('an image that somebody else makes', () => {
  test('is needed once for all kernels that share its reference, and has no recipe', () => {
    const spec = specOf({ containerImage: 'reg/kmod:v1' });
    expect(needsOf(spec, INPUTS, { kernels: ['6.1.0-1-a', '6.1.0-2-b'] })).toMatchObject([
      {
        image: 'reg/kmod:v1',
        kernels: ['6.1.0-1-a', '6.1.0-2-b'],
        recipe: undefined,
        blocked: undefined,
        expect: { dirName: '/opt', moduleName: 'kmod' },
      },
    ]);
  });

  test('has the same key for two modules that look it up in the same way, and another one with other credentials', () => {
    expect(keyOf(specOf({}), INPUTS, { name: 'a' })).toBe(keyOf(specOf({}), INPUTS, { name: 'b' }));
    expect(keyOf(specOf({}))).not.toBe(keyOf(specOf({}, { imageRepoSecret: { name: 'pull' } })));
  });
});

describe('an image that kmodflow builds', () => {
  const built = need(
    specOf({ build: { ...BUILD, buildArgs: [{ name: 'KERNEL_FULL_VERSION', value: 'mine' }], secrets: [{ name: 's' }] } }),
  );

  test('names its Dockerfile by the hash of the text, and the automatic argument wins over the user’s, as upstream has it', () => {
    expect(built.recipe).toMatchObject({
      module: 'net',
      build: {
        dockerfile: { configMap: 'dockerfile', sha256: sha256('FROM a\nARG KERNEL_FULL_VERSION') },
        args: [{ name: 'KERNEL_FULL_VERSION', value: KERNEL }],
        secrets: ['s'],
      },
    });
  });

  test('is shared by modules whose Dockerfile does not ask for their name, and by them alone', () => {
    const spec = specOf({ build: BUILD });
    expect(keyOf(spec, INPUTS, { name: 'a' })).toBe(keyOf(spec, INPUTS, { name: 'b' }));
    const asks: KnownInputs = { ...INPUTS, dockerfiles: new Map([['dockerfile', dockerfile('FROM a\nARG MOD_NAME')]]) };
    expect(keyOf(spec, asks, { name: 'a' })).not.toBe(keyOf(spec, asks, { name: 'b' }));
  });

  test.each<[string, ManagedClusterModuleSpec, KnownInputs?]>([
    ['the Dockerfile', specOf({ build: BUILD }), { ...INPUTS, dockerfiles: new Map([['dockerfile', dockerfile('FROM b')]]) }],
    ['a build argument', specOf({ build: { ...BUILD, buildArgs: [{ name: 'X', value: '1' }] } })],
    ['a build secret’s name', specOf({ build: { ...BUILD, secrets: [{ name: 's' }] } })],
    ['the rebuild generation', specOf({ build: BUILD }, { imageRebuildTriggerGeneration: 1 })],
    ['the directory', specOf({ build: BUILD, modprobe: { moduleName: 'kmod', dirName: '/mods' } })],
    ['signing it', specOf({ build: BUILD, sign: SIGN })],
    ['the reference', specOf({ build: BUILD, containerImage: 'reg/other:${KERNEL_FULL_VERSION}' })],
  ])('another value for %s is another image', (_what, spec, inputs = INPUTS) => {
    expect(keyOf(spec, inputs)).not.toBe(keyOf(specOf({ build: BUILD })));
  });

  test.each<[string, ManagedClusterModuleSpec]>([
    ['how base images are fetched', specOf({ build: { ...BUILD, baseImageRegistryTLS: { insecure: true } } })],
    ['where it is built', specOf({ build: { ...BUILD, selector: { builder: 'yes' } } })],
    ['the credentials', specOf({ build: BUILD }, { imageRepoSecret: { name: 'pull' } })],
    ['tolerations', specOf({ build: BUILD }, { tolerations: [{ operator: 'Exists' }] })],
    ['kanikoParams', specOf({ build: { ...BUILD, kanikoParams: { tag: 'v1' } } })],
  ])('%s does not decide what the image is', (_what, spec) => {
    expect(keyOf(spec)).toBe(keyOf(specOf({ build: BUILD })));
  });

  test('is built for the first of the kernels that share its reference', () => {
    const spec = specOf({ build: BUILD, containerImage: 'reg/kmod:v1' });
    const [shared] = needsOf(spec, INPUTS, { kernels: ['6.1.0-1-a', '6.1.0-2-b'] });
    expect(shared?.recipe?.build?.args).toEqual([{ name: 'KERNEL_FULL_VERSION', value: '6.1.0-1-a' }]);
  });
});

describe('an image that kmodflow signs', () => {
  test('names the files for its kernel, the certificate, and the image to sign when nothing is built', () => {
    const signed = need(specOf({ sign: { ...SIGN, unsignedImage: 'reg/kmod-unsigned:${KERNEL_XYZ}' } }));
    const files = [`/opt/lib/modules/${KERNEL}/*.ko`];
    expect(signed.recipe).toMatchObject({
      build: undefined,
      sign: { keySecret: 'key', certSecret: 'cert', certificate: 'f1', files, unsignedImage: 'reg/kmod-unsigned:6.1.0' },
    });
    expect(signed.expect.sign).toEqual({ certSecret: 'cert', certificate: 'f1', files });
  });

  test('ignores unsignedImage when it builds', () => {
    expect(need(specOf({ build: BUILD, sign: { ...SIGN, unsignedImage: 'reg/x:1' } })).recipe?.sign?.unsignedImage).toBeUndefined();
  });

  test('another certificate is another image', () => {
    const other: KnownInputs = { ...INPUTS, certificates: new Map([['cert', { fingerprint: 'f2' }]]) };
    const spec = specOf({ build: BUILD, sign: SIGN });
    expect(keyOf(spec, other)).not.toBe(keyOf(spec));
  });
});

describe('an input that is missing', () => {
  const GONE = 'ConfigMap kmodflow-system/dockerfile does not exist.';
  const cases: [string, ManagedClusterModuleSpec, KnownInputs, { reason: string; message: string }][] = [
    [
      'a ConfigMap',
      specOf({ build: BUILD }),
      { ...INPUTS, dockerfiles: new Map([['dockerfile', { problem: GONE }]]) },
      { reason: 'BuildFailed', message: GONE },
    ],
    [
      'a build secret',
      specOf({ build: { ...BUILD, secrets: [{ name: 'token' }] } }),
      { ...INPUTS, missingSecrets: new Set(['token']) },
      {
        reason: 'BuildFailed',
        message:
          'Secret token, which the build mounts, does not exist in the operator namespace. Create it there; the build starts by itself then.',
      },
    ],
    [
      'the signing key',
      specOf({ build: BUILD, sign: SIGN }),
      { ...INPUTS, missingSecrets: new Set(['key']) },
      {
        reason: 'SignFailed',
        message:
          'Secret key, which holds the signing key, does not exist in the operator namespace. Create it there; the build goes on by itself then.',
      },
    ],
    [
      'an image to sign',
      specOf({ sign: SIGN }),
      INPUTS,
      {
        reason: 'SignFailed',
        message: `Image reg/kmod:${KERNEL} is to be signed, and there is nothing to sign: set sign.unsignedImage, or build it by setting build, or push the signed image yourself.`,
      },
    ],
  ];
  test.each(cases)('%s: blocks it, and says what to do', (_what, spec, inputs, blocked) => {
    const found = need(spec, inputs);
    expect(found.blocked).toEqual(blocked);
    expect(cannotBeJudged(found)).toBe(false);
  });

  test('the same Secret for key and certificate is refused, since the hub must not read the key', () => {
    const spec = specOf({ build: BUILD, sign: { ...SIGN, certSecret: { name: 'key' } } });
    expect(inputNames(spec.moduleSpec).certificates).toEqual([]);
    const found = need(spec);
    expect(found.blocked).toEqual({
      reason: 'SignFailed',
      message:
        'sign.keySecret and sign.certSecret both name Secret key. The hub reads the certificate and must never read the key: put the certificate into a Secret of its own, under the data key "cert".',
    });
    expect(cannotBeJudged(found)).toBe(true);
  });

  test('without the certificate nothing can be said of an image that stands in the registry', () => {
    const inputs: KnownInputs = { ...INPUTS, certificates: new Map([['cert', { problem: 'no certificate' }]]) };
    expect(cannotBeJudged(need(specOf({ sign: { ...SIGN, unsignedImage: 'reg/u:1' } }), inputs))).toBe(true);
  });
});

describe('the version of a need', () => {
  const spec = specOf({ build: { ...BUILD, secrets: [{ name: 'token' }] }, sign: SIGN });
  const at = (versions: Record<string, string>): KnownInputs => ({ ...INPUTS, secretVersions: new Map(Object.entries(versions)) });
  const before = need(spec, at({ key: 'u/1', token: 'u/1', pull: 'u/1' }));

  test.each<[string, KnownInputs]>([
    ['the content of the key', at({ key: 'u/2', token: 'u/1', pull: 'u/1' })],
    ['the content of a build secret', at({ key: 'u/1', token: 'u/2', pull: 'u/1' })],
    ['a Secret that went', { ...at({ key: 'u/1', pull: 'u/1' }), missingSecrets: new Set(['token']) }],
  ])('is another one after a change of %s, which does not make it another image', (_what, inputs) => {
    const after = need(spec, inputs);
    expect(after.version).not.toBe(before.version);
    expect(after.key).toBe(before.key);
  });

  test('is the same as long as nothing of it changes, and there is none for an image that somebody else makes', () => {
    expect(need(spec, at({ key: 'u/1', token: 'u/1', pull: 'u/2' })).version).toBe(before.version);
    expect(need(specOf({})).version).toBeUndefined();
  });
});

describe('the inputs of a revision', () => {
  const spec = specOf({
    build: { ...BUILD, secrets: [{ name: 'token' }] },
    kernelMappings: [{ regexp: '.+', containerImage: '', build: { dockerfileConfigMap: { name: 'other' } }, sign: SIGN }],
  }).moduleSpec;

  test('are those of both levels, each once', () => {
    expect(inputNames(spec)).toEqual({ dockerfiles: ['dockerfile', 'other'], certificates: ['cert'], secrets: ['key', 'token'] });
    expect(watchedInputs({ ...spec, selector: {}, imageRepoSecret: { name: 'pull' } })).toEqual([
      'ConfigMap/dockerfile',
      'ConfigMap/other',
      'Secret/cert',
      'Secret/key',
      'Secret/pull',
      'Secret/token',
    ]);
  });

  test('hash to what they hold, and are not complete while one is missing', () => {
    expect(inputHashes(INPUTS)).toEqual({
      hashes: { 'ConfigMap/dockerfile': sha256('FROM a\nARG KERNEL_FULL_VERSION'), 'Secret/cert': 'f1' },
      complete: true,
    });
    const missing = { ...INPUTS, certificates: new Map([['cert', { problem: 'gone' }]]) };
    expect(inputHashes(missing)).toMatchObject({ hashes: { 'Secret/cert': 'missing' }, complete: false });
  });

  test('a module without builds and signatures has none', () => {
    expect(inputNames(specOf({}).moduleSpec)).toEqual({ dockerfiles: [], certificates: [], secrets: [] });
  });
});

test('a key is 16 hex digits, whatever the names are, and depends on nothing but the input', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 20 }), fc.string(), (name, value) => {
      const spec = specOf({ build: { ...BUILD, buildArgs: [{ name, value }] } });
      const [a, b] = [keyOf(spec), keyOf(structuredClone(spec))];
      expect(a).toBe(b);
      expect(a).toMatch(/^[0-9a-f]{16}$/);
    }),
  );
});
