import { MCM_LABEL } from '../api/names.js';
import type { Sha256 } from '../domain/canonical-json.js';
import { readCluster, readWork } from '../domain/read-views.js';
import { matchesLabels } from '../domain/selector.js';
import type { ClusterView, WorkView } from '../domain/views.js';
import { resources, type KubernetesObject, type ListOptions, type ResourceType } from '../kube/index.js';
import type { HubReads } from './parts.js';

/** A ManifestWork, and when its status was last written, by the hub's clock: the API server notes it. Milliseconds since the epoch. */
export interface SnapshotWork {
  readonly view: WorkView;
  readonly statusWrittenMs: number | undefined;
}

/** One module's part of the fleet at one moment. */
export interface FleetSnapshot {
  /** Selected clusters, by name. */
  readonly clusters: readonly ClusterView[];
  /** ManifestWorks of the module by cluster, selected or not. */
  readonly works: ReadonlyMap<string, SnapshotWork>;
}

export interface SnapshotOptions {
  readonly module: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly sha256: Sha256;
}

/** Reads both lists page by page and keeps compact views: a fleet of thousands costs a few megabytes. */
export async function readFleetSnapshot(kube: HubReads, { module, selector, sha256 }: SnapshotOptions): Promise<FleetSnapshot> {
  const labelSelector = Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const [clusters, works] = await Promise.all([
    readPages(kube, resources.managedClusters, { labelSelector }, readCluster),
    readPages(kube, resources.manifestWorks, { labelSelector: `${MCM_LABEL}=${module}` }, (object) => readSnapshotWork(object, sha256)),
  ]);
  return {
    clusters: clusters.filter((c) => matchesLabels(selector, c.labels)).sort((a, b) => (a.name < b.name ? -1 : 1)),
    works: new Map(works.flatMap((work) => (work.view.module === module ? [[work.view.cluster, work] as const] : []))),
  };
}

async function readPages<T>(
  kube: HubReads,
  resource: ResourceType,
  options: ListOptions,
  read: (object: KubernetesObject) => T,
): Promise<T[]> {
  let views: T[] = [];
  for await (const { items, restarted } of kube.list(resource, options)) {
    const page = items.map(read);
    views = restarted ? page : views.concat(page);
  }
  return views;
}

interface ManagedFields {
  readonly subresource?: string;
  readonly time?: string;
}

function readSnapshotWork(object: KubernetesObject, sha256: Sha256): SnapshotWork {
  const entries = (object.metadata['managedFields'] ?? []) as readonly ManagedFields[];
  const times = entries.flatMap(({ subresource, time }) => (subresource === 'status' && time !== undefined ? [Date.parse(time)] : []));
  return { view: readWork(object, sha256), statusWrittenMs: times.length === 0 ? undefined : Math.max(...times) };
}
