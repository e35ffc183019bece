import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { temporal } from '@temporalio/proto';
import { PINS_ANNOTATION } from '../../src/api/names.js';
import type { Pins } from '../../src/domain/revision.js';
import { resources, type KubernetesObject } from '../../src/kube/index.js';
import { splitSignatures } from '../../src/kmod/index.js';
import { applyDockerfile, applySigningPair, imageJobs, startBuildScene, type BuildScene } from '../harness/build-scene.js';
import type { HubProcess } from '../harness/hub-process.js';
import { fileIn, readStoredImage } from '../harness/image-files.js';
import { debianKernels } from '../harness/kernels.js';
import { anMcm, applyMcm, mappingsIn, worksOf } from '../harness/mcm.js';
import { searchMemory } from '../harness/memory.js';
import { makeTempDir, removeTempDir } from '../harness/process.js';
import { loadInMachine } from '../harness/qemu.js';
import { waitUntilReady } from '../harness/rollout-witness.js';
import { SAMPLE_MODULE, sampleDockerfile, sampleModulePath } from '../harness/sample-module.js';
import { makeSigningPair, tracesOf } from '../harness/signing-pair.js';
import { OPERATOR_NAMESPACE } from '../harness/stack.js';

const MINUTE = 60_000;
const CLUSTERS = 200;
const NAME = 'sample';
const REPOSITORY = `kmods/${NAME}`;
const SIGNER = 'kmodflow test signer';

const kernels = debianKernels();
const pair = makeSigningPair(SIGNER);
let scene: BuildScene;
let hub: HubProcess;

beforeAll(async () => {
  scene = await startBuildScene({ clusters: CLUSTERS, kernels: kernels.map((k) => k.release) });
  const { api, registry, bases } = scene;
  await applyDockerfile(api, 'sample-dockerfile', sampleDockerfile({ images: bases }));
  const secrets = await applySigningPair(api, 'signing', pair);
  hub = await scene.startHub();
  await applyMcm(
    api,
    anMcm({
      name: NAME,
      registryHost: registry.host,
      container: {
        modprobe: { moduleName: SAMPLE_MODULE },
        build: { dockerfileConfigMap: { name: 'sample-dockerfile' }, baseImageRegistryTLS: { insecure: true } },
        sign: { ...secrets, filesToSign: ['/opt/lib/modules/${KERNEL_FULL_VERSION}/*.ko'] },
      },
    }),
  );
}, 3 * MINUTE);

afterAll(async () => {
  await scene?.stop();
}, MINUTE);

const pinsOf = async (): Promise<Pins> => {
  const { items } = await scene.api.listAll(resources.controllerRevisions, { namespace: OPERATOR_NAMESPACE });
  return JSON.parse(items[0]?.metadata.annotations?.[PINS_ANNOTATION] ?? '{}') as Pins;
};

describe('200 clusters with three kernels, and a module that is built from source and signed', () => {
  test('are all loaded in the end', async () => {
    await waitUntilReady(scene.api, NAME, CLUSTERS, 4 * MINUTE);
  }, 300_000);

  test('took exactly three Jobs and three pushes, each to its own tag and the tag of its key', async () => {
    const jobs = await imageJobs(scene.api);
    expect(jobs.map((job) => (job['status'] as { succeeded?: number }).succeeded)).toEqual([1, 1, 1]);
    const created = scene.control.auditEvents().filter((e) => e.resource === 'jobs' && e.verb === 'create');
    expect(created).toHaveLength(3);
    const keys = jobs.map((job) => job.metadata.labels?.['kmodflow.io/image-key'] ?? '');
    const pushes = scene.registry.pushes().filter((p) => p.repository === REPOSITORY && p.status === 201);
    const expected = [...kernels.map((k) => k.release), ...keys.map((key) => `kmodflow-${key}`)];
    expect(pushes.map((p) => p.reference).sort()).toEqual(expected.sort());
  });

  test('shipped the digests that stand in the registry, pinned in the revision with what was found inside', async () => {
    const pins = await pinsOf();
    const works = await worksOf(scene.api, NAME);
    for (const { release } of kernels) {
      const { digest } = await readStoredImage(scene.registry.host, REPOSITORY, release);
      expect(pins[release]).toMatchObject({
        digest,
        origin: 'Made',
        modules: [{ name: SAMPLE_MODULE, kernel: release, signer: SIGNER, vermagic: expect.stringContaining(`${release} `) }],
      });
      const shipped = scene.fleet.clusters.filter((c) => c.kernels?.[0] === release).map((c) => mappingsIn(works.get(c.name)));
      expect(new Set(shipped.map((m) => m[release]))).toEqual(new Set([`${scene.registry.host}/${REPOSITORY}@${digest}`]));
    }
  });

  test('never made an unsigned module visible in the registry: every manifest that it ever took holds signed ones alone', async () => {
    const { manifests, blobs } = scene.registry.stored(REPOSITORY);
    expect(manifests).toHaveLength(kernels.length);
    for (const digest of manifests) {
      const image = await readStoredImage(scene.registry.host, REPOSITORY, digest);
      const modules = image.layers.flatMap((layer) => [...layer].filter(([path]) => path.endsWith('.ko')));
      expect(modules.length).toBeGreaterThan(0);
      for (const [, bytes] of modules) expect(splitSignatures(bytes).signatures).toHaveLength(1);
    }
    // Nor was a blob uploaded that no manifest names.
    expect(blobs.sort()).toEqual([...new Set(await namedBlobs(manifests))].sort());
  });

  test.each(kernels)(
    '$flavour: openssl and modinfo confirm the signature, and the module loads in a machine with that kernel',
    async (kernel) => {
      const image = await readStoredImage(scene.registry.host, REPOSITORY, kernel.release);
      const bytes = fileIn(image, sampleModulePath(kernel.release));
      if (bytes === undefined) throw new Error(`${sampleModulePath(kernel.release)} is not in the image.`);
      expect(verify(bytes)).toContain('CMS Verification successful');
      expect(modinfo(bytes, 'signer')).toBe(SIGNER);
      expect(modinfo(bytes, 'sig_hashalgo')).toBe('sha256');
      expect(modinfo(bytes, 'vermagic').split(' ')[0]).toBe(kernel.release);
      const { loaded } = await loadInMachine({ kernel, modules: [{ name: SAMPLE_MODULE, bytes }] });
      expect(loaded).toContain(SAMPLE_MODULE);
    },
    2 * MINUTE,
  );
});

