import { resources, type HubApi } from '../../src/kube/index.js';
import { isFault } from '../../src/domain/fault.js';
import { KERNEL_CLAIM } from '../../src/api/names.js';
import { forEachLimited } from './pool.js';

export interface FleetOptions {
  readonly clusters: number;
  /** Cluster i runs the i-th of these, over and over; a function gives a cluster several. Default one kernel for all. */
  readonly kernels?: readonly string[] | ((index: number) => readonly string[]);
  /** Default `spoke-`; the number that follows is padded so that names sort as numbers do. */
  readonly namePrefix?: string;
  /** Of every ManagedCluster; a function gives each its own. */
  readonly labels?: Readonly<Record<string, string>> | ((index: number) => Readonly<Record<string, string>>);
  /** So many of the last clusters are unreachable from the start. */
  readonly offline?: number;
  /** So many clusters, counted backwards from those that are offline, publish no kernel claim. */
  readonly withoutClaim?: number;
  /** Leaves the cluster namespaces out, so that ManifestWorks cannot be written. */
  readonly withoutNamespaces?: boolean;
  /** Clusters that are made at once, default 24. */
  readonly concurrency?: number;
}

export interface FleetCluster {
  readonly name: string;
  /** Undefined: no claim. */
  readonly kernels: readonly string[] | undefined;
  readonly offline: boolean;
}

export interface Fleet {
  /** As they are now; in the order of their names. */
  readonly clusters: readonly FleetCluster[];
  /** Undefined withdraws the claim. */
  readonly setKernels: (name: string, kernels: readonly string[] | undefined) => Promise<void>;
  /** What the hub shows of the connection; whether the agent acts is `agents.faults.offline`. */
  readonly setOffline: (name: string, offline: boolean) => Promise<void>;
  /** Null removes a label. */
  readonly setLabels: (name: string, labels: Readonly<Record<string, string | null>>) => Promise<void>;
  readonly addCluster: (cluster: NewCluster) => Promise<void>;
  /** Begins to detach: the ManagedCluster has a deletion time and the condition `Deleting`, and stays. */
  readonly startDetach: (name: string) => Promise<void>;
  /** Removes the ManagedCluster, and, as OCM does, its ManifestWorks. The namespace stays. */
  readonly deleteCluster: (name: string) => Promise<void>;
}

export interface NewCluster {
  readonly name: string;
  readonly kernels?: readonly string[] | undefined;
  readonly labels?: Readonly<Record<string, string>>;
  readonly offline?: boolean;
  readonly withoutNamespace?: boolean;
}

export const DEFAULT_KERNEL = '6.1.0-56-amd64';
const DETACH_FINALIZER = 'cluster.open-cluster-management.io/api-resource-cleanup';

