import { viewQueue, type QueueState, type QueueView } from './build-queue.js';
import { DETAILS_LIMIT_BYTES, shortDigest } from './details.js';
import type { FoundModule, ImageNews, ImageRecipe, JobFailure } from './image-process.js';
import { modulesOf, newsOf, type ImageRun } from './image-run.js';
import { FULL_TAIL, logTail } from './log-tail.js';
import { code, list, page, plain, timeText } from './markdown.js';
import { BUILD_QUEUE_WORKFLOW_ID } from './messages.js';
import { utf8Bytes } from './utf8.js';
import { count, nameSome, sentence } from './wording.js';

/** How an image's workflow stands, for people: what it tells its requesters, and why. */
export interface ImageStatus extends ImageNews {
  readonly kernels: readonly string[];
  /** Names of the modules that need it, sorted. */
  readonly modules: readonly string[];
  /** A sentence: what is happening now. */
  readonly doing: string;
  /** What kmodflow does when the image is not there; undefined: somebody else makes it. */
  readonly making?: 'build' | 'build and sign' | 'sign' | undefined;
  /** Of the last Job, if the problem is about one. */
  readonly failure?: Pick<JobFailure, 'kind' | 'deterministic' | 'exitCode' | 'step'> | undefined;
}

export function imageStatusOf(run: ImageRun): ImageStatus {
  const { need, failure } = run;
  const news = newsOf(run);
  return {
    ...news,
    kernels: need.kernels,
    modules: modulesOf(run),
    doing: doingOf(news, need.recipe !== undefined),
    making: makingOf(need.recipe),
    failure:
      failure === undefined
        ? undefined
        : { kind: failure.kind, deterministic: failure.deterministic, exitCode: failure.exitCode, step: failure.step },
  };
}

function makingOf(recipe: ImageRecipe | undefined): ImageStatus['making'] {
  if (recipe === undefined) return undefined;
  if (recipe.build === undefined) return 'sign';
  return recipe.sign === undefined ? 'build' : 'build and sign';
}

function doingOf({ state, attempt, job, nextTryAt, result }: ImageNews, isMadeHere: boolean): string {
  switch (state) {
    case 'Looking':
      return 'Looking for the image in its registry.';
    case 'Queued':
      return `Waiting for a free build slot for attempt ${attempt + 1}.`;
    case 'Building':
      return `Attempt ${attempt} is running as Job ${job ?? ''}.`;
    case 'Pinned':
      return `The image is there and right: ${result?.digest ?? ''}.`;
    case 'Waiting':
      if (nextTryAt !== undefined)
        return `Waiting until ${timeText(nextTryAt)}, then the image is looked for again${isMadeHere ? ', and made if it is not there' : ''}.`;
      return 'Waiting for a changed input or a retry: the same inputs would fail in the same way.';
  }
}

/** Why a person's retry is refused now; undefined: it is not. */
export function checkImageRetry({ state, image, attempt, job, modules, kernels }: ImageStatus): string | undefined {
  if (state !== 'Building') return undefined;
  return `Image ${image} is being made: attempt ${attempt} is running as Job ${job ?? ''}. Wait for its end, or follow it with ${logsCommand(modules, kernels)}.`;
}

/** What happens next after a person's retry: the status is the one after it was accepted. */
export function imageRetryAnswer({ state, image, attempt, making, result }: ImageStatus): string {
  if (state === 'Pinned') return `Image ${image} is there already: ${result?.digest ?? ''}.`;
  if (state === 'Queued') return `Attempt ${attempt + 1} of image ${image} waits for a free build slot and begins as soon as there is one.`;
  return making === undefined
    ? `Image ${image} is looked for in its registry now.`
    : `Image ${image} is looked for in its registry now; if it is not there, attempt ${attempt + 1} begins as soon as a build slot is free.`;
}

/** Bytes of a log on a page: most of it, and the rest of the page still fits. */
const LOG_BYTES = 5_000;
const KERNELS = 4;
const MODULES = 5;

/** The page of an image's workflow in the Temporal UI. The most pressing stands first; the log last, since it is the longest. */
export const imageDetails = (status: ImageStatus): string =>
  page([imageHead(status), now(status), wrong(status), whatToDo(status), facts(status), logBlock(status)], DETAILS_LIMIT_BYTES);

const imageHead = ({ image, state, attempt }: ImageStatus): string =>
  `### ${plain(image, 200)}: ${state}${attempt === 0 ? '' : `, ${count(attempt, 'attempt')} so far`}`;

const now = ({ doing }: ImageStatus): string => `**Now:** ${plain(doing, 300)}`;

function wrong(status: ImageStatus): string {
  const { problem, failure, state, job, nextTryAt } = status;
  if (problem === undefined) return '';
  const lines = [`**${problem.reason}:** ${plain(sentence(problem.message), 1_200)}`];
  if (failure !== undefined) {
    const { kind, exitCode, step, deterministic } = failure;
    const where = state === 'Building' || job === undefined ? '' : `, Job ${code(job)}`;
    lines.push(`• attempt ${failedAttempt(status)}${where}: ${kind}${exitCode === undefined ? '' : `, exit code ${exitCode}`}`);
    if (step !== undefined) lines.push(`• failing step of the Dockerfile: ${code(step, 200)}`);
    lines.push(outlook(deterministic, state !== 'Waiting' || nextTryAt !== undefined));
  }
  return lines.join('\n');
}

