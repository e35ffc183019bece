/** What a work agent found at a feedback path. `absent`: some key on the way does not exist, which is not an error. */
export type PathResult = { readonly value: unknown } | 'absent';

/**
 * Evaluates the part of Kubernetes' JSONPath that feedback rules use: `.key`, `\.` for a dot inside a key, `['key']` and `[0]`.
 * @throws SyntaxError for anything else, and for a path that does not begin with a dot or a bracket.
 */
export function evaluatePath(object: unknown, path: string): PathResult {
  let value = object;
  for (const step of parsePath(path)) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return 'absent';
    value = (value as Record<string, unknown>)[step];
  }
  return value === undefined ? 'absent' : { value };
}

const STEP = /\.((?:\\.|[^.[\]\\])+)|\[(?:(\d+)|'([^']*)')\]/y;

function parsePath(path: string): string[] {
  const steps: string[] = [];
  STEP.lastIndex = 0;
  while (STEP.lastIndex < path.length) {
    const at = STEP.lastIndex;
    const match = STEP.exec(path);
    if (match === null) throw new SyntaxError(`The path ${path} cannot be read from character ${at} on.`);
    steps.push(match[1]?.replaceAll(/\\(.)/g, '$1') ?? match[2] ?? match[3] ?? '');
  }
  return steps;
}
