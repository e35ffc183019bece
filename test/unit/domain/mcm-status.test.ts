import { describe, expect, test } from '@jest/globals';
import { ManagedClusterModuleStatus, MAX_HISTORY } from '../../../src/api/index.js';
import { buildStatus } from '../../../src/domain/mcm-status.js';
import { MAX_IMAGES } from '../../../src/domain/mcm-images.js';
import type { Report } from '../../../src/domain/process.js';
import { aFailedImage, anImage, aPinnedImage, aRun, BUILD_PROBLEM, KEY, NEXT_TRY } from './image-samples.js';
import { aDigest, aFleet, aRecord, aStatus, imageOf, KERNELS, someTotals } from './builders.js';

const NOW = '2026-02-01T00:00:00.000Z';
const LATER = '2026-02-01T00:10:00.000Z';

/** What the workflow reports: the builder's status without what only a query answers. */
const aReport = (change: Partial<Report> = {}): Report => {
  const { doing: _doing, trouble: _trouble, headless: _headless, ...report } = aStatus();
  return { ...report, ...change };
};
const build = (change: Partial<Report> = {}) => buildStatus(aReport(change), undefined, NOW);
const conditions = (change: Partial<Report>) =>
  Object.fromEntries((build(change).conditions ?? []).map(({ type, status, reason, message }) => [type, { status, reason, message }]));

const failure = {
  cluster: 'spoke-2',
  state: 'Failed',
  reason: 'LoadTimeout',
  message: 'Cluster spoke-2 has not loaded the module after 31 minutes.',
} as const;
const missing = {
  image: imageOf(KERNELS[0]),
  kernels: [KERNELS[0]],
  problem: { reason: 'ImageMissing', message: 'There is no such tag.' },
} as const;
const removals = { count: 5, published: 6, token: '0123456789ab', sample: ['a', 'b', 'c', 'd', 'e'], held: true };

