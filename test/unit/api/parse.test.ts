import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse as parseYaml } from 'yaml';
import { parseManagedClusterModule, parseManagedClusterModuleSpec, type FieldProblem } from '../../../src/api/index.js';
import { everyUpstreamField } from './every-field.js';

const mcm = (spec: unknown, rest: object = {}) => ({
  apiVersion: 'hub.kmm.sigs.x-k8s.io/v1beta1',
  kind: 'ManagedClusterModule',
  metadata: { name: 'simple-kmod' },
  spec,
  ...rest,
});
const minimal = { selector: { site: 'edge' }, spokeNamespace: 'kmm' };
const loader = (container: object) => ({
  ...minimal,
  moduleSpec: { selector: {}, moduleLoader: { container: { modprobe: {}, kernelMappings: [{}], ...container } } },
});

function problemsOf(value: unknown): FieldProblem[] {
  const result = parseManagedClusterModule(value);
  return result.ok ? [] : result.problems;
}

describe('what is accepted', () => {
  test.each(['devicePlugin', 'dra'] as const)('every field of upstream, with %s, comes through unchanged', (extra) => {
    const object = everyUpstreamField('all', extra);
    expect(parseManagedClusterModule(object)).toEqual({ ok: true, value: object });
  });

  test('a Module without moduleLoader, and an object without moduleSpec', () => {
    expect(problemsOf(mcm({ ...minimal, moduleSpec: { selector: {} } }))).toEqual([]);
    expect(problemsOf(mcm(minimal))).toEqual([]);
  });

  test('a mapping without containerImage, which upstream would refuse, and defaults as the API server fills them in', () => {
    const result = parseManagedClusterModuleSpec({ ...loader({ kernelMappings: [{ regexp: '.+' }] }) });
    expect(result).toEqual({ ok: true, value: loader({ modprobe: { dirName: '/opt' }, kernelMappings: [{ regexp: '.+' }] }) });
  });

  test('nulls and empty strings as serialisers write them: null means absent', () => {
    const spec = loader({
      containerImage: null,
      build: null,
      kernelMappings: [{ literal: '', regexp: '.+', registryTLS: null, containerImage: '' }],
    });
    expect(parseManagedClusterModuleSpec(spec)).toEqual({
      ok: true,
      value: loader({ modprobe: { dirName: '/opt' }, kernelMappings: [{ literal: '', regexp: '.+', containerImage: '' }] }),
    });
  });

  test('metadata of others is kept', () => {
    const metadata = { name: 'x', managedFields: [{ manager: 'kubectl' }], labels: { a: 'b' } };
    expect(parseManagedClusterModule(mcm(minimal, { metadata }))).toMatchObject({ ok: true, value: { metadata } });
  });

  test.each(readdirSync('examples').filter((file) => file.endsWith('.yaml')))('examples/%s', (file) => {
    expect(problemsOf(parseYaml(readFileSync(`examples/${file}`, 'utf8')))).toEqual([]);
  });
});

describe('the status', () => {
  test('is kept when it fits', () => {
    const status = { phase: 'Ready', clusters: { selected: 3, loaded: 2 }, history: [{ number: 1, revision: 'r1', outcome: 'Completed' }] };
    expect(parseManagedClusterModule(mcm(minimal, { status }))).toMatchObject({ ok: true, value: { status } });
  });

  test('is left out when another version wrote it in a way that does not fit: no person can mend it', () => {
    const result = parseManagedClusterModule(mcm(minimal, { status: { clusters: 'many' } }));
    expect(result).toEqual({ ok: true, value: mcm(minimal) });
  });
});

