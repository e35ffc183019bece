import type { ManagedClusterModuleSpec } from '../api/index.js';
import { REVISION_MODULE_LABEL } from '../api/names.js';
import { canonicalJson } from '../domain/canonical-json.js';
import { isFault } from '../domain/fault.js';
import { inputHashes, inputNames } from '../domain/image-need.js';
import { revisionHash, type InputHashes, type Revision, type RevisionInputs } from '../domain/revision.js';
import { readRevision, resources } from '../kube/index.js';
import type { ClientParts } from './parts.js';
import { sha256 } from './revision-of.js';

export interface WantedRevision {
  /** What the revision freezes, as far as it can be known. */
  readonly frozen: RevisionInputs;
  /** The recorded revision; undefined when there is none yet. */
  readonly recorded: Revision | undefined;
}

/**
 * The revision that a spec asks for, as the hub decides it: with what its ConfigMaps and certificates hold now. Where those cannot be read, the newest revision of the
 * same spec.
 */
export async function readWantedRevision(parts: ClientParts, name: string, spec: ManagedClusterModuleSpec): Promise<WantedRevision> {
  const [inputs, { items }] = await Promise.all([
    readInputs(parts, spec),
    parts.kube().listAll(resources.controllerRevisions, {
      namespace: parts.operatorNamespace,
      labelSelector: `${REVISION_MODULE_LABEL}=${name}`,
    }),
  ]);
  const { spokeNamespace, moduleSpec = { selector: {} } } = spec;
  const frozen: RevisionInputs = { spokeNamespace, moduleSpec, ...(inputs === undefined ? {} : { inputs: inputs.hashes }) };
  const all = items.map(readRevision).filter((r) => r.module === name);
  const exact = all.find((r) => r.hash === revisionHash(frozen, sha256));
  const recorded = exact ?? (inputs?.complete === true ? undefined : newestOfSpec(all, frozen));
  return { frozen: recorded ?? frozen, recorded };
}

/** @returns undefined when this person may not read them. */
async function readInputs(
  { imageInputs }: ClientParts,
  { moduleSpec }: ManagedClusterModuleSpec,
): Promise<{ readonly hashes: InputHashes; readonly complete: boolean } | undefined> {
  const names = inputNames(moduleSpec);
  if (names.dockerfiles.length + names.certificates.length === 0) return { hashes: {}, complete: true };
  try {
    return inputHashes(await imageInputs(names));
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
}

function newestOfSpec(all: readonly Revision[], wanted: RevisionInputs): Revision | undefined {
  const specOf = ({ spokeNamespace, moduleSpec }: RevisionInputs): string => canonicalJson({ spokeNamespace, moduleSpec });
  return all.filter((r) => specOf(r) === specOf(wanted)).sort((a, b) => b.number - a.number)[0];
}
