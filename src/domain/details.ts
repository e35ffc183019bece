import { adviceFor, isImageReason } from './advice.js';
import type { StateCounts } from './cluster-state.js';
import type { Exception, Removals } from './fleet-summary.js';
import { logTail, printable } from './log-tail.js';
import { code, list, page, plain, shorten, timeText } from './markdown.js';
import { byUrgency, firstFailing, imageProgress, imageTrouble } from './mcm-images.js';
import { imageWorkflowId } from './messages.js';
import type { ModuleStatus } from './module-status.js';
import type { ImageState, RolloutRecord, WaveTotals } from './process.js';
import { count, nameSome, sentence } from './wording.js';

/** A page stays below this, whatever the size of the fleet: it travels in every answer to the UI's metadata query. */
export const DETAILS_LIMIT_BYTES = 8_000;
const EXCEPTIONS = 5;
const STUCK_IMAGES = 2;
const IMAGES = 6;
const KERNELS = 4;
const HISTORY = 3;
const PROBLEMS = 4;
const LOG_LINES = 10;
const LOG_COLUMNS = 160;

/**
 * The page of a module's workflow in the Temporal UI, as Markdown: what happens now, what to do, what is stuck, what is deployed where, what went before. It is
 * written for somebody who was called at night and knows Kubernetes, not Temporal; the most pressing stands first, since only one screen is seen.
 */
export const moduleDetails = (status: ModuleStatus): string =>
  page(
    [
      headline(status),
      now(status),
      whatToDo(status),
      stuck(status),
      failedLog(status.images),
      clusters(status),
      images(status.images),
      recent(status.history),
    ],
    DETAILS_LIMIT_BYTES,
  );

/** Nothing has been seen yet, or the module is gone: the numbers are not zero but unknown. */
const isUnseen = ({ generation }: Pick<ModuleStatus, 'generation'>): boolean => generation === 0;

function headline(status: ModuleStatus): string {
  const { name, phase, fleet } = status;
  const reached = fleet.states.Loaded + fleet.states.NoNodes;
  const share = fleet.selected === 0 ? 'no cluster is selected' : `${reached} of ${count(fleet.selected, 'cluster')} done`;
  return `### ${plain(name, 63)}: ${phase}${isUnseen(status) ? '' : `, ${share}`}`;
}

function now({ doing, trouble, rollout, paused }: ModuleStatus): string {
  const lines = [`**Now:** ${plain(doing, 400)}`];
  if (rollout !== undefined)
    lines.push(
      `Rollout ${rollout.number} to ${code(rollout.revision)} runs since ${timeText(rollout.startedAt)}${rollout.phase === 'Stopping' ? ' and is being stopped' : ''}.`,
    );
  if (paused !== undefined)
    lines.push(`Paused by ${plain(paused.by, 80)}${paused.reason === '' ? '.' : `: ${plain(sentence(paused.reason), 200)}`}`);
  if (trouble !== undefined) lines.push(`**The last look failed:** ${plain(sentence(trouble), 400)} It is tried again by itself.`);
  return lines.join('\n'); // the Temporal UI keeps line breaks; a hard break would show as an empty line
}

function whatToDo(status: ModuleStatus): string {
  const advice = adviceFor(status);
  if (advice.length === 0) return `**What to do:** ${calm(status)}`;
  return list(
    'What to do',
    advice.map(({ text, commands }) => `${plain(text, 300)} ${commands.map((c) => code(c, 200)).join(', ')}`),
  );
}

const calm = ({ name, trouble }: ModuleStatus): string =>
  trouble === undefined
    ? `nothing. ${code(`kmodflow status ${name}`)} shows the same in a terminal.`
    : 'mend what the last look failed at, if it does not pass.';

/** One line about something that is stuck: what, why in one word, and the sentence. */
const row = (what: string, reason: string, message: string): string => `**${what}** ${reason}: ${message}`;

function stuck({ name, problems, fleet, removals, images: all }: ModuleStatus): string {
  const unusable = [...all].sort(byUrgency).flatMap((image) => {
    const problem = imageTrouble(image);
    return problem === undefined ? [] : [{ ...image, problem }];
  });
  // An image that is missing is one row, however many clusters wait for it.
  const others = fleet.exceptions.filter((e) => unusable.length === 0 || !isImageReason(e.reason)).slice(0, EXCEPTIONS);
  const imageRows = unusable
    .slice(0, STUCK_IMAGES)
    .map(({ image, problem, run }) => row(code(image, 110), `${problem.reason}${tries(run)}`, plain(problem.message, 220)));
  const rows = [
    ...problems.slice(0, PROBLEMS).map(({ path, message }) => row(code(path, 100), 'InvalidSpec', plain(message, 220))),
    ...(removals?.held === true ? [removalRow(removals)] : []),
    ...imageRows,
    ...exceptionRows(others),
  ];
  const more = Math.max(0, problems.length - PROBLEMS) + Math.max(0, fleet.exceptionCount - others.length);
  return withMore(list('Stuck', rows), more, `: ${code(`kmodflow clusters ${name}`)} lists them`);
}

