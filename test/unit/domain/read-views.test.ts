import { describe, expect, test } from '@jest/globals';
import { assessCluster } from '../../../src/domain/assess-cluster.js';
import { proveLoaded } from '../../../src/domain/load-proof.js';
import { renderManifestWork } from '../../../src/domain/manifest-work.js';
import { readCluster, readWork } from '../../../src/domain/read-views.js';
import { renderModule } from '../../../src/domain/render-module.js';
import { aClock, aDigest, aModuleSpec, KERNELS, PATIENCE, PUBLISHED_AT, sha256, theContent } from './builders.js';

const KERNEL = KERNELS[1];

const published = () => {
  const mappings = [{ literal: KERNEL, containerImage: `registry.example.com/kmod@${aDigest('1')}` }];
  const module = renderModule({ name: 'kmod', spokeNamespace: 'kmm', moduleSpec: aModuleSpec() }, mappings, sha256);
  const work = renderManifestWork(module, {
    cluster: 'spoke-1',
    revision: 'kmod-aaaaaaaaaa',
    workflow: 'mcm/kmod',
    publishedAt: PUBLISHED_AT,
    ownerUid: 'mcm-uid',
  });
  const stored = JSON.parse(
    JSON.stringify({
      ...work,
      metadata: {
        ...work.metadata,
        uid: 'work-uid',
        generation: 1,
        finalizers: ['cluster.open-cluster-management.io/manifest-work-cleanup'],
      },
    }),
  ) as Stored;
  return { hash: module.hash, stored };
};
interface Stored {
  metadata: Record<string, unknown> & { labels: Record<string, string>; annotations: Record<string, string> };
  spec: { workload: { manifests: { spec: Record<string, unknown> }[] }; manifestConfigs: { feedbackRules: { jsonPaths: unknown[] }[] }[] };
}

const resourceMeta = {
  group: 'kmm.sigs.x-k8s.io',
  kind: 'Module',
  name: 'kmod',
  namespace: 'kmm',
  ordinal: 0,
  resource: 'modules',
  version: 'v1beta1',
};
const at = '2026-01-01T00:01:00Z';

/** The shape of status that the work agent of Open Cluster Management writes when the module is loaded: zeros and absent fields are left out. */
const loadedStatus = (hash: string) => ({
  conditions: [
    {
      lastTransitionTime: at,
      message: 'Apply manifest work complete',
      observedGeneration: 1,
      reason: 'AppliedManifestWorkComplete',
      status: 'True',
      type: 'Applied',
    },
    {
      lastTransitionTime: at,
      message: 'All resources are available',
      observedGeneration: 1,
      reason: 'ResourcesAvailable',
      status: 'True',
      type: 'Available',
    },
  ],
  resourceStatus: {
    manifests: [
      {
        conditions: [
          {
            lastTransitionTime: at,
            message: 'Apply manifest complete',
            observedGeneration: 1,
            reason: 'AppliedManifestComplete',
            status: 'True',
            type: 'Applied',
          },
          { lastTransitionTime: at, message: 'Resource is available', reason: 'ResourceAvailable', status: 'True', type: 'Available' },
          { lastTransitionTime: at, message: '', reason: 'StatusFeedbackSynced', status: 'True', type: 'StatusFeedbackSynced' },
        ],
        resourceMeta,
        statusFeedback: {
          values: [
            { fieldValue: { string: hash, type: 'String' }, name: 'contentHash' },
            { fieldValue: { integer: 1, type: 'Integer' }, name: 'moduleLoader.availableNumber' },
            { fieldValue: { integer: 1, type: 'Integer' }, name: 'moduleLoader.desiredNumber' },
          ],
        },
      },
    ],
  },
});

