import { describe, expect, test } from '@jest/globals';
import type { WaveStep } from '../../../src/client/workflows.js';
import { Fault } from '../../../src/domain/fault.js';
import { buildStatus } from '../../../src/domain/mcm-status.js';
import { aModuleSpec, aRecord, aStatus, someTotals } from '../domain/builders.js';
import { aClient, anObject, fakeHub, noWorkflows } from './fakes.js';

const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 0, minute));
const first = { workflowId: 'mcm/kmod/rollout/2/wave/1', runId: 'run-2' };
const catchUp = { workflowId: 'mcm/kmod/catch-up/7', runId: 'run-7' };
const problem = { reason: 'LoadTimeout', message: 'Cluster b has not loaded the module after 31 minutes.' };
const STEPS: Readonly<Record<string, readonly WaveStep[]>> = {
  [first.runId]: [
    { at: at(1), kind: 'started', payload: { revision: 'kmod-bbbbbbbbbb' } },
    { at: at(2), kind: 'published', payload: { written: ['a', 'b'], unchanged: ['c'], setAside: [{ cluster: 'd', state: 'Offline' }] } },
    { at: at(4), kind: 'progress', payload: { outcomes: [{ cluster: 'a', state: 'Loaded' }], behind: ['c'] } },
    { at: at(35), kind: 'progress', payload: { outcomes: [{ cluster: 'b', state: 'Failed', problem }], behind: [] } },
  ],
  [catchUp.runId]: [
    { at: at(50), kind: 'started', payload: { revision: 'kmod-bbbbbbbbbb' } },
    { at: at(51), kind: 'published', payload: { written: ['d'], unchanged: [], setAside: [] } },
  ],
};
const rollouts = [aRecord({ number: 2 }), aRecord({ number: 1 })];
const workflows = noWorkflows({
  history: () => Promise.resolve(rollouts),
  waves: () => Promise.resolve([catchUp, first]),
  waveSteps: ({ runId }) => Promise.resolve([...(STEPS[runId] ?? [])]),
});
const ofCluster = (cluster: string) => aClient(workflows).history('kmod', { cluster });

describe('the history of a module', () => {
  test('is what its workflow remembers', async () => {
    expect(await aClient(workflows).history('kmod')).toEqual({ source: 'workflow', rollouts, events: [], notes: [] });
  });

  test('is what the status remembers where no workflow answers', async () => {
    const object = anObject(aModuleSpec(), { status: buildStatus(aStatus(), undefined, '2026-01-01T00:00:00Z') });
    const away = noWorkflows({ history: () => Promise.reject(new Fault('Unavailable', 'No worker answers.')) });
    const history = await aClient(away, fakeHub({ 'managedclustermodules/kmod': object })).history('kmod');
    expect(history).toMatchObject({
      source: 'object',
      rollouts: [{ number: 1, revision: 'kmod-aaaaaaaaaa', outcome: 'Completed' }],
      notes: ['No worker answers. These are the rollouts that the status remembers.'],
    });
  });

  test('of a module that nobody knows is a Missing fault', async () => {
    await expect(aClient(noWorkflows()).history('kmod')).rejects.toMatchObject({ kind: 'Missing' });
  });
});

describe('the history of one cluster', () => {
  test('tells when it was published, how that ended, and with which revision', async () => {
    const { events } = await ofCluster('b');
    const base = { revision: 'kmod-bbbbbbbbbb', kind: 'rollout', number: 2, ...first };
    expect(events).toEqual([
      { at: '2026-01-01T00:02:00.000Z', what: 'published', reason: undefined, message: undefined, ...base },
      { at: '2026-01-01T00:35:00.000Z', what: 'Failed', ...problem, ...base },
    ]);
  });

  test('goes through rollouts and catch-ups in the order of time', async () => {
    const { events } = await ofCluster('d');
    expect(events.map((e) => [e.what, e.kind, e.number])).toEqual([
      ['Offline', 'rollout', 2],
      ['published', 'catch-up', 7],
    ]);
    expect((await ofCluster('c')).events.map((e) => e.what)).toEqual(['unchanged', 'behind']);
  });

  test("says which rollouts are past Temporal's retention", async () => {
    expect((await ofCluster('a')).notes).toEqual([
      "Temporal's retention has dropped the details of rollout 1: what they did to single clusters is not known any more.",
    ]);
  });

  test('misses nothing of a rollout that had no cluster to touch', async () => {
    const empty = noWorkflows({ history: () => Promise.resolve([aRecord({ clusters: someTotals({}) })]) });
    expect((await aClient(empty).history('kmod', { cluster: 'a' })).notes).toEqual([]);
  });
});
