import { describe, expect, test } from '@jest/globals';
import { buildStatus } from '../../../src/domain/mcm-status.js';
import { Fault } from '../../../src/domain/fault.js';
import { aDigest, aFleet, aModuleSpec, aRecord, aStatus, imageOf, KERNELS } from '../domain/builders.js';
import { aClient, anObject, fakeHub, noWorkflows } from './fakes.js';

const NO_WORKER = new Fault('Unavailable', 'No worker answers.');
const NOT_RUNNING = new Fault('Missing', 'No workflow for module kmod is running.');
const failure = { cluster: 'spoke-2', state: 'Failed', reason: 'LoadTimeout', message: 'Cluster spoke-2 has not loaded it.' } as const;
const missing = {
  image: imageOf(KERNELS[0]),
  kernels: [KERNELS[0]],
  digest: undefined,
  problem: { reason: 'ImageMissing', message: 'There is no such tag.' },
} as const;
const pinned = { image: imageOf(KERNELS[1]), kernels: [KERNELS[1]], digest: aDigest('1'), problem: undefined };
const report = aStatus({
  phase: 'Degraded',
  generation: 4,
  fleet: aFleet({ Loaded: 2, Failed: 1, Offline: 1 }, { exceptions: [failure], exceptionCount: 1, published: 3 }),
  images: [missing, pinned],
});
const object = anObject(aModuleSpec(), {
  metadata: { name: 'kmod', generation: 5 },
  status: buildStatus(report, undefined, '2026-01-01T00:00:00Z'),
});
const hub = fakeHub({ 'managedclustermodules/kmod': object });
const failing = (fault: Fault) => noWorkflows({ status: () => Promise.reject(fault), history: () => Promise.reject(fault) });

describe('the status of a module', () => {
  test('comes from its workflow, with the generation that the object has by now', async () => {
    const status = await aClient(noWorkflows({ status: () => Promise.resolve(report) }), hub).status('kmod');
    expect(status).toEqual({ ...report, source: 'workflow', note: undefined, desiredGeneration: 5 });
  });

  test('of a headless module has no generation to reach, whatever objects there are', async () => {
    const client = aClient(noWorkflows({ status: () => Promise.resolve(aStatus({ headless: true })) }), hub);
    expect((await client.status('kmod')).desiredGeneration).toBeUndefined();
  });

  test('comes from the workflow also where the hub cannot be reached', async () => {
    const client = aClient(noWorkflows({ status: () => Promise.resolve(report) }), new Fault('Unavailable', 'no hub'));
    expect((await client.status('kmod')).phase).toBe('Degraded');
  });

  test('falls back to what the object said last, and says so', async () => {
    const status = await aClient(failing(NO_WORKER), hub).status('kmod');
    expect(status).toMatchObject({
      source: 'object',
      note: 'No worker answers. This is what the status of the ManagedClusterModule said last.',
      phase: 'Degraded',
      generation: 4,
      desiredGeneration: 5,
      images: [missing, pinned],
      workflow: report.workflow,
      currentRevision: report.currentRevision,
    });
    expect(status.fleet).toEqual({ ...report.fleet, behind: 0 });
    expect(status.history).toEqual([aRecord()]);
  });

  test('of an object that nobody has looked at is Pending', async () => {
    const fresh = fakeHub({ 'managedclustermodules/kmod': anObject(aModuleSpec()) });
    expect(await aClient(failing(NOT_RUNNING), fresh).status('kmod')).toMatchObject({
      phase: 'Pending',
      note: 'No workflow for module kmod is running. Nobody has looked at this ManagedClusterModule yet.',
    });
  });

  test('of a module that nobody knows is a Missing fault', async () => {
    await expect(aClient(failing(NOT_RUNNING)).status('kmod')).rejects.toMatchObject({
      kind: 'Missing',
      message: 'There is no module kmod: neither a ManagedClusterModule of that name nor a running workflow.',
    });
  });

  test('is not called missing while Temporal does not answer', async () => {
    await expect(aClient(failing(NO_WORKER)).status('kmod')).rejects.toBe(NO_WORKER);
  });

  test('names both doubts when the hub cannot be asked either', async () => {
    await expect(aClient(failing(NOT_RUNNING), new Fault('Unavailable', 'The hub is away.')).status('kmod')).rejects.toMatchObject({
      kind: 'Missing',
      message: 'No workflow for module kmod is running. Whether an object exists is not known: The hub is away.',
    });
  });
});

describe('the list of modules', () => {
  const other = { name: 'other', phase: 'Progressing', startedAt: new Date('2026-01-01T00:30:00Z') };

  test('has those with an object and those that only run', async () => {
    const workflows = noWorkflows({
      running: () => Promise.resolve([{ name: 'kmod', phase: 'Degraded', startedAt: new Date(0) }, other]),
      status: () => Promise.resolve(aStatus({ name: 'other', headless: true })),
    });
    const { modules, notes } = await aClient(workflows, hub).list();
    expect(notes).toEqual([]);
    expect(modules).toEqual([
      {
        name: 'kmod',
        headless: false,
        phase: 'Degraded',
        selected: 4,
        loaded: 2,
        failed: 1,
        offline: 1,
        revision: 'kmod-aaaaaaaaaa',
        running: true,
        createdAt: '2026-01-01T00:00:00Z',
      },
      expect.objectContaining({ name: 'other', headless: true, phase: 'Ready', loaded: 3, createdAt: '2026-01-01T00:30:00.000Z' }),
    ]);
  });

  test('says what it lacks while Temporal or the hub does not answer', async () => {
    const noTemporal = await aClient(noWorkflows({ running: () => Promise.reject(NO_WORKER) }), hub).list();
    expect(noTemporal.modules).toMatchObject([{ name: 'kmod', running: undefined }]);
    expect(noTemporal.notes).toEqual(['Headless modules are not listed: No worker answers.']);
    const noHub = await aClient(
      noWorkflows({ running: () => Promise.resolve([other]) }),
      new Fault('Unavailable', 'The hub is away.'),
    ).list();
    expect(noHub.modules).toMatchObject([{ name: 'other', phase: 'Progressing', loaded: undefined }]);
    expect(noHub.notes).toEqual(['ManagedClusterModules are not listed: The hub is away.']);
  });

  test('fails only when nobody answers', async () => {
    const client = aClient(noWorkflows({ running: () => Promise.reject(NO_WORKER) }), new Fault('Unavailable', 'The hub is away.'));
    await expect(client.list()).rejects.toBe(NO_WORKER);
  });
});
