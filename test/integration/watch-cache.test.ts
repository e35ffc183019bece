import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import {
  createHubApi,
  createWatchCache,
  loadKubeConfig,
  resources,
  type CacheChange,
  type HubApi,
  type WatchCache,
} from '../../src/kube/index.js';
import { startControlPlane, type ControlPlane } from '../harness/control-plane.js';
import { startFaultProxy, type FaultProxy } from '../harness/fault-proxy.js';

/** More than one page of the default size, and many of the small one. */
const WORKS = 620;

let hub: ControlPlane;
let proxy: FaultProxy;
let api: HubApi;
let cache: WatchCache<View>;
let changes: CacheChange<View>[];

interface View {
  readonly name: string;
  readonly hash: string | undefined;
}

const GONE = JSON.stringify({
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  reason: 'Expired',
  code: 410,
  message: 'too old resource version',
});
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const workOf = (name: string, hash: string) => ({
  metadata: { name, namespace: 'spoke-1', annotations: { 'kmodflow.io/content-hash': hash } },
  spec: { workload: { manifests: [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data: { hash } }] } },
});
const publish = (name: string, hash: string) => hub.api.apply(resources.manifestWorks, workOf(name, hash));
const remove = (name: string) => hub.api.delete(resources.manifestWorks, name, 'spoke-1');

