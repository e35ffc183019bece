import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createHubApi, loadKubeConfig, resources, type HubApi, type KubernetesObject } from '../../src/kube/index.js';
import { startControlPlane, type ControlPlane } from '../harness/control-plane.js';
import { startFaultProxy, type FaultProxy } from '../harness/fault-proxy.js';

let hub: ControlPlane;
let proxy: FaultProxy;
let api: HubApi;

beforeAll(async () => {
  hub = await startControlPlane({ users: ['nobody'] });
  proxy = await startFaultProxy(hub.url, { tls: { caFile: hub.caFile }, token: hub.token });
  api = createHubApi({ kubeConfig: loadKubeConfig({ path: proxy.kubeconfigPath }), requestTimeoutMs: 10_000 });
  await api.create(resources.namespaces, { metadata: { name: 'spoke-1' } });
}, 120_000);
afterAll(async () => {
  await api?.close();
  await proxy?.stop();
  await hub?.stop();
});
beforeEach(() => proxy.set());

const workOf = (name: string, annotations: Record<string, string> = {}, labels: Record<string, string> = {}) => ({
  metadata: { name, namespace: 'spoke-1', annotations, labels },
  spec: { workload: { manifests: [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' } }] } },
});
const read = (name: string): Promise<KubernetesObject> => hub.api.get(resources.manifestWorks, name, 'spoke-1');
const path = /manifestworks/;

describe('writes on a real API server', () => {
  test('an apply keeps the labels and annotations of others and takes back its own', async () => {
    const other = hub.connect({ fieldManager: 'somebody-else' });
    await api.apply(resources.manifestWorks, workOf('shared', { 'kmodflow.io/a': '1', 'kmodflow.io/b': '1' }));
    await other.mergePatch(resources.manifestWorks, 'shared', 'spoke-1', {
      metadata: { labels: { site: 'north' }, annotations: { note: 'mine' } },
    });
    await api.apply(resources.manifestWorks, workOf('shared', { 'kmodflow.io/a': '2' }));
    expect((await read('shared')).metadata).toMatchObject({
      labels: { site: 'north' },
      annotations: { 'kmodflow.io/a': '2', note: 'mine' },
    });
    expect((await read('shared')).metadata.annotations).not.toHaveProperty('kmodflow.io/b');
  });

  test('an apply without force meets the field of another manager as a Conflict, with force it takes it', async () => {
    const other = hub.connect({ fieldManager: 'somebody-else' });
    await other.apply(resources.manifestWorks, workOf('owned', { owner: 'them' }));
    const ours = workOf('owned', { owner: 'us' });
    await expect(api.apply(resources.manifestWorks, ours, { force: false })).rejects.toMatchObject({ kind: 'Conflict', code: 'Conflict' });
    expect((await api.apply(resources.manifestWorks, ours)).metadata.annotations).toEqual({ owner: 'us' });
  });

  test('a status update goes to the status alone, and an outdated one is a Conflict', async () => {
    const created = await api.create(resources.manifestWorks, workOf('status'));
    const condition = { type: 'Applied', status: 'True', reason: 'Done', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
    const updated = await api.updateStatus(resources.manifestWorks, { ...created, status: { conditions: [condition] } });
    expect(updated).toMatchObject({ status: { conditions: [condition] }, metadata: { generation: 1 } });
    const outdated = api.updateStatus(resources.manifestWorks, { ...created, status: {} });
    await expect(outdated).rejects.toMatchObject({ kind: 'Conflict', code: 'Conflict' });
    await expect(outdated).rejects.toThrow(
      /^Failed to update ManifestWork spoke-1\/status: the API server answered 409 Conflict: .*the object has been modified/,
    );
    await api.mergePatch(
      resources.manifestWorks,
      'status',
      'spoke-1',
      { status: { conditions: [{ ...condition, status: 'False' }] } },
      { subresource: 'status' },
    );
    expect(await read('status')).toMatchObject({ status: { conditions: [{ status: 'False' }] } });
  });

  test('what the schema refuses is Invalid, in the words of the server', async () => {
    const wrong = { ...workOf('wrong'), spec: { workload: { manifests: 'none' } } };
    const failure = api.apply(resources.manifestWorks, wrong);
    await expect(failure).rejects.toMatchObject({ kind: 'Invalid' });
    await expect(failure).rejects.toThrow(
      /^Failed to apply ManifestWork spoke-1\/wrong: the API server answered \d+.*spec\.workload\.manifests/s,
    );
    await expect(api.apply(resources.manifestWorks, { ...workOf('unknown'), spec: { nope: 1 } })).rejects.toMatchObject({
      kind: 'Invalid',
    });
    await expect(api.apply(resources.manifestWorks, workOf('NotALabel'))).rejects.toMatchObject({ kind: 'Invalid', code: 'Invalid' });
  });

  test('an object that etcd will not store is Invalid, not a backend that is down', async () => {
    const huge = { metadata: { name: 'huge', namespace: 'spoke-1' }, data: { text: 'x'.repeat(2_000_000) } };
    await expect(api.create(resources.configMaps, huge)).rejects.toMatchObject({ kind: 'Invalid' });
  });

  test('a missing object, a missing namespace, a missing kind and a taken name are told apart', async () => {
    await expect(api.get(resources.manifestWorks, 'nope', 'spoke-1')).rejects.toMatchObject({
      kind: 'Missing',
      message:
        'Failed to get ManifestWork spoke-1/nope: the API server answered 404 NotFound: manifestworks.work.open-cluster-management.io "nope" not found',
    });
    await expect(
      api.apply(resources.manifestWorks, { ...workOf('w'), metadata: { name: 'w', namespace: 'spoke-9' } }),
    ).rejects.toMatchObject({
      kind: 'Missing',
      message: 'Failed to apply ManifestWork spoke-9/w: the API server answered 404 NotFound: namespaces "spoke-9" not found',
    });
    const unheard = { group: 'example.com', version: 'v1', plural: 'gadgets', kind: 'Gadget', namespaced: false };
    await expect(api.get(unheard, 'g')).rejects.toMatchObject({ kind: 'Missing' });
    await expect(api.create(resources.namespaces, { metadata: { name: 'spoke-1' } })).rejects.toMatchObject({
      kind: 'Conflict',
      code: 'AlreadyExists',
    });
  });

  test('a user without the right learns which right is missing; a wrong token is not final', async () => {
    const kubeConfig = loadKubeConfig({ path: hub.users['nobody']?.kubeconfigPath });
    const nobody = createHubApi({ kubeConfig });
    await expect(nobody.get(resources.manifestWorks, 'w', 'spoke-1')).rejects.toMatchObject({ kind: 'Invalid', code: 'Forbidden' });
    await expect(nobody.get(resources.manifestWorks, 'w', 'spoke-1')).rejects.toThrow(/User "nobody" cannot get resource "manifestworks"/);
    await nobody.close();
    kubeConfig.users = [{ name: kubeConfig.getCurrentUser()?.name ?? '', token: 'expired' }];
    const stale = createHubApi({ kubeConfig });
    await expect(stale.get(resources.manifestWorks, 'w', 'spoke-1')).rejects.toMatchObject({ kind: 'Unavailable', code: 'Unauthorized' });
    await stale.close();
  });

  test('a deletion says whether finalizers still hold the object, and spares another incarnation', async () => {
    const { metadata } = await api.create(resources.manifestWorks, {
      ...workOf('held'),
      metadata: { ...workOf('held').metadata, finalizers: ['example.com/hold'] },
    });
    await expect(api.delete(resources.manifestWorks, 'held', 'spoke-1', { uid: 'another' })).rejects.toMatchObject({ kind: 'Conflict' });
    const held = await api.delete(resources.manifestWorks, 'held', 'spoke-1', { uid: metadata.uid });
    expect(held?.metadata.deletionTimestamp).toMatch(/^\d{4}-/);
    await api.mergePatch(resources.manifestWorks, 'held', 'spoke-1', { metadata: { finalizers: null } });
    await expect(read('held')).rejects.toMatchObject({ kind: 'Missing' });
    await api.create(resources.manifestWorks, workOf('free'));
    expect(await api.delete(resources.manifestWorks, 'free', 'spoke-1')).toBeUndefined();
    await api.create(resources.configMaps, { metadata: { name: 'free', namespace: 'spoke-1' } });
    expect(await api.delete(resources.configMaps, 'free', 'spoke-1')).toBeUndefined();
  });
});

describe('a connection in trouble', () => {
  test('reads outlive two resets; a write is left to the caller and may have been done', async () => {
    await api.create(resources.manifestWorks, workOf('reset'));
    proxy.set({ path, method: 'GET', times: 2, fault: { kind: 'reset' } });
    expect((await api.get<KubernetesObject>(resources.manifestWorks, 'reset', 'spoke-1')).metadata.name).toBe('reset');
    proxy.set({ path, method: 'PATCH', times: 1, fault: { kind: 'lose-answer' } });
    const lost = api.apply(resources.manifestWorks, workOf('lost', { done: 'yes' }));
    await expect(lost).rejects.toMatchObject({ kind: 'Unavailable', code: 'ConnectionError' });
    expect((await read('lost')).metadata.annotations).toEqual({ done: 'yes' });
  });

  test('a throttled write waits as asked and is done once', async () => {
    proxy.set({ path, method: 'PATCH', times: 2, fault: { kind: 'status', status: 429, retryAfterSeconds: 1 } });
    const begun = performance.now();
    const applied = await api.apply(resources.manifestWorks, workOf('throttled'));
    expect(performance.now() - begun).toBeGreaterThan(1_950);
    expect(applied.metadata.generation).toBe(1);
  });

  test.each([500, 502, 503])('a %i is Unavailable with the delay that the server asks for', async (status) => {
    proxy.set({ path, method: 'PATCH', times: 1, fault: { kind: 'status', status, retryAfterSeconds: 9 } });
    await expect(api.apply(resources.manifestWorks, workOf('w'))).rejects.toMatchObject({ kind: 'Unavailable', retryAfterMs: 9_000 });
  });

  test('a server that hangs is given up, and the requests behind it are not held up', async () => {
    const impatient = createHubApi({ kubeConfig: loadKubeConfig({ path: proxy.kubeconfigPath }), requestTimeoutMs: 300, maxInFlight: 2 });
    proxy.set({ path, method: 'PATCH', times: 2, fault: { kind: 'hang' } });
    const results = await Promise.allSettled(
      ['h1', 'h2', 'h3', 'h4'].map((name) => impatient.apply(resources.manifestWorks, workOf(name))),
    );
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled']);
    expect(results[0]).toMatchObject({ reason: { kind: 'Unavailable', code: 'NoAnswer' } });
    await impatient.close();
  });
});
