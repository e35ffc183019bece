import { describe, expect, test } from '@jest/globals';
import { assessCluster, isPublished, publishedMs, type Assessment, type Clock, type Spoke } from '../../../src/domain/assess-cluster.js';
import { aClock, aCluster, aWork, MINUTE, PATIENCE, PUBLISHED_MS, theContent } from './builders.js';

interface Case {
  readonly cluster?: Parameters<typeof aCluster>[0];
  readonly work?: Parameters<typeof aWork>[0] | 'none';
  readonly desired?: Spoke['desired'] | 'none';
  readonly clock?: Partial<Clock>;
  readonly owner?: string;
}

function assess({ cluster, work, desired = theContent(), clock, owner = 'mcm-uid' }: Case): Omit<Assessment, 'cluster'> {
  const spoke: Spoke = {
    cluster: aCluster(cluster),
    work: work === 'none' ? undefined : aWork(work),
    desired: desired === 'none' ? undefined : desired,
  };
  const { cluster: _name, ...rest } = assessCluster(spoke, owner === 'nobody' ? undefined : owner, PATIENCE, aClock(clock));
  return rest;
}

const LATE = { nowMs: PUBLISHED_MS + 31 * MINUTE, heldSinceMs: undefined };
const waiting = (state: Assessment['state']) => ({ state, behind: false, final: false, problem: undefined });
const final = (state: Assessment['state'], problem?: Assessment['problem']) => ({ state, behind: false, final: true, problem });
const behind: Omit<Assessment, 'cluster'> = { state: 'Pending', behind: true, final: false, problem: undefined };

const offline = {
  reason: 'ClusterUnavailable',
  message:
    'Cluster spoke-1 has not been available since 2025-12-31T12:00:00Z. Its module stays as it is and catches up when the cluster returns.',
} as const;

const CASES: readonly [string, Case, Omit<Assessment, 'cluster'>][] = [
  ['a cluster whose loading is proven is Loaded', {}, final('Loaded')],
  [
    'a cluster that is going gets nothing more',
    { cluster: { deleting: true, accepted: false, available: false } },
    final('Excluded', {
      reason: 'ClusterDeleting',
      message: 'Cluster spoke-1 is being removed from the hub. Nothing more is published to it.',
    }),
  ],
  [
    'a cluster that was never let in gets nothing',
    { cluster: { accepted: false, available: false } },
    final('Excluded', {
      reason: 'ClusterNotAccepted',
      message: 'Cluster spoke-1 is not accepted by the hub. Accept it with spec.hubAcceptsClient: true.',
    }),
  ],
  ['an unreachable cluster is Offline, whatever its old counters say', { cluster: { available: false } }, final('Offline', offline)],
  ['an unreachable cluster is not published to', { cluster: { available: false }, work: 'none' }, final('Offline', offline)],
  [
    'an unreachable cluster is Offline also when it would get nothing',
    { cluster: { available: false, kernels: undefined } },
    final('Offline', offline),
  ],
  [
    'a cluster that has never been available says nothing of since when',
    { cluster: { available: false, availabilitySince: undefined } },
    final('Offline', {
      reason: 'ClusterUnavailable',
      message: 'Cluster spoke-1 has not been available. Its module stays as it is and catches up when the cluster returns.',
    }),
  ],
  ['without a recorded revision a cluster waits', { desired: 'none' }, waiting('Pending')],
  [
    'a cluster that has no content says why, and keeps what it has',
    { desired: { kind: 'excluded', problem: { reason: 'ImageMissing', message: 'No image.' }, problems: [] } },
    final('Excluded', { reason: 'ImageMissing', message: 'No image.' }),
  ],
  ['a cluster without a ManifestWork is behind', { work: 'none' }, behind],
  ['a cluster with other content is behind', { desired: theContent('hash-b') }, behind],
  ['a Module that a hand has edited is behind', { work: { contentHash: 'hash-x' } }, behind],
  ['a hash annotation that a hand has edited is behind', { work: { declaredHash: 'hash-x' } }, behind],
  ['a ManifestWork that lost its label or its feedback rules is behind', { work: { wellFormed: false } }, behind],
  ['a ManifestWork of an MCM that was made anew is behind', { owner: 'other-uid' }, behind],
  ['a ManifestWork of a headless module has no owner and wants none', { owner: 'nobody', work: { ownerUid: undefined } }, final('Loaded')],
  [
    'a ManifestWork that is being deleted is waited for',
    { work: { deleting: true } },
    {
      state: 'Pending',
      behind: false,
      final: false,
      problem: {
        reason: 'ClusterDeleting',
        message: 'The ManifestWork spoke-1/kmod is being deleted. A new one is published when it is gone.',
      },
    },
  ],
  ['until the work agent confirms the generation a cluster is Publishing', { work: { applied: undefined } }, waiting('Publishing')],
  ['until the spoke echoes the content a cluster is Applied', { work: { echoedHash: 'hash-before' } }, waiting('Applied')],
  ['while nodes load a cluster is Loading', { work: { counters: { 'moduleLoader.desiredNumber': 2 } } }, waiting('Loading')],
  ['a proof that has just begun to hold is Loading', { clock: { heldSinceMs: PUBLISHED_MS + 9 * MINUTE } }, waiting('Loading')],
  ['a proof that the hub has not seen hold is Loading', { clock: { heldSinceMs: undefined } }, waiting('Loading')],
  ['a proof that held for exactly the settle time is Loaded', { clock: { heldSinceMs: PUBLISHED_MS + 8 * MINUTE } }, final('Loaded')],
  [
    'a proof that settles after the deadline is no failure',
    { clock: { nowMs: LATE.nowMs, heldSinceMs: PUBLISHED_MS + 30 * MINUTE } },
    waiting('Loading'),
  ],
  [
    'no matching node is NoNodes once that has settled',
    { work: { counters: {} }, clock: { heldSinceMs: PUBLISHED_MS + 4 * MINUTE } },
    final('NoNodes'),
  ],
  [
    'no matching node is Loading until that has held three times as long, since absent counters may also mean that nobody has counted yet',
    { work: { counters: {} }, clock: { heldSinceMs: PUBLISHED_MS + 5 * MINUTE } },
    waiting('Loading'),
  ],
  ['no matching node is Loading until that has settled', { work: { counters: {} }, clock: { heldSinceMs: undefined } }, waiting('Loading')],
  [
    'a failed apply is a failure that may still pass: the work agent tries again',
    { work: { manifestApplied: { status: 'False', observedGeneration: 3, message: 'namespaces "kmm" not found' } } },
    {
      ...final('Failed', {
        reason: 'ApplyFailed',
        message:
          'Cluster spoke-1 could not apply the Module: namespaces "kmm" not found. Its work agent tries again by itself; mend the cause on the cluster.',
      }),
      final: false,
    },
  ],
  [
    'a failed apply is final after the deadline',
    { work: { manifestApplied: { status: 'False', observedGeneration: 3, message: 'namespaces "kmm" not found' } }, clock: LATE },
    final('Failed', {
      reason: 'ApplyFailed',
      message:
        'Cluster spoke-1 could not apply the Module: namespaces "kmm" not found. Its work agent tries again by itself; mend the cause on the cluster.',
    }),
  ],
  [
    'an unconfirmed ManifestWork times out',
    { work: { applied: undefined }, clock: LATE },
    final('Failed', {
      reason: 'LoadTimeout',
      message:
        'Cluster spoke-1 has not loaded the module after 31 minutes: its work agent has not confirmed the ManifestWork. Check the klusterlet work agent on that cluster.',
    }),
  ],
  [
    'content that is never echoed times out',
    { work: { echoedHash: 'hash-before' }, clock: LATE },
    final('Failed', {
      reason: 'LoadTimeout',
      message:
        'Cluster spoke-1 has not loaded the module after 31 minutes: it still reports the previous content. Check the klusterlet work agent on that cluster.',
    }),
  ],
  [
    'nodes that never load time out, with both numbers',
    { work: { counters: { 'moduleLoader.availableNumber': 1, 'moduleLoader.desiredNumber': 2 } }, clock: LATE },
    final('Failed', {
      reason: 'LoadTimeout',
      message:
        'Cluster spoke-1 has loaded the module on 1 of 2 nodes (moduleLoader) after 31 minutes. Look at the worker pods of KMM on that cluster.',
    }),
  ],
  [
    'exactly at the deadline a cluster has not timed out',
    { work: { applied: undefined }, clock: { nowMs: PUBLISHED_MS + 30 * MINUTE, heldSinceMs: undefined } },
    waiting('Publishing'),
  ],
  [
    'a cluster that came back a minute ago gets its full time again',
    { work: { applied: undefined }, clock: { ...LATE, availableSinceMs: PUBLISHED_MS + 30 * MINUTE } },
    waiting('Publishing'),
  ],
];