describe('the status of an MCM', () => {
  test('of a module that is ready says everything of DESIGN that applies, and nothing else', () => {
    expect(build()).toEqual({
      numberDesired: 3,
      numberApplied: 3,
      numberDegraded: 0,
      observedGeneration: 1,
      phase: 'Ready',
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'AllLoaded',
          message: '3 of 3 clusters loaded at revision kmod-aaaaaaaaaa.',
          lastTransitionTime: NOW,
          observedGeneration: 1,
        },
        {
          type: 'Progressing',
          status: 'False',
          reason: 'AllLoaded',
          message: '3 of 3 clusters loaded at revision kmod-aaaaaaaaaa.',
          lastTransitionTime: NOW,
          observedGeneration: 1,
        },
        {
          type: 'Degraded',
          status: 'False',
          reason: 'AsExpected',
          message: 'No cluster has failed and none is left out.',
          lastTransitionTime: NOW,
          observedGeneration: 1,
        },
        {
          type: 'ImagesReady',
          status: 'True',
          reason: 'ImagesResolved',
          message: 'The image is pinned by digest.',
          lastTransitionTime: NOW,
          observedGeneration: 1,
        },
      ],
      currentRevision: 'kmod-aaaaaaaaaa',
      updateRevision: 'kmod-aaaaaaaaaa',
      clusters: {
        selected: 3,
        published: 3,
        applied: 0,
        loading: 0,
        loaded: 3,
        noNodes: 0,
        failed: 0,
        offline: 0,
        held: 0,
        repairing: 0,
        excluded: 0,
        pending: 0,
      },
      exceptions: [],
      images: [{ kernel: KERNELS[1], image: imageOf(KERNELS[1]), digest: aDigest('1'), state: 'Pinned' }],
      rollout: {
        number: 1,
        revision: 'kmod-aaaaaaaaaa',
        phase: 'Completed',
        startedAt: '2026-01-01T00:00:00.000Z',
        finishedAt: '2026-01-01T00:05:00.000Z',
        clusters: { total: 3, pending: 0, inFlight: 0, loaded: 3, noNodes: 0, failed: 0, offline: 0, excluded: 0, written: 3 },
        message: 'Completed: of 3 clusters 3 loaded.',
      },
      history: [
        {
          number: 1,
          revision: 'kmod-aaaaaaaaaa',
          outcome: 'Completed',
          startedAt: '2026-01-01T00:00:00.000Z',
          finishedAt: '2026-01-01T00:05:00.000Z',
          clusters: { total: 3, pending: 0, inFlight: 0, loaded: 3, noNodes: 0, failed: 0, offline: 0, excluded: 0, written: 3 },
          message: 'Completed: of 3 clusters 3 loaded.',
        },
      ],
      workflow: { id: 'mcm/kmod', runId: 'run-1' },
    });
  });

  test("has upstream's three counters, correct: selected, applied at the current generation, failed", () => {
    const status = build({
      fleet: aFleet({ Pending: 1, Publishing: 2, Applied: 3, Loading: 4, Loaded: 5, NoNodes: 6, Offline: 7, Failed: 8, Excluded: 9 }),
    });
    expect(status).toMatchObject({ numberDesired: 45, numberApplied: 18, numberDegraded: 8, clusters: { selected: 45, published: 28 } });
  });

  test('shows the rollout that runs with the fleet as it is now', () => {
    const status = build({
      phase: 'Progressing',
      fleet: aFleet({ Loaded: 2, NoNodes: 1, Loading: 1, Publishing: 1, Pending: 4, Failed: 1, Offline: 2 }),
      rollout: { number: 2, revision: 'kmod-bbbbbbbbbb', phase: 'Progressing', startedAt: NOW },
    });
    expect(status.rollout).toEqual({
      number: 2,
      revision: 'kmod-bbbbbbbbbb',
      phase: 'Progressing',
      startedAt: NOW,
      clusters: { total: 12, pending: 4, inFlight: 2, loaded: 2, noNodes: 1, failed: 1, offline: 2, excluded: 0 },
      message: '3 of 12 clusters are done, 2 are loading, 4 wait for their turn.',
    });
  });

  test('shows a rollout that is held by a pause as paused', () => {
    const rollout = { number: 2, revision: 'r', phase: 'Progressing', startedAt: NOW };
    expect(build({ phase: 'Paused', paused: { by: 'alice', reason: '' }, rollout }).rollout?.phase).toBe('Paused');
  });

  test('names a removal only while it is held', () => {
    expect(build({ removals }).removal).toEqual({ held: 5, clusters: ['a', 'b', 'c', 'd', 'e'], token: '0123456789ab' });
    expect(build({ removals: { ...removals, held: false } })).not.toHaveProperty('removal');
  });

  test('has one row per kernel, at most a hundred, and keeps those that need a person', () => {
    const pins = Array.from({ length: 150 }, (_, i) => ({
      image: `i${i}`,
      kernels: [`5.${String(i).padStart(3, '0')}.1`],
      digest: aDigest('1'),
    }));
    const { images = [] } = build({ images: [...pins, { ...missing, kernels: ['9.0.1', '9.0.2'] }] });
    expect(images).toHaveLength(MAX_IMAGES);
    expect(images.slice(-2)).toEqual(
      ['9.0.1', '9.0.2'].map((kernel) => ({
        kernel,
        image: missing.image,
        state: 'Failed',
        reason: 'ImageMissing',
        message: 'There is no such tag.',
      })),
    );
    expect(images.map((i) => i.kernel)).toEqual(images.map((i) => i.kernel).sort());
  });

  test('calls an image that nobody has looked up yet resolving', () => {
    expect(build({ images: [{ image: 'a', kernels: ['k'] }] }).images).toEqual([{ kernel: 'k', image: 'a', state: 'Resolving' }]);
  });

  test('remembers ten rollouts, the newest first', () => {
    const history = Array.from({ length: 12 }, (_, i) => aRecord({ number: 12 - i }));
    expect(build({ history }).history?.map((r) => r.number)).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    expect(MAX_HISTORY).toBe(10);
  });

  test('takes a record that it remembered from an earlier status as it is, whatever that left out', () => {
    const history = [{ number: 4, revision: 'r', outcome: 'Completed' }, aRecord({ clusters: { total: 2, loaded: 2 } as never })] as never;
    expect(build({ history }).history).toMatchObject([
      { number: 4, revision: 'r', outcome: 'Completed' },
      { clusters: { total: 2, loaded: 2 } },
    ]);
    expect(build({ history }).history?.[0]).toEqual({ number: 4, revision: 'r', outcome: 'Completed' });
  });

  test('echoes a rebuild only once the revision that it made is rolled out', () => {
    const before = { imageRebuildTriggerGeneration: 1 };
    const echoed = (change: Partial<Report>) => buildStatus(aReport(change), before, NOW).imageRebuildTriggerGeneration;
    expect(echoed({ rebuildGeneration: 2, currentRevision: 'kmod-bbbbbbbbbb' })).toBe(1);
    expect(echoed({ rebuildGeneration: 2 })).toBe(2);
    expect(echoed({})).toBe(1);
  });

  test('echoes no rebuild while an image of it has no digest, whatever is rolled out already', () => {
    const before = { imageRebuildTriggerGeneration: 1 };
    const echoed = (images: Report['images']) =>
      buildStatus(aReport({ rebuildGeneration: 2, images }), before, NOW).imageRebuildTriggerGeneration;
    expect(echoed([aPinnedImage(), anImage()])).toBe(1);
    expect(echoed([aPinnedImage(), aFailedImage()])).toBe(1);
    expect(echoed([aPinnedImage(), aPinnedImage()])).toBe(2);
    expect(echoed([])).toBe(2);
  });

  test('has notes on settings without effect, and none where there are none', () => {
    expect(build({ notes: ['spec.x is accepted and has no effect.'] }).notes).toEqual(['spec.x is accepted and has no effect.']);
    expect(build({ notes: [] })).not.toHaveProperty('notes');
  });

  test('never goes to the server with null or undefined, and always fits its own schema', () => {
    const reports: Partial<Report>[] = [
      {},
      {
        phase: 'Pending',
        currentRevision: undefined,
        updateRevision: undefined,
        images: [],
        history: [],
        removals: undefined,
        fleet: aFleet({}),
      },
      {
        phase: 'Degraded',
        removals,
        images: [missing],
        fleet: aFleet({ Failed: 1 }, { exceptions: [failure, { kernel: 'k', reason: 'ImageMissing', message: 'm' }] }),
      },
    ];
    for (const report of reports) {
      const status = build(report);
      expect(JSON.parse(JSON.stringify(status))).toStrictEqual(status);
      expect(JSON.stringify(status)).not.toContain('null');
      expect(ManagedClusterModuleStatus.parse(status)).toEqual(status);
    }
  });

  test('stays small when everything is as long as it can be', () => {
    const long = 'x'.repeat(10_000);
    const status = build({
      phase: 'Degraded',
      fleet: aFleet(
        { Failed: 5_000 },
        { exceptions: Array.from({ length: 200 }, () => ({ ...failure, message: long })), exceptionCount: 5_000 },
      ),
      images: Array.from({ length: 500 }, (_, i) => ({
        ...missing,
        kernels: [`k${i}`],
        problem: { reason: 'BuildFailed' as const, message: long },
        run: aRun({ key: `key-${i}`, state: 'Waiting', log: Array.from({ length: 50 }, () => long) }),
      })),
      history: Array.from({ length: 20 }, () => aRecord({ message: long })),
    });
    expect(status.exceptions).toHaveLength(100);
    expect(JSON.stringify(status).length).toBeLessThan(256 * 1024);
  });
});

