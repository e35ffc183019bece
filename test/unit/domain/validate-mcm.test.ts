import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { KernelMapping, ManagedClusterModuleSpec, ModuleSpec } from '../../../src/api/index.js';
import { validateManagedClusterModule, validateUpdate } from '../../../src/domain/validate-mcm.js';

type Container = NonNullable<ModuleSpec['moduleLoader']>['container'];

const CONTAINER = 'spec.moduleSpec.moduleLoader.container';
const MAPPING = `${CONTAINER}.kernelMappings[0]`;
const DIGEST_RULE = 'a container image must explicitly set a tag or digest';
const KEY_RULE = 'letters, digits, "-", "_" and ".", at most 63 characters, optionally after a DNS name and "/"';
const VALUE_RULE = 'at most 63 letters, digits, "-", "_" and ".", beginning and ending with a letter or digit, or nothing';

const goodContainer: Container = {
  containerImage: 'reg/kmod:${KERNEL_FULL_VERSION}',
  kernelMappings: [{ regexp: '^.+$' }],
  modprobe: { moduleName: 'kmod', dirName: '/opt' },
};
const withContainer = (container: Partial<Container>): Partial<ManagedClusterModuleSpec> =>
  withModule({ moduleLoader: { container: { ...goodContainer, ...container } } });
const withMapping = (mapping: KernelMapping, container: Partial<Container> = {}) =>
  withContainer({ ...container, kernelMappings: [mapping] });
const withModule = (module: Partial<ModuleSpec>): Partial<ManagedClusterModuleSpec> => ({ moduleSpec: { selector: {}, ...module } });
const withModprobe = (modprobe: Partial<Container['modprobe']>) => withContainer({ modprobe: { dirName: '/opt', ...modprobe } });
const secrets = { keySecret: { name: 'k' }, certSecret: { name: 'c' } };
const plugin = { container: { image: 'dp:1' } };

const validate = (spec: Partial<ManagedClusterModuleSpec>, name = 'my-kmod') =>
  validateManagedClusterModule({
    metadata: { name },
    spec: { selector: { env: 'prod' }, spokeNamespace: 'kmm', ...withContainer({}), ...spec },
  });

/** [case, spec, [path, rest of the message after the path] …] */
type Row = [string, Partial<ManagedClusterModuleSpec>, ...[string, string][]];
const check = (rows: Row[]): void => {
  test.each(rows)('%s', (_name, spec, ...expected) => {
    expect(validate(spec)).toEqual(expected.map(([path, text]) => ({ path, message: `${path} ${text}` })));
  });
};

describe('what is accepted', () => {
  check([
    ['a plain module', {}],
    ['no moduleSpec', { moduleSpec: undefined }],
    ['a device plugin without moduleLoader', withModule({ devicePlugin: plugin })],
    [
      'a DRA driver without moduleLoader',
      withModule({ dra: { ...plugin, driverName: 'gpu.example.com', deviceClasses: [{ name: 'a' }, { name: 'b' }] } }),
    ],
    ['an image on a registry with a port and no tag, which upstream admits', withContainer({ containerImage: 'host:5000/kmod' })],
    ['a digest', withContainer({ containerImage: 'reg/kmod@sha256:abc' })],
    ['raw arguments without a module name', withModprobe({ rawArgs: { load: ['a'], unload: ['b'] } })],
    ['a loading order', withModprobe({ moduleName: 'a', modulesLoadingOrder: ['a', 'b'] })],
    [
      'host paths that are allowed',
      withModule({
        devicePlugin: {
          ...plugin,
          volumes: [{ name: 'a', hostPath: { path: '/dev' } }, { name: 'b', hostPath: { path: '//var/./lib/' } }, { name: 'c' }],
        },
      }),
    ],
    [
      'tolerations of each kind',
      withModule({
        tolerations: [
          { operator: 'Exists' },
          { key: 'a.b/c', value: 'd' },
          { key: 'k', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 3 },
        ],
      }),
    ],
    [
      'a full rollout policy',
      {
        rollout: {
          canary: { clusters: '5%', clusterSelector: { matchLabels: { 'a.b/c': 'd' } } },
          waves: [
            { name: 'one', clusterSelector: { matchExpressions: [{ key: 'k', operator: 'In', values: ['v'] }] }, maxConcurrent: 5 },
            { name: 'two' },
          ],
          maxConcurrent: '25%',
          maxFailures: 0,
          soak: '10m',
          settle: '2m',
          progressDeadline: '1h30m',
          approval: 'AfterCanary',
          onFailure: 'Rollback',
          retry: { attempts: 5, initialInterval: '30s', maximumInterval: '30m' },
        },
      },
    ],
  ]);
});

