import type { ModuleSpec } from '../api/index.js';
import { canonicalJson, type Sha256 } from './canonical-json.js';
import type { FoundModule, ImageOrigin } from './image-process.js';

/** What a revision freezes. The same inputs are the same revision, whenever they come back. */
export interface RevisionInputs {
  readonly spokeNamespace: string;
  readonly moduleSpec: ModuleSpec;
  /** What the spec names and does not hold: a hash each of the Dockerfiles' text and the certificates, by kind and name. Absent: the spec names none. */
  readonly inputs?: InputHashes | undefined;
}

/** `ConfigMap/<name>` or `Secret/<name>` to the SHA-256 of what counts of it. */
export type InputHashes = Readonly<Record<string, string>>;

/** What a kernel's image resolved to. */
export interface Pin {
  readonly kernel: string;
  /** The reference that the mapping expanded to. */
  readonly image: string;
  readonly digest: string;
  /** Who made the image; absent in pins that were set before images were inspected. */
  readonly origin?: ImageOrigin | undefined;
  /** Of an image that kmodflow made: names its workflow and its Jobs. */
  readonly key?: string | undefined;
  /** What the inspection found for this kernel. */
  readonly modules?: readonly FoundModule[] | undefined;
}

export type Pins = Readonly<Record<string, Omit<Pin, 'kernel'>>>;

/** A revision as the rules read it. */
export interface Revision extends RevisionInputs {
  /** Name of the ControllerRevision. */
  readonly name: string;
  /** Counts up per module; a revision that comes back gets the next number. */
  readonly number: number;
  readonly hash: string;
  readonly pins: Pins;
}

/** Ten hex digits over everything a revision freezes. */
export const revisionHash = ({ spokeNamespace, moduleSpec, inputs }: RevisionInputs, sha256: Sha256): string =>
  sha256(canonicalJson({ spokeNamespace, moduleSpec, ...(hasEntries(inputs) ? { inputs } : {}) })).slice(0, 10);

const hasEntries = (inputs: InputHashes | undefined): boolean => inputs !== undefined && Object.keys(inputs).length > 0;

export const revisionName = (module: string, hash: string): string => `${module}-${hash}`;

/**
 * Adds pins and changes none: the same revision never means another image.
 * @returns The merged pins, and those of `added` that contradict one that stands.
 */
export function appendPins(standing: Pins, added: readonly Pin[]): { readonly pins: Pins; readonly refused: readonly Pin[] } {
  const fresh = added.filter((p) => standing[p.kernel] === undefined);
  const refused = added.filter((p) => standing[p.kernel] !== undefined && standing[p.kernel]?.digest !== p.digest);
  return { pins: { ...Object.fromEntries(fresh.map(({ kernel, ...pin }) => [kernel, pin])), ...standing }, refused };
}

/** How many revisions are kept: what a rollback can go to. */
export const REVISIONS_KEPT = 10;

/** Which revisions to delete: all but the newest ten, and never one that a ManifestWork or the process still names. */
export function revisionsToPrune<R extends { readonly name: string; readonly number: number }>(
  all: readonly R[],
  inUse: ReadonlySet<string>,
): R[] {
  return [...all]
    .sort((a, b) => b.number - a.number)
    .slice(REVISIONS_KEPT)
    .filter((r) => !inUse.has(r.name));
}
