import proto, { type temporal } from '@temporalio/proto';

export type History = temporal.api.history.v1.IHistory;

/**
 * Reads a history in proto JSON, as `temporal workflow show --output json` prints it, for `Worker.runReplayHistory`.
 * The worker reads such JSON itself only where npm has put one copy of protobufjs for all of Temporal's packages; this does not depend on that. Times and durations are
 * strings in proto JSON and objects in a message; bytes, enums and 64-bit numbers are understood in either form.
 */
export const readHistory = (json: unknown): History =>
  proto.temporal.api.history.v1.History.fromObject(withTimes(json) as Record<string, unknown>);

function withTimes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withTimes);
  if (value !== null && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, withTimes(v)]));
  return typeof value === 'string' ? (timestamp(value) ?? duration(value) ?? value) : value;
}

/** RFC 3339 with up to nine digits after the point. */
function timestamp(text: string): { seconds: number; nanos: number } | undefined {
  const [, whole, fraction = ''] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text) ?? [];
  return whole === undefined ? undefined : { seconds: Date.parse(`${whole}Z`) / 1000, nanos: Number(fraction.padEnd(9, '0')) };
}

/** Seconds and an `s`. */
function duration(text: string): { seconds: number; nanos: number } | undefined {
  const [, whole, fraction = ''] = /^(\d+)(?:\.(\d{1,9}))?s$/.exec(text) ?? [];
  return whole === undefined ? undefined : { seconds: Number(whole), nanos: Number(fraction.padEnd(9, '0')) };
}
