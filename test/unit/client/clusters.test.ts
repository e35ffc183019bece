import { describe, expect, test } from '@jest/globals';
import { buildStatus } from '../../../src/domain/mcm-status.js';
import { Fault } from '../../../src/domain/fault.js';
import { aDigest, aModuleSpec, aRecord, aStatus, imageOf, KERNELS, sha256, somePins } from '../domain/builders.js';
import { contentHash } from '../../../src/domain/content-hash.js';
import { aClient, aManagedCluster, aManifestWork, anObject, fakeHub, noWorkflows, SELECTOR } from './fakes.js';
import { recordedRevision, revisionObject } from './fleet-of.js';

const [OLD, DEB, NEW] = KERNELS;
const revision = recordedRevision({ pins: somePins([OLD, DEB]) });
const loaded = aManifestWork('a', revision, [DEB]) as { spec: { workload: { manifests: unknown[] } } };

const objects = {
  'managedclusters/a': aManagedCluster('a', { kernels: [DEB] }),
  'managedclusters/b': aManagedCluster('b', { kernels: [DEB], available: false }),
  'managedclusters/c': aManagedCluster('c'),
  'managedclusters/d': aManagedCluster('d', { kernels: [OLD] }),
  'managedclusters/e': aManagedCluster('e', { kernels: [DEB, NEW] }),
  'managedclusters/f': aManagedCluster('f', { kernels: [DEB] }),
  'managedclusters/g': aManagedCluster('g', { kernels: [DEB], labels: { site: 'core' } }),
  'manifestworks/a/kmod': loaded,
  'manifestworks/e/kmod': aManifestWork('e', revision, [DEB]),
  'manifestworks/f/kmod': aManifestWork('f', revision, [DEB], { available: 1 }),
  ...revisionObject(revision),
};
const withObject = { ...objects, 'managedclustermodules/kmod': anObject(aModuleSpec()) };
const rowsOf = async (hub = fakeHub(withObject)) =>
  Object.fromEntries((await aClient(noWorkflows(), hub).clusters('kmod')).map((r) => [r.cluster, r]));