describe('names', () => {
  test.each([
    ['My_Kmod', 'metadata.name is "My_Kmod"; expected a DNS subdomain of at most 63 characters, such as my-kmod.'],
    ['', 'metadata.name is ""; expected a DNS subdomain of at most 63 characters, such as my-kmod.'],
  ])('name %j', (name, message) => {
    expect(validate({}, name)).toEqual([{ path: 'metadata.name', message }]);
  });

  test('a name may have dots', () => {
    expect(validate({}, 'my.kmod')).toEqual([]);
  });

  test('name and namespace of 41 characters together pass, of 42 do not', () => {
    expect(validate({ spokeNamespace: 'n'.repeat(20) }, 'm'.repeat(21))).toEqual([]);
    expect(validate({ spokeNamespace: 'n'.repeat(20) }, 'm'.repeat(22))).toEqual([
      {
        path: 'metadata.name',
        message: `metadata.name "${'m'.repeat(22)}" and spec.spokeNamespace "${'n'.repeat(20)}" have 42 characters together; at most 41 are allowed, since spokes put both into label keys.`,
        reason: 'NameTooLong',
      },
    ]);
  });

  test('a name that fits no label value is reported besides', () => {
    expect(validate({}, 'm'.repeat(64)).map(({ path, reason }) => [path, reason])).toEqual([
      ['metadata.name', undefined],
      ['metadata.name', 'NameTooLong'],
    ]);
  });

  check([
    [
      'a namespace with a dot',
      { spokeNamespace: 'a.b' },
      ['spec.spokeNamespace', 'is "a.b"; expected a DNS label of at most 63 characters, such as kmm-modules.'],
    ],
    ['a selector key', { selector: { 'a/b/c': 'v' } }, ['spec.selector["a/b/c"]', `has the key "a/b/c"; a label key is ${KEY_RULE}.`]],
    ['a selector value', { selector: { k: 'a b' } }, ['spec.selector["k"]', `is "a b"; a label value is ${VALUE_RULE}.`]],
    [
      'a node selector value',
      withModule({ selector: { k: '-' } }),
      ['spec.moduleSpec.selector["k"]', `is "-"; a label value is ${VALUE_RULE}.`],
    ],
  ]);
});

describe('tolerations', () => {
  const at = 'spec.moduleSpec.tolerations[0]';
  check([
    ['a key that is no name', withModule({ tolerations: [{ key: 'a b' }] }), [`${at}.key`, `is "a b"; expected ${KEY_RULE}.`]],
    [
      'no key and not Exists',
      withModule({ tolerations: [{ operator: 'Equal' }] }),
      [`${at}.operator`, 'is "Equal"; it must be "Exists" when key is empty.'],
    ],
    [
      'seconds without NoExecute',
      withModule({ tolerations: [{ key: 'k', tolerationSeconds: 0, effect: 'NoSchedule' }] }),
      [`${at}.effect`, 'is "NoSchedule"; it must be "NoExecute" when tolerationSeconds is set.'],
    ],
    [
      'a value that is none',
      withModule({ tolerations: [{ key: 'k', value: 'a b' }] }),
      [`${at}.value`, `is "a b"; for operator "Equal" expected ${VALUE_RULE}.`],
    ],
    [
      'Exists with a value',
      withModule({ tolerations: [{ key: 'k', operator: 'Exists', value: 'v' }] }),
      [`${at}.value`, 'is "v"; it must be empty when operator is "Exists".'],
    ],
    [
      'another operator',
      withModule({ tolerations: [{ key: 'k', operator: 'Gt' }] }),
      [`${at}.operator`, 'is "Gt"; expected "Equal" or "Exists".'],
    ],
    [
      'another effect',
      withModule({ tolerations: [{ key: 'k', effect: 'Never' }] }),
      [`${at}.effect`, 'is "Never"; expected "NoSchedule", "PreferNoSchedule" or "NoExecute".'],
    ],
  ]);
});

