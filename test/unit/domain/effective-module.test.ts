import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { KernelMapping, ModuleSpec } from '../../../src/api/index.js';
import { resolveKernel, type EffectiveKernel } from '../../../src/domain/effective-module.js';

type Container = NonNullable<ModuleSpec['moduleLoader']>['container'];

const KERNEL = '5.10.0+deb-1';

/** Frozen through and through: whoever writes to it throws. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}

const specOf = (mappings: KernelMapping[], container: Partial<Container> = {}): ModuleSpec =>
  frozen({
    selector: {},
    moduleLoader: { container: { kernelMappings: mappings, modprobe: { moduleName: 'kmod', dirName: '/opt' }, ...container } },
  });

const resolve = (mapping: KernelMapping, container: Partial<Container> = {}, kernel = KERNEL) =>
  resolveKernel({
    moduleSpec: specOf([{ regexp: '.', containerImage: 'reg/kmod:v1', ...mapping }], container),
    modName: 'my-mcm',
    modNamespace: 'spoke-ns',
    kernel,
  });

function effective(mapping: KernelMapping, container: Partial<Container> = {}, kernel = KERNEL): EffectiveKernel {
  const result = resolve(mapping, container, kernel);
  if ('problem' in result) throw new Error(result.problem.message);
  return result;
}

describe('templates', () => {
  test('an image is named by every variable, with the normalised kernel', () => {
    const containerImage =
      'reg/$MOD_NAMESPACE/$MOD_NAME:${KERNEL_FULL_VERSION}.$KERNEL_VERSION.$KERNEL_XYZ.$KERNEL_X.$KERNEL_Y.${KERNEL_Z}';
    expect(effective({ containerImage })).toMatchObject({
      kernel: '5.10.0+deb-1',
      normalized: '5.10.0_deb-1',
      containerImage: 'reg/spoke-ns/my-mcm:5.10.0_deb-1.5.10.0_deb-1.5.10.0_deb.5.10.0_deb',
    });
  });

  test('MOD_NAME and MOD_NAMESPACE are the MCM and the spoke namespace in the unsigned image and the signed files too (upstream: empty)', () => {
    const sign = {
      keySecret: { name: 'k' },
      certSecret: { name: 'c' },
      unsignedImage: 'reg/${MOD_NAME}:u',
      filesToSign: ['/opt/$MOD_NAMESPACE/$KERNEL_FULL_VERSION.ko'],
    };
    expect(effective({ sign }).sign).toEqual({ ...sign, unsignedImage: 'reg/my-mcm:u', filesToSign: ['/opt/spoke-ns/5.10.0_deb-1.ko'] });
  });

  test('build arguments are passed on as they are', () => {
    const build = { dockerfileConfigMap: { name: 'd' }, buildArgs: [{ name: 'K', value: '$KERNEL_XYZ' }] };
    expect(effective({ build }).build).toEqual(build);
  });
});

describe('merging of container level and mapping level', () => {
  const insecure = { insecure: true };
  const skip = { insecureSkipTLSVerify: true };

  test('without mapping-level settings the container decides, and dirName is /opt', () => {
    expect(
      effective(
        { containerImage: '' },
        {
          containerImage: 'reg/shared:v1',
          registryTLS: insecure,
          inTreeModulesToRemove: ['a', 'b'],
          imagePullPolicy: 'Always',
          modprobe: { dirName: '' },
        },
      ),
    ).toEqual({
      kernel: KERNEL,
      normalized: '5.10.0_deb-1',
      containerImage: 'reg/shared:v1',
      mappingIndex: 0,
      registryTLS: insecure,
      inTreeModulesToRemove: ['a', 'b'],
      imagePullPolicy: 'Always',
      dirName: '/opt',
    });
  });

  test('registryTLS of the mapping wins as a whole and is known to be the mapping’s', () => {
    expect(effective({ registryTLS: skip }, { registryTLS: insecure })).toMatchObject({ registryTLS: skip, mappingRegistryTLS: skip });
    expect(effective({ registryTLS: {} }, { registryTLS: insecure })).toMatchObject({ registryTLS: {}, mappingRegistryTLS: {} });
    expect(effective({}, { registryTLS: insecure }).mappingRegistryTLS).toBeUndefined();
  });

  test.each<{ name: string; mapping: KernelMapping; container: Partial<Container>; list: string[] | undefined }>([
    { name: 'nothing set', mapping: {}, container: {}, list: undefined },
    {
      name: 'an empty list of the mapping overrides',
      mapping: { inTreeModulesToRemove: [] },
      container: { inTreeModulesToRemove: ['a'] },
      list: [],
    },
    {
      name: 'the list of the mapping overrides',
      mapping: { inTreeModulesToRemove: ['b'] },
      container: { inTreeModulesToRemove: ['a'] },
      list: ['b'],
    },
    { name: 'the deprecated form of the container becomes a list', mapping: {}, container: { inTreeModuleToRemove: 'old' }, list: ['old'] },
    {
      name: 'the deprecated form of the mapping wins',
      mapping: { inTreeModuleToRemove: 'm' },
      container: { inTreeModuleToRemove: 'c' },
      list: ['m'],
    },
    {
      name: 'the deprecated form replaces a list',
      mapping: { inTreeModulesToRemove: ['a'] },
      container: { inTreeModuleToRemove: 'c' },
      list: ['c'],
    },
  ])('in-tree modules: $name', ({ mapping, container, list }) => {
    expect(effective(mapping, container).inTreeModulesToRemove).toEqual(list);
  });

  test('every build setting of the mapping counts, also those that upstream ignores', () => {
    const shared = {
      dockerfileConfigMap: { name: 'shared' },
      buildArgs: [{ name: 'A', value: '1' }],
      secrets: [{ name: 's1' }],
      baseImageRegistryTLS: insecure,
      kanikoParams: { tag: 'v1' },
      selector: { arch: 'arm64' },
    };
    const own = {
      dockerfileConfigMap: { name: 'own' },
      buildArgs: [{ name: 'A', value: '2' }],
      secrets: [{ name: 's2' }],
      baseImageRegistryTLS: skip,
      kanikoParams: { tag: 'v2' },
      selector: { arch: 'amd64' },
    };
    expect(effective({ build: own }, { build: shared }).build).toEqual({ ...own, secrets: [{ name: 's1' }, { name: 's2' }] });
    expect(effective({}, { build: shared }).build).toEqual(shared);
    expect(effective({ build: own }).build).toEqual(own);
  });

  test('what a mapping-level build leaves out comes from the container', () => {
    const shared = {
      dockerfileConfigMap: { name: 'shared' },
      baseImageRegistryTLS: insecure,
      kanikoParams: { tag: 'v1' },
      selector: { arch: 'arm64' },
    };
    expect(effective({ build: { dockerfileConfigMap: { name: '' }, baseImageRegistryTLS: {} } }, { build: shared }).build).toEqual(shared);
  });

  test('every sign setting of the mapping counts, and files add up', () => {
    const shared = {
      keySecret: { name: 'k1' },
      certSecret: { name: 'c1' },
      filesToSign: ['/opt/a.ko'],
      unsignedImage: 'reg/u:1',
      unsignedImageRegistryTLS: insecure,
    };
    const own = { keySecret: { name: 'k2' }, certSecret: { name: '' }, filesToSign: ['/opt/b.ko'], unsignedImageRegistryTLS: skip };
    expect(effective({ sign: own }, { sign: shared }).sign).toEqual({
      keySecret: { name: 'k2' },
      certSecret: { name: 'c1' },
      filesToSign: ['/opt/a.ko', '/opt/b.ko'],
      unsignedImage: 'reg/u:1',
      unsignedImageRegistryTLS: skip,
    });
  });
});

describe('problems', () => {
  test.each([
    {
      name: 'an unparsable kernel',
      result: resolve({}, {}, '6.1'),
      problem: {
        reason: 'InvalidKernelVersion',
        message: 'Kernel "6.1" cannot be parsed; expected at least three components (major.minor.patch), such as 6.1.0-18-amd64.',
      },
    },
    {
      name: 'no mapping',
      result: resolve({ regexp: '^6' }),
      problem: {
        reason: 'NoMatchingMapping',
        message:
          'No entry of spec.moduleSpec.moduleLoader.container.kernelMappings matches kernel 5.10.0+deb-1. Add one with a literal or regexp for it.',
      },
    },
    {
      name: 'an invalid regexp',
      result: resolve({ regexp: '(' }),
      problem: {
        reason: 'InvalidSpec',
        message:
          'Kernel 5.10.0+deb-1 cannot be mapped: spec.moduleSpec.moduleLoader.container.kernelMappings[0].regexp is not a valid RE2 expression (error parsing regexp: missing closing ): `(`). Correct the expression.',
      },
    },
    {
      name: 'no image',
      result: resolve({ containerImage: '' }),
      problem: {
        reason: 'InvalidSpec',
        message:
          'There is no image for kernel 5.10.0+deb-1: set spec.moduleSpec.moduleLoader.container.kernelMappings[0].containerImage or spec.moduleSpec.moduleLoader.container.containerImage.',
      },
    },
    {
      name: 'a malformed template of the container',
      result: resolve({ containerImage: '' }, { containerImage: 'reg/kmod:${KERNEL_XYZ' }),
      problem: {
        reason: 'InvalidSpec',
        message:
          'The template in spec.moduleSpec.moduleLoader.container.containerImage cannot be expanded for kernel 5.10.0+deb-1: the closing brace is missing of the ${ at position 10 of "reg/kmod:${KERNEL_XYZ". Correct the template.',
      },
    },
    {
      name: 'a template that gives no image',
      result: resolve({ containerImage: 'reg/kmod:$KERNEL' }),
      problem: {
        reason: 'InvalidSpec',
        message:
          'For kernel 5.10.0+deb-1, spec.moduleSpec.moduleLoader.container.kernelMappings[0].containerImage "reg/kmod:$KERNEL" gives no usable image. Image reference "reg/kmod:" has the tag ""; expected 1 to 128 characters out of letters, digits, _ . and -, not beginning with . or -.',
      },
    },
    {
      name: 'a malformed template of a file to sign of the mapping',
      result: resolve(
        { sign: { keySecret: { name: 'k' }, certSecret: { name: 'c' }, filesToSign: ['/opt/ok.ko', '/opt/${}'] } },
        { sign: { keySecret: { name: 'k' }, certSecret: { name: 'c' }, filesToSign: ['/opt/ok.ko'] } },
      ),
      problem: {
        reason: 'InvalidSpec',
        message:
          'The template in spec.moduleSpec.moduleLoader.container.kernelMappings[0].sign.filesToSign[1] cannot be expanded for kernel 5.10.0+deb-1: a variable name must follow the ${ at position 6 of "/opt/${}". Correct the template.',
      },
    },
    {
      name: 'no moduleLoader',
      result: resolveKernel({ moduleSpec: { selector: {} }, modName: 'm', modNamespace: 'n', kernel: KERNEL }),
      problem: {
        reason: 'InvalidSpec',
        message: 'Kernel 5.10.0+deb-1 needs no image: spec.moduleSpec.moduleLoader is not set. Set it to load a kernel module.',
      },
    },
  ])('$name', ({ result, problem }) => {
    expect(result).toEqual({ problem });
  });
});

test('the spec shared by a fleet is the same after any number of clusters, so that no cluster sees the mappings of another (upstream: it did)', () => {
  const aKernel = fc.constantFrom('6.1.0-18', '5.14.0-427.el9', 'linux', '4.18.0+x');
  fc.assert(
    fc.property(fc.array(aKernel, { maxLength: 20 }), (kernels) => {
      const tls = { insecure: true };
      const build = { dockerfileConfigMap: { name: 'd' }, buildArgs: [{ name: 'B', value: '1' }], secrets: [{ name: 's' }] };
      const moduleSpec = specOf(
        [
          { literal: '6.1.0-18', containerImage: 'reg/a:$KERNEL_XYZ', registryTLS: tls, build, inTreeModulesToRemove: ['x'] },
          { regexp: 'el9$', build: { ...build, buildArgs: [{ name: 'A', value: '2' }] } },
        ],
        { containerImage: 'reg/b:${KERNEL_FULL_VERSION}', registryTLS: tls, build },
      );
      const before = JSON.stringify(moduleSpec);
      const alone = (kernel: string) =>
        resolveKernel({
          moduleSpec: specOf(
            structuredClone(moduleSpec).moduleLoader?.container.kernelMappings ?? [],
            structuredClone(moduleSpec).moduleLoader?.container,
          ),
          modName: 'm',
          modNamespace: 'n',
          kernel,
        });
      const together = kernels.map((kernel) => resolveKernel({ moduleSpec, modName: 'm', modNamespace: 'n', kernel }));
      expect(together).toEqual(kernels.map(alone));
      expect(JSON.stringify(moduleSpec)).toBe(before);
    }),
  );
});

test('the result shares nothing with the spec', () => {
  const build = { dockerfileConfigMap: { name: 'd' }, buildArgs: [{ name: 'B', value: '1' }], selector: { a: 'b' } };
  const result = effective({ build, registryTLS: { insecure: true }, inTreeModulesToRemove: ['x'] });
  const shares = [result.build, result.build?.buildArgs, result.build?.selector, result.registryTLS, result.inTreeModulesToRemove].filter(
    Object.isFrozen,
  );
  expect(shares).toEqual([]);
});