/** Which attempt it was or is, and what comes next. */
function tries(run: ImageState['run']): string {
  if (run === undefined || run.attempt === 0) return '';
  const next = run.nextTryAt === undefined ? 'waits for another input or a person' : `next at ${timeText(run.nextTryAt)}`;
  const says = {
    Building: `attempt ${run.attempt} is under way`,
    Queued: `after attempt ${run.attempt}`,
    Looking: `after attempt ${run.attempt}`,
    Waiting: `attempt ${run.attempt}; ${next}`,
    Pinned: '',
  } as const;
  return says[run.state] === '' ? '' : ` (${says[run.state]})`;
}

/** The end of the log of the image that needs a person most, as the builder wrote it: a block that is indented shows no markup. */
function failedLog(all: readonly ImageState[]): string {
  const failing = firstFailing(all);
  const cut = (failing?.run?.log ?? []).map((line) => shorten(printable(line), LOG_COLUMNS));
  const log = logTail(cut, { lines: LOG_LINES, chars: LOG_LINES * (LOG_COLUMNS + 1) });
  if (failing === undefined || log.length === 0) return '';
  return [`**Last lines of the log** of ${code(failing.image, 110)}`, '', ...log.map((line) => `    ${line}`)].join('\n');
}

const removalRow = ({ count: held, published, sample }: Removals): string =>
  row(plain(nameSome(sample, held), 160), 'RemovalHeld', `${held} of ${published} clusters would lose the module at once.`);

const exceptionRows = (exceptions: readonly Exception[]): string[] =>
  exceptions.map(({ cluster, kernel, reason, message }) => {
    const names = [cluster, kernel].flatMap((name) => (name === undefined ? [] : [plain(name, 60)]));
    return row(names.join(', ') || '–', reason, plain(message, 220));
  });

const withMore = (text: string, more: number, hint = ''): string => (more > 0 ? `${text}\nand ${more} more${hint}` : text);

const STATES: readonly [keyof StateCounts, string][] = [
  ['Loaded', 'loaded'],
  ['NoNodes', 'no matching nodes'],
  ['Loading', 'loading'],
  ['Applied', 'applied'],
  ['Publishing', 'published'],
  ['Pending', 'waiting'],
  ['Repairing', 'tried again'],
  ['Held', 'held'],
  ['Failed', 'failed'],
  ['Offline', 'offline'],
  ['Excluded', 'excluded'],
];

function clusters({ fleet: { selected, states }, currentRevision, updateRevision, generation }: ModuleStatus): string {
  if (isUnseen({ generation })) return '';
  const shown = STATES.filter(([state]) => states[state] > 0).map(([state, title]) => `${states[state]} ${title}`);
  const fleet = selected === 0 ? 'spec.selector matches no ManagedCluster.' : `${count(selected, 'cluster')}: ${shown.join(', ')}`;
  return `${revisions(currentRevision, updateRevision)}\n${fleet}`;
}

function revisions(current: string | undefined, wanted: string | undefined): string {
  if (current === undefined && wanted === undefined) return '**Deployed:** nothing yet.';
  if (current === wanted || wanted === undefined) return `**Deployed:** revision ${code(current ?? '')}`;
  return `**Deployed:** ${current === undefined ? 'nothing yet' : `revision ${code(current)}`}; the spec asks for ${code(wanted)}`;
}

/** Images with a problem first: those are what somebody looks for. */
function images(all: readonly ImageState[]): string {
  const sorted = [...all].sort(byUrgency);
  const rows = sorted.slice(0, IMAGES).map((image) => {
    const { kernels } = image;
    const more = kernels.length > KERNELS ? ` and ${kernels.length - KERNELS} more` : '';
    const names = kernels.slice(0, KERNELS).map((k) => code(k, 64));
    return `${names.join(', ')}${more}: ${code(image.image, 110)} ${imageText(image)}`;
  });
  return withMore(list('Images', rows), Math.max(0, all.length - IMAGES));
}

