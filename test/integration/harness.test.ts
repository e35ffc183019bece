import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHubApi, loadKubeConfig, resources, type HubApi } from '../../src/kube/index.js';
import { startAgents, type Agents } from '../harness/agent.js';
import { startControlPlane, type ControlPlane } from '../harness/control-plane.js';
import { startFaultProxy, type FaultProxy } from '../harness/fault-proxy.js';
import { createFleet, DEFAULT_KERNEL, type Fleet } from '../harness/fleet.js';
import { WORK_FINALIZER, type Manifest, type ManifestWork, type WorkStatus } from '../harness/manifest-work.js';
import { whyModuleIsRefused } from '../harness/module-validation.js';
import { findPart, repositoryRoot } from '../harness/parts.js';
import { makeTempDir, removeTempDir, run, waitFor } from '../harness/process.js';
import { REGISTRY_PASSWORD, REGISTRY_USER, startRegistry } from '../harness/registry.js';
import { SEARCH_ATTRIBUTES, startTemporal } from '../harness/temporal.js';

const TIMEOUT_MS = 120_000;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const aModule = (changes: { name?: string; hash?: string; spec?: object } = {}): Manifest => ({
  apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
  kind: 'Module',
  metadata: { name: changes.name ?? 'my-mcm', namespace: 'kmm', annotations: { 'kmodflow.io/content-hash': changes.hash ?? 'abc123' } },
  spec: {
    selector: { a: 'b' },
    moduleLoader: {
      container: {
        kernelMappings: [{ containerImage: `localhost:5000/x:${changes.hash ?? 'abc123'}`, literal: DEFAULT_KERNEL }],
        modprobe: { moduleName: 'x' },
      },
    },
    ...changes.spec,
  },
});

const aManifestWork = (cluster: string, module: Manifest) => ({
  metadata: { name: module.metadata.name, namespace: cluster },
  spec: {
    manifestConfigs: [
      {
        feedbackRules: [
          {
            jsonPaths: [
              { name: 'contentHash', path: '.metadata.annotations.kmodflow\\.io/content-hash' },
              { name: 'moduleLoader.availableNumber', path: '.status.moduleLoader.availableNumber' },
              { name: 'moduleLoader.desiredNumber', path: '.status.moduleLoader.desiredNumber' },
            ],
            type: 'JSONPaths',
          },
        ],
        resourceIdentifier: { group: 'kmm.sigs.x-k8s.io', name: module.metadata.name, namespace: 'kmm', resource: 'modules' },
      },
    ],
    workload: { manifests: [module] },
  },
});

const feedback = (status: WorkStatus | undefined): Record<string, string | number | undefined> =>
  Object.fromEntries(
    (status?.resourceStatus.manifests[0]?.statusFeedback.values ?? []).map(({ name, fieldValue }) => [
      name,
      fieldValue.string ?? fieldValue.integer,
    ]),
  );

const A_TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);