describe('device plugin and DRA', () => {
  const dra = (more: object) => withModule({ dra: { ...plugin, driverName: 'd', ...more } });
  const hostPath = (path: string) => ({ volumes: [{ name: 'v', hostPath: { path } }] });
  const dns = 'expected a DNS subdomain, such as gpu.example.com.';
  const allowed = 'only paths at or under /dev, /sys, /var, /opt and /run are permitted.';
  check([
    ['no driver name', dra({ driverName: '' }), ['spec.moduleSpec.dra.driverName', `is empty; ${dns}`]],
    ['a driver name that is no DNS name', dra({ driverName: 'A_b' }), ['spec.moduleSpec.dra.driverName', `is "A_b"; ${dns}`]],
    [
      'device classes',
      dra({ deviceClasses: [{ name: '' }, { name: 'a' }, { name: 'A' }, { name: 'a' }] }),
      ['spec.moduleSpec.dra.deviceClasses[0].name', `is empty; ${dns}`],
      ['spec.moduleSpec.dra.deviceClasses[2].name', `is "A"; ${dns}`],
      [
        'spec.moduleSpec.dra.deviceClasses[3].name',
        '"a" is a duplicate of spec.moduleSpec.dra.deviceClasses[1].name; give each class its own name.',
      ],
    ],
    ['a host path of DRA', dra(hostPath('/etc')), ['spec.moduleSpec.dra.volumes[0].hostPath.path', `is "/etc"; ${allowed}`]],
    [
      'a host path that climbs out',
      withModule({ devicePlugin: { ...plugin, ...hostPath('/dev/../etc') } }),
      ['spec.moduleSpec.devicePlugin.volumes[0].hostPath.path', `is "/dev/../etc"; ${allowed}`],
    ],
    [
      'a host path that only begins alike',
      withModule({ devicePlugin: { ...plugin, ...hostPath('/devices') } }),
      ['spec.moduleSpec.devicePlugin.volumes[0].hostPath.path', `is "/devices"; ${allowed}`],
    ],
    [
      'a relative host path',
      withModule({ devicePlugin: { ...plugin, ...hostPath('dev') } }),
      ['spec.moduleSpec.devicePlugin.volumes[0].hostPath.path', `is "dev"; ${allowed}`],
    ],
    [
      'both',
      withModule({ dra: { ...plugin, driverName: 'd' }, devicePlugin: plugin }),
      ['spec.moduleSpec', 'has both dra and devicePlugin; they are mutually exclusive: remove one of them.'],
    ],
  ]);
});

