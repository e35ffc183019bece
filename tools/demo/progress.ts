import type { ClusterCounts, ManagedClusterModuleStatus, StatusException } from '../../src/api/index.js';

/** The rollout at one moment, as the status of the ManagedClusterModule tells it. */
export interface Snapshot {
  readonly elapsedMs: number;
  /** Clusters on which it can succeed: they answer and say which kernel they run. */
  readonly expected: number;
  /** Undefined: the hub has not looked at the object yet. */
  readonly status: ManagedClusterModuleStatus | undefined;
  /** Reachable clusters whose image is still being made. The status counts them as excluded; the demo tells of their images instead. */
  readonly awaitingImage?: number | undefined;
}

type Row = readonly [word: string, read: (counts: Counts) => number];
type Counts = Required<ClusterCounts> & { readonly awaitingImage: number };

/** `published` in the status counts everything that came after too; here each cluster counts once, where it stands. */
const onlyPublished = (c: Counts): number => Math.max(0, c.published - c.applied - c.loading - c.loaded - c.noNodes - c.failed);

/** On the way, in the order in which a cluster passes them. */
const PATH: readonly Row[] = [
  ['waiting', (c) => c.pending],
  ['published', onlyPublished],
  ['applied', (c) => c.applied],
  ['loading', (c) => c.loading],
  ['loaded', (c) => c.loaded],
];

/** Beside the way; shown when there are any. */
const BESIDE: readonly Row[] = [
  ['without an image', (c) => c.awaitingImage],
  ['no matching nodes', (c) => c.noNodes],
  ['failed', (c) => c.failed],
  ['tried again', (c) => c.repairing],
  ['held', (c) => c.held],
  ['offline', (c) => c.offline],
  ['excluded', (c) => c.excluded],
];

const NONE: Counts = {
  selected: 0,
  published: 0,
  applied: 0,
  loading: 0,
  loaded: 0,
  noNodes: 0,
  failed: 0,
  offline: 0,
  held: 0,
  repairing: 0,
  excluded: 0,
  pending: 0,
  awaitingImage: 0,
};

function countsOf({ status, awaitingImage: awaited = 0 }: Snapshot): Counts {
  const counts = { ...NONE, ...status?.clusters };
  const awaitingImage = Math.min(awaited, counts.excluded);
  return { ...counts, awaitingImage, excluded: counts.excluded - awaitingImage };
}

const exceptionsOf = ({ status, awaitingImage }: Snapshot): readonly StatusException[] =>
  (status?.exceptions ?? []).filter(({ reason }) => awaitingImage === undefined || reason !== 'ImageMissing');

const NOT_SEEN = 'The hub has not looked at the module yet.';
const NOTABLE = 6;
const NARROWEST = 20;

/** The redrawn block of a terminal: no line is wider than `columns`, so that moving up by the number of lines hits the first one. */
export function progressBlock(snapshot: Snapshot, columns: number): string[] {
  const width = Math.max(NARROWEST, columns - 1);
  const counts = countsOf(snapshot);
  const barWidth = Math.max(10, Math.min(40, width - 45));
  const rows = [...PATH, ...BESIDE.filter(([, read]) => read(counts) > 0)];
  const lines = [
    `${bar(counts.loaded, snapshot.expected, barWidth)}  ${loadedText(snapshot)}, ${secondsText(snapshot.elapsedMs)}`,
    ...rows.map(([word, read]) => countLine(word, read(counts), counts.selected, barWidth)),
    ...notableLines(exceptionsOf(snapshot)),
  ];
  return lines.map((line) => clip(`  ${line}`, width));
}

const loadedText = (snapshot: Snapshot): string =>
  snapshot.status === undefined ? NOT_SEEN.slice(0, -1) : `${countsOf(snapshot).loaded} of ${snapshot.expected} reachable clusters loaded`;

const secondsText = (ms: number): string => `${Math.floor(ms / 1000)} s`;

function bar(part: number, whole: number, width: number): string {
  const full = whole === 0 ? 0 : Math.floor((Math.min(part, whole) / whole) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

function countLine(word: string, count: number, whole: number, width: number): string {
  // Whoever is there must be seen, however large the fleet is.
  const length = whole === 0 ? 0 : Math.min(width, Math.max(count > 0 ? 1 : 0, Math.round((count / whole) * width)));
  return `${word.padEnd(17)} ${String(count).padStart(5)}  ${'█'.repeat(length)}`.trimEnd();
}

/** What needs attention, one line each, as far as there is room for. */
export function notableLines(exceptions: readonly StatusException[]): string[] {
  const shown = exceptions.slice(0, NOTABLE).map(notableLine);
  return exceptions.length > NOTABLE ? [...shown, `and ${exceptions.length - NOTABLE} more`] : shown;
}

const notableLine = ({ cluster, kernel, reason, message }: StatusException): string =>
  `${[cluster, kernel].filter((part) => part !== undefined).join(' ') || 'module'}  ${reason}: ${message}`;

const clip = (line: string, width: number): string => (line.length <= width ? line : `${line.slice(0, width - 1)}…`);

/** The same in one line, for a log. */
export function progressLine(snapshot: Snapshot): string {
  if (snapshot.status === undefined) return NOT_SEEN;
  const counts = countsOf(snapshot);
  const others = [...PATH.slice(0, -1).reverse(), ...BESIDE].flatMap(([word, read]) =>
    read(counts) > 0 ? [`${read(counts)} ${word}`] : [],
  );
  return [`${counts.loaded} of ${snapshot.expected} reachable clusters loaded`, others.join(', ')].filter((part) => part !== '').join('; ');
}

/**
 * Turns snapshots into the lines of a log: a line per change, at most one a second, and each cluster that needs attention once for each reason.
 * A change that came too soon after another is told with the next one, or by {@link ChangeLog.rest}.
 */
export class ChangeLog {
  #told = '';
  #toldAtMs = -Infinity;
  #waiting: Snapshot | undefined;
  readonly #notable = new Set<string>();

  next(snapshot: Snapshot): string[] {
    this.#waiting = snapshot;
    return snapshot.elapsedMs - this.#toldAtMs < 1_000 ? [] : this.rest();
  }

  /** What has not been told yet. */
  rest(): string[] {
    const snapshot = this.#waiting;
    if (snapshot === undefined) return [];
    const text = progressLine(snapshot);
    const notable = notableLines(exceptionsOf(snapshot)).filter((line) => !this.#notable.has(line));
    if (text === this.#told && notable.length === 0) return [];
    this.#told = text;
    this.#toldAtMs = snapshot.elapsedMs;
    notable.forEach((line) => this.#notable.add(line));
    return [`  ${secondsText(snapshot.elapsedMs).padStart(5)}  ${text}`, ...notable.map((line) => `         ${line}`)];
  }
}