/** Its digest; of an image that has none how far it is, and the workflow that has the rest. */
function imageText(image: ImageState): string {
  const { digest, problem, run, origin } = image;
  if (digest !== undefined) return `${code(shortDigest(digest))}${origin === 'Made' ? ', made by kmodflow' : ''}`;
  const doing = { Building: 'being built', Queued: 'waits for a free place', Resolving: 'being resolved', Failed: '', Pinned: '' } as const;
  const state = doing[imageProgress(image)] || (problem?.reason ?? '');
  return run === undefined ? state : `${state}${tries(run)}, workflow ${code(imageWorkflowId(run.key))}`;
}

/** `sha256:0123456789ab`: enough to tell two apart, as other tools show them. */
export const shortDigest = (digest: string): string => digest.replace(/^(sha\d+:[0-9a-f]{12})[0-9a-f]+$/, '$1');

const recent = (history: readonly RolloutRecord[]): string =>
  list(
    'Last rollouts',
    history.slice(0, HISTORY).map((r) => `${r.number}, ${timeText(r.finishedAt)}, to ${code(r.revision, 80)}: ${outcome(r)}`),
  );

/** Messages of our own begin with the outcome; one out of an older status may not. */
const outcome = ({ outcome: word, message }: RolloutRecord): string =>
  plain(message.startsWith(word) ? message : `${word}. ${message}`, 200);

export interface RolloutDetails {
  /** `<module>, rollout <n>` */
  readonly title: string;
  readonly revision: string;
  /** Waves that have begun. */
  readonly waves: number;
  readonly totals: WaveTotals;
  readonly failures: readonly Exception[];
  readonly paused: boolean;
  /** Why it was told to stop, if it was. */
  readonly stop: string | undefined;
}

/** The page of a rollout's workflow. Its totals are those of the waves that have ended; the wave under way has its own page. */
export const rolloutDetails = ({ waves, ...details }: RolloutDetails): string =>
  page(
    [
      ...partHead(details, `${count(waves, 'wave')} begun. The wave under way has the newest numbers on its own page.`),
      ...partBody(details),
    ],
    DETAILS_LIMIT_BYTES,
  );

export interface WaveDetails extends Omit<RolloutDetails, 'waves'> {
  /** Why the follower of the wave failed, if it did. */
  readonly trouble: string | undefined;
}

/** The page of a wave's workflow. */
export const waveDetails = ({ trouble, ...details }: WaveDetails): string =>
  page(
    [
      ...partHead(details, waveDoing(details.totals)),
      trouble === undefined ? '' : `**Following the clusters failed:** ${plain(sentence(trouble), 400)} It is started again by itself.`,
      ...partBody(details),
    ],
    DETAILS_LIMIT_BYTES,
  );

const waveDoing = ({ pending, inFlight }: WaveTotals): string =>
  pending + inFlight === 0
    ? 'Every cluster has an outcome.'
    : `${count(inFlight, 'cluster')} published and not proven yet, ${pending} waiting for their turn.`;

type Part = Omit<RolloutDetails, 'waves'>;

function partHead({ title, revision, paused, stop }: Part, doing: string): string[] {
  const state =
    stop !== undefined
      ? `**Stopping:** ${plain(sentence(stop), 300)}`
      : paused
        ? '**Paused:** nothing more is published until somebody resumes.'
        : `**Now:** ${doing}`;
  return [`### ${plain(title, 120)}: to ${code(revision)}`, state];
}

const TOTALS: readonly [keyof WaveTotals, string][] = [
  ['loaded', 'loaded'],
  ['noNodes', 'no matching nodes'],
  ['inFlight', 'in flight'],
  ['pending', 'waiting'],
  ['failed', 'failed'],
  ['offline', 'offline'],
  ['excluded', 'excluded'],
  ['written', 'ManifestWorks written'],
];

function partBody({ title, totals, failures, paused, stop }: Part): string[] {
  const shown = TOTALS.filter(([key]) => key === 'loaded' || totals[key] > 0).map(([key, word]) => `${totals[key]} ${word}`);
  const module = title.split(',')[0] ?? title;
  const failed = Math.max(totals.failed, failures.length);
  const next = [
    ...(paused && stop === undefined ? [`kmodflow resume ${module}`] : []),
    `kmodflow status ${module}`,
    ...(failed > 0 ? [`kmodflow clusters ${module}`, `kmodflow retry ${module}`] : []),
  ];
  return [
    `${count(totals.total, 'cluster')}: ${shown.join(', ')}`,
    withMore(list('Failed', exceptionRows(failures.slice(0, EXCEPTIONS))), Math.max(0, failed - Math.min(EXCEPTIONS, failures.length))),
    `**What to do:** ${next.map((c) => code(c)).join(', ')}`,
  ];
}