/** As the work agent writes it when the spoke's API server refuses the Module. The message that helps stands on the manifest. */
const refusedStatus = {
  conditions: [
    {
      lastTransitionTime: at,
      message: 'Failed to apply manifest work',
      observedGeneration: 1,
      reason: 'AppliedManifestWorkFailed',
      status: 'False',
      type: 'Applied',
    },
    {
      lastTransitionTime: at,
      message: '1 of 1 resources are not available',
      observedGeneration: 1,
      reason: 'ResourcesNotAvailable',
      status: 'False',
      type: 'Available',
    },
  ],
  resourceStatus: {
    manifests: [
      {
        conditions: [
          {
            lastTransitionTime: at,
            message: 'Failed to apply manifest: namespaces "kmm" not found',
            observedGeneration: 1,
            reason: 'AppliedManifestFailed',
            status: 'False',
            type: 'Applied',
          },
          {
            lastTransitionTime: at,
            message: 'Resource is not available',
            reason: 'ResourceNotAvailable',
            status: 'False',
            type: 'Available',
          },
        ],
        resourceMeta,
        statusFeedback: {},
      },
    ],
  },
};

describe('a ManifestWork as the hub reads it', () => {
  test('that the work agent reports as loaded', () => {
    const { hash, stored } = published();
    expect(readWork({ ...stored, status: loadedStatus(hash) }, sha256)).toEqual({
      cluster: 'spoke-1',
      module: 'kmod',
      uid: 'work-uid',
      generation: 1,
      deleting: false,
      ownerUid: 'mcm-uid',
      contentHash: hash,
      declaredHash: hash,
      wellFormed: true,
      revision: 'kmod-aaaaaaaaaa',
      workflow: 'mcm/kmod',
      publishedAt: PUBLISHED_AT,
      mappings: [{ literal: KERNEL, containerImage: `registry.example.com/kmod@${aDigest('1')}` }],
      parts: { moduleLoader: true, devicePlugin: false, dra: false },
      ordered: false,
      applied: { status: 'True', observedGeneration: 1, message: 'Apply manifest work complete' },
      manifestApplied: { status: 'True', observedGeneration: 1, message: 'Apply manifest complete' },
      echoedHash: hash,
      counters: { 'moduleLoader.availableNumber': 1, 'moduleLoader.desiredNumber': 1 },
    });
  });

  test('that is loaded proves it', () => {
    const { hash, stored } = published();
    const work = readWork({ ...stored, status: loadedStatus(hash) }, sha256);
    expect(proveLoaded(work, [KERNEL])).toEqual({ verdict: 'Holds' });
  });

  test('that could not be applied says why in the words of the spoke', () => {
    const { hash, stored } = published();
    const work = readWork({ ...stored, status: refusedStatus }, sha256);
    const cluster = readCluster({
      metadata: { name: 'spoke-1' },
      spec: { hubAcceptsClient: true },
      status: { conditions: [{ type: 'ManagedClusterConditionAvailable', status: 'True' }] },
    });
    expect(assessCluster({ cluster, work, desired: theContent(hash) }, 'mcm-uid', PATIENCE, aClock()).problem).toEqual({
      reason: 'ApplyFailed',
      message:
        'Cluster spoke-1 could not apply the Module: Failed to apply manifest: namespaces "kmm" not found. Its work agent tries again by itself; mend the cause on the cluster.',
    });
  });

  test('without a status has reported nothing', () => {
    expect(readWork(published().stored, sha256)).toMatchObject({
      applied: undefined,
      manifestApplied: undefined,
      echoedHash: undefined,
      counters: {},
    });
  });

  const edits: readonly [string, (work: Stored) => void, object][] = [
    [
      'its Module was edited',
      (w) => (w.spec.workload.manifests[0]!.spec['selector'] = { other: '' }),
      { wellFormed: true, declaredSame: true, contentSame: false },
    ],
    [
      'its hash annotation was edited',
      (w) => (w.metadata.annotations['kmodflow.io/content-hash'] = 'x'),
      { wellFormed: false, declaredSame: false, contentSame: true },
    ],
    ['its label was removed', (w) => (w.metadata.labels = {}), { wellFormed: false, declaredSame: true, contentSame: true }],
    [
      'a second manifest was added',
      (w) => w.spec.workload.manifests.push({ spec: {} }),
      { wellFormed: false, declaredSame: true, contentSame: true },
    ],
    [
      'a feedback path was removed',
      (w) => w.spec.manifestConfigs[0]!.feedbackRules[0]!.jsonPaths.pop(),
      { wellFormed: false, declaredSame: true, contentSame: true },
    ],
    [
      'labels and annotations of others were added',
      (w) => ((w.metadata.labels['team'] = 'x'), (w.metadata.annotations['note'] = 'y')),
      { wellFormed: true, declaredSame: true, contentSame: true },
    ],
  ];
  test.each(edits)('tells that %s', (_what, edit, expected) => {
    const { hash, stored } = published();
    edit(stored);
    const { wellFormed, declaredHash, contentHash } = readWork(stored, sha256);
    expect({ wellFormed, declaredSame: declaredHash === hash, contentSame: contentHash === hash }).toEqual(expected);
  });

  test('defaults that the API server fills in as null or empty text change nothing', () => {
    const { hash, stored } = published();
    stored.spec.workload.manifests[0]!.spec['dra'] = null;
    expect(readWork(stored, sha256).contentHash).toBe(hash);
  });

  test.each([
    [{}],
    [{ metadata: {}, spec: { workload: { manifests: 'none' }, manifestConfigs: {} }, status: { conditions: 'x', resourceStatus: [] } }],
    [{ spec: { workload: { manifests: [null] } } }],
  ])('of any shape is read without an error: %j', (object) => {
    expect(readWork(object, sha256)).toMatchObject({ wellFormed: false, mappings: [], parts: { moduleLoader: false } });
  });
});

