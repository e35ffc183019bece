import type { z } from 'zod';
import { describeIssue, wanted } from './describe-issue.js';
import { ManagedClusterModule, ManagedClusterModuleSpec } from './managed-cluster-module.js';
import { ManagedClusterModuleStatus } from './managed-cluster-module-status.js';
import { prune } from './prune.js';

/** Something wrong with one field. `path` is the whole path from the top, such as `spec.moduleSpec.selector`; "" is the value itself. */
export interface FieldProblem {
  readonly path: string;
  readonly message: string;
}

export type ParseResult<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: FieldProblem[] };

/** A path as people write it: `spec.waves[2].name`, `metadata.labels["example.com/site"]`. */
export const formatPath = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    const name = String(key);
    if (!/^[A-Za-z_$][\w$-]*$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === '' ? name : `${text}.${name}`;
  }, '');

/** Null means absent, as the API server has it; unknown fields are problems, since a slip in a name would otherwise change nothing and say nothing. */
function parse<S extends z.ZodType>(schema: S, input: unknown): ParseResult<z.infer<S>> {
  const { value, problems } = prune(schema, input);
  const result = schema.safeParse(value, { error: wanted });
  const all = [
    ...(result.success ? [] : result.error.issues.map((issue) => ({ path: issue.path, message: describeIssue(issue, value) }))),
    ...problems,
  ].map(({ path, message }) => ({ path: formatPath(path), message }));
  return result.success && all.length === 0 ? { ok: true, value: result.data } : { ok: false, problems: all };
}

/**
 * Reads a whole ManagedClusterModule: a manifest, or an object from the API server. Defaults are filled in.
 * A status that does not fit is left out and is no problem: a person cannot mend it, and the next observation writes it anew.
 * @returns The object, or every problem that it has.
 */
export function parseManagedClusterModule(value: unknown): ParseResult<ManagedClusterModule> {
  if (typeof value !== 'object' || value === null || !('status' in value)) return parse(ManagedClusterModule, value);
  const { status, ...rest } = value;
  const result = parse(ManagedClusterModule, rest);
  if (!result.ok) return result;
  const known = ManagedClusterModuleStatus.safeParse(prune(ManagedClusterModuleStatus, status).value);
  return known.success ? { ok: true, value: { ...result.value, status: known.data } } : result;
}

/** Reads what stands under `spec`, for a start without an object. Paths begin with `spec`, so that they read the same for both. */
export function parseManagedClusterModuleSpec(value: unknown): ParseResult<ManagedClusterModuleSpec> {
  const result = parse(ManagedClusterModuleSpec, value);
  if (result.ok) return result;
  const below = (path: string): string => (path === '' ? 'spec' : path.startsWith('[') ? `spec${path}` : `spec.${path}`);
  return { ok: false, problems: result.problems.map((problem) => ({ ...problem, path: below(problem.path) })) };
}