describe('the control plane and the simulated fleet', () => {
  let hub: ControlPlane;
  let api: HubApi;
  let agents: Agents;
  let fleet: Fleet;

  const work = (cluster: string, name = 'my-mcm'): Promise<ManifestWork> => api.get(resources.manifestWorks, name, cluster);
  const publish = async (cluster: string, module: Manifest): Promise<void> => {
    await api.create(resources.manifestWorks, aManifestWork(cluster, module));
  };
  const republish = async (cluster: string, hash: string): Promise<void> => {
    const patch = { spec: aManifestWork(cluster, aModule({ hash })).spec };
    await api.mergePatch(resources.manifestWorks, 'my-mcm', cluster, patch);
  };
  /** Waits until the status is right, and returns it; every status on the way there is looked at. */
  const statusOnce = async (
    cluster: string,
    what: string,
    isRight: (status: WorkStatus, work: ManifestWork) => boolean,
  ): Promise<WorkStatus> => {
    let found: WorkStatus | undefined;
    await waitFor(`${cluster}: ${what}`, async () => {
      const current = await work(cluster);
      found = current.status;
      return found !== undefined && isRight(found, current);
    });
    return found as WorkStatus;
  };
  const isLoaded = (status: WorkStatus): boolean => feedback(status)['moduleLoader.availableNumber'] === 1;
  const appliedGeneration = (status: WorkStatus): number | undefined =>
    status.conditions.find(({ type }) => type === 'Applied')?.observedGeneration;

  beforeAll(async () => {
    hub = await startControlPlane({ auditLog: true, users: ['someone'] });
    api = hub.api;
    fleet = await createFleet(api, { clusters: 12, labels: { site: 'lab' }, offline: 1, withoutClaim: 1 });
    agents = await startAgents(hub.connect({ fieldManager: 'work-agent' }), { applyRetryMs: 200 });
  }, TIMEOUT_MS);

  afterAll(async () => {
    await agents.stop();
    await hub.stop();
  }, TIMEOUT_MS);

  test('serves the four kinds that a hub needs', async () => {
    const names = (await api.listAll(resources.customResourceDefinitions)).items.map(({ metadata }) => metadata.name).sort();
    expect(names).toEqual([
      'managedclustermodules.hub.kmm.sigs.x-k8s.io',
      'managedclusters.cluster.open-cluster-management.io',
      'manifestworks.work.open-cluster-management.io',
      'modules.kmm.sigs.x-k8s.io',
    ]);
  });

  test('keeps an audit log of who wrote what, without reads', () => {
    const creations = hub.auditEvents().filter(({ verb, resource }) => verb === 'create' && resource === 'managedclusters');
    expect(creations).toHaveLength(12);
    expect(creations[0]).toMatchObject({ user: 'admin', code: 201, name: expect.stringMatching(/^spoke-/) });
    expect(hub.auditEvents().filter(({ verb }) => ['get', 'list', 'watch'].includes(verb))).toEqual([]);
  });

  test('makes clusters as OCM shows them: the last offline, the one before without a kernel claim', async () => {
    expect(fleet.clusters.map(({ name, offline, kernels }) => [name, offline, kernels])).toEqual([
      ...Array.from({ length: 10 }, (_, index) => [`spoke-${String(index + 1).padStart(2, '0')}`, false, [DEFAULT_KERNEL]]),
      ['spoke-11', false, undefined],
      ['spoke-12', true, [DEFAULT_KERNEL]],
    ]);
    const cluster = await api.get<{
      metadata: object;
      spec: object;
      status: { conditions: { type: string; status: string }[]; clusterClaims: object[] };
    }>(resources.managedClusters, 'spoke-12');
    expect(cluster.metadata).toMatchObject({ labels: { site: 'lab' } });
    expect(cluster.spec).toMatchObject({ hubAcceptsClient: true });
    expect(cluster.status.conditions.map(({ type, status }) => `${type}=${status}`)).toEqual([
      'HubAcceptedManagedCluster=True',
      'ManagedClusterJoined=True',
      'ManagedClusterConditionAvailable=Unknown',
    ]);
    expect(cluster.status.clusterClaims).toEqual([
      { name: 'id.k8s.io', value: 'spoke-12' },
      { name: 'kernel-versions.kmm.node.kubernetes.io', value: DEFAULT_KERNEL },
    ]);
  });

  test('a published Module is reported in the words of the real agent', async () => {
    await publish('spoke-01', aModule());
    const status = await statusOnce('spoke-01', 'loaded', isLoaded);
    expect((await work('spoke-01')).metadata.finalizers).toEqual([WORK_FINALIZER]);
    expect(status).toEqual({
      conditions: [
        {
          lastTransitionTime: A_TIME,
          message: 'Apply manifest work complete',
          observedGeneration: 1,
          reason: 'AppliedManifestWorkComplete',
          status: 'True',
          type: 'Applied',
        },
        {
          lastTransitionTime: A_TIME,
          message: 'All resources are available',
          observedGeneration: 1,
          reason: 'ResourcesAvailable',
          status: 'True',
          type: 'Available',
        },
      ],
      resourceStatus: {
        manifests: [
          {
            conditions: [
              {
                lastTransitionTime: A_TIME,
                message: 'Apply manifest complete',
                observedGeneration: 1,
                reason: 'AppliedManifestComplete',
                status: 'True',
                type: 'Applied',
              },
              {
                lastTransitionTime: A_TIME,
                message: 'Resource is available',
                reason: 'ResourceAvailable',
                status: 'True',
                type: 'Available',
              },
              { lastTransitionTime: A_TIME, message: '', reason: 'StatusFeedbackSynced', status: 'True', type: 'StatusFeedbackSynced' },
            ],
            resourceMeta: {
              group: 'kmm.sigs.x-k8s.io',
              kind: 'Module',
              name: 'my-mcm',
              namespace: 'kmm',
              ordinal: 0,
              resource: 'modules',
              version: 'v1beta1',
            },
            statusFeedback: {
              values: [
                { fieldValue: { string: 'abc123', type: 'String' }, name: 'contentHash' },
                { fieldValue: { integer: 1, type: 'Integer' }, name: 'moduleLoader.availableNumber' },
                { fieldValue: { integer: 1, type: 'Integer' }, name: 'moduleLoader.desiredNumber' },
              ],
            },
          },
        ],
      },
    });
  });

  test('a refused apply carries its message on the manifest, and a changed label tries again at once', async () => {
    agents.faults.set('spoke-02', { applyFails: 'namespaces "nosuchns" not found' });
    await publish('spoke-02', aModule());
    const status = await statusOnce('spoke-02', 'reported', ({ conditions }) => conditions.some(({ type }) => type === 'Available'));
    expect(status).toEqual({
      conditions: [
        {
          lastTransitionTime: A_TIME,
          message: 'Failed to apply manifest work',
          observedGeneration: 1,
          reason: 'AppliedManifestWorkFailed',
          status: 'False',
          type: 'Applied',
        },
        {
          lastTransitionTime: A_TIME,
          message: '1 of 1 resources are not available',
          observedGeneration: 1,
          reason: 'ResourcesNotAvailable',
          status: 'False',
          type: 'Available',
        },
      ],
      resourceStatus: {
        manifests: [
          {
            conditions: [
              {
                lastTransitionTime: A_TIME,
                message: 'Failed to apply manifest: namespaces "nosuchns" not found',
                observedGeneration: 1,
                reason: 'AppliedManifestFailed',
                status: 'False',
                type: 'Applied',
              },
              {
                lastTransitionTime: A_TIME,
                message: 'Resource is not available',
                reason: 'ResourceNotAvailable',
                status: 'False',
                type: 'Available',
              },
            ],
            resourceMeta: {
              group: 'kmm.sigs.x-k8s.io',
              kind: 'Module',
              name: 'my-mcm',
              namespace: 'kmm',
              ordinal: 0,
              resource: 'modules',
              version: 'v1beta1',
            },
            statusFeedback: {},
          },
        ],
      },
    });
    agents.faults.clear('spoke-02');
    await api.mergePatch(resources.manifestWorks, 'my-mcm', 'spoke-02', { metadata: { labels: { 'kmodflow.io/retry': '1' } } });
    await statusOnce('spoke-02', 'loaded after the retry', isLoaded);
  });

  test('a Module without kernel mappings is refused, and the one before stays', async () => {
    await publish('spoke-03', aModule());
    await statusOnce('spoke-03', 'loaded', isLoaded);
    const empty = aModule({ spec: { moduleLoader: { container: { kernelMappings: [], modprobe: { moduleName: 'x' } } } } });
    await api.mergePatch(resources.manifestWorks, 'my-mcm', 'spoke-03', { spec: { workload: { manifests: [empty] } } });
    const at = 'spec.moduleLoader.container.kernelMappings';
    const message = `Module.kmm.sigs.x-k8s.io "my-mcm" is invalid: ${at}: Invalid value: 0: ${at} in body should have at least 1 items`;
    const status = await statusOnce('spoke-03', 'refused', ({ conditions }) =>
      conditions.some(({ type, status: s }) => type === 'Applied' && s === 'False'),
    );
    expect(status.resourceStatus.manifests[0]?.conditions[0]).toMatchObject({
      type: 'Applied',
      message: `Failed to apply manifest: ${message}`,
    });
    expect(agents.moduleRejections.filter(({ cluster }) => cluster === 'spoke-03')[0]).toMatchObject({ module: 'my-mcm', message });
    expect(agents.spoke('spoke-03').modules[0]?.spec).toEqual(aModule().spec);
  });

  test('the reasons for a refusal are those of a real API server with the Module CRD', async () => {
    const loader = (container: object): object => ({ moduleLoader: { container } });
    const mappings = [{ literal: 'k', containerImage: 'i' }];
    const modprobe = { moduleName: 'x' };
    const cases = [
      {},
      { selector: undefined },
      { moduleLoader: undefined },
      { moduleLoader: {} },
      loader({ kernelMappings: [], modprobe }),
      loader({ modprobe }),
      loader({ kernelMappings: mappings }),
      loader({ kernelMappings: [{ literal: 'k' }, {}], modprobe }),
      { selector: undefined, ...loader({ kernelMappings: [], modprobe }) },
    ];
    for (const spec of cases) {
      const module = aModule({ name: 'case', spec });
      const answer = await api.create(resources.modules, { ...module, metadata: { ...module.metadata, namespace: 'default' } }).then(
        () => undefined,
        (error: Error) => error.message,
      );
      if (answer === undefined) await api.delete(resources.modules, 'case', 'default');
      const simulated = whyModuleIsRefused(JSON.parse(JSON.stringify(module)) as Manifest);
      expect(answer ?? 'taken').toContain(simulated ?? 'taken');
    }
  });

  test('after an update the old counters stand at first, then available is missing, then the new ones come', async () => {
    await publish('spoke-04', aModule({ hash: 'one' }));
    await statusOnce('spoke-04', 'loaded', isLoaded);
    agents.faults.slow('spoke-04', { feedbackMs: 10, loadMs: 2_000 });
    const seen = new Set<string>();
    await republish('spoke-04', 'two');
    await statusOnce('spoke-04', 'loaded again', (status) => {
      const values = feedback(status);
      seen.add(
        `${values['contentHash']}: ${values['moduleLoader.availableNumber'] ?? 'absent'} of ${values['moduleLoader.desiredNumber']}`,
      );
      return isLoaded(status) && seen.has('two: absent of 1');
    });
    expect([...seen].filter((line) => line.startsWith('two'))).toEqual(['two: 1 of 1', 'two: absent of 1']);
  });

  test('a lagging agent stamps the new generation on the old object', async () => {
    await publish('spoke-05', aModule({ hash: 'one' }));
    await statusOnce('spoke-05', 'loaded', isLoaded);
    agents.faults.lagGeneration('spoke-05', 1_500);
    await republish('spoke-05', 'two');
    const isStamped = ({ conditions }: WorkStatus): boolean => conditions.some((c) => c.type === 'Available' && c.observedGeneration === 2);
    const lagging = await statusOnce('spoke-05', 'Available of generation 2', isStamped);
    expect({ applied: appliedGeneration(lagging), hash: feedback(lagging)['contentHash'] }).toEqual({ applied: 1, hash: 'one' });
    const applied = await statusOnce('spoke-05', 'applied', (status) => feedback(status)['contentHash'] === 'two');
    expect(appliedGeneration(applied)).toBe(2);
  });

  test('an offline cluster is frozen, and applies only the latest when it is back', async () => {
    await publish('spoke-06', aModule({ hash: 'one' }));
    const frozen = await statusOnce('spoke-06', 'loaded', isLoaded);
    agents.faults.offline('spoke-06');
    await republish('spoke-06', 'two');
    await republish('spoke-06', 'three');
    await sleep(500);
    expect((await work('spoke-06')).status).toEqual(frozen);
    agents.faults.offline('spoke-06', false);
    await statusOnce('spoke-06', 'loaded again', (status) => isLoaded(status) && feedback(status)['contentHash'] === 'three');
    const hashes = agents.spoke('spoke-06').writes.map(({ annotations }) => annotations['kmodflow.io/content-hash']);
    expect(hashes).toEqual(['one', 'three']);
  });

  test('a module that does not load leaves available absent; one that loads on some nodes shows how many', async () => {
    agents.setNodes('spoke-07', 3);
    agents.faults.neverLoads('spoke-07');
    await publish('spoke-07', aModule());
    const stuck = await statusOnce('spoke-07', 'desired', (status) => feedback(status)['moduleLoader.desiredNumber'] === 3);
    expect(feedback(stuck)).toEqual({ contentHash: 'abc123', 'moduleLoader.desiredNumber': 3 });
    await sleep(400); // longer than loading takes
    expect(feedback((await work('spoke-07')).status)).toEqual(feedback(stuck));
    agents.faults.neverLoads('spoke-07', 1);
    await statusOnce('spoke-07', 'two of three', (status) => feedback(status)['moduleLoader.availableNumber'] === 2);
    agents.faults.set('spoke-07', { neverLoads: true, omitZeros: false });
    await statusOnce('spoke-07', 'a visible zero', (status) => feedback(status)['moduleLoader.availableNumber'] === 0);
  });

  test('a Module that no node wants has no counters at all', async () => {
    agents.setNodes('spoke-08', 0);
    await publish('spoke-08', aModule());
    const status = await statusOnce('spoke-08', 'observed', (s) => feedback(s)['contentHash'] !== undefined);
    expect(feedback(status)).toEqual({ contentHash: 'abc123' });
  });

  test('a deleted ManifestWork takes its Module along, unless the finalizer is held', async () => {
    await publish('spoke-09', aModule());
    await statusOnce('spoke-09', 'loaded', isLoaded);
    agents.faults.holdFinalizer('spoke-09');
    await api.delete(resources.manifestWorks, 'my-mcm', 'spoke-09');
    await sleep(300);
    expect((await work('spoke-09')).metadata.finalizers).toEqual([WORK_FINALIZER]);
    expect(agents.spoke('spoke-09').modules).toHaveLength(1);
    agents.faults.holdFinalizer('spoke-09', false);
    await waitFor(
      'the ManifestWork is gone',
      async () => (await api.listAll(resources.manifestWorks, { namespace: 'spoke-09' })).items.length === 0,
    );
    expect(agents.spoke('spoke-09').modules).toEqual([]);
  });

  test('a status is written only when it changes', async () => {
    await publish('spoke-10', aModule());
    await statusOnce('spoke-10', 'loaded', isLoaded);
    const before = agents.counters.statusWrites;
    await api.mergePatch(resources.manifestWorks, 'my-mcm', 'spoke-10', { metadata: { labels: { anything: 'new' } } });
    await sleep(500);
    expect(agents.counters.statusWrites).toBe(before);
  });

  test('a cluster can change its kernels, connection and labels, and leave', async () => {
    await fleet.setKernels('spoke-11', ['6.1.0-56-cloud-amd64', '6.1.0-56-amd64']);
    await fleet.setOffline('spoke-11', true);
    await fleet.setLabels('spoke-11', { site: null, ring: 'two' });
    const cluster = await api.get<{ metadata: { labels: object }; status: { clusterClaims: object[]; conditions: object[] } }>(
      resources.managedClusters,
      'spoke-11',
    );
    expect(cluster.metadata.labels).toEqual({ ring: 'two' });
    expect(cluster.status.clusterClaims[1]).toEqual({
      name: 'kernel-versions.kmm.node.kubernetes.io',
      value: '6.1.0-56-cloud-amd64\n6.1.0-56-amd64',
    });
    expect(cluster.status.conditions[2]).toMatchObject({ type: 'ManagedClusterConditionAvailable', status: 'Unknown' });
    await fleet.startDetach('spoke-11');
    expect((await api.get(resources.managedClusters, 'spoke-11')).metadata).toHaveProperty('deletionTimestamp');
    await fleet.deleteCluster('spoke-11');
    await expect(api.get(resources.managedClusters, 'spoke-11')).rejects.toMatchObject({ kind: 'Missing' });
    await expect(fleet.setOffline('spoke-11', false)).rejects.toThrow('The fleet has no cluster spoke-11');
  });

  test('a user without rights is known and refused', async () => {
    const { token = '' } = hub.users['someone'] ?? {};
    const proxy = await startFaultProxy(hub.url, { tls: { caFile: hub.caFile } });
    const ask = (value: string): Promise<Response> =>
      fetch(`${proxy.url}/api/v1/namespaces/default/secrets`, { headers: { authorization: `Bearer ${value}` } });
    expect((await ask(token)).status).toBe(403);
    expect((await ask('made up')).status).toBe(401);
    expect((await ask(hub.token)).status).toBe(200);
    await proxy.stop();
  });
});