async function eventually(holds: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms; the cache says ${JSON.stringify(cache.state)}`);
    await sleep(10);
  }
}

async function start(options: { pageSize?: number } = {}): Promise<void> {
  changes = [];
  cache = createWatchCache<View>({
    api,
    resource: resources.manifestWorks,
    transform: ({ metadata }) => ({ name: metadata.name, hash: metadata.annotations?.['kmodflow.io/content-hash'] }),
    logger: quiet,
    backoff: { baseMs: 20, maxMs: 200 },
    ...options,
  });
  cache.onChange((change) => changes.push(change));
  cache.start();
  await cache.whenSynced(20_000, 'for this test');
}

async function expectInSync(): Promise<void> {
  const { items } = await hub.api.listAll(resources.manifestWorks);
  const wanted = new Map(items.map(({ metadata }) => [`spoke-1/${metadata.name}`, metadata.annotations?.['kmodflow.io/content-hash']]));
  await eventually(() => cache.size === wanted.size && [...cache.entries()].every(([key, { hash }]) => wanted.get(key) === hash));
  const believed = new Map<string, View>();
  for (const { type, key, before, after } of changes) {
    expect(before).toEqual(believed.get(key));
    if (type === 'deleted') believed.delete(key);
    else believed.set(key, after as View);
  }
  expect([...believed].sort()).toEqual([...cache.entries()].sort());
}

/** Throws etcd's history away, so that older versions are really gone. */
async function compactEtcd(): Promise<void> {
  const post = async (path: string, body: object): Promise<{ header: { revision: string } }> => {
    const answer = await fetch(`${hub.etcdUrl}${path}`, { method: 'POST', body: JSON.stringify(body) });
    expect(answer.status).toBe(200);
    return (await answer.json()) as { header: { revision: string } };
  };
  const { header } = await post('/v3/kv/range', { key: Buffer.from('a').toString('base64') });
  await post('/v3/kv/compaction', { revision: header.revision, physical: true });
}

beforeAll(async () => {
  hub = await startControlPlane();
  proxy = await startFaultProxy(hub.url, { tls: { caFile: hub.caFile }, token: hub.token });
  api = createHubApi({ kubeConfig: loadKubeConfig({ path: proxy.kubeconfigPath }), requestTimeoutMs: 5_000 });
  await hub.api.create(resources.namespaces, { metadata: { name: 'spoke-1' } });
  await Promise.all(Array.from({ length: WORKS }, (_, i) => publish(`w-${i}`, 'a')));
}, 120_000);
afterAll(async () => {
  await api?.close();
  await proxy?.stop();
  await hub?.stop();
});
afterEach(async () => {
  proxy.set();
  await cache.stop();
});

test('a list of many small pages is complete, and changes follow', async () => {
  const listsBefore = api.requests.byVerb['list'] ?? 0;
  await start({ pageSize: 50 });
  expect((api.requests.byVerb['list'] ?? 0) - listsBefore).toBe(13);
  expect(cache.size).toBe(WORKS);
  await publish('w-1', 'b');
  await remove('w-2');
  await publish('extra', 'a');
  await expectInSync();
  expect(changes.slice(WORKS).map(({ type, key }) => `${type} ${key}`)).toEqual([
    'modified spoke-1/w-1',
    'deleted spoke-1/w-2',
    'added spoke-1/extra',
  ]);
});

test('what happens while the connection is down arrives without a new list', async () => {
  await start();
  proxy.set({ fault: { kind: 'reset' } });
  proxy.cutConnections();
  await publish('w-3', 'b');
  await remove('w-4');
  await sleep(100);
  expect(cache.get('spoke-1/w-3')).toMatchObject({ hash: 'a' });
  proxy.set();
  await expectInSync();
  expect(cache.state.listCount).toBe(1);
  expect(cache.synced).toBe(true);
});

test('a stream that breaks in the middle of an event is read on from the event before', async () => {
  // The connection breaks 1,000 bytes into the answer: within the first events, of about 1.2 kB each.
  proxy.set({ path: /watch=true/, times: 1, fault: { kind: 'cut', afterBytes: 1_000 } });
  await start();
  await publish('w-5', 'b');
  await publish('w-6', 'b');
  await expectInSync();
  expect(cache.state.restarts).toBeGreaterThanOrEqual(1);
  expect(cache.state.listCount).toBe(1);
});

test('a version that a compaction has taken away leads to a new list, and every difference is announced', async () => {
  await start();
  const announced = changes.length;
  proxy.set({ fault: { kind: 'reset' } });
  proxy.cutConnections();
  await publish('w-7', 'b');
  await remove('w-8');
  await remove('w-9');
  await publish('w-9', 'a');
  await publish('new', 'a');
  await compactEtcd();
  // The API server would still answer from its own memory; an answer of 410 is what it gives once that is gone too.
  proxy.set({ path: /watch=true/, times: 1, fault: { kind: 'status', status: 410, body: GONE } });
  await eventually(() => cache.state.listCount === 2);
  await expectInSync();
  expect(
    changes
      .slice(announced)
      .map(({ type, key }) => `${type} ${key}`)
      .sort(),
  ).toEqual(['added spoke-1/new', 'added spoke-1/w-9', 'deleted spoke-1/w-8', 'deleted spoke-1/w-9', 'modified spoke-1/w-7']);
});

test('a list whose snapshot expires between two pages begins again', async () => {
  // The API server keeps snapshots in memory, past any compaction of etcd, so the proxy speaks its answer of 410.
  proxy.set({ path: /continue=/, times: 1, fault: { kind: 'status', status: 410, body: GONE } });
  await start({ pageSize: 100 });
  expect(cache.state.listCount).toBe(1);
  expect(proxy.requests.filter(({ path, fault }) => path.includes('continue=') && fault === 'status').length).toBeGreaterThan(0);
  await expectInSync();
});

test('a watch from a version that the server has forgotten is told so', async () => {
  await start();
  const watching = hub.api.watch(resources.manifestWorks, { resourceVersion: '1' }, () => undefined);
  await expect(watching).rejects.toMatchObject({ kind: 'Conflict', code: 'Expired', expired: true });
  await expect(watching).rejects.toThrow(/^Failed to watch ManifestWork: the API server answered 410 Expired: .*too old resource version/);
});

test('500s, throttling and resets on lists and watches are outlived', async () => {
  proxy.set(
    { path: /limit=/, times: 2, fault: { kind: 'status', status: 500 } },
    { path: /limit=/, times: 3, fault: { kind: 'reset' } },
    { path: /watch=true/, times: 1, fault: { kind: 'status', status: 429, retryAfterSeconds: 1 } },
    { path: /watch=true/, times: 2, fault: { kind: 'status', status: 503 } },
  );
  await start();
  await publish('w-11', 'b');
  await expectInSync();
});

test('the answer to a write is in the cache before its event, and a late answer does not bring back a deleted object', async () => {
  await start();
  const answer = await publish('w-12', 'own');
  cache.put(answer);
  expect(cache.get('spoke-1/w-12')).toMatchObject({ hash: 'own' });
  await remove('w-12');
  await eventually(() => !cache.has('spoke-1/w-12'));
  cache.put(answer);
  expect(cache.has('spoke-1/w-12')).toBe(false);
  await expectInSync();
});

test('an API server that stalls for a moment is not mistaken for one that is gone', async () => {
  await start();
  const paused = (signal: string): void => void spawnSync('kill', [signal, String(hub.pids.apiServer)]);
  paused('-STOP');
  await sleep(300);
  expect(cache.get('spoke-1/w-13')).toMatchObject({ hash: 'a' });
  paused('-CONT');
  await publish('w-13', 'b');
  await expectInSync();
});