describe('the condition ImagesReady', () => {
  const said = (images: Report['images'], change: Partial<Report> = {}) =>
    conditions({ phase: 'Progressing', images, ...change })['ImagesReady'];
  const A = imageOf(KERNELS[0]);
  const queued = anImage({ image: 'q', kernels: ['kq'], run: aRun({ state: 'Queued', attempt: 0 }) });

  test.each<[string, Report['images'], { status: string; reason: string; message: string }]>([
    [
      'one image is made',
      [aPinnedImage(), aPinnedImage(), anImage()],
      {
        status: 'False',
        reason: 'BuildingImages',
        message: `2 of 3 images have a digest. Image ${A} for kernel ${KERNELS[0]} is being built (attempt 1).`,
      },
    ],
    [
      'one image is made again',
      [aPinnedImage(), aFailedImage({ state: 'Building', attempt: 2 })],
      {
        status: 'False',
        reason: 'BuildingImages',
        message: `1 of 2 images have a digest. Image ${A} for kernel ${KERNELS[0]} is being built (attempt 2). Attempt 1: ${BUILD_PROBLEM.message}`,
      },
    ],
    [
      'several are made, wait for it and are looked up',
      [anImage(), anImage({ image: 'b' }), queued, { image: 'c', kernels: ['kc'] }],
      {
        status: 'False',
        reason: 'BuildingImages',
        message: `0 of 4 images have a digest. 2 images are being built: ${A} and b. Image q for kernel kq waits for a free place to be built. 1 image of 4 being resolved: c.`,
      },
    ],
    [
      'all wait for a free place',
      [queued, { ...queued, image: 'r' }],
      {
        status: 'False',
        reason: 'BuildQueued',
        message: '0 of 2 images have a digest. 2 images wait for a free place to be built: q and r.',
      },
    ],
    [
      'an attempt failed and the next one is due later',
      [aFailedImage({ nextTryAt: NEXT_TRY })],
      {
        status: 'False',
        reason: 'BuildFailed',
        message: `0 of 1 image has a digest. The image ${A} for kernel ${KERNELS[0]} cannot be used (attempt 2). ${BUILD_PROBLEM.message} It is tried again at 2026-02-01 00:10:00 UTC. Mend the image; it is looked up again by itself, and at once when you ask for it. Run: kmodflow logs kmod --kernel ${KERNELS[0]}; kmodflow retry kmod`,
      },
    ],
    [
      'one failed for good and another is made',
      [aFailedImage(), anImage({ image: 'b', kernels: ['kb'] })],
      {
        status: 'False',
        reason: 'BuildFailed',
        message: `0 of 2 images have a digest. Image b for kernel kb is being built (attempt 1). The image ${A} for kernel ${KERNELS[0]} cannot be used (attempt 2). ${BUILD_PROBLEM.message} It is not tried again before one of its inputs changes or somebody asks for it. Mend what the attempt failed at; the image is tried again when one of its inputs changes, and at once when you ask for it. Run: kmodflow logs kmod --kernel ${KERNELS[0]}; kmodflow retry kmod`,
      },
    ],
    [
      'all have a digest',
      [aPinnedImage(), aPinnedImage(), aPinnedImage({ origin: 'Foreign' })],
      {
        status: 'True',
        reason: 'ImagesResolved',
        message: 'All 3 images are pinned by digest: 2 made by kmodflow, 1 pushed by somebody else.',
      },
    ],
    [
      'the only one has a digest',
      [aPinnedImage({ origin: 'Foreign' })],
      { status: 'True', reason: 'ImagesResolved', message: 'The image is pinned by digest: pushed by somebody else.' },
    ],
  ])('counts and tells when %s', (_when, images, expected) => {
    expect(said(images)).toEqual(expected);
  });

  test('ends with notes on settings without effect', () => {
    expect(said([aPinnedImage()], { notes: ['spec.x is accepted and has no effect.'] })?.message).toBe(
      'The image is pinned by digest: made by kmodflow. (Note: spec.x is accepted and has no effect.)',
    );
  });

  test('a module whose images are made is progressing and not degraded, one whose image failed is degraded', () => {
    const made = conditions({ phase: 'Pending', images: [anImage(), aFailedImage({ state: 'Queued', attempt: 1 })] });
    expect(made['Progressing']).toMatchObject({ status: 'True', reason: 'BuildingImages' });
    expect(made['Degraded']).toMatchObject({ status: 'False', reason: 'AsExpected' });
    const failed = conditions({ phase: 'Degraded', images: [aFailedImage()] });
    expect(failed['Progressing']).toMatchObject({ status: 'False', reason: 'BuildFailed' });
    expect(failed['Degraded']).toMatchObject({ status: 'True', reason: 'BuildFailed' });
    const both = conditions({ phase: 'Degraded', images: [aFailedImage(), anImage({ image: `kmod-${KEY}` })] });
    expect(both['Progressing']).toMatchObject({ status: 'True', reason: 'BuildingImages' });
    expect(both['Degraded']).toMatchObject({ status: 'True', reason: 'BuildFailed' });
  });
});

