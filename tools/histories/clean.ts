/** What replay does not need and a repository should not have: names of the machine, its paths, its ports. */

export interface Clean {
  /** Text to replace wherever it stands, also inside of payloads. */
  readonly replace: Readonly<Record<string, string>>;
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** Stored with each event by whoever caused it: process id and host name. */
const IDENTITY = 'kmodflow';

/**
 * A history as the SDK writes it (proto JSON), with identities and stack traces taken out and texts replaced. Payloads are base64 in proto JSON: they are read, cleaned
 * and written again. Replay compares commands by their type and id, so a history that was cleaned all over replays like the original.
 */
export function cleanHistory(history: Json, { replace }: Clean): Json {
  const clean = (text: string): string => Object.entries(replace).reduce((t, [from, to]) => t.replaceAll(from, to), text);
  const walk = (value: Json, key = ''): Json => {
    if (typeof value === 'string') return key === 'identity' ? IDENTITY : key === 'stackTrace' ? '' : clean(value);
    if (Array.isArray(value)) return value.map((v) => walk(v));
    if (value === null || typeof value !== 'object') return value;
    if (isPayload(value)) return { ...value, data: encode(clean(decode(value.data))) };
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, walk(v, k)]));
  };
  return walk(history);
}

/** `json/plain`, in base64 as everything in a payload. */
const JSON_PLAIN = encode('json/plain');

const isPayload = (value: { [key: string]: Json }): value is { metadata: Json; data: string } => {
  const { metadata, data } = value;
  return (
    typeof data === 'string' &&
    metadata !== null &&
    typeof metadata === 'object' &&
    !Array.isArray(metadata) &&
    metadata?.['encoding'] === JSON_PLAIN
  );
};

function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}
const decode = (base64: string): string => Buffer.from(base64, 'base64').toString();

/** One event a line: compact, and a difference shows which event. */
export const printHistory = (history: Json): string => {
  const events = (history as { events: Json[] }).events.map((event) => JSON.stringify(event));
  return `{"events":[\n${events.join(',\n')}\n]}\n`;
};
