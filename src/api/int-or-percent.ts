import { z } from 'zod';

function intOrPercent(minimum: 0 | 1, percent: string) {
  const error = `a whole number of at least ${minimum}, or a percentage from "${minimum}%" to "100%",`;
  return z
    .union([z.int({ error }).min(minimum, { error }), z.string().regex(new RegExp(percent), { error })], { error })
    .meta({ 'x-kubernetes-int-or-string': true, minimum, pattern: percent });
}

/** A number of clusters, or a share of those selected: `3`, `"5%"`. */
export const IntOrPercent = intOrPercent(0, '^(100|[1-9]?[0-9])%$');
export type IntOrPercent = z.infer<typeof IntOrPercent>;

/** As {@link IntOrPercent}, where none at all would mean that nothing ever happens. */
export const PositiveIntOrPercent = intOrPercent(1, '^(100|[1-9][0-9]?)%$');
export type PositiveIntOrPercent = z.infer<typeof PositiveIntOrPercent>;