describe('images and kernel mappings', () => {
  check([
    [
      'a container image without tag',
      withContainer({ containerImage: 'reg/kmod' }),
      [`${CONTAINER}.containerImage`, `is "reg/kmod"; ${DIGEST_RULE}, such as reg/kmod:\${KERNEL_FULL_VERSION}.`],
    ],
    [
      'a mapping image without tag',
      withMapping({ literal: 'k', containerImage: 'kmod' }),
      [`${MAPPING}.containerImage`, `is "kmod"; ${DIGEST_RULE}, such as kmod:\${KERNEL_FULL_VERSION}.`],
    ],
    [
      'a malformed template',
      withContainer({ containerImage: 'a:${X' }),
      [`${CONTAINER}.containerImage`, 'is not a valid template: the closing brace is missing of the ${ at position 3 of "a:${X".'],
    ],
    [
      'no image at all',
      withMapping({ literal: 'k', containerImage: '' }, { containerImage: '' }),
      [`${MAPPING}.containerImage`, `is missing; set it there or once for all mappings in ${CONTAINER}.containerImage.`],
    ],
    [
      'literal and regexp',
      withMapping({ literal: 'a', regexp: 'b' }),
      [MAPPING, 'has literal "a" and regexp "b"; they are mutually exclusive: keep one of them.'],
    ],
    ['neither literal nor regexp', withMapping({ literal: '' }), [MAPPING, 'has neither literal nor regexp; set one of them.']],
    [
      'a regexp that is not RE2',
      withMapping({ regexp: '(?=a)' }),
      [
        `${MAPPING}.regexp`,
        'is "(?=a)", which is not a valid RE2 expression: error parsing regexp: invalid or unsupported Perl syntax: `(?=`.',
      ],
    ],
    [
      'both in-tree forms in the container',
      withContainer({ inTreeModuleToRemove: 'a', inTreeModulesToRemove: [] }),
      [`${CONTAINER}.inTreeModuleToRemove`, 'is "a" while inTreeModulesToRemove is []; keep only inTreeModulesToRemove.'],
    ],
    [
      'both in-tree forms in a mapping',
      withMapping({ literal: 'k', inTreeModuleToRemove: 'a', inTreeModulesToRemove: ['b'] }),
      [`${MAPPING}.inTreeModuleToRemove`, 'is "a" while inTreeModulesToRemove is ["b"]; keep only inTreeModulesToRemove.'],
    ],
    [
      'the old in-tree form in the container and the new in a mapping',
      withMapping({ literal: 'k', inTreeModulesToRemove: ['b'] }, { inTreeModuleToRemove: 'a' }),
      [
        `${CONTAINER}.inTreeModuleToRemove`,
        `cannot be set together with ${MAPPING}.inTreeModulesToRemove; use inTreeModulesToRemove in both places.`,
      ],
    ],
    [
      'the new in-tree form in the container and the old in a mapping',
      withMapping({ literal: 'k', inTreeModuleToRemove: 'a' }, { inTreeModulesToRemove: ['b'] }),
      [
        `${MAPPING}.inTreeModuleToRemove`,
        `cannot be set together with ${CONTAINER}.inTreeModulesToRemove; use inTreeModulesToRemove in both places.`,
      ],
    ],
  ]);
});

describe('modprobe', () => {
  const at = `${CONTAINER}.modprobe`;
  check([
    [
      'a name and raw arguments',
      withModprobe({ moduleName: 'a', rawArgs: { load: ['x'] } }),
      [`${at}.rawArgs.load`, `is ["x"] while ${at}.moduleName is "a"; set either moduleName or rawArgs.`],
    ],
    [
      'neither',
      withModprobe({}),
      [`${at}.rawArgs.load`, `is empty and ${at}.moduleName is not set; set moduleName, or both rawArgs.load and rawArgs.unload.`],
      [`${at}.rawArgs.unload`, `is empty and ${at}.moduleName is not set; set moduleName, or both rawArgs.load and rawArgs.unload.`],
    ],
    [
      'half of the raw arguments',
      withModprobe({ rawArgs: { load: ['x'] } }),
      [`${at}.rawArgs.unload`, `is empty and ${at}.moduleName is not set; set moduleName, or both rawArgs.load and rawArgs.unload.`],
    ],
    [
      'an order of one',
      withModprobe({ moduleName: 'a', modulesLoadingOrder: ['a'] }),
      [`${at}.modulesLoadingOrder`, 'is ["a"]; expected at least two modules, "a" first and then what it depends on.'],
    ],
    [
      'an order without a name',
      withModprobe({ rawArgs: { load: ['x'], unload: ['y'] }, modulesLoadingOrder: ['a', 'b'] }),
      [`${at}.modulesLoadingOrder`, `is ["a","b"], which needs ${at}.moduleName; set it to the first module of the order.`],
    ],
    [
      'an order that begins with another',
      withModprobe({ moduleName: 'a', modulesLoadingOrder: ['b', 'a'] }),
      [`${at}.modulesLoadingOrder[0]`, `is "b"; it must be ${at}.moduleName, "a".`],
    ],
    [
      'an order with a repeat',
      withModprobe({ moduleName: 'a', modulesLoadingOrder: ['a', 'b', 'b'] }),
      [`${at}.modulesLoadingOrder[2]`, `is "b" again, as ${at}.modulesLoadingOrder[1]; list each module once.`],
    ],
  ]);
});

