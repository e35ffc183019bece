/** `1 cluster`, `2 clusters`. */
export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

/** `a`, `a and b`, `a, b, c and 17 more`: the first `most` names out of `total`, which may be more than there are names. */
export function nameSome(names: readonly string[], total = names.length, most = 3): string {
  const shown = names.slice(0, most);
  const more = Math.max(total, names.length) - shown.length;
  if (more > 0) return `${shown.join(', ')} and ${more} more`;
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1) ?? ''}`;
}

/** The text with a full stop at its end, unless it ends as a sentence already. */
export const sentence = (text: string): string => (/[.!?…]$/.test(text) || text === '' ? text : `${text}.`);
