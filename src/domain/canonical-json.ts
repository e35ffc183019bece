/** Hex SHA-256 of a UTF-8 text. It comes in as an argument, since pure rules import no crypto. */
export type Sha256 = (text: string) => string;

/**
 * JSON with sorted keys and without `null` and `undefined`: two objects that the API server would treat alike give one text.
 * `null` and `undefined` are dropped because upstream's Go types serialise unset pointers as `null`; arrays keep their order.
 */
export const canonicalJson = (value: unknown): string => JSON.stringify(prune(value));

/** A deep copy without `null`, `undefined`; object keys sorted. */
export function prune(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(prune);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value)
    .filter(([, v]) => v !== null && v !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(entries.map(([k, v]) => [k, prune(v)]));
}
