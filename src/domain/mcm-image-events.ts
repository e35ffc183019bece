import type { ImageStatus, ManagedClusterModuleStatus } from '../api/index.js';
import { logTail } from './log-tail.js';
import { shorten } from './markdown.js';
import type { McmEvent } from './mcm-events.js';
import { kernelsText, nextTryText, originsText, originText } from './mcm-image-wording.js';
import { failedAttempt } from './mcm-images.js';
import { utf8Bytes } from './utf8.js';
import { nameSome, sentence } from './wording.js';

/** The API server takes no longer message of an Event. */
export const EVENT_LIMIT_BYTES = 1_024;
/** What an Event says before the log, when there is one. */
const MESSAGE_CHARS = 450;
/** Too little of a log says nothing. */
const LEAST_LOG_BYTES = 40;

type Status = ManagedClusterModuleStatus;

/** One image of a status: its rows differ in the kernel alone. */
interface Told {
  readonly row: ImageStatus;
  readonly kernels: readonly string[];
  readonly log: readonly string[];
}

/** Images of `next` that `tells` something about which those of `previous` did not tell, by what it tells. */
function fresh(next: Status, previous: Status, tells: (row: ImageStatus) => string | undefined): Told[] {
  const known = new Set((previous.images ?? []).map(tells));
  const found = new Map<string, Told & { readonly kernels: string[]; readonly log: string[] }>();
  for (const row of next.images ?? []) {
    const told = tells(row);
    if (told === undefined || known.has(told)) continue;
    const image = found.get(told) ?? { row, kernels: [], log: [] };
    image.kernels.push(row.kernel);
    image.log.push(...(row.log ?? []));
    found.set(told, image);
  }
  return [...found.values()];
}

const names = (images: readonly Told[]): string => nameSome([...new Set(images.map((i) => i.row.image))]);
const head = ({ row, kernels }: Told): string => `Image ${row.image} for ${kernelsText(kernels)}`;

const attemptOf = ({ state, attempt = 0 }: ImageStatus): number => failedAttempt(state, attempt);

/** What was failed at. Other inputs are another workflow, whose attempts count anew. */
function failureOf(row: ImageStatus): string | undefined {
  if (row.reason === undefined || row.digest !== undefined) return undefined;
  const attempt = attemptOf(row);
  return [row.image, row.reason, ...(attempt > 0 ? [row.workflow ?? '', String(attempt)] : [])].join(' ');
}

/** An attempt failed, or an image cannot be used: told once per image, reason and attempt. */
export function imagesFailed(next: Status, previous: Status): McmEvent | undefined {
  const failing = fresh(next, previous, failureOf);
  const [first] = failing;
  if (first === undefined) return undefined;
  const attempt = attemptOf(first.row) > 0 ? `, attempt ${attemptOf(first.row)}` : '';
  const what = failing.length === 1 ? head(first) : `${failing.length} images: ${names(failing)}. ${head(first)}`;
  const message = withLog(`${what}${attempt}: ${failureText(first, next)}`, first.log);
  return { type: 'Warning', reason: first.row.reason ?? 'ImageMissing', message };
}

function failureText({ row, kernels }: Told, status: Status): string {
  const message = sentence(shorten(row.message ?? 'it cannot be used', MESSAGE_CHARS));
  return [message, nextText(row), attemptOf(row) > 0 ? logsHint(status, kernels) : ''].filter((t) => t !== '').join(' ');
}

function nextText({ state, attempt, nextTryAt, workflow }: ImageStatus): string {
  if (state === 'Building') return `Attempt ${attempt ?? 1} is under way.`;
  if (state === 'Queued') return 'The next attempt waits for a free place.';
  return nextTryText({ attempt, nextTryAt, waiting: workflow !== undefined });
}

/** The module's name is in the id of its workflow. */
function logsHint({ workflow }: Status, [kernel = '']: readonly string[]): string {
  const name = workflow?.id.replace(/^mcm\//, '') ?? '';
  return name === '' ? '' : `The whole log: kmodflow logs ${name} --kernel ${kernel}`;
}

/** As many of the last lines of the log as an Event has room for. */
function withLog(text: string, log: readonly string[]): string {
  const start = shortenBytes(text, EVENT_LIMIT_BYTES);
  const room = EVENT_LIMIT_BYTES - utf8Bytes(start) - 1;
  if (room < LEAST_LOG_BYTES) return start;
  let tail = logTail(log, { lines: 20, chars: room });
  // A character may have more than one byte.
  while (tail.length > 0 && utf8Bytes(tail.join('\n')) > room) tail = tail.slice(1);
  return [start, ...tail].join('\n');
}

function shortenBytes(text: string, most: number): string {
  let short = shorten(text, most);
  // Each round takes off at least one character.
  for (let over = utf8Bytes(short) - most; over > 0; over = utf8Bytes(short) - most)
    short = shorten(short, Array.from(short).length - 1 - Math.floor(over / 4));
  return short;
}

/** An attempt to make an image begins: told once per attempt. */
export function buildsStarted(next: Status, previous: Status): McmEvent | undefined {
  const started = fresh(next, previous, (row) =>
    row.state === 'Building' ? [row.workflow ?? '', row.image, String(row.attempt ?? 0)].join(' ') : undefined,
  );
  const [first] = started;
  if (first === undefined) return undefined;
  const { attempt, job } = first.row;
  const message =
    started.length > 1
      ? `${started.length} images are being built: ${names(started)}.`
      : `${head(first)} is being built${attempt === undefined ? '' : `, attempt ${attempt}`}${job === undefined ? '' : `, by Job ${job}`}.`;
  return { type: 'Normal', reason: 'BuildStarted', message: shortenBytes(message, EVENT_LIMIT_BYTES) };
}

/** An image got its digest: told once per digest, and not of those that a status had before anybody looked. */
export function imagesReady(next: Status, previous: Status): McmEvent | undefined {
  if (previous.observedGeneration === undefined) return undefined;
  const ready = fresh(next, previous, (row) => (row.digest === undefined ? undefined : `${row.image}@${row.digest}`));
  const [first] = ready;
  if (first === undefined) return undefined;
  const { origin, digest = '' } = first.row;
  const origins = ready.length === 1 ? originText(origin) : originsText(ready.map((i) => i.row.origin));
  const what =
    ready.length === 1 ? `${head(first)} is pinned to ${digest}` : `${ready.length} images are pinned by digest: ${names(ready)}`;
  return {
    type: 'Normal',
    reason: 'ImageReady',
    message: shortenBytes(`${what}${origins === '' ? '' : `; ${origins}`}.`, EVENT_LIMIT_BYTES),
  };
}

/** A setting that is accepted and has no effect: told when it comes into the spec. */
export function settingsIgnored(next: Status, previous: Status): McmEvent | undefined {
  const known = new Set(previous.notes);
  const notes = (next.notes ?? []).filter((n) => !known.has(n));
  const [first] = notes;
  if (first === undefined) return undefined;
  const reason = notes.every((n) => n.includes('kanikoParams')) ? 'KanikoParamsIgnored' : 'SettingIgnored';
  const more = notes.length > 1 ? ` And ${notes.length - 1} more such settings; the condition ImagesReady has them all.` : '';
  return { type: 'Normal', reason, message: shortenBytes(`${first}${more}`, EVENT_LIMIT_BYTES) };
}
