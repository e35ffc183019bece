import { expect, test } from '@jest/globals';
import { ControllerRevision, LabelSelector, ManagedCluster, ManifestWork } from '../../../src/api/index.js';

test('a ManagedCluster is read with what others put in it', () => {
  const cluster = {
    apiVersion: 'cluster.open-cluster-management.io/v1',
    kind: 'ManagedCluster',
    metadata: { name: 'spoke1', labels: { site: 'edge' } },
    spec: { hubAcceptsClient: true, managedClusterClientConfigs: [{ url: 'https://spoke1' }] },
    status: {
      conditions: [
        {
          type: 'ManagedClusterConditionAvailable',
          status: 'Unknown',
          reason: 'LeaseLost',
          message: '',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
      clusterClaims: [{ name: 'kernel-versions.kmm.node.kubernetes.io', value: '6.1.0-56-amd64\n6.1.0-57-amd64' }],
      capacity: { cpu: '4' },
    },
  };
  expect(ManagedCluster.parse(cluster)).toEqual(cluster);
});

test('a ManagedCluster that has just been made, without spec and status, is read too', () => {
  expect(ManagedCluster.safeParse({ metadata: { name: 'spoke1' } }).success).toBe(true);
});

test('a ManifestWork is read with the values that an agent fed back', () => {
  const values = [
    { name: 'contentHash', fieldValue: { type: 'String', string: 'abc' } },
    { name: 'moduleLoader.availableNumber', fieldValue: { type: 'Integer', integer: 1 } },
  ];
  const work = {
    metadata: { name: 'kmod', namespace: 'spoke1', generation: 2 },
    spec: {
      workload: { manifests: [{ kind: 'Module' }] },
      manifestConfigs: [{ resourceIdentifier: { resource: 'modules', name: 'kmod' }, feedbackScrapeType: 'Poll' }],
    },
    status: { resourceStatus: { manifests: [{ resourceMeta: { ordinal: 0 }, conditions: [], statusFeedback: { values } }] } },
  };
  expect(ManifestWork.parse(work)).toEqual(work);
});

test('a ManifestWork that somebody emptied is read and not refused', () => {
  expect(ManifestWork.safeParse({ metadata: { name: 'kmod', namespace: 'spoke1' }, spec: { workload: {} } }).success).toBe(true);
});

test('a ControllerRevision of a list, which names neither apiVersion nor kind, is read', () => {
  const revision = { metadata: { name: 'r1' }, revision: 1, data: { moduleSpec: { selector: {} } } };
  expect(ControllerRevision.parse(revision)).toEqual(revision);
});

test('a label selector knows the four operators of Kubernetes', () => {
  const selector = (operator: string) => LabelSelector.safeParse({ matchExpressions: [{ key: 'a', operator }] }).success;
  expect(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt'].map(selector)).toEqual([true, true, true, true, false]);
});
