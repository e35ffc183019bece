import { z } from 'zod';

interface PathProblem {
  readonly path: PropertyKey[];
  readonly message: string;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The schema under what only says "may be absent". */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodNullable) inner = inner.unwrap();
  return inner;
}

/**
 * A copy of the value without nulls, where the schema knows the object: the API server drops those too, and serialisers of others write them.
 * What a schema leaves open (a core type of Kubernetes) stays as it is. Fields that no schema knows are reported.
 */
export function prune(schema: z.core.$ZodType, value: unknown): { value: unknown; problems: PathProblem[] } {
  const problems: PathProblem[] = [];
  const walk = (outer: z.core.$ZodType, current: unknown, path: PropertyKey[]): unknown => {
    const inner = unwrap(outer);
    if (inner instanceof z.ZodArray && Array.isArray(current))
      return current.map((item, index) => walk(inner.element, item, [...path, index]));
    if (inner instanceof z.ZodRecord && isObject(current)) {
      return Object.fromEntries(
        Object.entries(current)
          .filter(([, item]) => item !== null)
          .map(([key, item]) => [key, walk(inner.valueType, item, [...path, key])]),
      );
    }
    if (!(inner instanceof z.ZodObject) || !isObject(current)) return current;
    const known = inner.shape as Record<string, z.core.$ZodType>;
    const isOpen = inner.def.catchall !== undefined;
    const kept: [string, unknown][] = [];
    for (const [key, item] of Object.entries(current)) {
      const field = Object.hasOwn(known, key) ? known[key] : undefined;
      if (field !== undefined && item !== null) kept.push([key, walk(field, item, [...path, key])]);
      else if (field === undefined && isOpen) kept.push([key, item]);
      else if (field === undefined) problems.push({ path: [...path, key], message: unknownField(key, Object.keys(known)) });
    }
    return Object.fromEntries(kept);
  };
  return { value: walk(schema, value, []), problems };
}

function unknownField(key: string, known: readonly string[]): string {
  const nearest = known.map((name) => ({ name, far: distance(key.toLowerCase(), name.toLowerCase()) })).sort((a, b) => a.far - b.far)[0];
  return nearest !== undefined && nearest.far <= Math.max(1, Math.floor(key.length / 3))
    ? `Unknown field; did you mean "${nearest.name}"?`
    : `Unknown field; known here are ${known.join(', ')}.`;
}

/** How many letters have to be put in, taken out or changed to get from one word to the other. Names are short; a long key is cut, since it is no slip of the pen. */
function distance(from: string, to: string): number {
  const a = from.slice(0, 64);
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