describe('what is refused, each with its path and with what would be right', () => {
  test.each<[string, unknown, string, string]>([
    ['something else', 'text', '', 'Got "text"; an object is required.'],
    ['nothing', undefined, '', 'Missing; an object is required.'],
    ['another kind', mcm(minimal, { kind: 'Module' }), 'kind', 'Got "Module"; "ManagedClusterModule" is required.'],
    ['another version', mcm(minimal, { apiVersion: 'v1' }), 'apiVersion', 'Got "v1"; "hub.kmm.sigs.x-k8s.io/v1beta1" is required.'],
    ['no name', mcm(minimal, { metadata: {} }), 'metadata.name', 'Missing; a string is required.'],
    ['an empty name', mcm(minimal, { metadata: { name: '' } }), 'metadata.name', 'Got ""; a string that is not empty is required.'],
    ['no spec', mcm(undefined), 'spec', 'Missing; an object is required.'],
    ['no selector', mcm({ spokeNamespace: 'x' }), 'spec.selector', 'Missing; an object with a string for each key is required.'],
    [
      'a number in a label',
      mcm({ ...minimal, selector: { 'example.com/a': 1 } }),
      'spec.selector["example.com/a"]',
      'Got 1; a string is required. Put it in quotes.',
    ],
    [
      'no mappings',
      mcm(loader({ kernelMappings: [] })),
      'spec.moduleSpec.moduleLoader.container.kernelMappings',
      'Got an empty list; a list of at least 1 is required.',
    ],
    ['no modprobe', mcm(loader({ modprobe: null })), 'spec.moduleSpec.moduleLoader.container.modprobe', 'Missing; an object is required.'],
    [
      'a list for a text',
      mcm(loader({ kernelMappings: [{}, {}, { regexp: ['a'] }] })),
      'spec.moduleSpec.moduleLoader.container.kernelMappings[2].regexp',
      'Got a list of 1; a string is required.',
    ],
    [
      'a null mapping',
      mcm(loader({ kernelMappings: [null] })),
      'spec.moduleSpec.moduleLoader.container.kernelMappings[0]',
      'Got null; an object is required.',
    ],
    [
      'an unknown word',
      mcm({ ...minimal, rollout: { approval: 'Maybe' } }),
      'spec.rollout.approval',
      'Got "Maybe"; one of "None", "AfterCanary", "BeforeEachWave" is required.',
    ],
    [
      'a percentage over 100',
      mcm({ ...minimal, rollout: { maxFailures: '101%' } }),
      'spec.rollout.maxFailures',
      'Got "101%"; a whole number of at least 0, or a percentage from "0%" to "100%", is required.',
    ],
    [
      'no concurrency at all',
      mcm({ ...minimal, rollout: { maxConcurrent: 0 } }),
      'spec.rollout.maxConcurrent',
      'Got 0; a whole number of at least 1, or a percentage from "1%" to "100%", is required.',
    ],
    [
      'half a cluster',
      mcm({ ...minimal, rollout: { canary: { clusters: 0.5 } } }),
      'spec.rollout.canary.clusters',
      'Got 0.5; a whole number of at least 1, or a percentage from "1%" to "100%", is required.',
    ],
    [
      'a duration in words',
      mcm({ ...minimal, rollout: { soak: '10 minutes' } }),
      'spec.rollout.soak',
      'Got "10 minutes"; a duration such as "90s", "10m" or "1h30m" is required.',
    ],
    [
      'a bare number as duration',
      mcm({ ...minimal, rollout: { settle: 10 } }),
      'spec.rollout.settle',
      'Got 10; a duration such as "90s", "10m" or "1h30m" is required.',
    ],
    [
      'no attempts',
      mcm({ ...minimal, rollout: { retry: { attempts: 0 } } }),
      'spec.rollout.retry.attempts',
      'Got 0; a number of at least 1 is required.',
    ],
    ['a slip in a name', mcm({ ...minimal, spokeNamepsace: 'x' }), 'spec.spokeNamepsace', 'Unknown field; did you mean "spokeNamespace"?'],
    [
      'a name that is like none',
      mcm(loader({ modprobe: { verbose: true } })),
      'spec.moduleSpec.moduleLoader.container.modprobe.verbose',
      'Unknown field; known here are moduleName, dirName, parameters, args, rawArgs, firmwarePath, modulesLoadingOrder.',
    ],
    [
      'a name that every object has by inheritance',
      mcm({ ...minimal, constructor: 'x' }),
      'spec.constructor',
      'Unknown field; known here are selector, spokeNamespace, moduleSpec, rollout.',
    ],
    [
      'dra together with devicePlugin',
      mcm({
        ...minimal,
        moduleSpec: { selector: {}, devicePlugin: { container: { image: 'x' } }, dra: { driverName: 'x', container: { image: 'x' } } },
      }),
      'spec.moduleSpec',
      'Got both dra and devicePlugin; only one of them may be set.',
    ],
  ])('%s', (_what, value, path, message) => {
    expect(problemsOf(value)).toEqual([{ path, message }]);
  });

  test('all problems are told at once, also rules over several fields', () => {
    const value = mcm({
      selector: { site: 'edge' },
      moduleSpec: { moduleLoader: { container: { modprob: {} } }, devicePlugin: {}, dra: { driverName: 1 } },
      rollout: { soak: 'long', onFailure: 'Cry' },
    });
    expect(
      problemsOf(value)
        .map(({ path }) => path)
        .sort(),
    ).toEqual([
      'spec.moduleSpec',
      'spec.moduleSpec.devicePlugin.container',
      'spec.moduleSpec.dra.container',
      'spec.moduleSpec.dra.driverName',
      'spec.moduleSpec.moduleLoader.container.kernelMappings',
      'spec.moduleSpec.moduleLoader.container.modprob',
      'spec.moduleSpec.moduleLoader.container.modprobe',
      'spec.moduleSpec.selector',
      'spec.rollout.onFailure',
      'spec.rollout.soak',
      'spec.spokeNamespace',
    ]);
  });

  test('a long value is cut, and an object is named and not printed', () => {
    expect(problemsOf(mcm({ ...minimal, rollout: { approval: 'x'.repeat(500), paused: {} } })).map(({ message }) => message)).toEqual([
      `Got "${'x'.repeat(76)}…; one of "None", "AfterCanary", "BeforeEachWave" is required.`,
      'Got an object; true or false is required.',
    ]);
  });
});

test('a spec alone is read with the paths that the whole object would have', () => {
  expect(parseManagedClusterModuleSpec({ ...minimal, spokeNamespace: 7 })).toEqual({
    ok: false,
    problems: [{ path: 'spec.spokeNamespace', message: 'Got 7; a string is required. Put it in quotes.' }],
  });
  expect(parseManagedClusterModuleSpec(null)).toEqual({
    ok: false,
    problems: [{ path: 'spec', message: 'Got null; an object is required.' }],
  });
});

test('what was parsed is not changed by it', () => {
  const object = mcm(loader({ build: null }));
  const before = JSON.stringify(object);
  parseManagedClusterModule(object);
  expect(JSON.stringify(object)).toBe(before);
});
