const UNITS: readonly (readonly [name: string, seconds: number])[] = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
];

/** A length of time in its one or two largest units: `45s`, `3m`, `2h10m`, `4d`. Milliseconds in. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  const [name, size] = UNITS.find(([, s]) => seconds >= s) ?? ['s', 1];
  const count = Math.floor(seconds / size);
  const minutes = Math.floor((seconds % 3_600) / 60);
  return name === 'h' && count < 10 && minutes > 0 ? `${count}h${minutes}m` : `${count}${name}`;
}

/** `3m ago`; an empty text where there is no time, and the text itself where it is none. */
export function ago(time: string | undefined, nowMs: number): string {
  if (time === undefined || time === '') return '';
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? time : `${span(nowMs - ms)} ago`;
}

/** How long something took. */
export function took(startedAt: string, finishedAt: string): string {
  const ms = Date.parse(finishedAt) - Date.parse(startedAt);
  return Number.isNaN(ms) ? '' : span(ms);
}
