import { describe, expect, test } from '@jest/globals';
import type { StatusAnswer, Verdict } from '../../../src/client/types.js';
import { untilReady, WaitTimedOut } from '../../../src/client/wait.js';
import { Fault } from '../../../src/domain/fault.js';
import { aFleet, aStatus } from '../domain/builders.js';
import { aClient, fakeHub, noWorkflows } from './fakes.js';

const answer = (change: Partial<StatusAnswer> = {}): StatusAnswer => ({
  ...aStatus(),
  source: 'workflow',
  note: undefined,
  desiredGeneration: 1,
  ...change,
});
const failed = (why: string): Verdict => ({ verdict: 'failed', why });
const missing = { image: 'r/kmod:1', kernels: ['1'], problem: { reason: 'ImageMissing', message: 'There is no such tag.' } } as const;
const failure = { cluster: 'b', state: 'Failed', reason: 'LoadTimeout', message: 'Cluster b has not loaded it.' } as const;

describe('waiting for a module', () => {
  const CASES: readonly [string, StatusAnswer, Verdict][] = [
    ['ends when it is Ready', answer(), { verdict: 'done' }],
    ['goes on while the workflow has not seen the new spec', answer({ generation: 1, desiredGeneration: 2 }), { verdict: 'wait' }],
    ['goes on while it progresses', answer({ phase: 'Progressing' }), { verdict: 'wait' }],
    [
      'goes on while nobody has looked',
      answer({ phase: 'Pending', generation: 0, fleet: aFleet({}), desiredGeneration: undefined }),
      { verdict: 'wait' },
    ],
    [
      'goes on while images are looked up',
      answer({ phase: 'Pending', images: [{ image: 'r/kmod:1', kernels: ['1'] }] }),
      { verdict: 'wait' },
    ],
    ['goes on while only the object answers', answer({ phase: 'Degraded', source: 'object' }), { verdict: 'wait' }],
    [
      'fails when no cluster is selected',
      answer({ phase: 'Pending', fleet: aFleet({}) }),
      failed('No ManagedCluster has the labels of spec.selector of module kmod.'),
    ],
    [
      'fails when not one image was found',
      answer({ phase: 'Pending', images: [missing] }),
      failed('No image of module kmod could be resolved. There is no such tag.'),
    ],
    [
      'fails when it is degraded, with the first failure',
      answer({ phase: 'Degraded', fleet: aFleet({ Loaded: 2, Failed: 1, Excluded: 1 }, { exceptions: [failure] }) }),
      failed('Module kmod is degraded: 2 of 4 clusters loaded, 1 failed, 1 excluded. Cluster b has not loaded it.'),
    ],
    [
      'fails when a removal waits for a person',
      answer({ phase: 'Degraded', removals: { count: 5, published: 6, token: 't', sample: [], held: true } }),
      failed('Module kmod is degraded: 3 of 3 clusters loaded. 5 removals wait for "kmodflow confirm-removal kmod".'),
    ],
    [
      'fails when it is paused',
      answer({ phase: 'Paused', paused: { by: 'ada', reason: 'lunch' } }),
      failed('Module kmod is paused by ada. Resume it with "kmodflow resume kmod".'),
    ],
    [
      'fails when the spec is not valid',
      answer({ phase: 'Invalid', problems: [{ path: 'spec.spokeNamespace', message: 'spec.spokeNamespace is "".' }] }),
      failed('The spec of module kmod is not valid. spec.spokeNamespace is "".'),
    ],
    ['fails when it is being removed', answer({ phase: 'Removing' }), failed('Module kmod is being removed.')],
  ];
  test.each(CASES)('%s', (_name, status, verdict) => {
    expect(untilReady(status)).toEqual(verdict);
  });

  /** A client whose workflow answers these one after the other, the last one for ever. */
  const answering = (...answers: readonly (Partial<StatusAnswer> | Fault)[]) => {
    let next = 0;
    const status = () => {
      const now = answers[Math.min(next++, answers.length - 1)];
      return now instanceof Fault ? Promise.reject(now) : Promise.resolve(aStatus({ headless: true, ...now }));
    };
    return aClient(noWorkflows({ status }), fakeHub());
  };
  const quick = { pollMs: 5, steadyMs: 20, timeoutMs: 5_000 };

  test('tells each change once', async () => {
    const seen: string[] = [];
    const client = answering(
      { phase: 'Pending' },
      { phase: 'Pending' },
      { phase: 'Progressing' },
      { phase: 'Progressing', doing: 'Rollout 1.' },
      {},
    );
    const { failed: why } = await client.waitFor('kmod', undefined, {
      ...quick,
      onProgress: ({ phase, doing }) => seen.push(`${phase} ${doing}`),
    });
    expect(why).toBeUndefined();
    expect(seen).toEqual([
      'Pending Everything is as it should be.',
      'Progressing Everything is as it should be.',
      'Progressing Rollout 1.',
      'Ready Everything is as it should be.',
    ]);
  });

  test('believes a failure only once it has stood: the workflow may not have looked yet', async () => {
    const { failed: why, status } = await answering({ phase: 'Degraded' }, { phase: 'Progressing' }, {}).waitFor('kmod', undefined, quick);
    expect([why, status.phase]).toEqual([undefined, 'Ready']);
    const { failed: stood } = await answering({ phase: 'Paused' }).waitFor('kmod', undefined, quick);
    expect(stood).toBe('Module kmod is paused by somebody. Resume it with "kmodflow resume kmod".');
  });

  test('does not take what was true before a request for its answer', async () => {
    const stale = answering({ phase: 'Ready' }, { phase: 'Progressing' }, {}).waitFor('kmod', undefined, { ...quick, doneSteadyMs: 20 });
    const looks: string[] = [];
    const other = answering(
      { updateRevision: 'kmod-old' },
      { updateRevision: undefined, phase: 'Pending' },
      { updateRevision: 'kmod-new' },
    );
    const options = { ...quick, revision: 'kmod-new', onProgress: (s: StatusAnswer) => looks.push(s.phase) };
    expect((await stale).failed).toBeUndefined();
    expect((await other.waitFor('kmod', undefined, options)).status.updateRevision).toBe('kmod-new');
    expect(looks).toEqual(['Ready', 'Pending', 'Ready']);
  });

  test('goes on while something does not answer', async () => {
    const away = new Fault('Unavailable', 'No worker answers.');
    expect((await answering(away, away, {}).waitFor('kmod', undefined, quick)).failed).toBeUndefined();
  });

  test('ends with what was last known when the time is over', async () => {
    const over: unknown = await answering({
      phase: 'Progressing',
      fleet: aFleet({ Loaded: 2, Loading: 1 }),
      doing: 'Rollout 1 is under way.',
    })
      .waitFor('kmod', undefined, { ...quick, timeoutMs: 60 })
      .catch((error: unknown) => error);
    expect(over).toBeInstanceOf(WaitTimedOut);
    expect((over as WaitTimedOut).message).toBe(
      'Module kmod is not ready after 0 seconds. 2 of 3 clusters are loaded. Rollout 1 is under way.',
    );
    expect((over as WaitTimedOut).status?.phase).toBe('Progressing');
    const away = new Fault('Unavailable', 'No worker answers.');
    await expect(answering(away).waitFor('kmod', undefined, { ...quick, timeoutMs: 30 })).rejects.toThrow('No worker answers.');
  });

  test('does not wait for a module that is not there', async () => {
    await expect(aClient(noWorkflows()).waitFor('kmod', undefined, quick)).rejects.toMatchObject({ kind: 'Missing' });
  });

  test('ends when it is aborted', async () => {
    const controller = new AbortController();
    const waiting = answering({ phase: 'Progressing' }).waitFor('kmod', undefined, { ...quick, signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  });
});
