import { createHash } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startController } from '../../src/controller/controller.js';
import { createFleet, resources, type Fleet, type WatchEvent } from '../../src/kube/index.js';
import { startControlPlane, type ControlPlane } from '../harness/control-plane.js';
import { eventually } from '../harness/eventually.js';
import { anMcm, applyMcm } from '../harness/mcm.js';

const NAMESPACE = 'kmodflow-system';
const CONTENT = 'nobody-but-the-job-reads-this';

let hub: ControlPlane;
const stops: (() => unknown)[] = [];

const secret = (name: string, content: string) =>
  hub.api.apply(resources.secrets, {
    metadata: { name, namespace: NAMESPACE, annotations: { content: 'an annotation may be seen' } },
    data: { key: Buffer.from(content).toString('base64') },
  } as never);
const configMap = (name: string, dockerfile: string, namespace = NAMESPACE) =>
  hub.api.apply(resources.configMaps, { metadata: { name, namespace }, data: { dockerfile } } as never);

beforeAll(async () => {
  hub = await startControlPlane();
  for (const name of [NAMESPACE, 'elsewhere']) await hub.api.create(resources.namespaces, { metadata: { name } });
}, 120_000);
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
afterAll(async () => {
  await hub?.stop();
});

describe('a watch of Secrets that asks for metadata alone', () => {
  test('delivers names and versions, and never what they hold, also after an update', async () => {
    await secret('before', CONTENT);
    const { items, resourceVersion } = await hub.api.listAll(resources.secrets, { namespace: NAMESPACE, metadataOnly: true });
    expect(items.map((i) => i.metadata.name)).toContain('before');

    const events: WatchEvent[] = [];
    const ended = new AbortController();
    const options = { namespace: NAMESPACE, metadataOnly: true, resourceVersion, signal: ended.signal };
    const watching = hub.api.watch(resources.secrets, options, (event) => void events.push(event));
    await secret('during', CONTENT);
    const updated = await secret('during', `${CONTENT}-changed`);
    await hub.api.delete(resources.secrets, 'before', NAMESPACE);
    await eventually('three events', () => (events.length >= 3 ? true : undefined), { seen: () => events });
    ended.abort();
    await watching;

    expect(events.map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual([
      'ADDED during',
      'MODIFIED during',
      'DELETED before',
    ]);
    expect(events[1]?.object.metadata).toMatchObject({ resourceVersion: updated.metadata.resourceVersion, uid: updated.metadata.uid });
    for (const object of [...items, ...events.map((e) => e.object)]) {
      expect(Object.keys(object).sort()).toEqual(['apiVersion', 'kind', 'metadata']);
    }
    const seen = JSON.stringify([items, events]);
    for (const content of [CONTENT, `${CONTENT}-changed`]) expect(seen).not.toContain(Buffer.from(content).toString('base64'));
    // The same request without it shows what there is to be seen.
    const whole = await hub.api.listAll(resources.secrets, { namespace: NAMESPACE });
    expect(JSON.stringify(whole)).toContain(Buffer.from(`${CONTENT}-changed`).toString('base64'));
  });
});

describe('the controller', () => {
  interface Told {
    readonly workflowId: string;
    readonly signal: string;
  }

  /** As much of a Temporal client as the controller uses; every module's workflow runs. */
  function aTemporal(told: Told[]): Client {
    const workflow = {
      signalWithStart: (_type: string, { workflowId, signal }: Told) => Promise.resolve(void told.push({ workflowId, signal })),
      // An iterator that ends at once: no workflow is headless.
      list: () => (async function* () {})(),
    };
    return { workflow } as unknown as Client;
  }

  async function startWatching(): Promise<{ fleet: Fleet; told: Told[]; calm: () => Promise<void> }> {
    const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
    const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
    const fleet = createFleet({ api: hub.api, operatorNamespace: NAMESPACE, sha256, logger: quiet, now: Date.now });
    fleet.start();
    stops.push(() => fleet.stop());
    await fleet.whenSynced(30_000);
    const told: Told[] = [];
    const prepareTemporal = () => Promise.resolve();
    const controller = startController({ fleet, client: aTemporal(told), taskQueue: 'kmodflow', prepareTemporal, logger: quiet });
    stops.push(() => controller.stop());
    /** Longer than anything of the MCMs themselves is held back. */
    const calm = async (): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, 600));
      told.splice(0);
    };
    return { fleet, told, calm };
  }

  test('tells the module whose spec names a ConfigMap or Secret that it changed, and no other one', async () => {
    await configMap('df', 'FROM a');
    for (const name of ['signing-key', 'cert', 'token', 'pull', 'unrelated']) await secret(name, 'one');
    const build = { dockerfileConfigMap: { name: 'df' }, secrets: [{ name: 'token' }] };
    const sign = { keySecret: { name: 'signing-key' }, certSecret: { name: 'cert' }, filesToSign: ['/opt/*.ko'] };
    const registryHost = 'registry.example.com';
    await applyMcm(
      hub.api,
      anMcm({ name: 'builds', registryHost, container: { build, sign }, moduleSpec: { imageRepoSecret: { name: 'pull' } } }),
    );
    await applyMcm(hub.api, anMcm({ name: 'plain', registryHost }));
    const { fleet, told, calm } = await startWatching();
    const reconcile = { workflowId: 'mcm/builds', signal: 'reconcile' };

    const changes: [string, () => Promise<unknown>][] = [
      ['the Dockerfile', () => configMap('df', 'FROM b')],
      ['the signing key', () => secret('signing-key', 'two')],
      ['the certificate', () => secret('cert', 'two')],
      ['a build secret', () => secret('token', 'two')],
      ['the registry credentials', () => secret('pull', 'two')],
      ['the Dockerfile being deleted', () => hub.api.delete(resources.configMaps, 'df', NAMESPACE)],
      ['the Dockerfile being created', () => configMap('df', 'FROM b')],
    ];
    for (const [what, change] of changes) {
      await calm();
      await change();
      await eventually(`a signal about ${what}`, () => told[0]);
      expect([what, told]).toEqual([what, [reconcile]]);
    }

    await calm();
    await secret('unrelated', 'two');
    await configMap('df', 'FROM c', 'elsewhere');
    // The watch has seen it by the time that a later change of the same kind has its effect.
    await eventually('the watch to see the unrelated Secret', async () => {
      const now = await hub.api.get<{ metadata: { resourceVersion: string } }>(resources.secrets, 'unrelated', NAMESPACE);
      return fleet.secrets.get('unrelated')?.resourceVersion === now.metadata.resourceVersion ? true : undefined;
    });
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(told).toEqual([]);
    expect(fleet.configMaps.get('df')).toMatchObject({ name: 'df' });
    const everything = JSON.stringify([[...fleet.secrets.entries()], [...fleet.configMaps.entries()]]);
    expect(everything).not.toContain(Buffer.from('two').toString('base64'));
    expect(everything).not.toContain('FROM');
  }, 60_000);
});
