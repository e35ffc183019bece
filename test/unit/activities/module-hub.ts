import type { ManagedClusterModuleSpec, ModuleSpec } from '../../../src/api/index.js';
import { Fault } from '../../../src/domain/fault.js';
import type { KnownInputs } from '../../../src/domain/image-need.js';
import { readRevision, writeRevision, type Fleet, type HubApi, type ImageInputs, type StoredRevision } from '../../../src/kube/index.js';
import type { NewRevision } from '../../../src/kube/index.js';
import type { ClusterView } from '../../../src/domain/views.js';
import { aModuleSpec, sha256 } from '../domain/builders.js';

export const NAMESPACE = 'kmodflow-system';
export const DOCKERFILE = 'FROM a';

/** Builds every image from ConfigMap `df`. */
export const aBuildingSpec = (change: object = {}): ModuleSpec => {
  const plain = aModuleSpec();
  const build = { dockerfileConfigMap: { name: 'df' } };
  return { ...plain, moduleLoader: { container: { ...plain.moduleLoader?.container, build, ...change } } } as ModuleSpec;
};

export const knownDockerfile = (text: string): KnownInputs => ({
  dockerfiles: new Map([['df', { text, sha256: sha256(text) }]]),
  certificates: new Map(),
  missingSecrets: new Set(),
});
export const GONE = 'ConfigMap kmodflow-system/df, which holds the Dockerfile, does not exist.';
export const goneDockerfile: KnownInputs = { ...knownDockerfile(''), dockerfiles: new Map([['df', { problem: GONE }]]) };
export const noInputs: KnownInputs = { dockerfiles: new Map(), certificates: new Map(), missingSecrets: new Set() };

export const aSpec = (moduleSpec: ModuleSpec = aBuildingSpec()): ManagedClusterModuleSpec => ({
  selector: {},
  spokeNamespace: 'kmm',
  moduleSpec,
});

export const aNewRevision = (change: Partial<NewRevision> & Pick<NewRevision, 'hash'>): NewRevision => ({
  module: 'kmod',
  namespace: NAMESPACE,
  number: 1,
  spokeNamespace: 'kmm',
  moduleSpec: aBuildingSpec(),
  pins: {},
  ownerUid: 'mcm-uid',
  ...change,
});

interface Options {
  readonly spec?: ManagedClusterModuleSpec | undefined;
  readonly known?: KnownInputs;
  readonly revisions?: readonly NewRevision[];
  readonly clusters?: readonly ClusterView[];
}

/** A hub with one MCM, its revisions and a fleet of clusters that hold nothing yet. Its watch caches see every write at once. */
export function aModuleHub({ spec = aSpec(), known = knownDockerfile(DOCKERFILE), revisions = [], clusters = [] }: Options = {}) {
  const stored = new Map<string, object>();
  const patches: object[] = [];
  const warnings: object[] = [];
  let inputsKnown = known;
  let version = 0;
  const put = (object: object): object => {
    version += 1;
    const { metadata } = object as { metadata: { name: string } };
    const written = { ...object, metadata: { ...metadata, resourceVersion: String(version) } };
    stored.set(metadata.name, written);
    return written;
  };
  for (const revision of revisions) put(writeRevision(revision));
  const missing = (): Promise<never> => Promise.reject(new Fault('Missing', 'not found'));
  const api = {
    get: ({ kind }: { kind: string }, name: string) => {
      if (kind === 'ManagedClusterModule') return Promise.resolve({ metadata: { uid: 'mcm-uid', generation: 2 }, spec });
      const object = stored.get(name);
      return object === undefined ? missing() : Promise.resolve(object);
    },
    create: (_kind: unknown, object: object) => Promise.resolve(put(object)),
    mergePatch: (_kind: unknown, name: string, _namespace: string, patch: { metadata: { annotations: object }; revision: number }) => {
      patches.push(patch);
      const before = stored.get(name) as { metadata: { annotations?: object } };
      const metadata = { ...before.metadata, annotations: { ...before.metadata.annotations, ...patch.metadata.annotations } };
      return Promise.resolve(put({ ...before, metadata, revision: patch.revision }));
    },
    delete: (_kind: unknown, name: string) => Promise.resolve(stored.delete(name)),
  } as unknown as HubApi;
  const all = (): StoredRevision[] => [...stored.values()].map((object) => readRevision(object));
  const fleet = {
    whenSynced: () => Promise.resolve(),
    worksOf: () => new Map(),
    revisionsOf: (module: string) => all().filter((r) => r.module === module),
    revisions: { put: () => undefined },
    clusters: new Map(clusters.map((c) => [c.name, c])),
    clock: { heldSinceMs: () => undefined, availableSinceMs: () => 0, lostAtMs: () => undefined },
    refusals: { standing: () => undefined },
  } as unknown as Fleet;
  const inputs = { read: () => Promise.resolve(inputsKnown) } as unknown as ImageInputs;
  const silent = (): void => undefined;
  const logger = { debug: silent, info: silent, error: silent, warn: (fields: object) => void warnings.push(fields) };
  const deps = { api, fleet, inputs, sha256, logger, operatorNamespace: NAMESPACE, now: () => 0, defaultSettleMs: 120_000 };
  return { deps, all, patches, warnings, know: (next: KnownInputs) => (inputsKnown = next) };
}
