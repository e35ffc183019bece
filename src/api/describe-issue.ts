import type { z } from 'zod';

const TYPE_NAMES: Record<string, string> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object with a string for each key',
};

/**
 * What would be right, for issues of schemas that do not say it themselves: give it to `safeParse` as `error`.
 * The `error` of a schema goes before this one, and is written to finish the same sentence: "Got X; … is required."
 */
export function wanted(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return TYPE_NAMES[issue.expected] ?? `a value of type ${issue.expected}`;
    case 'invalid_value':
      return issue.values.length === 1 ? show(issue.values[0]) : `one of ${issue.values.map(show).join(', ')}`;
    case 'too_small':
      if (issue.origin === 'string') return 'a string that is not empty';
      return `${issue.origin === 'array' ? 'a list' : 'a number'} of at least ${issue.minimum}`;
    case 'too_big':
      return `${issue.origin === 'array' ? 'a list' : 'a number'} of at most ${issue.maximum}`;
    default:
      return undefined;
  }
}

/** What was got and what would be right, in a sentence. `input` is what was parsed: an issue does not carry its value. */
export function describeIssue(issue: z.core.$ZodIssue, input: unknown): string {
  const value = valueAt(input, issue.path);
  if (issue.code === 'custom' && typeof value === 'object') return issue.message; // A rule over several fields is a sentence already.
  if (value === undefined) return `Missing; ${issue.message} is required.`;
  const wantsText = issue.message === TYPE_NAMES['string'] && typeof value !== 'object';
  return `Got ${show(value)}; ${issue.message} is required.${wantsText ? ' Put it in quotes.' : ''}`;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined),
    input,
  );
}

/** A value as a message shows it: short, on one line. Whole objects are named and not printed. */
function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