describe('signing', () => {
  check([
    [
      'no files in the container',
      withContainer({ sign: secrets }),
      [`${CONTAINER}.sign.filesToSign`, 'is empty; list the kernel module files to sign, each below /opt/.'],
    ],
    [
      'no files in a mapping',
      withMapping({ literal: 'k', sign: { ...secrets, filesToSign: [] } }),
      [`${MAPPING}.sign.filesToSign`, 'is empty; list the kernel module files to sign, each below /opt/.'],
    ],
    [
      'a file elsewhere',
      withContainer({ sign: { ...secrets, filesToSign: ['/opt/a.ko', '/optional/b.ko'] } }),
      [`${CONTAINER}.sign.filesToSign[1]`, 'is "/optional/b.ko"; it must be under dirName: begin it with /opt/.'],
    ],
    [
      'a malformed unsigned image',
      withContainer({ sign: { ...secrets, unsignedImage: '${', filesToSign: ['/opt/a.ko'] } }),
      [`${CONTAINER}.sign.unsignedImage`, 'is not a valid template: the closing brace is missing of the ${ at position 1 of "${".'],
    ],
  ]);
});

describe('rollout', () => {
  const percent = (least: number) => `expected a whole number of at least ${least}, or a percentage from "${least}%" to "100%".`;
  const selector = 'spec.rollout.waves[0].clusterSelector';
  check([
    [
      'amounts out of range',
      { rollout: { maxConcurrent: 0, maxFailures: '101%', canary: { clusters: '0%' }, waves: [{ name: 'w', maxConcurrent: 1.5 }] } },
      ['spec.rollout.maxConcurrent', `is 0; ${percent(1)}`],
      ['spec.rollout.maxFailures', `is "101%"; ${percent(0)}`],
      ['spec.rollout.canary.clusters', `is "0%"; ${percent(1)}`],
      ['spec.rollout.waves[0].maxConcurrent', `is 1.5; ${percent(1)}`],
    ],
    [
      'a duration without unit',
      { rollout: { soak: '10' } },
      ['spec.rollout.soak', 'is "10"; expected a duration such as "90s", "10m" or "1h30m", at most "8760h".'],
    ],
    [
      'a deadline before the settle time',
      { rollout: { settle: '2m', progressDeadline: '120s' } },
      [
        'spec.rollout.progressDeadline',
        'is "120s"; it must be longer than spec.rollout.settle, "2m", or no cluster could ever count as loaded.',
      ],
    ],
    [
      'retries',
      { rollout: { retry: { attempts: 0, initialInterval: '10ms', maximumInterval: '1ms' } } },
      ['spec.rollout.retry.attempts', 'is 0; expected a whole number of at least 1.'],
      ['spec.rollout.retry.initialInterval', 'is "10ms"; expected a duration of at least "1s", such as "30s" or "10m".'],
      ['spec.rollout.retry.maximumInterval', 'is "1ms"; expected a duration of at least "1s", such as "30s" or "10m".'],
      ['spec.rollout.retry.maximumInterval', 'is "1ms"; it must not be shorter than spec.rollout.retry.initialInterval, "10ms".'],
    ],
    [
      'two waves of one name',
      { rollout: { waves: [{ name: 'w' }, { name: 'w' }] } },
      ['spec.rollout.waves[1].name', 'is "w", as spec.rollout.waves[0].name; give each wave its own name.'],
    ],
    [
      'approval after a canary that is not there',
      { rollout: { approval: 'AfterCanary' } },
      ['spec.rollout.approval', 'is "AfterCanary" but spec.rollout.canary is not set; set a canary, or use "BeforeEachWave".'],
    ],
    [
      'cluster selectors',
      {
        rollout: {
          waves: [
            {
              name: 'w',
              clusterSelector: {
                matchLabels: { 'a b': 'c' },
                matchExpressions: [
                  { key: '', operator: 'Exists' },
                  { key: 'k', operator: 'In' },
                  { key: 'k', operator: 'DoesNotExist', values: ['v'] },
                ],
              },
            },
          ],
        },
      },
      [`${selector}.matchLabels["a b"]`, `has the key "a b"; a label key is ${KEY_RULE}.`],
      [`${selector}.matchExpressions[0].key`, `has the key ""; a label key is ${KEY_RULE}.`],
      [`${selector}.matchExpressions[1].values`, 'is []; operator "In" needs at least one value.'],
      [`${selector}.matchExpressions[2].values`, 'is ["v"]; operator "DoesNotExist" needs no values.'],
    ],
  ]);
});

