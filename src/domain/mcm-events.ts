import type { ManagedClusterModuleStatus, StatusException } from '../api/index.js';
import { isImageReason } from './advice.js';
import { buildsStarted, imagesFailed, imagesReady, settingsIgnored } from './mcm-image-events.js';
import type { Reason } from './reasons.js';
import { count, nameSome, sentence } from './wording.js';

/** An Event on an MCM. */
export interface McmEvent {
  readonly type: 'Normal' | 'Warning';
  /** A reason of the closed set where one fits. */
  readonly reason: string;
  /** A sentence, the same that the status has. */
  readonly message: string;
}

type Status = ManagedClusterModuleStatus;
type Rule = (next: Status, previous: Status) => McmEvent | undefined;

const condition = (status: Status, type: string) => status.conditions?.find((c) => c.type === type);
const messageOf = (status: Status, type: string): string => condition(status, type)?.message ?? '';
const isRunning = (status: Status): boolean => status.rollout !== undefined && status.rollout.finishedAt === undefined;

/** In the order in which a person would tell it. */
const RULES: readonly Rule[] = [
  function invalidSpec(next, previous) {
    const message = messageOf(next, 'Ready');
    const known = previous.phase === 'Invalid' && messageOf(previous, 'Ready') === message;
    const reason = condition(next, 'Ready')?.reason ?? 'InvalidSpec';
    return next.phase === 'Invalid' && !known ? { type: 'Warning', reason, message } : undefined;
  },
  function paused(next, previous) {
    if (next.phase !== 'Paused' || previous.phase === 'Paused') return undefined;
    return { type: 'Normal', reason: 'Paused', message: messageOf(next, 'Ready') };
  },
  function resumed(next, previous) {
    if (previous.phase !== 'Paused' || next.phase === 'Paused' || next.phase === 'Invalid') return undefined;
    return { type: 'Normal', reason: 'Resumed', message: 'The module goes on after the pause.' };
  },
  function rolloutEnded(next, previous) {
    const [last] = next.history ?? [];
    if (last === undefined || last.number <= (previous.history?.[0]?.number ?? 0)) return undefined;
    const failed = last.outcome === 'Failed' || last.outcome === 'Aborted';
    const message = `Rollout ${last.number} of revision ${last.revision}: ${sentence(last.message ?? last.outcome)}`;
    return { type: failed ? 'Warning' : 'Normal', reason: `Rollout${last.outcome}`, message };
  },
  function rolloutStarted(next, previous) {
    const { rollout } = next;
    if (rollout === undefined || !isRunning(next)) return undefined;
    const known = rollout.number <= Math.max(previous.rollout?.number ?? 0, previous.history?.[0]?.number ?? 0);
    if (known) return undefined;
    const clusters = count(next.clusters?.selected ?? 0, 'cluster');
    return {
      type: 'Normal',
      reason: 'RolloutStarted',
      message: `Rollout ${rollout.number} brings revision ${rollout.revision} to the clusters that lack it; the selector matches ${clusters}.`,
    };
  },
  settingsIgnored,
  imagesFailed,
  buildsStarted,
  imagesReady,
  (next, previous) => appeared('Failed', next, previous),
  (next, previous) => appeared('Excluded', next, previous),
  function removalHeld(next, previous) {
    if (next.removal === undefined || next.removal.token === previous.removal?.token) return undefined;
    const { held, clusters = [] } = next.removal;
    const told = condition(next, 'Degraded');
    const message =
      told?.reason === 'RemovalHeld' && told.message !== undefined
        ? told.message
        : `${held} clusters would lose the module at once: ${nameSome(clusters, held)}. Confirm it, or correct spec.selector.`;
    return { type: 'Warning', reason: 'RemovalHeld', message };
  },
  function ready(next, previous) {
    if (condition(next, 'Ready')?.status !== 'True' || condition(previous, 'Ready')?.status === 'True') return undefined;
    return { type: 'Normal', reason: 'Ready', message: messageOf(next, 'Ready') };
  },
];

/**
 * What happened between two statuses that a person wants to hear of, at most one Event per kind of thing. Two equal statuses give none, and clusters that fail one
 * after the other are told of in growing steps, so a bad rollout over 5,000 clusters does not become 5,000 Events.
 */
export const eventsBetween = (previous: Status | undefined, next: Status): McmEvent[] =>
  RULES.flatMap((rule) => rule(next, previous ?? {}) ?? []);

const VERB = { Failed: 'failed', Excluded: 'left out' } as const;

/** Clusters that are newly failed or left out: one Event that names up to three of them. Exclusion for want of an image is told of by the image. */
function appeared(state: 'Failed' | 'Excluded', next: Status, previous: Status): McmEvent | undefined {
  const known = new Set(clustersIn(state, previous).map((e) => e.cluster));
  const all = clustersIn(state, next);
  const fresh = all.filter((e) => !known.has(e.cluster));
  const [before, now] = [total(state, previous), total(state, next)];
  // Of many only the first by name are shown, so more may have failed without a new name among them.
  const shown = fresh.length > 0 ? fresh : all;
  const [first] = shown;
  const worthTelling = step(now) > step(before) || (fresh.length > 0 && now <= FEW);
  if (first === undefined || !worthTelling) return undefined;
  const reason = shown.every((e) => e.reason === first.reason) ? first.reason : `Clusters${state}`;
  const number = Math.max(shown.length, now - before);
  const names = nameSome(
    shown.map((e) => e.cluster),
    fresh.length > 0 ? number : now,
  );
  const what = fresh.length > 0 ? `${count(number, 'cluster')} ${VERB[state]}` : `${count(now, 'cluster')} ${VERB[state]} by now`;
  return { type: 'Warning', reason, message: `${what}: ${names}. ${sentence(first.message)}` };
}

const clustersIn = (state: string, status: Status): (StatusException & { readonly cluster: string })[] =>
  (status.exceptions ?? []).flatMap((e) =>
    e.state === state && e.cluster !== undefined && e.kernel === undefined && !isImageReason(e.reason as Reason)
      ? [{ ...e, cluster: e.cluster }]
      : [],
  );

const total = (state: 'Failed' | 'Excluded', { clusters }: Status): number =>
  (state === 'Failed' ? clusters?.failed : clusters?.excluded) ?? 0;

/** Each one while there are few; then whenever their number has doubled. */
const FEW = 5;
const step = (n: number): number => (n <= FEW ? 0 : 1 + Math.floor(Math.log2(n / FEW)));
