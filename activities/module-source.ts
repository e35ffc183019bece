import type { ManagedClusterModuleSpec } from '../src/api/index.js';
import { isFault } from '../src/domain/fault.js';
import type { ModuleRef, Remembered, RolloutRecord } from '../src/domain/process.js';
import { resources } from '../src/kube/index.js';
import type { Deps } from './deps.js';

/** The module that a workflow looks after, whether it stands in an MCM object or came with the workflow. */
export interface SourceModule {
  readonly name: string;
  readonly headless: boolean;
  /** Undefined for a headless module. */
  readonly uid: string | undefined;
  readonly generation: number;
  readonly spec: ManagedClusterModuleSpec;
  readonly remembered: Remembered;
}

interface StoredModule {
  readonly metadata: { readonly uid?: string; readonly generation?: number; readonly deletionTimestamp?: string };
  readonly spec?: ManagedClusterModuleSpec;
  readonly status?: {
    readonly currentRevision?: string;
    readonly rollout?: { readonly number?: number };
    readonly history?: readonly RolloutRecord[];
  };
}

/** Reads the MCM from the API server, not from the cache: a worker in another process may lag behind the controller that sent the signal. */
export async function readModuleSource({ api }: Pick<Deps, 'api'>, { name, headless }: ModuleRef): Promise<SourceModule | undefined> {
  const stored = await api.get<StoredModule>(resources.managedClusterModules, name).catch((error: unknown) => {
    if (isFault(error, 'Missing')) return undefined;
    throw error;
  });
  if (stored !== undefined && stored.metadata.deletionTimestamp === undefined) return fromObject(name, stored);
  if (headless === undefined) return undefined;
  return {
    name,
    headless: true,
    uid: undefined,
    generation: 0,
    spec: headless,
    remembered: { currentRevision: undefined, rolloutNumber: 0, history: [] },
  };
}

function fromObject(name: string, { metadata, spec, status }: StoredModule): SourceModule {
  const history = status?.history ?? [];
  return {
    name,
    headless: false,
    uid: metadata.uid,
    generation: metadata.generation ?? 0,
    spec: spec ?? { selector: {}, spokeNamespace: '' },
    remembered: {
      currentRevision: status?.currentRevision,
      rolloutNumber: Math.max(status?.rollout?.number ?? 0, ...history.map((r) => r.number), 0),
      history,
    },
  };
}