/** The attempt that the failure is about: while another one runs, the one before it. */
const failedAttempt = ({ state, attempt }: ImageStatus): number => (state === 'Building' ? attempt - 1 : attempt);

function outlook(deterministic: boolean, isTriedAgain: boolean): string {
  if (!deterministic) return '• It may pass by itself.';
  return isTriedAgain
    ? '• The same inputs should fail in the same way; it is tried once more, to be sure.'
    : '• The same inputs fail in the same way.';
}

function whatToDo({ state, attempt, modules, kernels, problem, nextTryAt }: ImageStatus): string {
  const [module = ''] = modules;
  const logs = `${code(logsCommand(modules, kernels), 200)} shows the log`;
  if (state === 'Building') return `**What to do:** nothing. ${logs} as it is written.`;
  if (state === 'Queued') return `**What to do:** nothing. The workflow ${code(BUILD_QUEUE_WORKFLOW_ID)} shows who is before it.`;
  if (state !== 'Waiting' || problem === undefined) return '**What to do:** nothing.';
  const when = nextTryAt === undefined ? '' : ', sooner than it is tried by itself';
  return list('What to do', [
    'Mend what the message names. A changed input is noticed and tried at once.',
    `${code(`kmodflow retry ${module}`)} tries it now${when}.`,
    ...(attempt === 0 ? [] : [`${logs} of the last attempt.`]),
    `${code(`kmodflow images ${module}`)} shows all images of the module.`,
  ]);
}

const logsCommand = ([module = '']: readonly string[], [kernel = '']: readonly string[]): string =>
  `kmodflow logs ${module} --kernel ${kernel}`;

function facts({ key, kernels, modules, making, result }: ImageStatus): string {
  const more = kernels.length > KERNELS ? ` and ${kernels.length - KERNELS} more` : '';
  const found = result?.modules ?? [];
  return [
    `**For** ${count(kernels.length, 'kernel')}: ${kernels
      .slice(0, KERNELS)
      .map((k) => code(k, 64))
      .join(', ')}${more}`,
    `**Needed by** ${modules.length === 0 ? 'nobody any more' : plain(nameSome(modules, modules.length, 5), 300)}`,
    `**Made by** ${making === undefined || result?.origin === 'Foreign' ? 'somebody else' : `kmodflow (${making})`}, key ${code(key)}`,
    ...(result === undefined ? [] : [`**Digest** ${code(shortDigest(result.digest))}`]),
    ...found.slice(0, MODULES).map(moduleRow),
  ].join('\n');
}

function moduleRow({ name, version, signer }: FoundModule): string {
  const title = version === undefined ? code(name) : `${code(name)} ${plain(version, 40)}`;
  return `• ${title}, ${signer === undefined ? 'not signed' : `signed by ${plain(signer, 80)}`}`;
}

/** The end of the log as a block of code. Nothing in it is markup, whatever a compiler prints. */
function logBlock(status: ImageStatus): string {
  const { log } = status;
  const lines = logTail(log ?? [], FULL_TAIL).map((line) => line.replaceAll('```', "'''"));
  while (utf8Bytes(lines.join('\n')) > LOG_BYTES) lines.shift();
  if (lines.length === 0) return '';
  return [`**The last ${count(lines.length, 'line')} of the log of attempt ${failedAttempt(status)}**`, '```text', ...lines, '```'].join(
    '\n',
  );
}

const RUNNING_SHOWN = 10;
const WAITING_SHOWN = 20;

/** The page of the build queue's workflow. */
export function queueDetails(state: QueueState): string {
  const view = viewQueue(state);
  const { capacity, running, waiting } = view;
  const row = (e: QueueView['running'][number]): string =>
    `${plain(e.title, 200)}, for ${plain(nameSome(e.modules), 120)}, since ${timeText(e.since)}`;
  return page(
    [
      `### ${running.length} of ${count(capacity, 'build slot')} taken, ${waiting.length} waiting`,
      running.length + waiting.length === 0 ? '**Now:** nothing is built. This workflow ends when that stays so for a minute.' : '',
      withMore(list('Running', running.slice(0, RUNNING_SHOWN).map(row)), running.length - RUNNING_SHOWN),
      withMore(
        list(
          'Waiting',
          waiting.slice(0, WAITING_SHOWN).map((e) => `${e.position}. ${row(e)}`),
        ),
        waiting.length - WAITING_SHOWN,
      ),
      waiting.length === 0
        ? ''
        : '**Order:** of the modules the one with the fewest running builds, then the one that was served longest ago; within a module who came first. `KMODFLOW_MAX_BUILDS` of the hub sets the number of slots.',
    ],
    DETAILS_LIMIT_BYTES,
  );
}

const withMore = (text: string, more: number): string => (more > 0 ? `${text}\nand ${more} more` : text);
