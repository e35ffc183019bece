import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Agent, request } from 'undici';
import { parse as parseYaml } from 'yaml';
import { managedClusterModuleCrd, parseManagedClusterModule, type ManagedClusterModuleStatus } from '../../src/api/index.js';
import { startControlPlane, type ControlPlane } from '../harness/control-plane.js';
import { everyUpstreamField } from '../unit/api/every-field.js';

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const MCMS = '/apis/hub.kmm.sigs.x-k8s.io/v1beta1/managedclustermodules';
const AS_TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';
/** Unknown fields are refused and not dropped in silence. */
const STRICT = '?fieldValidation=Strict';

let controlPlane: ControlPlane;
let dispatcher: Agent;

beforeAll(async () => {
  controlPlane = await startControlPlane({ crds: 'none' });
  dispatcher = new Agent({ connect: { ca: readFileSync(controlPlane.caFile, 'utf8') } });
  await install(managedClusterModuleCrd());
}, 120_000);

afterAll(async () => {
  await dispatcher?.close();
  await controlPlane?.stop();
}, 60_000);

async function call(method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown, accept = 'application/json'): Promise<Answer> {
  const response = await request(controlPlane.url + path, {
    dispatcher,
    method,
    headers: { authorization: `Bearer ${controlPlane.token}`, accept, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await response.body.text();
  return { status: response.statusCode, body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : { text } };
}

interface Crd {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string };
    readonly versions: readonly { readonly name: string }[];
  };
}

/** Creates a CRD and waits until objects of it can be listed. @returns its conditions, as `type=status`. */
async function install(crd: Crd): Promise<string[]> {
  const created = await call('POST', CRDS + STRICT, crd);
  if (created.status !== 201)
    throw new Error(`CRD ${crd.metadata.name} was refused with ${created.status}: ${JSON.stringify(created.body)}`);
  const served = `/apis/${crd.spec.group}/${crd.spec.versions[0]?.name}/${crd.spec.names.plural}?limit=1`;
  for (let attempt = 0; attempt < 100; attempt++) {
    if ((await call('GET', served)).status === 200) return conditionsOf(crd.metadata.name);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`CRD ${crd.metadata.name} was not served within 10 s: ${(await conditionsOf(crd.metadata.name)).join(', ')}`);
}

async function conditionsOf(name: string): Promise<string[]> {
  const { body } = await call('GET', `${CRDS}/${name}`);
  const { conditions = [] } = body['status'] as { conditions?: { type: string; status: string }[] };
  return conditions.map(({ type, status }) => `${type}=${status}`).sort();
}

const object = (name: string, spec: unknown) => ({ ...everyUpstreamField(name, 'dra'), spec });
const minimal = { selector: { site: 'edge' }, spokeNamespace: 'kmm' };
const withContainer = (container: object) => ({
  ...minimal,
  moduleSpec: { selector: {}, moduleLoader: { container: { modprobe: {}, kernelMappings: [{ regexp: '.+' }], ...container } } },
});

describe('the CRD of ManagedClusterModule on a real API server', () => {
  test('is Established, its names are accepted, and its schema is structural', async () => {
    expect(await conditionsOf('managedclustermodules.hub.kmm.sigs.x-k8s.io')).toEqual(['Established=True', 'NamesAccepted=True']);
  });

  test.each(['devicePlugin', 'dra'] as const)('keeps every field of upstream, with %s, as it was written', async (extra) => {
    const written = everyUpstreamField(`every-${extra.toLowerCase()}`, extra);
    expect(await call('POST', MCMS + STRICT, written)).toMatchObject({ status: 201 });
    const { body } = await call('GET', `${MCMS}/${written.metadata.name}`);
    expect(body['spec']).toEqual(written.spec);
    expect(parseManagedClusterModule(body)).toMatchObject({ ok: true, value: { spec: written.spec } });
  });

  test.each(readdirSync('examples').filter((file) => file.endsWith('.yaml')))(
    'takes examples/%s, and reads it as our parser does',
    async (file) => {
      const example = parseYaml(readFileSync(`examples/${file}`, 'utf8')) as object;
      const { status, body } = await call('POST', `${MCMS}${STRICT}&dryRun=All`, example);
      expect({ status, message: body['message'] }).toEqual({ status: 201, message: undefined });
      expect(parseManagedClusterModule(example)).toMatchObject({ ok: true, value: { spec: body['spec'] as object } });
    },
  );

  test('fills in the same defaults as our parser', async () => {
    const { moduleSpec, ...rest } = withContainer({ build: { dockerfileConfigMap: {} } });
    const written = object('defaults', { ...rest, moduleSpec: { ...moduleSpec, imageRepoSecret: {} } });
    const { body } = await call('POST', `${MCMS}?dryRun=All`, written);
    expect(parseManagedClusterModule(written)).toEqual({ ok: true, value: { ...written, spec: body['spec'] } });
    expect(body).toMatchObject({
      spec: { moduleSpec: { imageRepoSecret: { name: '' }, moduleLoader: { container: { modprobe: { dirName: '/opt' } } } } },
    });
  });

  test('drops nulls, as our parser does', async () => {
    const written = object('nulls', { ...withContainer({ build: null, containerImage: null }), rollout: null });
    const { status, body } = await call('POST', `${MCMS}?dryRun=All`, written);
    expect(status).toBe(201);
    expect(parseManagedClusterModule(written)).toEqual({ ok: true, value: { ...written, spec: body['spec'] } });
  });

  test('takes an object without spec, as upstream does', async () => {
    expect((await call('POST', `${MCMS}${STRICT}&dryRun=All`, object('no-spec', undefined))).status).toBe(201);
  });

  test.each<[string, unknown, string]>([
    ['no selector', { spokeNamespace: 'x' }, 'spec.selector'],
    ['no mappings', withContainer({ kernelMappings: [] }), 'spec.moduleSpec.moduleLoader.container.kernelMappings'],
    ['no modprobe', withContainer({ modprobe: undefined }), 'spec.moduleSpec.moduleLoader.container.modprobe'],
    [
      'modprobe arguments without any',
      withContainer({ modprobe: { args: { load: [] } } }),
      'spec.moduleSpec.moduleLoader.container.modprobe.args.load',
    ],
    ['a duration in words', { ...minimal, rollout: { soak: '10 minutes' } }, 'spec.rollout.soak'],
    ['a percentage over 100', { ...minimal, rollout: { maxFailures: '101%' } }, 'spec.rollout.maxFailures'],
    ['a negative number of clusters', { ...minimal, rollout: { maxFailures: -1 } }, 'spec.rollout.maxFailures'],
    ['no concurrency at all', { ...minimal, rollout: { maxConcurrent: 0 } }, 'spec.rollout.maxConcurrent'],
    ['an unknown word', { ...minimal, rollout: { approval: 'Maybe' } }, 'spec.rollout.approval'],
    [
      'a name that is no DNS name',
      { ...minimal, moduleSpec: { selector: {}, dra: { driverName: 'x', container: { image: 'x' }, deviceClasses: [{ name: 'A_B' }] } } },
      'spec.moduleSpec.dra.deviceClasses[0].name',
    ],
    [
      'dra together with devicePlugin',
      {
        ...minimal,
        moduleSpec: { selector: {}, devicePlugin: { container: { image: 'x' } }, dra: { driverName: 'x', container: { image: 'x' } } },
      },
      'spec.moduleSpec',
    ],
  ])('refuses %s, at the path that our parser names', async (_what, spec, path) => {
    const written = object('refused', spec);
    const { status, body } = await call('POST', `${MCMS}?dryRun=All`, written);
    expect(status).toBe(422);
    const { causes } = body['details'] as { causes: { field: string }[] };
    expect(causes.map(({ field }) => field)).toContain(path);
    expect(parseManagedClusterModule(written)).toMatchObject({ ok: false, problems: [{ path }] });
  });

  test('refuses dra together with devicePlugin in the words of upstream', async () => {
    const plugin = { container: { image: 'x' } };
    const { body } = await call(
      'POST',
      `${MCMS}?dryRun=All`,
      object('both', { ...minimal, moduleSpec: { selector: {}, devicePlugin: plugin, dra: { ...plugin, driverName: 'x' } } }),
    );
    expect(body['message']).toContain('spec.dra and spec.devicePlugin are mutually exclusive');
  });

  test('keeps every field of the status, which only its own subresource writes', async () => {
    const created = await call('POST', MCMS + STRICT, { ...object('status', minimal), status: everyStatusField });
    expect(created.status).toBe(201);
    expect(created.body['status']).toBeUndefined();
    const written = await call('PUT', `${MCMS}/status/status${STRICT}`, { ...created.body, status: everyStatusField });
    expect(written.status).toBe(200);
    const { body } = await call('GET', `${MCMS}/status`);
    expect(body['status']).toEqual(everyStatusField);
    expect(parseManagedClusterModule(body)).toMatchObject({ ok: true, value: { status: everyStatusField } });
  });

  test('shows phase, counts, revision and age in tables', async () => {
    const created = await call('POST', MCMS + STRICT, object('columns', minimal));
    await call('PUT', `${MCMS}/columns/status`, { ...created.body, status: everyStatusField });
    const { body } = await call('GET', `${MCMS}/columns`, undefined, AS_TABLE);
    const table = body as { columnDefinitions: { name: string }[]; rows: { cells: unknown[] }[] };
    expect(table.columnDefinitions.map(({ name }) => name)).toEqual(['Name', 'Phase', 'Selected', 'Loaded', 'Failed', 'Revision', 'Age']);
    expect(table.rows[0]?.cells).toEqual(['columns', 'Progressing', 12, 5, 1, 'r2', expect.stringMatching(/^\d+s$/)]);
  });

  test('is found by its short name', async () => {
    const { body } = await call('GET', '/apis/hub.kmm.sigs.x-k8s.io/v1beta1');
    expect(body['resources']).toContainEqual(
      expect.objectContaining({ name: 'managedclustermodules', shortNames: ['mcm'], namespaced: false }),
    );
  });
});

describe('the small CRDs that tests on a fresh clone use', () => {
  const read = (file: string): Crd => parseYaml(readFileSync(`test/crds/${file}.yaml`, 'utf8')) as Crd;

  beforeAll(async () => {
    for (const file of ['managedclusters', 'manifestworks', 'modules'])
      expect(await install(read(file))).toEqual(['Established=True', 'NamesAccepted=True']);
  }, 60_000);

  const module = (spec: object) => ({ apiVersion: 'kmm.sigs.x-k8s.io/v1beta1', kind: 'Module', metadata: { name: 'x' }, spec });
  const modules = '/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/default/modules?dryRun=All';
  const loader = (kernelMappings: object[]) => ({ selector: {}, moduleLoader: { container: { modprobe: {}, kernelMappings } } });

  test.each<[string, object, string]>([
    ['without selector', {}, 'spec.selector'],
    ['without mappings', loader([]), 'spec.moduleLoader.container.kernelMappings'],
    ['with a mapping that has no image', loader([{ literal: '6.1' }]), 'spec.moduleLoader.container.kernelMappings[0].containerImage'],
  ])('a Module %s is refused', async (_what, spec, path) => {
    const { status, body } = await call('POST', modules, module(spec));
    expect(status).toBe(422);
    expect((body['details'] as { causes: { field: string }[] }).causes.map(({ field }) => field)).toContain(path);
  });

  test('a Module with an image for each mapping is taken', async () => {
    expect((await call('POST', modules, module(loader([{ literal: '6.1', containerImage: 'example.com/x:1' }])))).status).toBe(201);
  });

  const work = (manifests: object[]) => ({
    apiVersion: 'work.open-cluster-management.io/v1',
    kind: 'ManifestWork',
    metadata: { name: 'x' },
    spec: { workload: { manifests }, manifestConfigs: [{ resourceIdentifier: { group: 'g', resource: 'r', name: 'n' } }] },
  });
  const works = '/apis/work.open-cluster-management.io/v1/namespaces/default/manifestworks?dryRun=All';

  test('a ManifestWork without manifests is refused', async () => {
    expect((await call('POST', works, work([]))).status).toBe(422);
  });

  test('a ManifestWork keeps its manifest as it is, and gets a feedbackScrapeType that nobody wrote', async () => {
    const manifest = module({ ...loader([]), anything: { at: ['all'] } });
    const { status, body } = await call('POST', works, work([manifest]));
    expect(status).toBe(201);
    expect(body['spec']).toMatchObject({ workload: { manifests: [manifest] }, manifestConfigs: [{ feedbackScrapeType: 'Poll' }] });
  });

  test('a ManagedCluster without spec is taken, as it is: nobody has accepted it yet', async () => {
    const { status, body } = await call('POST', '/apis/cluster.open-cluster-management.io/v1/managedclusters?dryRun=All', {
      apiVersion: 'cluster.open-cluster-management.io/v1',
      kind: 'ManagedCluster',
      metadata: { name: 'spoke1' },
    });
    expect({ status, spec: body['spec'] }).toEqual({ status: 201, spec: undefined });
  });
});

const counts = { total: 12, pending: 2, inFlight: 3, loaded: 5, failed: 1, offline: 1 };
const everyStatusField: Required<ManagedClusterModuleStatus> = {
  numberDesired: 12,
  numberApplied: 8,
  numberDegraded: 1,
  observedGeneration: 4,
  phase: 'Progressing',
  notes: ['a setting without effect'],
  conditions: [
    {
      type: 'Ready',
      status: 'False',
      reason: 'LoadTimeout',
      message: 'One cluster failed.',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      observedGeneration: 4,
    },
  ],
  currentRevision: 'r1',
  updateRevision: 'r2',
  imageRebuildTriggerGeneration: 3,
  clusters: {
    selected: 12,
    published: 9,
    applied: 1,
    loading: 1,
    loaded: 5,
    noNodes: 1,
    failed: 1,
    offline: 1,
    held: 1,
    repairing: 1,
    excluded: 1,
    pending: 2,
  },
  exceptions: [{ cluster: 'spoke1', kernel: '6.1', state: 'Failed', reason: 'LoadTimeout', message: 'It took too long.' }],
  images: [
    {
      kernel: '6.1',
      image: 'example.com/x:6.1',
      digest: `sha256:${'0'.repeat(64)}`,
      state: 'Ready',
      reason: 'None',
      message: 'It is there.',
    },
  ],
  rollout: {
    number: 2,
    revision: 'r2',
    phase: 'Publishing',
    startedAt: '2026-01-01T00:00:00Z',
    finishedAt: '2026-01-01T00:01:00Z',
    clusters: counts,
    message: 'm',
  },
  history: [
    {
      number: 1,
      revision: 'r1',
      outcome: 'Completed',
      startedAt: '2026-01-01T00:00:00Z',
      finishedAt: '2026-01-01T00:01:00Z',
      clusters: counts,
      message: 'm',
    },
  ],
  removal: { held: 7, clusters: ['spoke7'], token: 't' },
  workflow: { id: 'mcm/x', runId: 'y' },
};
