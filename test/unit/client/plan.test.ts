import { describe, expect, test } from '@jest/globals';
import { aDigest, aModuleSpec, imageOf, KERNELS, somePins } from '../domain/builders.js';
import type { ModulePreview } from '../../../src/client/types.js';
import { buildStatus } from '../../../src/domain/mcm-status.js';
import { aStatus } from '../domain/builders.js';
import { aClient, aManagedCluster, aManifest, aManifestWork, anObject, fakeHub, noWorkflows } from './fakes.js';
import { recordedRevision, revisionObject } from './fleet-of.js';

const [OLD, DEB, NEW] = KERNELS;
const revision = recordedRevision({ pins: somePins([DEB]) });
const clusters = {
  'managedclusters/a': aManagedCluster('a', { kernels: [DEB] }),
  'managedclusters/b': aManagedCluster('b', { kernels: [DEB], available: false }),
  'managedclusters/c': aManagedCluster('c'),
  'managedclusters/d': aManagedCluster('d', { kernels: [OLD] }),
};
const plan = (objects: Record<string, object>, mcm: unknown = aManifest(aModuleSpec())): Promise<ModulePreview> =>
  aClient(noWorkflows(), fakeHub(objects)).plan(mcm);
const actions = ({ clusters: rows }: ModulePreview) => Object.fromEntries(rows.map((c) => [c.cluster, c.action]));
/** Another module name: the tags stay, the content differs. */
const changed = aModuleSpec({ selector: { 'node-role.kubernetes.io/edge': '' } });

