import { MCM_LABEL, REVISION_MODULE_LABEL } from '../api/names.js';
import type { Sha256 } from '../domain/canonical-json.js';
import { readCluster, readWork } from '../domain/read-views.js';
import type { ClusterView, WorkView } from '../domain/views.js';
import { readInput, type InputView } from './input-view.js';
import { LoadClock } from './load-clock.js';
import { readModule, type ModuleView } from './module-view.js';
import { Refusals } from './refusals.js';
import { resources } from './resources.js';
import { readRevision, type StoredRevision } from './stored-revision.js';
import type { HubApi, KubeLogger } from './types.js';
import { createWatchCache, type WatchCache } from './watch-cache.js';

/** What the hub knows of the fleet, always current: watch caches, an index by module, and the hub's own clocks. */
export interface Fleet {
  readonly modules: WatchCache<ModuleView>;
  readonly clusters: WatchCache<ClusterView>;
  readonly works: WatchCache<WorkView>;
  readonly revisions: WatchCache<StoredRevision>;
  /** ConfigMaps and Secrets of the operator namespace, their metadata alone, by name. */
  readonly configMaps: WatchCache<InputView>;
  readonly secrets: WatchCache<InputView>;
  readonly clock: LoadClock;
  readonly refusals: Refusals;
  /** ManifestWorks of a module by cluster. */
  worksOf(module: string): ReadonlyMap<string, WorkView>;
  /** Recorded revisions of a module, in no order. */
  revisionsOf(module: string): StoredRevision[];
  start(): void;
  /** Waits until every cache has seen the server's state. @throws Fault `Unavailable` that names the cache which has not. */
  whenSynced(timeoutMs: number): Promise<void>;
  stop(): Promise<void>;
}

export interface FleetOptions {
  readonly api: HubApi;
  readonly operatorNamespace: string;
  readonly sha256: Sha256;
  readonly logger: KubeLogger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const workKey = (cluster: string, module: string): string => `${cluster}/${module}`;

export function createFleet({ api, operatorNamespace, sha256, logger, now }: FleetOptions): Fleet {
  const modules = createWatchCache<ModuleView>({ api, resource: resources.managedClusterModules, transform: readModule, logger });
  const clusters = createWatchCache<ClusterView>({ api, resource: resources.managedClusters, transform: readCluster, logger });
  const works = createWatchCache<WorkView>({
    api,
    resource: resources.manifestWorks,
    labelSelector: MCM_LABEL,
    transform: (object) => readWork(object, sha256),
    logger,
  });
  const revisions = createWatchCache<StoredRevision>({
    api,
    resource: resources.controllerRevisions,
    namespace: operatorNamespace,
    labelSelector: REVISION_MODULE_LABEL,
    transform: readRevision,
    logger,
  });
  const inputs = (resource: typeof resources.configMaps | typeof resources.secrets): WatchCache<InputView> =>
    createWatchCache<InputView>({
      api,
      resource,
      namespace: operatorNamespace,
      metadataOnly: true,
      transform: readInput,
      key: ({ metadata }) => metadata.name,
      same: (a, b) => a.uid === b.uid && a.resourceVersion === b.resourceVersion,
      logger,
    });
  const configMaps = inputs(resources.configMaps);
  const secrets = inputs(resources.secrets);
  const clock = new LoadClock(now);
  const refusals = new Refusals(now);
  const byModule = new Map<string, Map<string, WorkView>>();

  works.onChange(({ before, after }) => {
    if (before !== undefined && after === undefined) byModule.get(before.module)?.delete(before.cluster);
    const view = after ?? before;
    if (view === undefined) return;
    if (after !== undefined) {
      const index = byModule.get(after.module) ?? new Map<string, WorkView>();
      byModule.set(after.module, index.set(after.cluster, after));
    }
    const known = works.synced || before !== undefined;
    clock.observeWork(view, after, clusters.get(view.cluster), known ? undefined : modules.get(view.module));
  });
  clusters.onChange(({ key, before, after }) => {
    clock.observeCluster(key, after, before === undefined && !clusters.synced);
    if (before?.available === after?.available && before?.kernels?.join() === after?.kernels?.join()) return;
    for (const index of byModule.values()) {
      const work = index.get(key);
      if (work !== undefined) clock.observeWork(work, work, after, undefined);
    }
  });

  clusters.onChange(({ key, before, after }) => {
    if (after === undefined || before?.accepted !== after.accepted) refusals.forgetCluster(key);
  });

  // Modules and clusters first: the first look at a ManifestWork asks both.
  const caches = {
    ManagedClusterModules: modules,
    ManagedClusters: clusters,
    ControllerRevisions: revisions,
    ConfigMaps: configMaps,
    Secrets: secrets,
    ManifestWorks: works,
  };
  let started: Promise<void> | undefined;
  const startInOrder = async (): Promise<void> => {
    modules.start();
    clusters.start();
    revisions.start();
    configMaps.start();
    secrets.start();
    await Promise.allSettled([
      modules.whenSynced(60_000, 'before ManifestWorks are read'),
      clusters.whenSynced(60_000, 'before ManifestWorks are read'),
    ]);
    works.start();
  };
  return {
    modules,
    clusters,
    works,
    revisions,
    configMaps,
    secrets,
    clock,
    refusals,
    worksOf: (module) => byModule.get(module) ?? new Map<string, WorkView>(),
    revisionsOf: (module) => [...revisions.values()].filter((r) => r.module === module),
    start: () => void (started ??= startInOrder()),
    whenSynced: async (timeoutMs) => {
      if (Object.values(caches).every((c) => c.synced)) return;
      const deadline = now() + timeoutMs;
      if (started !== undefined) await started;
      for (const [name, cache] of Object.entries(caches))
        await cache.whenSynced(Math.max(1, deadline - now()), `the list of ${name} on the hub`);
    },
    stop: async () => {
      await Promise.all(Object.values(caches).map((c) => c.stop()));
    },
  };
}

export { workKey };