describe('the fault proxy', () => {
  let hub: ControlPlane;
  let proxy: FaultProxy;
  const get = (path = '/version', init: RequestInit = {}): Promise<Response> =>
    fetch(`${proxy.url}${path}`, { ...init, headers: { authorization: `Bearer ${hub.token}` } });

  beforeAll(async () => {
    hub = await startControlPlane({ crds: 'none' });
    proxy = await startFaultProxy(hub.url, { tls: { caFile: hub.caFile }, token: hub.token });
  }, TIMEOUT_MS);

  afterAll(async () => {
    await proxy.stop();
    await hub.stop();
  }, TIMEOUT_MS);

  test('answers in place of the target, so many times, where method and path match', async () => {
    proxy.set({ method: 'GET', path: /^\/version/, times: 2, fault: { kind: 'status', status: 429, retryAfterSeconds: 3 } });
    const answers = [await get(), await get('/api'), await get(), await get()];
    expect(answers.map(({ status }) => status)).toEqual([429, 200, 429, 200]);
    expect(answers[0]?.headers.get('retry-after')).toBe('3');
    expect(proxy.requests.slice(-4).map(({ method, path, fault }) => [method, path, fault])).toEqual([
      ['GET', '/version', 'status'],
      ['GET', '/api', undefined],
      ['GET', '/version', 'status'],
      ['GET', '/version', undefined],
    ]);
  });

  test('hangs, resets, cuts an answer short and delays', async () => {
    const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => 'answered',
        (error: Error & { cause?: { code?: string } }) => error.cause?.code ?? error.name,
      );
    proxy.set({ times: 1, fault: { kind: 'hang' } });
    expect(await codeOf(get('/version', { signal: AbortSignal.timeout(300) }))).toBe('TimeoutError');
    proxy.set({ times: 1, fault: { kind: 'reset' } });
    expect(await codeOf(get())).toBe('ECONNRESET');
    proxy.set({ times: 1, fault: { kind: 'cut', afterBytes: 10 } });
    expect(await codeOf(get().then((answer) => answer.text()))).toBe('ECONNRESET');
    proxy.set({ times: 1, fault: { kind: 'delay', ms: 300 } });
    const begun = Date.now();
    expect((await get()).status).toBe(200);
    expect(Date.now() - begun).toBeGreaterThanOrEqual(290);
  });

  test('can lose the answer of a request that had its effect', async () => {
    const create = (name: string): Promise<Response> =>
      fetch(`${proxy.url}/api/v1/namespaces`, {
        method: 'POST',
        headers: { authorization: `Bearer ${hub.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ metadata: { name } }),
      });
    proxy.set({ method: 'POST', times: 1, fault: { kind: 'lose-answer' } });
    await expect(create('lost')).rejects.toThrow('fetch failed');
    expect((await hub.api.get(resources.namespaces, 'lost')).metadata.name).toBe('lost');
  });

  test('leads the product there, with and without TLS of its own', async () => {
    proxy.set();
    const secure = await startFaultProxy(hub.url, { tls: { caFile: hub.caFile, keyFile: hub.keyFile }, token: hub.token });
    expect([proxy.url.split(':')[0], secure.url.split(':')[0]]).toEqual(['http', 'https']);
    for (const { kubeconfigPath, requests } of [proxy, secure]) {
      const api = createHubApi({ kubeConfig: loadKubeConfig({ path: kubeconfigPath }) });
      expect((await api.get(resources.namespaces, 'default')).metadata.name).toBe('default');
      expect(requests.at(-1)).toMatchObject({ method: 'GET', path: '/api/v1/namespaces/default' });
      await api.close();
    }
    await secure.stop();
  });

  test('streams a watch, and can cut it', async () => {
    proxy.set();
    const stream = (await get('/api/v1/namespaces?watch=true&fieldSelector=metadata.name%3Dwatched')).body?.getReader();
    await hub.api.create(resources.namespaces, { metadata: { name: 'watched' } });
    const chunk = await stream?.read();
    expect(JSON.parse(Buffer.from(chunk?.value ?? []).toString())).toMatchObject({
      type: 'ADDED',
      object: { metadata: { name: 'watched' } },
    });
    proxy.cutConnections();
    await expect(stream?.read()).rejects.toThrow('terminated');
  });
});

describe('the registry', () => {
  test('serves what was pushed under its digest, and counts who asks', async () => {
    const registry = await startRegistry();
    const image = await registry.pushImage({ repository: 'team/driver', tag: 'v1', kernels: [DEFAULT_KERNEL] });
    const again = await registry.pushImage({ repository: 'team/driver', tag: 'v2', kernels: [DEFAULT_KERNEL] });
    const other = await registry.pushImage({ repository: 'team/driver', tag: 'v1', kernels: [DEFAULT_KERNEL], label: 'rebuilt' });
    expect([again.digest === image.digest, other.digest === image.digest]).toEqual([true, false]);
    const index = await registry.pushIndex({ repository: 'team/driver', tag: 'multi', images: [image] });
    expect(registry.requests()).toEqual({ manifests: {}, manifestTotal: 0, blobGets: 0 });

    const accept = `${image.mediaType}, ${index.mediaType}`;
    const manifest = (reference: string, method = 'GET'): Promise<Response> =>
      fetch(`http://${registry.host}/v2/team/driver/manifests/${reference}`, { method, headers: { accept } });
    expect((await manifest('v2')).headers.get('docker-content-digest')).toBe(image.digest);
    expect((await manifest('v1', 'HEAD')).headers.get('docker-content-digest')).toBe(other.digest);
    const { layers } = (await (await manifest(image.digest)).json()) as { layers: { digest: string; size: number }[] };
    const layer = await fetch(`http://${registry.host}/v2/team/driver/blobs/${layers[0]?.digest}`);
    expect((await layer.arrayBuffer()).byteLength).toBe(layers[0]?.size);
    expect(registry.requests()).toEqual({
      manifests: {
        'team/driver:v2': { GET: 1, HEAD: 0 },
        'team/driver:v1': { GET: 0, HEAD: 1 },
        [`team/driver@${image.digest}`]: { GET: 1, HEAD: 0 },
      },
      manifestTotal: 3,
      blobGets: 1,
    });
    await registry.stop();
    expect(isAlive(registry.pid)).toBe(false);
  });

  test('with basic authentication only the right password is let in', async () => {
    const registry = await startRegistry({ auth: 'basic' });
    await registry.pushImage({ repository: 'private', tag: 'v1' });
    const ask = async (password: string): Promise<number> => {
      const authorization = `Basic ${Buffer.from(`${REGISTRY_USER}:${password}`).toString('base64')}`;
      return (await fetch(`http://${registry.host}/v2/private/tags/list`, { headers: { authorization } })).status;
    };
    expect([await ask(REGISTRY_PASSWORD), await ask('wrong')]).toEqual([200, 401]);
    await registry.stop();
  });
});

describe('Temporal', () => {
  test(
    'registers the search attributes, and keeps what it stored over a restart',
    async () => {
      const folder = makeTempDir('temporal-test');
      const temporal = await startTemporal({ dbFile: join(folder, 'temporal.db') });
      const { Connection, Client } = await import('@temporalio/client');
      const start = async (): Promise<string> => {
        const connection = await Connection.connect({ address: temporal.address });
        const client = new Client({ connection, namespace: temporal.namespace });
        const attributes = await connection.operatorService.listSearchAttributes({ namespace: temporal.namespace });
        expect(Object.keys(attributes.customAttributes)).toEqual(expect.arrayContaining(Object.keys(SEARCH_ATTRIBUTES)));
        const options = { workflowId: 'kept', taskQueue: 'none', workflowIdConflictPolicy: 'USE_EXISTING' as const };
        const { firstExecutionRunId } = await client.workflow.start('nobodyRunsThis', options);
        await connection.close();
        return firstExecutionRunId;
      };
      const [firstPid, firstRun] = [temporal.pid, await start()];
      await temporal.restart();
      expect({ pidChanged: temporal.pid !== firstPid, run: await start() }).toEqual({ pidChanged: true, run: firstRun });
      await temporal.stop();
      expect([isAlive(firstPid), isAlive(temporal.pid)]).toEqual([false, false]);
      removeTempDir(folder);
    },
    TIMEOUT_MS,
  );
});

describe('processes', () => {
  test(
    'nothing is left after stop: no process, no folder',
    async () => {
      const hub = await startControlPlane({ crds: 'none', controllerManager: true });
      const pids = Object.values(hub.pids).filter((pid) => pid !== undefined);
      expect(pids.map(isAlive)).toEqual([true, true, true]);
      await hub.stop();
      expect(pids.map(isAlive)).toEqual([false, false, false]);
      expect(existsSync(dirname(hub.kubeconfigPath))).toBe(false);
      await hub.stop(); // harmless
    },
    TIMEOUT_MS,
  );

  test('a program that cannot start says why, with the end of its log', async () => {
    const folder = makeTempDir('process-test');
    const logFile = join(folder, 'etcd.log');
    const starting = run({ program: findPart('etcd'), args: ['--no-such-flag'], logFile, ready: () => Promise.resolve('nothing') });
    await expect(starting).rejects.toThrow(
      /^etcd ended with code \d+ before it was ready\. The last \d+ lines of its log:\n[^]*no-such-flag/,
    );
    const silent = run({
      program: '/bin/sleep',
      args: ['60'],
      logFile,
      ready: () => Promise.resolve('no answer yet'),
      readyTimeoutMs: 200,
    });
    await expect(silent).rejects.toThrow(/^sleep was not ready after 200 ms: no answer yet\./);
    removeTempDir(folder);
  });

  test('a child does not outlive a parent that is killed', async () => {
    const folder = makeTempDir('process-test');
    // A parent of its own, which this test may kill. Node strips the types of a file that imports nothing but Node itself.
    const script = `
      const { run } = await import(process.argv[1]);
      const ready = async () => true;
      const { pid } = await run({ program: '/bin/sleep', args: ['60'], logFile: process.argv[2], ready });
      console.log(pid);
      setInterval(() => undefined, 1000);`;
    const args = ['--input-type=module', '-e', script, join(repositoryRoot, 'test/harness/process.ts'), join(folder, 'sleep.log')];
    const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (data: Buffer) => resolve(Number(data.toString()))));
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await waitFor('the child is gone', () => !isAlive(pid), 5_000);
    removeTempDir(folder);
  });

  test('a missing part is named together with what to do', () => {
    const before = process.env['TEMPORAL_CLI'];
    process.env['TEMPORAL_CLI'] = '/nowhere/temporal';
    expect(() => findPart('nothing' as 'temporal')).toThrow(
      /^The program nothing is missing: .*\/\.tools\/bin\/nothing can be executed\. Run "make tools"\.$/,
    );
    if (before === undefined) delete process.env['TEMPORAL_CLI'];
    else process.env['TEMPORAL_CLI'] = before;
  });
});