describe('a ManagedCluster as the hub reads it', () => {
  const cluster = (
    change: object = {},
    claims: unknown = [{ name: 'kernel-versions.kmm.node.kubernetes.io', value: `${KERNELS[2]}\r\n\n ${KERNELS[0]}+\n${KERNELS[0]}\n` }],
  ) => ({
    metadata: { name: 'spoke-1', labels: { site: 'edge' } },
    spec: { hubAcceptsClient: true },
    status: { conditions: [{ type: 'ManagedClusterConditionAvailable', status: 'True', lastTransitionTime: at }], clusterClaims: claims },
    ...change,
  });

  test('has its kernels sorted, once each and without the trailing plus', () => {
    expect(readCluster(cluster())).toEqual({
      name: 'spoke-1',
      labels: { site: 'edge' },
      kernels: [KERNELS[0], KERNELS[2]],
      accepted: true,
      available: true,
      availabilitySince: at,
      deleting: false,
    });
  });

  test.each([
    ['no claims', undefined],
    ['claims of others', [{ name: 'id.k8s.io', value: 'x' }]],
    ['an empty claim', [{ name: 'kernel-versions.kmm.node.kubernetes.io', value: ' \n' }]],
    ['a claim without a value', [{ name: 'kernel-versions.kmm.node.kubernetes.io' }]],
  ])('with %s reports no kernels', (_what, claims) => {
    expect(readCluster({ ...cluster({}, claims ?? null) }).kernels).toBeUndefined();
  });

  test.each([
    ['Unknown', [{ type: 'ManagedClusterConditionAvailable', status: 'Unknown' }]],
    ['False', [{ type: 'ManagedClusterConditionAvailable', status: 'False' }]],
    ['missing', []],
  ])('whose availability is %s is not available', (_what, conditions) => {
    expect(readCluster(cluster({ status: { conditions } })).available).toBe(false);
  });

  test('is not accepted until the hub says so, and is going once it has a deletion time', () => {
    expect(readCluster(cluster({ spec: {} })).accepted).toBe(false);
    expect(readCluster(cluster({ metadata: { name: 'x', deletionTimestamp: at } })).deleting).toBe(true);
  });
});
