import { describe, expect, test } from '@jest/globals';
import type { ManagedClusterModuleStatus } from '../../../../src/api/index.js';
import { verdictOn, whatIsMissing, type Verdict } from '../../../../tools/demo/verdict.js';

const record = (outcome: string) => ({ number: 1, revision: 'r', outcome, message: '1 cluster failed.' });
const aStatus = (change: ManagedClusterModuleStatus): ManagedClusterModuleStatus => ({ observedGeneration: 1, phase: 'Ready', ...change });
const snapshotOf = (status: ManagedClusterModuleStatus | undefined) => ({ elapsedMs: 300_000, expected: 21, status });

describe('the verdict on the rollout', () => {
  const condition = {
    type: 'Ready',
    status: 'False' as const,
    reason: 'InvalidSpec',
    message: 'spec.selector is wrong.',
    lastTransitionTime: '2026-11-22T17:00:00Z',
  };
  const cases: [what: string, status: ManagedClusterModuleStatus | undefined, verdict: Verdict][] = [
    ['no status yet', undefined, { kind: 'wait' }],
    [
      'a status of an older spec',
      aStatus({ observedGeneration: 0, history: [record('Completed')], clusters: { loaded: 21 } }),
      { kind: 'wait' },
    ],
    ['all loaded, but the rollout runs', aStatus({ clusters: { loaded: 21 } }), { kind: 'wait' }],
    [
      'a completed rollout with one cluster behind',
      aStatus({ history: [record('Completed')], clusters: { loaded: 20 } }),
      { kind: 'wait' },
    ],
    [
      'a completed rollout and all loaded',
      aStatus({ phase: 'Degraded', history: [record('Completed')], clusters: { loaded: 21 } }),
      { kind: 'done' },
    ],
    ['a failed rollout', aStatus({ history: [record('Failed')] }), { kind: 'failed', why: 'Rollout 1 ended as Failed. 1 cluster failed.' }],
    [
      'a spec that is not valid',
      aStatus({ phase: 'Invalid', conditions: [condition] }),
      { kind: 'failed', why: 'spec.selector is wrong.' },
    ],
  ];
  test.each(cases)('%s', (_what, status, verdict) => expect(verdictOn(snapshotOf(status), 1)).toEqual(verdict));
});

describe('what is missing at the time limit', () => {
  test('says that nobody looks after the module when there is no status', () => {
    expect(whatIsMissing(snapshotOf(undefined), ['spoke-01'], 300_000)).toBe(
      'The rollout was not complete after 300 seconds. The hub has not written a status to the ManagedClusterModule: no worker looks after it.',
    );
  });

  test('names the spokes that have not loaded it, and what the hub says of them and of the images', () => {
    const status = aStatus({
      clusters: { selected: 24, published: 20, loading: 1, loaded: 19 },
      exceptions: [
        { cluster: 'spoke-03', reason: 'ApplyFailed', message: 'The namespace is missing.' },
        { cluster: 'spoke-24', reason: 'ClusterUnavailable', message: 'It is offline on purpose.' },
      ],
      images: [
        { kernel: '6.1.0-56-amd64', image: 'r/a:1', state: 'Pinned', digest: 'sha256:1' },
        { kernel: '6.1.0-57-amd64', image: 'r/a:2', state: 'Failed', reason: 'ImageMissing', message: 'Push it.' },
      ],
    });
    expect(whatIsMissing(snapshotOf(status), ['spoke-03', 'spoke-07'], 300_000)).toBe(
      [
        'The rollout was not complete after 300 seconds. The hub says: 19 of 21 reachable clusters loaded; 1 loading.',
        'Not loaded on: spoke-03, spoke-07.',
        '  spoke-03  ApplyFailed: The namespace is missing.',
        '  image for 6.1.0-57-amd64: Push it.',
      ].join('\n'),
    );
  });

  test('names ten spokes and counts the rest', () => {
    const names = Array.from({ length: 12 }, (_, index) => `s${index}`);
    expect(whatIsMissing(snapshotOf(aStatus({})), names, 1_000)).toContain(
      'Not loaded on: s0, s1, s2, s3, s4, s5, s6, s7, s8, s9 and 2 more.',
    );
  });

  test('says so when the spokes are fine and the hub alone does not count them', () => {
    expect(whatIsMissing(snapshotOf(aStatus({})), [], 1_000)).toContain(
      'Every reachable spoke has loaded the module, but the hub does not count it as proven.',
    );
  });
});
