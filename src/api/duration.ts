import { z } from 'zod';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Longest duration that a field may hold (a year): a longer one is a slip, and timers have limits. */
export const MAX_DURATION_MS = 8_760 * UNIT_MS.h;

const MAX_LENGTH = 64;
const WHOLE = /^([0-9]+([.][0-9]+)?(ms|s|m|h))+$/;
const PART = /([0-9]+(?:[.][0-9]+)?)(ms|s|m|h)/g;

/**
 * The length of a duration as Go writes them: numbers with units, `90s`, `10m`, `1h30m`, `1.5h`, `500ms`.
 * @returns Milliseconds, rounded to a whole number.
 * @throws RangeError when the text is not such a duration. `d`, signs, spaces and a bare number are refused.
 */
export function parseDuration(text: string): number {
  if (text.length > MAX_LENGTH || !WHOLE.test(text)) {
    throw new RangeError(`"${text}" is not a duration. Write a number and a unit, such as "90s", "10m" or "1h30m".`);
  }
  let total = 0;
  for (const [, amount, unit] of text.matchAll(PART)) total += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  return Math.round(total);
}

const error = 'a duration such as "90s", "10m" or "1h30m"';

/** A duration in a field. The `error` texts of schemas finish the sentence "Got X; … is required." (describe-issue.ts). */
export const Duration = z
  .string({ error })
  .regex(WHOLE, { error, abort: true })
  .refine((text) => text.length <= MAX_LENGTH && parseDuration(text) <= MAX_DURATION_MS, {
    error: 'a duration of at most "8760h" (a year)',
    abort: true,
  });
export type Duration = z.infer<typeof Duration>;

/** A duration that something waits between two attempts: shorter than a second would be a busy loop. */
export const Interval = Duration.refine((text) => parseDuration(text) >= UNIT_MS.s, {
  error: 'a duration of at least "1s"',
});
export type Interval = z.infer<typeof Interval>;
