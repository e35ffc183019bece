import type { ModuleSpec } from '../api/index.js';
import { MCM_GROUP, MCM_VERSION, PINS_ANNOTATION, REVISION_HASH_LABEL, REVISION_MODULE_LABEL } from '../api/names.js';
import { revisionName, type InputHashes, type Pins, type Revision, type RevisionInputs } from '../domain/revision.js';
import type { WritableObject } from '../domain/writable-object.js';

/** A revision as it stands in its ControllerRevision. */
export interface StoredRevision extends Revision {
  readonly module: string;
  readonly resourceVersion: string;
}

interface LooseRevision {
  readonly metadata: {
    readonly name: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly revision?: number;
  readonly data?: { readonly spokeNamespace?: string; readonly moduleSpec?: ModuleSpec; readonly inputs?: InputHashes };
}

export function readRevision(object: unknown): StoredRevision {
  const { metadata, revision, data } = object as LooseRevision;
  const pins = metadata.annotations?.[PINS_ANNOTATION];
  return {
    module: metadata.labels?.[REVISION_MODULE_LABEL] ?? '',
    name: metadata.name,
    number: revision ?? 0,
    hash: metadata.labels?.[REVISION_HASH_LABEL] ?? '',
    pins: pins === undefined ? {} : (JSON.parse(pins) as Pins),
    spokeNamespace: data?.spokeNamespace ?? '',
    moduleSpec: data?.moduleSpec ?? { selector: {} },
    inputs: data?.inputs,
    resourceVersion: metadata.resourceVersion ?? '',
  };
}

export interface NewRevision extends RevisionInputs {
  readonly module: string;
  readonly namespace: string;
  readonly hash: string;
  readonly number: number;
  readonly pins: Pins;
  readonly ownerUid: string | undefined;
}

/**
 * The ControllerRevision to create. The API server holds `data` immutable, which is what a revision wants; the pins, which are appended as kernels appear, stand in
 * an annotation for that reason.
 */
export function writeRevision(revision: NewRevision): WritableObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: revisionName(revision.module, revision.hash),
      namespace: revision.namespace,
      labels: { [REVISION_MODULE_LABEL]: revision.module, [REVISION_HASH_LABEL]: revision.hash },
      annotations: { [PINS_ANNOTATION]: encodePins(revision.pins) },
      ...(revision.ownerUid === undefined
        ? {}
        : {
            ownerReferences: [
              { apiVersion: `${MCM_GROUP}/${MCM_VERSION}`, kind: 'ManagedClusterModule', name: revision.module, uid: revision.ownerUid },
            ],
          }),
    },
    revision: revision.number,
    data: {
      spokeNamespace: revision.spokeNamespace,
      moduleSpec: revision.moduleSpec,
      ...(hasEntries(revision.inputs) ? { inputs: revision.inputs } : {}),
    },
  };
}

const hasEntries = (inputs: InputHashes | undefined): boolean => inputs !== undefined && Object.keys(inputs).length > 0;

/** The annotations of an object may have 256 KiB together. */
const MAX_PINS_BYTES = 200_000;

/** As JSON. When it gets too long, what was found inside the images is left out: the digests are what a pin is for. */
export function encodePins(pins: Pins): string {
  const whole = JSON.stringify(pins);
  if (Buffer.byteLength(whole) <= MAX_PINS_BYTES) return whole;
  return JSON.stringify(Object.fromEntries(Object.entries(pins).map(([kernel, { modules: _modules, ...pin }]) => [kernel, pin])));
}
