import { MCM_LABEL } from '../api/names.js';
import { imageProgress } from './mcm-images.js';
import type { ModuleStatus } from './module-status.js';
import type { ImageState, Report } from './process.js';
import type { Reason } from './reasons.js';
import { count } from './wording.js';

/** What a person can do next. */
export interface Advice {
  readonly about: 'spec' | 'going' | 'removal' | 'pause' | 'images' | 'failed' | 'excluded';
  /** A sentence. */
  readonly text: string;
  /** Commands to run for it, in order. */
  readonly commands: readonly string[];
}

type Known = Report & Partial<Pick<ModuleStatus, 'headless'>>;
type Rule = (status: Known) => Advice | undefined;

/** `paused.by` when it was the spec and not a person who paused. */
export const PAUSED_BY_SPEC = 'spec.rollout.paused';

const IMAGE_REASONS: ReadonlySet<Reason> = new Set([
  'ImageMissing',
  'BuildFailed',
  'SignFailed',
  'ImageRejected',
  'RegistryDenied',
  'RegistryUnavailable',
]);

/** The problem lies with an image: mending that one image helps every cluster that waits for it. */
export const isImageReason = (reason: Reason): boolean => IMAGE_REASONS.has(reason);

const clustersCommand = ({ name }: Known): string => `kmodflow clusters ${name}`;
const retryCommand = ({ name }: Known): string => `kmodflow retry ${name}`;

const logsCommand = ({ name }: Known, { kernels: [kernel = ''] }: ImageState): string => `kmodflow logs ${name} --kernel ${kernel}`;

/** Its build failed in a way that the same inputs would bring about again. */
const waitsForAPerson = ({ run }: ImageState): boolean => run !== undefined && run.attempt > 0 && run.nextTryAt === undefined;

const mendOrWait = (n: number): string =>
  n === 1
    ? 'Mend the image; it is looked up again by itself, and at once when you ask for it.'
    : `Mend the ${n} images; they are looked up again by themselves, and at once when you ask for it.`;

const mendThenAsk = (n: number): string =>
  n === 1
    ? 'Mend what the attempt failed at; the image is tried again when one of its inputs changes, and at once when you ask for it.'
    : `Mend what the attempts for the ${n} images failed at; they are tried again when their inputs change, and at once when you ask for it.`;

/** The most pressing first. Each rule looks at one thing that only a person can change. */
const RULES: readonly Rule[] = [
  function correctTheSpec({ name, problems, headless }) {
    if (problems.length === 0) return undefined;
    const command = headless === true ? 'kmodflow start -f <file> --update' : `kubectl edit managedclustermodule ${name}`;
    return { about: 'spec', text: 'Correct the spec; what is published stays as it is until then.', commands: [command] };
  },
  function waitForTheSpokes({ name, phase }) {
    if (phase !== 'Removing') return undefined;
    const command = `kubectl get manifestworks -A -l ${MCM_LABEL}=${name}`;
    return {
      about: 'going',
      text: 'See which clusters still hold the module; each lets go of it when it can be reached.',
      commands: [command],
    };
  },
  function confirmTheRemoval({ name, removals }) {
    if (removals?.held !== true) return undefined;
    return {
      about: 'removal',
      text: `Confirm that ${removals.count} of ${count(removals.published, 'cluster')} may lose the module, or correct spec.selector or the clusters' labels.`,
      commands: [`kmodflow confirm-removal ${name} --token ${removals.token}`], // this very set and no other
    };
  },
  function resume({ name, paused }) {
    if (paused === undefined) return undefined;
    if (paused.by !== PAUSED_BY_SPEC)
      return { about: 'pause', text: 'Resume when the reason for the pause is gone.', commands: [`kmodflow resume ${name}`] };
    return {
      about: 'pause',
      text: 'Set spec.rollout.paused to false when the reason for the pause is gone.',
      commands: [`kubectl patch managedclustermodule ${name} --type merge -p '{"spec":{"rollout":{"paused":false}}}'`],
    };
  },
  function mendTheImages(status) {
    const failed = status.images.filter((i) => imageProgress(i) === 'Failed');
    const [first] = failed;
    if (first === undefined) return undefined;
    // A Job has left a log; what could only be looked up has none.
    const tried = failed.find((i) => (i.run?.attempt ?? 0) > 0);
    const commands = [...(tried === undefined ? [] : [logsCommand(status, tried)]), retryCommand(status)];
    return { about: 'images', text: failed.some(waitsForAPerson) ? mendThenAsk(failed.length) : mendOrWait(failed.length), commands };
  },
  function mendTheFailedClusters(status) {
    const { Failed } = status.fleet.states;
    if (Failed === 0) return undefined;
    return {
      about: 'failed',
      text: `Look at the ${count(Failed, 'failed cluster')}, mend the cause there, then have them tried again.`,
      commands: [clustersCommand(status), retryCommand(status)],
    };
  },
  function lookAtTheExcluded(status) {
    const other = status.fleet.exceptions.some((e) => e.state === 'Excluded' && !isImageReason(e.reason));
    return other ? { about: 'excluded', text: 'See which clusters get nothing, and why.', commands: [clustersCommand(status)] } : undefined;
  },
];

/** What to do now, the most pressing first; empty when nothing waits for a person. */
export const adviceFor = (status: Known): Advice[] => RULES.flatMap((rule) => rule(status) ?? []);

/** The advice about one thing with its commands, as it stands at the end of a sentence; empty when there is none. */
export function nextStepText(advice: readonly Advice[], about: Advice['about']): string {
  const found = advice.find((a) => a.about === about);
  return found === undefined ? '' : `${found.text} Run: ${found.commands.join('; ')}`;
}
