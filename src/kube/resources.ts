import { KMM_GROUP, KMM_VERSION, MCM_GROUP, MCM_VERSION } from '../api/names.js';
import type { ResourceType } from './types.js';

const core = (plural: string, kind: string, namespaced: boolean): ResourceType => ({ group: '', version: 'v1', plural, kind, namespaced });

/** Every kind that kmodflow reads or writes. */
export const resources = {
  managedClusterModules: {
    group: MCM_GROUP,
    version: MCM_VERSION,
    plural: 'managedclustermodules',
    kind: 'ManagedClusterModule',
    namespaced: false,
  },
  modules: { group: KMM_GROUP, version: KMM_VERSION, plural: 'modules', kind: 'Module', namespaced: true },
  managedClusters: {
    group: 'cluster.open-cluster-management.io',
    version: 'v1',
    plural: 'managedclusters',
    kind: 'ManagedCluster',
    namespaced: false,
  },
  manifestWorks: {
    group: 'work.open-cluster-management.io',
    version: 'v1',
    plural: 'manifestworks',
    kind: 'ManifestWork',
    namespaced: true,
  },
  controllerRevisions: { group: 'apps', version: 'v1', plural: 'controllerrevisions', kind: 'ControllerRevision', namespaced: true },
  jobs: { group: 'batch', version: 'v1', plural: 'jobs', kind: 'Job', namespaced: true },
  customResourceDefinitions: {
    group: 'apiextensions.k8s.io',
    version: 'v1',
    plural: 'customresourcedefinitions',
    kind: 'CustomResourceDefinition',
    namespaced: false,
  },
  secrets: core('secrets', 'Secret', true),
  configMaps: core('configmaps', 'ConfigMap', true),
  events: core('events', 'Event', true),
  pods: core('pods', 'Pod', true),
  nodes: core('nodes', 'Node', false),
  namespaces: core('namespaces', 'Namespace', false),
} as const satisfies Record<string, ResourceType>;

/** `apps/v1`, or `v1` for the core group. */
export const apiVersionOf = ({ group, version }: ResourceType): string => (group === '' ? version : `${group}/${version}`);

/** URL path of a collection, or of one object with `name`. `namespace` is ignored for cluster-scoped kinds. */
export function pathOf(resource: ResourceType, namespace?: string, name?: string, subresource?: string): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const object = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  return `${root}${scope}/${resource.plural}${object}${subresource === undefined ? '' : `/${subresource}`}`;
}

/** `spoke-1/kmod`, or `kmod` for a cluster-scoped object: also the key of the watch cache. */
export const keyOf = (name: string, namespace?: string): string =>
  namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
