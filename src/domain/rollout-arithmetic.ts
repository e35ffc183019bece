/** A count, or a share of `total` rounded down: never more than asked for. Kubernetes rounds `maxUnavailable` the same way. */
export const countOf = (value: number | string, total: number): number =>
  typeof value === 'number' ? value : Math.floor((Number.parseInt(value, 10) * total) / 100);

/** Clusters that may be unproven at once: at least one, or nothing would ever move. */
export const concurrencyOf = (value: number | string | undefined, total: number): number =>
  value === undefined ? Math.max(1, total) : Math.max(1, countOf(value, total));