test('everything that is wrong is reported at once', () => {
  const paths = validate(
    { spokeNamespace: 'A', ...withMapping({ regexp: '(' }, { containerImage: 'a', modprobe: { dirName: '/opt' }, sign: secrets }) },
    'B',
  ).map(({ path }) => path);
  expect(paths).toEqual([
    'metadata.name',
    'spec.spokeNamespace',
    `${CONTAINER}.containerImage`,
    `${MAPPING}.regexp`,
    `${CONTAINER}.modprobe.rawArgs.load`,
    `${CONTAINER}.modprobe.rawArgs.unload`,
    `${CONTAINER}.sign.filesToSign`,
  ]);
});

test.each([
  [undefined, 'v1', false],
  ['', 'v1', false],
  ['v1', undefined, false],
  ['v1', 'v2', true],
  [undefined, '', true],
])('version %j may become %j: %j', (from, to, allowed) => {
  const specWith = (version: string | undefined) => ({ spec: { selector: {}, spokeNamespace: 'n', ...withContainer({ version }) } });
  const message = `${CONTAINER}.version cannot change from ${JSON.stringify(from ?? '')} to ${JSON.stringify(to ?? '')}: it can neither appear nor vanish. Delete the ManagedClusterModule and create it again.`;
  expect(validateUpdate(specWith(from), specWith(to))).toEqual(allowed ? [] : [{ path: `${CONTAINER}.version`, message }]);
});

test('a moduleLoader may appear with a version', () => {
  const base = { selector: {}, spokeNamespace: 'n' };
  expect(validateUpdate({ spec: { ...base, ...withModule({}) } }, { spec: { ...base, ...withContainer({ version: 'v1' }) } })).toEqual([]);
});

test('no text in any field makes it throw, and what it says begins with a path and ends with a full stop', () => {
  const text = fc.string({ unit: 'binary', maxLength: 12 });
  fc.assert(
    fc.property(text, text, text, text, (a, b, c, d) => {
      const spec = {
        ...withMapping({ literal: a, regexp: b, sign: { ...secrets, unsignedImage: c, filesToSign: [d] } }, { containerImage: d }),
        selector: { [a]: b },
        spokeNamespace: c,
        rollout: { soak: a, maxConcurrent: b, retry: { initialInterval: c, maximumInterval: d } },
      };
      for (const { path, message } of validate(spec, a)) {
        expect(message.endsWith('.')).toBe(true);
        expect(path).toMatch(/^(metadata|spec)\./);
      }
    }),
  );
});