/** Makes ManagedClusters as OCM shows them after registration, with their namespaces. Three writes a cluster. Fails on a name that is taken. */
export async function createFleet(api: HubApi, options: FleetOptions): Promise<Fleet> {
  const clusters = new Map<string, FleetCluster>();
  const known = (name: string): FleetCluster => {
    const cluster = clusters.get(name);
    if (cluster === undefined)
      throw new Error(`The fleet has no cluster ${name}; it has ${clusters.size}: ${[...clusters.keys()].slice(0, 5).join(', ')} …`);
    return cluster;
  };
  const addCluster = async (cluster: NewCluster): Promise<void> => {
    const { name, kernels, offline = false } = cluster;
    await createCluster(api, cluster);
    clusters.set(name, { name, kernels, offline });
  };
  const change = async (name: string, update: Partial<FleetCluster>): Promise<void> => {
    const cluster = { ...known(name), ...update };
    await writeStatus(api, cluster);
    clusters.set(name, cluster);
  };
  await forEachLimited(plan(options), options.concurrency ?? 24, addCluster);
  return {
    get clusters() {
      return [...clusters.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    addCluster,
    setKernels: (name, kernels) => change(name, { kernels }),
    setOffline: (name, offline) => change(name, { offline }),
    async setLabels(name, labels) {
      await api.mergePatch(resources.managedClusters, known(name).name, undefined, { metadata: { labels } });
    },
    async startDetach(name) {
      await api.mergePatch(resources.managedClusters, known(name).name, undefined, { metadata: { finalizers: [DETACH_FINALIZER] } });
      await api.delete(resources.managedClusters, name);
      await writeStatus(api, known(name), [
        condition('Deleting', 'False', 'ResourceRemaining', 'The cluster still has resources on the hub'),
      ]);
    },
    async deleteCluster(name) {
      await api.mergePatch(resources.managedClusters, known(name).name, undefined, { metadata: { finalizers: null } });
      await api.delete(resources.managedClusters, name).catch((error: unknown) => {
        if (!isFault(error, 'Missing')) throw error; // it went with its finalizer when a detach had begun
      });
      const works = await api.listAll(resources.manifestWorks, { namespace: name });
      await Promise.all(works.items.map(({ metadata }) => api.delete(resources.manifestWorks, metadata.name, name)));
      clusters.delete(name);
    },
  };
}

function plan(options: FleetOptions): NewCluster[] {
  const {
    clusters,
    kernels = [DEFAULT_KERNEL],
    namePrefix = 'spoke-',
    labels = {},
    offline = 0,
    withoutClaim = 0,
    withoutNamespaces = false,
  } = options;
  const digits = String(clusters).length;
  const kernelsOf = (index: number): readonly string[] => {
    if (typeof kernels === 'function') return kernels(index);
    const kernel = kernels[index % kernels.length];
    return kernel === undefined ? [] : [kernel];
  };
  return Array.from({ length: clusters }, (_, index) => {
    const online = clusters - offline;
    return {
      name: `${namePrefix}${String(index + 1).padStart(digits, '0')}`,
      kernels: index < online && index >= online - withoutClaim ? undefined : kernelsOf(index),
      labels: typeof labels === 'function' ? labels(index) : labels,
      offline: index >= online,
      withoutNamespace: withoutNamespaces,
    };
  });
}

async function createCluster(
  api: HubApi,
  { name, kernels, labels = {}, offline = false, withoutNamespace = false }: NewCluster,
): Promise<void> {
  const namespace = { metadata: { name, labels: { 'open-cluster-management.io/cluster-name': name } } };
  const cluster = { metadata: { name, labels }, spec: { hubAcceptsClient: true, leaseDurationSeconds: 60 } };
  await Promise.all([
    withoutNamespace ? undefined : api.create(resources.namespaces, namespace),
    api.create(resources.managedClusters, cluster),
  ]);
  await writeStatus(api, { name, kernels, offline });
}

interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

const condition = (type: string, status: Condition['status'], reason: string, message: string): Condition => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
});

async function writeStatus(api: HubApi, { name, kernels, offline }: FleetCluster, more: readonly Condition[] = []): Promise<void> {
  const available = offline
    ? condition(
        'ManagedClusterConditionAvailable',
        'Unknown',
        'ManagedClusterLeaseUpdateStopped',
        'Registration agent stopped updating its lease.',
      )
    : condition('ManagedClusterConditionAvailable', 'True', 'ManagedClusterAvailable', 'Managed cluster is available');
  const status = {
    conditions: [
      condition('HubAcceptedManagedCluster', 'True', 'HubClusterAdminAccepted', 'Accepted by hub cluster admin'),
      condition('ManagedClusterJoined', 'True', 'ManagedClusterJoined', 'Managed cluster joined'),
      available,
      ...more,
    ],
    version: { kubernetes: 'v1.31.4' },
    clusterClaims: [
      { name: 'id.k8s.io', value: name },
      ...(kernels === undefined ? [] : [{ name: KERNEL_CLAIM, value: kernels.join('\n') }]),
    ],
  };
  await api.mergePatch(resources.managedClusters, name, undefined, { status }, { subresource: 'status' });
}