describe('the conditions', () => {
  test('keep their transition time until their status flips', () => {
    const first = build();
    const degraded = buildStatus(
      aReport({ phase: 'Degraded', fleet: aFleet({ Loaded: 2, Failed: 1 }, { exceptions: [failure] }) }),
      first,
      LATER,
    );
    expect(degraded.conditions?.map((c) => [c.type, c.status, c.lastTransitionTime])).toEqual([
      ['Ready', 'False', LATER],
      ['Progressing', 'False', NOW],
      ['Degraded', 'True', LATER],
      ['ImagesReady', 'True', NOW],
    ]);
    expect(buildStatus(aReport(), first, LATER)).toEqual(first);
  });

  test('speak about the generation that was looked at', () => {
    expect(new Set(build({ generation: 7 }).conditions?.map((c) => c.observedGeneration))).toEqual(new Set([7]));
  });

  test('of a rollout with a failure: still under way, degraded, and what to do', () => {
    const said = conditions({
      phase: 'Progressing',
      fleet: aFleet({ Loaded: 1, Loading: 1, Failed: 1, Pending: 1 }, { behind: 1, exceptions: [failure] }),
      rollout: { number: 2, revision: 'kmod-bbbbbbbbbb', phase: 'Progressing', startedAt: NOW },
    });
    const failed = {
      reason: 'LoadTimeout',
      message:
        '1 of 4 clusters failed: spoke-2. Cluster spoke-2 has not loaded the module after 31 minutes. Look at the 1 failed cluster, mend the cause there, then have them tried again. Run: kmodflow clusters kmod; kmodflow retry kmod',
    };
    expect(said).toMatchObject({
      Ready: { status: 'False', ...failed },
      Progressing: {
        status: 'True',
        reason: 'RollingOut',
        message: 'Rollout 2 of revision kmod-bbbbbbbbbb: 1 of 4 clusters done, 1 loading, 1 to be published.',
      },
      Degraded: { status: 'True', ...failed },
    });
  });

  test.each<[string, Partial<Report>, object]>([
    [
      'an invalid spec',
      {
        phase: 'Invalid',
        problems: [
          { path: 'spec.selector', message: 'spec.selector has the key "a b"; expected a label key.' },
          { path: 'spec.rollout', message: 'x' },
        ],
      },
      {
        Ready: {
          status: 'False',
          reason: 'InvalidSpec',
          message:
            'spec.selector has the key "a b"; expected a label key. And 1 further problem, the next at spec.rollout. Correct the spec; what is published stays as it is until then. Run: kubectl edit managedclustermodule kmod',
        },
        Progressing: { status: 'False', reason: 'InvalidSpec' },
        Degraded: { status: 'True', reason: 'InvalidSpec' },
        ImagesReady: { status: 'Unknown', reason: 'InvalidSpec' },
      },
    ],
    [
      'a name that is too long',
      { phase: 'Invalid', problems: [{ path: 'metadata.name', message: 'metadata.name is too long.', reason: 'NameTooLong' }] },
      { Ready: { status: 'False', reason: 'NameTooLong' }, Degraded: { status: 'True', reason: 'NameTooLong' } },
    ],
    [
      'a pause by a person',
      { phase: 'Paused', paused: { by: 'alice', reason: 'store opening' }, fleet: aFleet({ Pending: 2 }, { behind: 2 }) },
      {
        Ready: {
          status: 'False',
          reason: 'Paused',
          message:
            'Paused by alice: store opening. Still to be published: 2 clusters. Resume when the reason for the pause is gone. Run: kmodflow resume kmod',
        },
        Progressing: { status: 'False', reason: 'Paused' },
        Degraded: { status: 'False', reason: 'AsExpected' },
      },
    ],
    [
      'a pause by the spec',
      { phase: 'Paused', paused: { by: 'spec.rollout.paused', reason: '' } },
      { Ready: { message: expect.stringMatching(/^Paused by spec\.rollout\.paused\. .* Run: kubectl patch managedclustermodule kmod /) } },
    ],
    [
      'a removal that is held',
      { phase: 'Degraded', removals },
      {
        Ready: {
          status: 'False',
          reason: 'RemovalHeld',
          message:
            "5 of 6 clusters are not selected any more and would lose the module at once: a, b, c and 2 more. Confirm that 5 of 6 clusters may lose the module, or correct spec.selector or the clusters' labels. Run: kmodflow confirm-removal kmod --token 0123456789ab",
        },
        Degraded: { status: 'True', reason: 'RemovalHeld' },
        Progressing: { status: 'False', reason: 'RemovalHeld' },
      },
    ],
    [
      'a missing image',
      { phase: 'Degraded', images: [missing] },
      {
        Ready: { status: 'False', reason: 'ImageMissing' },
        ImagesReady: {
          status: 'False',
          reason: 'ImageMissing',
          message: `0 of 1 image has a digest. The image ${missing.image} for kernel ${KERNELS[0]} cannot be used. There is no such tag. Mend the image; it is looked up again by itself, and at once when you ask for it. Run: kmodflow retry kmod`,
        },
        Degraded: { status: 'True', reason: 'ImageMissing' },
      },
    ],
    [
      'images that are being resolved',
      {
        phase: 'Pending',
        updateRevision: undefined,
        images: [{ image: 'registry.example.com/a:1', kernels: ['k'] }],
        fleet: aFleet({ Pending: 1 }),
      },
      {
        Ready: { status: 'False', reason: 'ResolvingImages', message: '1 image of 1 being resolved: registry.example.com/a:1.' },
        Progressing: { status: 'True', reason: 'ResolvingImages' },
        ImagesReady: { status: 'False', reason: 'ResolvingImages' },
        Degraded: { status: 'False', reason: 'AsExpected' },
      },
    ],
    [
      'a selector that matches nothing',
      { phase: 'Pending', updateRevision: undefined, images: [], fleet: aFleet({}) },
      {
        Ready: {
          status: 'False',
          reason: 'NoClusterSelected',
          message: 'spec.selector matches no ManagedCluster. Label the clusters, or correct spec.selector.',
        },
        Progressing: { status: 'False', reason: 'NoClusterSelected' },
        ImagesReady: { status: 'Unknown', reason: 'NoClusterSelected' },
      },
    ],
    [
      'a fleet that is offline as a whole',
      { phase: 'Pending', fleet: aFleet({ Offline: 3 }) },
      {
        Ready: {
          status: 'False',
          reason: 'ClusterUnavailable',
          message: 'None of the 3 selected clusters is available. They are served when they return.',
        },
      },
    ],
    [
      'a cluster that gets nothing',
      {
        phase: 'Degraded',
        fleet: aFleet(
          { Loaded: 2, Excluded: 1 },
          { exceptions: [{ cluster: 'x', state: 'Excluded', reason: 'NoKernelClaim', message: 'Cluster x does not report its kernels.' }] },
        ),
      },
      {
        Degraded: {
          status: 'True',
          reason: 'NoKernelClaim',
          message:
            '1 of 3 clusters get nothing: x. Cluster x does not report its kernels. See which clusters get nothing, and why. Run: kmodflow clusters kmod',
        },
      },
    ],
    [
      'clusters that catch up',
      { phase: 'Progressing', fleet: aFleet({ Loaded: 2, Publishing: 1 }) },
      {
        Progressing: {
          status: 'True',
          reason: 'CatchingUp',
          message: 'Clusters are catching up: 2 of 3 clusters done, 1 loading, 0 to be published.',
        },
      },
    ],
    [
      'a rollout that is being stopped',
      { phase: 'Progressing', rollout: { number: 2, revision: 'r', phase: 'Stopping', startedAt: NOW } },
      {
        Progressing: {
          status: 'True',
          reason: 'Superseded',
          message: 'Rollout 2 of revision r is being stopped, since the spec has changed.',
        },
      },
    ],
    [
      'a ready module with offline clusters',
      { fleet: aFleet({ Loaded: 2, NoNodes: 1, Offline: 1 }) },
      {
        Ready: {
          status: 'True',
          message:
            '2 of 4 clusters loaded at revision kmod-aaaaaaaaaa; 1 without matching nodes; 1 offline, which catch up when they return.',
        },
      },
    ],
    ['a module that needs no image', { images: [] }, { ImagesReady: { status: 'True', reason: 'NoImageNeeded' } }],
    [
      'a removal of the module',
      { phase: 'Removing' },
      { Ready: { status: 'False', reason: 'Removing' }, Progressing: { status: 'True', reason: 'Removing' } },
    ],
  ])('of %s say what is the case and what to do', (_what, change, expected) => {
    expect(conditions(change)).toMatchObject(expected);
  });

  test('name at most three clusters and the number of all', () => {
    const exceptions = ['a', 'b', 'c', 'd', 'e'].map((cluster) => ({ ...failure, cluster }));
    const said = conditions({
      phase: 'Degraded',
      fleet: aFleet({ Failed: 1_000 }, { exceptions, exceptionCount: 1_000 }),
      history: [aRecord({ clusters: someTotals({ failed: 1_000 }) })],
    });
    expect(said['Degraded']?.message).toMatch(/^1000 of 1000 clusters failed: a, b, c and 997 more\. /);
  });
});
