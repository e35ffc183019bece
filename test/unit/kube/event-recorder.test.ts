import { describe, expect, test } from '@jest/globals';
import { createEventRecorder, KubeFault, type HubApi, type KubernetesObject } from '../../../src/kube/index.js';
import { memoryLogger } from './helpers.js';

const mcm = { apiVersion: 'hub.kmm.sigs.x-k8s.io/v1beta1', kind: 'ManagedClusterModule', name: 'kmod-a', uid: 'u-1' };
const degraded = { type: 'Warning', reason: 'ImageMissing', message: 'No image for 6.1.0.' } as const;

const fault = (kind: 'Missing' | 'Conflict' | 'Unavailable', code: string): KubeFault => new KubeFault(kind, code, { code });

/** Events in memory, with the three calls that the recorder makes. */
function eventStore(): { api: HubApi; events: Map<string, KubernetesObject>; refuseWith: (error: Error | undefined) => void } {
  const events = new Map<string, KubernetesObject>();
  let refusal: Error | undefined;
  const held = (name: string): KubernetesObject => {
    if (refusal) throw refusal;
    const event = events.get(name);
    if (event === undefined) throw fault('Missing', 'NotFound');
    return event;
  };
  const api = {
    async create(_resource: unknown, object: KubernetesObject) {
      if (refusal) throw refusal;
      if (events.has(object.metadata.name)) throw fault('Conflict', 'AlreadyExists');
      events.set(object.metadata.name, object);
      return object;
    },
    get: async (_resource: unknown, name: string) => held(name),
    mergePatch: async (_resource: unknown, name: string, _namespace: unknown, patch: object) => Object.assign(held(name), patch),
  } as unknown as HubApi;
  return { api, events, refuseWith: (error) => (refusal = error) };
}

const at = (minutes: number): number => Date.UTC(2026, 0, 1, 12, minutes);

describe('events', () => {
  test('of a cluster-scoped object stand in the namespace default and name who reports', async () => {
    const { api, events } = eventStore();
    const recorder = createEventRecorder(api, { component: 'kmodflow-worker', instance: 'pod-1', now: () => at(0) });
    await recorder.record(mcm, degraded);
    expect([...events.values()]).toMatchObject([
      {
        metadata: { namespace: 'default', name: expect.stringMatching(/^kmod-a\.[0-9a-z]+$/) },
        involvedObject: mcm,
        ...degraded,
        source: { component: 'kmodflow-worker', host: 'pod-1' },
        firstTimestamp: '2026-01-01T12:00:00Z',
        lastTimestamp: '2026-01-01T12:00:00Z',
        count: 1,
      },
    ]);
  });

  test('of a namespaced object stand beside it', async () => {
    const { api, events } = eventStore();
    await createEventRecorder(api, { component: 'c', instance: 'i' }).record({ ...mcm, namespace: 'spoke-1' }, degraded);
    expect([...events.values()].map(({ metadata }) => metadata.namespace)).toEqual(['spoke-1']);
  });

  test('that repeat within ten minutes are counted, later ones are new, other messages are other events', async () => {
    const { api, events } = eventStore();
    let now = at(0);
    const recorder = createEventRecorder(api, { component: 'c', instance: 'i', now: () => now });
    for (const minute of [0, 8, 16]) {
      now = at(minute);
      await recorder.record(mcm, degraded);
    }
    await recorder.record(mcm, { ...degraded, message: 'No image for 6.2.0.' });
    now = at(27);
    await recorder.record(mcm, degraded);
    expect([...events.values()].map((event) => [event['message'], event['count'], event['lastTimestamp']])).toEqual([
      [degraded.message, 3, '2026-01-01T12:16:00Z'],
      ['No image for 6.2.0.', 1, '2026-01-01T12:16:00Z'],
      [degraded.message, 1, '2026-01-01T12:27:00Z'],
    ]);
  });

  test('that another replica has written already are counted there', async () => {
    const { api, events } = eventStore();
    await createEventRecorder(api, { component: 'c', instance: 'one', now: () => at(1) }).record(mcm, degraded);
    await createEventRecorder(api, { component: 'c', instance: 'two', now: () => at(2) }).record(mcm, degraded);
    expect([...events.values()].map((event) => event['count'])).toEqual([2]);
  });

  test('that the server has forgotten are written again', async () => {
    const { api, events } = eventStore();
    const recorder = createEventRecorder(api, { component: 'c', instance: 'i', now: () => at(0) });
    await recorder.record(mcm, degraded);
    events.clear();
    await recorder.record(mcm, degraded);
    expect([...events.values()].map((event) => event['count'])).toEqual([1]);
  });

  test('have their message cut to 1,024 characters', async () => {
    const { api, events } = eventStore();
    await createEventRecorder(api, { component: 'c', instance: 'i' }).record(mcm, { ...degraded, message: 'x'.repeat(3_000) });
    expect([...events.values()].map((event) => event['message'])).toEqual([`${'x'.repeat(1_023)}…`]);
  });

  test('that cannot be written are logged, and the next ones are written', async () => {
    const { api, events, refuseWith } = eventStore();
    const logger = memoryLogger();
    const recorder = createEventRecorder(api, { component: 'c', instance: 'i', logger });
    refuseWith(fault('Unavailable', 'InternalError'));
    await recorder.record(mcm, degraded);
    refuseWith(undefined);
    await recorder.record(mcm, degraded);
    expect(logger.lines).toMatchObject([
      { level: 'warn', message: 'An event could not be written', fields: { object: 'kmod-a', reason: 'ImageMissing' } },
    ]);
    expect(events.size).toBe(1);
  });

  test('in a flood are dropped beyond 500 that wait, with a line in the log', async () => {
    const { api, events } = eventStore();
    const logger = memoryLogger();
    const recorder = createEventRecorder(api, { component: 'c', instance: 'i', logger });
    await Promise.all(Array.from({ length: 600 }, (_, i) => recorder.record(mcm, { ...degraded, message: `Message ${i}.` })));
    expect(events.size).toBe(500);
    expect(logger.lines.length).toBe(100);
  });
});