describe('the plan of a module', () => {
  test('that does not exist yet creates, and names what it would look up', async () => {
    const preview = await plan(clusters);
    expect(preview).toMatchObject({
      name: 'kmod',
      exists: false,
      revision: { name: revision.name, recorded: false, current: undefined },
      counts: { create: 2, update: 0, unchanged: 0, remove: 0, offline: 1, excluded: 1 },
      removalHeld: false,
    });
    expect(actions(preview)).toEqual({ a: 'create', b: 'offline', c: 'excluded', d: 'create' });
    expect(preview.clusters[0]?.kernels).toEqual([{ kernel: DEB, image: imageOf(DEB), digest: undefined }]);
    expect(preview.clusters[2]).toMatchObject({ reason: 'NoKernelClaim', message: expect.stringContaining('does not report its kernels') });
    expect(preview.images).toEqual([
      { image: imageOf(OLD), kernels: [OLD], clusters: 1, state: 'would be resolved', digest: undefined, message: undefined },
      { image: imageOf(DEB), kernels: [DEB], clusters: 2, state: 'would be resolved', digest: undefined, message: undefined },
    ]);
  });

  const running = {
    ...clusters,
    'managedclustermodules/kmod': anObject(aModuleSpec()),
    'manifestworks/a/kmod': aManifestWork('a', revision, [DEB]),
    ...revisionObject(revision),
  };

  test('of what is published leaves it alone, with the digests that are pinned', async () => {
    const preview = await plan(running);
    expect(actions(preview)).toEqual({ a: 'unchanged', b: 'offline', c: 'excluded', d: 'create' });
    expect(preview.clusters[0]?.kernels).toEqual([{ kernel: DEB, image: imageOf(DEB), digest: aDigest('1') }]);
    expect(preview.revision).toEqual({ name: revision.name, recorded: true, current: revision.name });
    expect(preview.images.find((i) => i.image === imageOf(DEB))).toMatchObject({ state: 'pinned', digest: aDigest('1') });
  });

  test('of a changed spec updates what is published', async () => {
    const preview = await plan(running, aManifest(changed));
    expect(actions(preview)).toEqual({ a: 'update', b: 'offline', c: 'excluded', d: 'create' });
    expect(preview.revision).toMatchObject({ recorded: false, current: revision.name });
  });

  test('takes a tag that is published to name the digest that it named then', async () => {
    // Only the hub's part of the spec changes: what the spokes get stays.
    const built = aModuleSpec();
    const container = { ...built.moduleLoader?.container, build: { dockerfileConfigMap: { name: 'dockerfile' } } };
    const preview = await plan(running, aManifest({ ...built, moduleLoader: { container } }));
    expect(preview.revision.recorded).toBe(false);
    expect(actions(preview)['a']).toBe('unchanged');
    expect(preview.clusters[0]?.kernels).toEqual([{ kernel: DEB, image: imageOf(DEB), digest: undefined }]);
  });

  test('removes what the selector does not match any more, and says when that would be held', async () => {
    const core = { labels: { site: 'core' }, kernels: [DEB] };
    const six = Object.fromEntries(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((n) => [`manifestworks/${n}/kmod`, aManifestWork(n, revision, [DEB])]),
    );
    const preview = await plan(
      { ...running, ...six, 'managedclusters/e': aManagedCluster('e', core) },
      aManifest(aModuleSpec(), { selector: { site: 'core' } }),
    );
    expect(actions(preview)).toEqual({ a: 'remove', b: 'remove', c: 'remove', d: 'remove', e: 'unchanged', f: 'remove' });
    expect(preview.removalHeld).toBe(true);
    expect(preview.clusters[0]?.message).toBe('spec.selector does not match this cluster.');
  });

  test('excludes a kernel that no mapping matches, and keeps the others of its cluster', async () => {
    const literal = aModuleSpec();
    const container = { ...literal.moduleLoader?.container, kernelMappings: [{ literal: DEB, containerImage: imageOf(DEB) }] };
    const fleet = {
      'managedclusters/a': aManagedCluster('a', { kernels: [DEB, NEW] }),
      'managedclusters/b': aManagedCluster('b', { kernels: [NEW] }),
    };
    const preview = await plan(fleet, aManifest({ ...literal, moduleLoader: { container } }));
    expect(actions(preview)).toEqual({ a: 'create', b: 'excluded' });
    expect(preview.clusters[0]?.kernelNotes).toMatchObject([{ kernel: NEW, reason: 'NoMatchingMapping' }]);
    expect(preview.clusters[1]).toMatchObject({ reason: 'NoMatchingMapping' });
  });

  test('does not expect an image that the hub could not find for this very revision', async () => {
    const problem = { reason: 'ImageMissing', message: 'There is no such tag.' } as const;
    const status = buildStatus(aStatus({ images: [{ image: imageOf(OLD), kernels: [OLD], problem }] }), undefined, '2026-01-01T00:00:00Z');
    const preview = await plan({ ...running, 'managedclustermodules/kmod': anObject(aModuleSpec(), { status }) });
    expect(preview.clusters[3]).toMatchObject({ cluster: 'd', action: 'excluded', ...problem });
    expect(preview.images[0]).toMatchObject({ image: imageOf(OLD), state: 'missing', message: 'There is no such tag.' });
  });

  test('of a module without a moduleLoader needs no image', async () => {
    const preview = await plan(
      clusters,
      aManifest({ selector: {}, devicePlugin: { container: { image: 'registry.example.com/plugin:v1' } } }),
    );
    expect(actions(preview)).toEqual({ a: 'create', b: 'offline', c: 'create', d: 'create' });
    expect(preview.images).toEqual([]);
  });

  test('of a manifest that cannot be carried out lists its problems', async () => {
    await expect(plan(clusters, { kind: 'ManagedClusterModule' })).rejects.toThrow('The ManagedClusterModule is not valid:');
  });

  test('of a change that the hub would refuse says so', async () => {
    const spec = aModuleSpec();
    const versioned = { ...spec, moduleLoader: { container: { ...spec.moduleLoader?.container, version: 'v2' } } };
    await expect(plan(running, aManifest(versioned))).rejects.toThrow(
      'spec.moduleSpec.moduleLoader.container.version cannot change from "" to "v2"',
    );
  });
});