describe('the signing key', () => {
  test('is in no container of the Job but those that check and sign', async () => {
    for (const job of await imageJobs(scene.api)) {
      const mounting = containersOf(job).filter((c) => JSON.stringify(c.volumeMounts ?? []).includes('/run/kmodflow/key'));
      expect(mounting.map((c) => c.name)).toEqual(['sign-check', 'sign']);
      expect(JSON.stringify(containersOf(job).flatMap((c) => [c.env ?? [], c.envFrom ?? []]))).not.toContain('signing-key');
    }
  });

  test('is in no history, payload, log, status, Event, Job, pod or registry blob, and not in the hub’s memory', async () => {
    const traces = tracesOf(pair);
    const places: [string, Buffer][] = [
      ['the Temporal histories', await allHistories()],
      ['the hub’s log', Buffer.from(hub.log())],
      ['the API server’s objects', Buffer.from(await allObjects())],
      ['the logs of the containers', Buffer.from(await allPodLogs())],
    ];
    for (const [place, content] of places) {
      expect({ place, long: content.length > 1_000 }).toEqual({ place, long: true });
      expect({ place, traces: traces.filter((t) => content.includes(t)).length }).toEqual({ place, traces: 0 });
    }
    const { found, bytes } = searchMemory(hub.pid, [...traces, Buffer.from('sample-dockerfile')]);
    expect(bytes).toBeGreaterThan(50_000_000);
    expect(found).toEqual([traces.length]); // what it does know is found by the same search
  });
});

async function namedBlobs(digests: readonly string[]): Promise<string[]> {
  const manifests = digests.map(async (digest) => {
    const answer = await fetch(`http://${scene.registry.host}/v2/${REPOSITORY}/manifests/${digest}`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    const { config, layers } = (await answer.json()) as { config: { digest: string }; layers: { digest: string }[] };
    return [config.digest, ...layers.map((l) => l.digest)];
  });
  return (await Promise.all(manifests)).flat();
}

interface Container {
  readonly name: string;
  readonly volumeMounts?: unknown;
  readonly env?: unknown;
  readonly envFrom?: unknown;
}

const containersOf = (job: KubernetesObject): Container[] => {
  const { initContainers, containers } = (job['spec'] as { template: { spec: { initContainers: Container[]; containers: Container[] } } })
    .template.spec;
  return [...initContainers, ...containers];
};

/** Verifies what is appended to the module with openssl, which knows nothing of this repository. */
function verify(module: Buffer): string {
  const { content, signatures } = splitSignatures(module);
  return withFiles({ content, cms: signatures[0] ?? Buffer.alloc(0), cert: Buffer.from(pair.certificate) }, (at) => {
    const args = ['cms', '-verify', '-binary', '-inform', 'DER', '-in', at('cms'), '-content', at('content'), '-certfile', at('cert')];
    return execFileSync('sh', [
      '-c',
      'openssl "$@" 2>&1 >/dev/null',
      'openssl',
      ...args,
      '-CAfile',
      at('cert'),
      '-purpose',
      'any',
    ]).toString();
  });
}

const modinfo = (module: Buffer, field: string): string =>
  withFiles({ 'module.ko': module }, (at) =>
    execFileSync('modinfo', ['-F', field, at('module.ko')])
      .toString()
      .trim(),
  );

function withFiles<T>(files: Readonly<Record<string, Buffer>>, use: (at: (name: string) => string) => T): T {
  const folder = makeTempDir('files');
  try {
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    return use((name) => join(folder, name));
  } finally {
    removeTempDir(folder);
  }
}

async function allHistories(): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const { workflowId, runId } of scene.client.workflow.list()) {
    const history = await scene.client.workflow.getHandle(workflowId, runId).fetchHistory();
    parts.push(Buffer.from(temporal.api.history.v1.History.encode(history).finish()));
  }
  return Buffer.concat(parts);
}

/** Everything that the hub wrote or caused, as the API server stores it; Secrets are the users' own. */
async function allObjects(): Promise<string> {
  const pods = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true } as const;
  const kinds = [
    resources.managedClusterModules,
    resources.manifestWorks,
    resources.controllerRevisions,
    resources.jobs,
    resources.events,
    pods,
  ];
  const lists = await Promise.all([...kinds, resources.configMaps].map((kind) => scene.api.listAll(kind)));
  return JSON.stringify(lists.map((l) => l.items)) + readFileSync(scene.control.kubeconfigPath, 'utf8');
}

async function allPodLogs(): Promise<string> {
  const runs = scene.kubelet.runs();
  const logs = runs.map(({ pod, container }) =>
    scene.api.podLog(pod, OPERATOR_NAMESPACE, { container, tailLines: 10_000, limitBytes: 10_000_000 }),
  );
  return (await Promise.all(logs)).join('\n');
}
