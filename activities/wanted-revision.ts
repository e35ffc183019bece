import { canonicalJson } from '../src/domain/canonical-json.js';
import { inputHashes, inputNames, type KnownInputs } from '../src/domain/image-need.js';
import { revisionHash, type RevisionInputs } from '../src/domain/revision.js';
import type { StoredRevision } from '../src/kube/index.js';
import type { Deps } from './deps.js';
import type { SourceModule } from './module-source.js';

export interface WantedRevision {
  readonly hash: string;
  /** What the revision freezes. */
  readonly frozen: RevisionInputs;
  readonly known: KnownInputs;
  readonly recorded: StoredRevision | undefined;
}

/**
 * The revision that the spec asks for, with what its ConfigMaps and certificates hold now. While one of those cannot be read, the newest revision of the same spec stands:
 * somebody who deletes a Dockerfile by mistake has not asked for another image.
 */
export async function wantedRevision(
  { fleet, inputs, sha256 }: Pick<Deps, 'fleet' | 'inputs' | 'sha256'>,
  { name, spec: { spokeNamespace, moduleSpec = { selector: {} } } }: Pick<SourceModule, 'name' | 'spec'>,
): Promise<WantedRevision> {
  const known = await inputs.read(inputNames(moduleSpec));
  const { hashes, complete } = inputHashes(known);
  const frozen: RevisionInputs = { spokeNamespace, moduleSpec, inputs: hashes };
  const hash = revisionHash(frozen, sha256);
  const recorded = fleet.revisionsOf(name).find((r) => r.hash === hash);
  if (complete || recorded !== undefined) return { hash, frozen, known, recorded };
  const sameSpec = newestOfSpec(fleet.revisionsOf(name), frozen);
  return sameSpec === undefined ? { hash, frozen, known, recorded } : { hash: sameSpec.hash, frozen, known, recorded: sameSpec };
}

function newestOfSpec<R extends RevisionInputs & { readonly number: number }>(all: readonly R[], wanted: RevisionInputs): R | undefined {
  const specOf = ({ spokeNamespace, moduleSpec }: RevisionInputs): string => canonicalJson({ spokeNamespace, moduleSpec });
  const spec = specOf(wanted);
  return all.filter((r) => specOf(r) === spec).reduce<R | undefined>((a, b) => (a === undefined || b.number > a.number ? b : a), undefined);
}