describe('where a cluster stands', () => {
  test.each(CASES)('%s', (_sentence, given, expected) => {
    expect(assess(given)).toEqual(expected);
  });

  test('each of the five parts of the proof takes Loaded away when it alone is broken', () => {
    const broken: readonly [string, Case][] = [
      ['applied for the current generation', { work: { generation: 4 } }],
      ['the published hash is echoed', { work: { echoedHash: 'hash-before' } }],
      ['available = desired', { work: { counters: { 'moduleLoader.availableNumber': 1, 'moduleLoader.desiredNumber': 2 } } }],
      ['held for the settle time', { clock: { heldSinceMs: PUBLISHED_MS + 10 * MINUTE - 1 } }],
      ['the cluster is available', { cluster: { available: false } }],
    ];
    expect(broken.map(([part, given]) => [part, assess(given).state])).toEqual([
      ['applied for the current generation', 'Publishing'],
      ['the published hash is echoed', 'Applied'],
      ['available = desired', 'Loading'],
      ['held for the settle time', 'Loading'],
      ['the cluster is available', 'Offline'],
    ]);
    expect(assess({}).state).toBe('Loaded');
  });

  test('a short wait is told in seconds', () => {
    const patience = { settleMs: 0, progressDeadlineMs: 10_000 };
    const spoke: Spoke = { cluster: aCluster(), work: aWork({ applied: undefined }), desired: theContent() };
    const { problem } = assessCluster(spoke, 'mcm-uid', patience, aClock({ nowMs: PUBLISHED_MS + 75_000 }));
    expect(problem?.message).toMatch(/^Cluster spoke-1 has not loaded the module after 75 seconds: /);
  });

  test('a ManifestWork whose time of publishing cannot be read counts as published long ago, so that it can time out', () => {
    expect(publishedMs(aWork({ publishedAt: 'yesterday' }))).toBe(0);
    expect(publishedMs(aWork({ publishedAt: undefined }))).toBe(0);
    expect(publishedMs(aWork())).toBe(PUBLISHED_MS);
  });

  test('what is published is what stands there in every part that the hub owns', () => {
    expect(isPublished(aWork(), 'hash-a', 'mcm-uid')).toBe(true);
    expect(isPublished(undefined, 'hash-a', 'mcm-uid')).toBe(false);
    expect(isPublished(aWork(), 'hash-a', undefined)).toBe(false);
  });
});
