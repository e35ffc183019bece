const DECIMAL = /^(0|[1-9][0-9]*)$/;

/**
 * Order of two resource versions of one kind: negative when `a` is older, 0 when equal, positive when `a` is newer.
 * Undefined when either is not a decimal number, in which case only the server could tell.
 * Decimal strings without leading zeros compare by length first: the answer of BigInt, without its cost.
 */
export function compareResourceVersions(a: string, b: string): number | undefined {
  if (!DECIMAL.test(a) || !DECIMAL.test(b)) return undefined;
  if (a === b) return 0;
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
}

/** True when `a` is newer than `b`, or when that cannot be told: the server's latest word is then believed. */
export const isNewer = (a: string, b: string): boolean => (compareResourceVersions(a, b) ?? 1) > 0;
