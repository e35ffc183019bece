import { describe, expect, test } from '@jest/globals';
import { createReport } from '../../../activities/report.js';
import { Fault } from '../../../src/domain/fault.js';
import type { Report } from '../../../src/domain/process.js';
import type { EventContent, HubApi, ObjectReference } from '../../../src/kube/index.js';
import { aFleet, aStatus } from '../domain/builders.js';

const NOW_MS = Date.parse('2026-02-01T00:00:00.000Z');

interface StoredObject {
  metadata: { name: string; uid: string; generation: number; deletionTimestamp?: string };
  spec?: unknown;
  status?: unknown;
}

/** A hub with one MCM, as far as the activity knows it. */
function aHub(stored: StoredObject | undefined) {
  const applied: { object: Record<string, unknown>; options: unknown }[] = [];
  const told: { about: ObjectReference; event: EventContent }[] = [];
  let current = stored;
  const missing = () => Promise.reject(new Fault('Missing', 'not found'));
  const api = {
    get: () => (current === undefined ? missing() : Promise.resolve(structuredClone(current))),
    apply: (_resource: unknown, object: Record<string, unknown>, options: unknown) => {
      if (current === undefined) return missing();
      applied.push({ object, options });
      current = { ...current, status: object['status'] };
      return Promise.resolve(current);
    },
  } as unknown as HubApi;
  const silent = () => undefined;
  const report = createReport({
    api,
    events: {
      record: (about, event) => {
        told.push({ about, event });
        return Promise.resolve();
      },
    },
    now: () => NOW_MS,
    logger: { debug: silent, info: silent, warn: silent, error: silent },
  });
  return { report, applied, told, delete: () => (current = undefined), current: () => current };
}

const anMcm = (change: Partial<StoredObject> = {}): StoredObject => ({
  metadata: { name: 'kmod', uid: 'mcm-uid', generation: 1 },
  ...change,
});
const aReport = (change: Partial<Report> = {}): Report => {
  const { doing: _doing, trouble: _trouble, headless: _headless, ...report } = aStatus();
  return { ...report, ...change };
};

describe('reporting into the MCM', () => {
  test('applies the status alone, on the status subresource', async () => {
    const hub = aHub(anMcm());
    await hub.report(aReport());
    expect(hub.applied).toHaveLength(1);
    const [{ object, options } = { object: {}, options: undefined }] = hub.applied;
    expect(Object.keys(object)).toEqual(['apiVersion', 'kind', 'metadata', 'status']);
    expect(object).toMatchObject({
      apiVersion: 'hub.kmm.sigs.x-k8s.io/v1beta1',
      kind: 'ManagedClusterModule',
      metadata: { name: 'kmod' },
      status: { phase: 'Ready', numberDesired: 3 },
    });
    expect(options).toEqual({ subresource: 'status' });
  });

  test('tells of transitions on that very object, after the status', async () => {
    const hub = aHub(anMcm());
    await hub.report(aReport());
    expect(hub.told.map(({ event }) => event.reason)).toEqual(['RolloutCompleted', 'Ready']);
    expect(hub.told[0]?.about).toEqual({
      apiVersion: 'hub.kmm.sigs.x-k8s.io/v1beta1',
      kind: 'ManagedClusterModule',
      name: 'kmod',
      uid: 'mcm-uid',
    });
  });

  test('writes and tells nothing when it is run twice', async () => {
    const hub = aHub(anMcm());
    await hub.report(aReport());
    await hub.report(aReport());
    expect([hub.applied.length, hub.told.length]).toEqual([1, 2]);
  });

  test('keeps the transition times of what has not flipped', async () => {
    const hub = aHub(anMcm());
    await hub.report(aReport());
    const before = structuredClone(hub.current()) as { status: { conditions: { lastTransitionTime: string }[] } };
    before.status.conditions.forEach((c) => (c.lastTransitionTime = '2020-01-01T00:00:00Z'));
    const later = aHub(before as never);
    await later.report(aReport({ phase: 'Progressing', fleet: aFleet({ Loaded: 2, Loading: 1 }) }));
    const { conditions } = later.applied[0]?.object['status'] as { conditions: { type: string; lastTransitionTime: string }[] };
    expect(conditions.map((c) => [c.type, c.lastTransitionTime])).toEqual([
      ['Ready', '2026-02-01T00:00:00.000Z'],
      ['Progressing', '2026-02-01T00:00:00.000Z'],
      ['Degraded', '2020-01-01T00:00:00Z'],
      ['ImagesReady', '2020-01-01T00:00:00Z'],
    ]);
  });

  test('writes a status that nobody can read anew', async () => {
    const hub = aHub(anMcm({ status: { numberDesired: 'three', conditions: 'none' } }));
    await hub.report(aReport());
    expect(hub.current()?.status).toMatchObject({ phase: 'Ready' });
  });

  test('echoes the rebuild that the spec of this very generation asked for', async () => {
    const spec = { moduleSpec: { imageRebuildTriggerGeneration: 4 } };
    const echoed = async (generation: number) => {
      const hub = aHub(anMcm({ spec, metadata: { name: 'kmod', uid: 'mcm-uid', generation } }));
      await hub.report(aReport());
      return (hub.current()?.status as { imageRebuildTriggerGeneration?: number }).imageRebuildTriggerGeneration;
    };
    expect([await echoed(1), await echoed(2)]).toEqual([4, undefined]);
  });

  test('does nothing for an MCM that is gone, or going', async () => {
    const gone = aHub(undefined);
    await gone.report(aReport());
    const going = aHub(anMcm({ metadata: { name: 'kmod', uid: 'u', generation: 1, deletionTimestamp: '2026-01-01T00:00:00Z' } }));
    await going.report(aReport());
    expect([gone.applied, gone.told, going.applied, going.told]).toEqual([[], [], [], []]);
  });

  test('does nothing when the MCM goes between reading and writing', async () => {
    const hub = aHub(anMcm());
    const running = hub.report(aReport());
    hub.delete();
    await running;
    expect([hub.applied, hub.told]).toEqual([[], []]);
  });

  test('fails when the hub does not answer, so that it is tried again', async () => {
    const report = createReport({
      api: { get: () => Promise.reject(new Fault('Unavailable', 'The hub does not answer.')) } as unknown as HubApi,
      events: { record: () => Promise.resolve() },
      now: () => NOW_MS,
      logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    await expect(report(aReport())).rejects.toThrow('The hub does not answer.');
  });
});
