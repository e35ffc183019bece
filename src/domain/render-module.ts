import type { ModuleSpec } from '../api/index.js';
import { CONTENT_HASH_ANNOTATION, KMM_GROUP, KMM_VERSION } from '../api/names.js';
import { prune, type Sha256 } from './canonical-json.js';
import { contentHash } from './content-hash.js';
import { utf8Bytes } from './utf8.js';
import type { PublishedMapping } from './views.js';

export interface ModuleManifest {
  readonly apiVersion: string;
  readonly kind: 'Module';
  readonly metadata: { readonly name: string; readonly namespace: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: Readonly<Record<string, unknown>>;
}

export interface RenderedModule {
  readonly manifest: ModuleManifest;
  readonly hash: string;
  /** Size of the manifest as JSON; the OCM limit counts it. */
  readonly bytes: number;
}

/**
 * The Module for one cluster: the MCM's module spec with the cluster's own literal mappings.
 *
 * `build` and `sign` stay on the hub, which does that work. The container-level image and the deprecated `inTreeModuleToRemove` go, because each mapping carries its
 * own digest and its own effective list, and the spoke's admission refuses a mix of both forms. Everything else is copied; nothing is mutated; no null and no
 * status is written. Source: upstream's trimming (KMM, internal/manifestwork), without its shared-pointer defect.
 */
export function renderModule(
  module: { readonly name: string; readonly spokeNamespace: string; readonly moduleSpec: ModuleSpec },
  mappings: readonly PublishedMapping[],
  sha256: Sha256,
): RenderedModule {
  const { moduleLoader, ...rest } = module.moduleSpec;
  const spec = prune({ ...rest, ...(moduleLoader === undefined ? {} : { moduleLoader: trimLoader(moduleLoader, mappings) }) });
  const draft = { metadata: { name: module.name, namespace: module.spokeNamespace }, spec };
  const hash = contentHash(draft, sha256);
  const manifest: ModuleManifest = {
    apiVersion: `${KMM_GROUP}/${KMM_VERSION}`,
    kind: 'Module',
    metadata: { ...draft.metadata, annotations: { [CONTENT_HASH_ANNOTATION]: hash } },
    spec: spec as Readonly<Record<string, unknown>>,
  };
  return { manifest, hash, bytes: utf8Bytes(JSON.stringify(manifest)) };
}

function trimLoader(loader: NonNullable<ModuleSpec['moduleLoader']>, mappings: readonly PublishedMapping[]): unknown {
  const {
    build: _build,
    sign: _sign,
    containerImage: _image,
    inTreeModuleToRemove: _old,
    kernelMappings: _all,
    ...container
  } = loader.container;
  const sorted = [...mappings].sort((a, b) => (a.literal < b.literal ? -1 : a.literal > b.literal ? 1 : 0));
  return { ...loader, container: { ...container, kernelMappings: sorted } };
}