describe('the clusters of a module', () => {
  test('are judged by the rules of the hub, from what its API server holds alone', async () => {
    const rows = await rowsOf();
    expect(Object.values(rows).map(({ cluster, state, behind, reason }) => [cluster, state, behind, reason])).toEqual([
      ['a', 'Loaded', false, undefined],
      ['b', 'Offline', false, 'ClusterUnavailable'],
      ['c', 'Excluded', false, 'NoKernelClaim'],
      ['d', 'Pending', true, undefined],
      ['e', 'Loaded', false, undefined],
      ['f', 'Failed', false, 'LoadTimeout'],
    ]);
    expect(rows['a']).toEqual({
      cluster: 'a',
      kernels: [DEB],
      state: 'Loaded',
      reason: undefined,
      message: undefined,
      since: '2026-01-01T00:01:00.000Z',
      revision: revision.name,
      contentHash: contentHash(loaded.spec.workload.manifests[0], sha256),
      behind: false,
      kernelNotes: [],
    });
    expect(rows['b']?.since).toBe('2025-12-31T12:00:00Z');
  });

  test('say which kernel a served cluster goes without', async () => {
    expect((await rowsOf())['e']?.kernelNotes).toEqual([
      {
        kernel: NEW,
        reason: 'ImageMissing',
        message: `The image ${imageOf(NEW)} for kernel ${NEW} has not been resolved to a digest yet. kmodflow is looking it up.`,
      },
    ]);
  });

  test('repeat why an image is missing as the status of the module says it', async () => {
    const problem = { reason: 'RegistryDenied', message: 'The registry wants credentials.' } as const;
    const status = buildStatus(aStatus({ images: [{ image: imageOf(NEW), kernels: [NEW], problem }] }), undefined, '2026-01-01T00:00:00Z');
    const rows = await rowsOf(fakeHub({ ...withObject, 'managedclustermodules/kmod': anObject(aModuleSpec(), { status }) }));
    expect(rows['e']?.kernelNotes).toEqual([{ kernel: NEW, ...problem }]);
  });

  test('are read from the server by selector and label, page by page', async () => {
    const hub = fakeHub(withObject);
    await rowsOf(hub);
    expect(hub.selectors).toEqual([
      'managedclusters?site=edge',
      'manifestworks?kmm.node.kubernetes.io/managedclustermodule.name=kmod',
      'controllerrevisions?kmodflow.io/module=kmod',
    ]);
  });

  test('count as loaded once the report has stood for the settle time', async () => {
    const at = (reportedAt: string) =>
      rowsOf(fakeHub({ ...withObject, 'manifestworks/a/kmod': aManifestWork('a', revision, [DEB], { reportedAt }) })).then(
        (r) => r['a']?.state,
      );
    expect(await at('2026-01-01T00:58:01Z')).toBe('Loading'); // 119 s before now
    expect(await at('2026-01-01T00:58:00Z')).toBe('Loaded');
  });

  test('count as loaded at once where a completed rollout has proven what they hold', async () => {
    const fresh = { ...withObject, 'manifestworks/a/kmod': aManifestWork('a', revision, [DEB], { reportedAt: '2026-01-01T00:59:59Z' }) };
    const completed = aRecord({ revision: revision.name, finishedAt: '2026-01-01T00:05:00Z' });
    const status = buildStatus(aStatus({ history: [completed] }), undefined, '2026-01-01T00:05:00Z');
    const rows = await rowsOf(fakeHub({ ...fresh, 'managedclustermodules/kmod': anObject(aModuleSpec(), { status }) }));
    expect(rows['a']?.state).toBe('Loaded');
    const republished = aManifestWork('a', revision, [DEB], { reportedAt: '2026-01-01T00:59:59Z', publishedAt: '2026-01-01T00:10:00Z' });
    const later = await rowsOf(
      fakeHub({ ...fresh, 'manifestworks/a/kmod': republished, 'managedclustermodules/kmod': anObject(aModuleSpec(), { status }) }),
    );
    expect(later['a']?.state).toBe('Loading');
  });

  test('wait while the revision of the spec is not recorded', async () => {
    const { [`controllerrevisions/kmodflow-system/${revision.name}`]: _gone, ...rest } = withObject as Record<string, object>;
    expect((await rowsOf(fakeHub(rest)))['a']).toMatchObject({ state: 'Pending', behind: false, revision: revision.name });
  });

  test('of a headless module come from the spec that its workflow runs with', async () => {
    const spec = { selector: SELECTOR, spokeNamespace: 'kmm-modules', moduleSpec: aModuleSpec() };
    const owned = { ...objects, 'manifestworks/a/kmod': aManifestWork('a', revision, [DEB], { ownerUid: undefined }) };
    const workflows = noWorkflows({
      headlessSpec: () => Promise.resolve(spec),
      status: () => Promise.resolve(aStatus({ headless: true, images: [] })),
    });
    const rows = await aClient(workflows, fakeHub(owned)).clusters('kmod');
    expect(rows[0]).toMatchObject({ cluster: 'a', state: 'Loaded' });
  });

  test('of a module that nobody knows are a Missing fault', async () => {
    await expect(aClient(noWorkflows(), fakeHub(objects)).clusters('kmod')).rejects.toMatchObject({
      kind: 'Missing',
      message: 'There is no module kmod: neither a ManagedClusterModule of that name nor a running workflow.',
    });
  });

  test('need the hub', async () => {
    await expect(aClient(noWorkflows(), new Fault('Unavailable', 'The hub is away.')).clusters('kmod')).rejects.toThrow('The hub is away.');
  });
});

test('the digests of the cases are told apart', () => {
  expect(revision.pins[DEB]?.digest).toBe(aDigest('2'));
});
