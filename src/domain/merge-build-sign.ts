import type { Build, Sign } from '../api/index.js';
import { compareBytewise } from './kernel-claim.js';

type BuildArg = NonNullable<Build['buildArgs']>[number];

/**
 * Build settings of a kernel: the container's, overridden by the mapping's. `buildArgs` merge by name, `secrets` add up, everything else that the mapping sets
 * replaces the container's as a whole. Upstream drops the mapping's `baseImageRegistryTLS`, `kanikoParams` and `selector`; here they count.
 */
export function mergeBuild(container: Build | undefined, mapping: Build | undefined): Build | undefined {
  if (container === undefined || mapping === undefined) return structuredCopy(container ?? mapping);
  const buildArgs = mergeBuildArgs(container.buildArgs ?? [], mapping.buildArgs ?? []);
  const secrets = [...(container.secrets ?? []), ...(mapping.secrets ?? [])];
  const baseImageRegistryTLS = firstWithContent(mapping.baseImageRegistryTLS, container.baseImageRegistryTLS);
  return structuredCopy({
    ...container,
    ...mapping,
    dockerfileConfigMap: named(mapping.dockerfileConfigMap) ? mapping.dockerfileConfigMap : container.dockerfileConfigMap,
    ...(container.buildArgs === undefined && mapping.buildArgs === undefined ? {} : { buildArgs }),
    ...(container.secrets === undefined && mapping.secrets === undefined ? {} : { secrets }),
    ...(baseImageRegistryTLS === undefined ? {} : { baseImageRegistryTLS }),
    ...preferDefined('kanikoParams', mapping, container),
    ...preferDefined('selector', mapping, container),
  });
}

/**
 * Signing settings of a kernel: `filesToSign` add up, everything else that the mapping sets replaces the container's. Upstream drops the mapping's
 * `unsignedImageRegistryTLS`; here it counts. A Secret reference without a name is not set: the CRD requires both at each level and defaults the name to "".
 */
export function mergeSign(container: Sign | undefined, mapping: Sign | undefined): Sign | undefined {
  if (container === undefined || mapping === undefined) return structuredCopy(container ?? mapping);
  const filesToSign = [...(container.filesToSign ?? []), ...(mapping.filesToSign ?? [])];
  const unsignedImageRegistryTLS = firstWithContent(mapping.unsignedImageRegistryTLS, container.unsignedImageRegistryTLS);
  const unsignedImage =
    mapping.unsignedImage === undefined || mapping.unsignedImage === '' ? container.unsignedImage : mapping.unsignedImage;
  return structuredCopy({
    ...container,
    ...mapping,
    keySecret: named(mapping.keySecret) ? mapping.keySecret : container.keySecret,
    certSecret: named(mapping.certSecret) ? mapping.certSecret : container.certSecret,
    ...(unsignedImage === undefined ? {} : { unsignedImage }),
    ...(container.filesToSign === undefined && mapping.filesToSign === undefined ? {} : { filesToSign }),
    ...(unsignedImageRegistryTLS === undefined ? {} : { unsignedImageRegistryTLS }),
  });
}

/**
 * The base arguments in their order, each with the value of the override of the same name (duplicates too), then the overrides that no base argument had, in
 * byte order of their names. Of two overrides with one name the last counts.
 */
export function mergeBuildArgs(base: readonly BuildArg[], overrides: readonly BuildArg[]): BuildArg[] {
  const values = new Map(overrides.map(({ name, value }) => [name, value]));
  const names = new Set(base.map(({ name }) => name));
  const kept = base.map(({ name, value }) => ({ name, value: values.get(name) ?? value }));
  const added = [...values].filter(([name]) => !names.has(name)).map(([name, value]) => ({ name, value }));
  return [...kept, ...added.sort((a, b) => compareBytewise(a.name, b.name))];
}

const named = (reference: { readonly name?: string | undefined } | undefined): boolean =>
  reference?.name !== undefined && reference.name !== '';

/** These fields are plain structs upstream, whose clients write `{}` for "not set". */
const firstWithContent = <T extends object>(mapping: T | undefined, container: T | undefined): T | undefined =>
  mapping !== undefined && Object.values(mapping).some((value) => value !== undefined) ? mapping : (container ?? mapping);

const preferDefined = <K extends string, T extends Partial<Record<K, unknown>>>(key: K, mapping: T, container: T): Partial<T> => {
  const value = mapping[key] ?? container[key];
  return (value === undefined ? {} : { [key]: value }) as Partial<T>;
};

/** Copies plain JSON data, so that nobody who changes the result changes the spec. */
function structuredCopy<T>(value: T): T {
  if (Array.isArray(value)) return value.map(structuredCopy) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, structuredCopy(inner)])) as T;
}
