import { RE2JS } from 're2js';

import type { KernelMapping } from '../api/index.js';

/** The mapping that decides for a kernel, that there is none, or why a mapping before any hit cannot be evaluated. */
export type MappingSearch =
  { readonly found: KernelMapping; readonly index: number } | { readonly none: true } | { readonly error: string; readonly index: number };

/**
 * The first mapping, in list order, whose literal equals the kernel or whose regexp is found anywhere in it (RE2, not anchored).
 * A literal has no precedence over an earlier regexp. A regexp that does not compile is an error when it is reached, even if a later mapping would match:
 * which mapping was meant cannot be known.
 * @param kernel without the trailing `+`, as `parseKernelClaim` gives it.
 */
export function findMapping(mappings: readonly KernelMapping[], kernel: string): MappingSearch {
  for (const [index, mapping] of mappings.entries()) {
    if (isSet(mapping.literal) && mapping.literal === kernel) return { found: mapping, index };
    if (!isSet(mapping.regexp)) continue;
    const compiled = compileOnce(mappings, mapping.regexp);
    if ('error' in compiled) return { error: compiled.error, index };
    if (compiled.pattern.test(kernel)) return { found: mapping, index };
  }
  return { none: true };
}

/** @returns Why RE2 rejects the pattern, or undefined if it accepts it. */
export function regexpError(pattern: string): string | undefined {
  const compiled = compile(pattern);
  return 'error' in compiled ? compiled.error : undefined;
}

type Compiled = { readonly pattern: RE2JS } | { readonly error: string };

/** One entry per distinct pattern of a list, gone with the list: 5,000 clusters that share a spec compile each pattern once. */
const compiledByList = new WeakMap<readonly KernelMapping[], Map<string, Compiled>>();

function compileOnce(mappings: readonly KernelMapping[], pattern: string): Compiled {
  const known = compiledByList.get(mappings) ?? new Map<string, Compiled>();
  compiledByList.set(mappings, known);
  const compiled = known.get(pattern) ?? compile(pattern);
  known.set(pattern, compiled);
  return compiled;
}

function compile(pattern: string): Compiled {
  try {
    return { pattern: RE2JS.compile(pattern) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

const isSet = (text: string | undefined): text is string => text !== undefined && text !== '';
