import type { Condition } from '../api/meta.js';
import { adviceFor, nextStepText, PAUSED_BY_SPEC, type Advice } from './advice.js';
import { shorten } from './markdown.js';
import { imageProblem, imagesFinding, isMakingImages, openImages, type Finding } from './mcm-image-findings.js';
import type { Report } from './process.js';
import { count, nameSome, sentence } from './wording.js';

/** A condition before it is compared with the one that stands. */
export interface Verdict {
  readonly type: 'Ready' | 'Progressing' | 'Degraded' | 'ImagesReady';
  readonly status: 'True' | 'False' | 'Unknown';
  /** A reason of the closed set where one fits, else one word for what is the case. */
  readonly reason: string;
  readonly message: string;
}

/** Messages are for people; who needs every cluster asks for them one by one. */
const MESSAGE_CHARS = 1_000;

/** The four conditions of an MCM, in a fixed order. */
export const conditionsOf = (report: Report): Verdict[] => [ready(report), progressing(report), degraded(report), imagesReady(report)];

/**
 * Merges what is the case with what stood before: the transition time moves only when the status flips, so that it says since when.
 * @param now RFC 3339.
 */
export const mergeConditions = (report: Report, previous: readonly Condition[] | undefined, now: string): Condition[] =>
  conditionsOf(report).map(({ message, ...verdict }) => {
    const before = previous?.find((c) => c.type === verdict.type);
    const same = before?.status === verdict.status && before.lastTransitionTime !== undefined;
    return {
      ...verdict,
      message: shorten(message, MESSAGE_CHARS),
      lastTransitionTime: same ? before.lastTransitionTime : now,
      observedGeneration: report.generation,
    };
  });

function ready(report: Report): Verdict {
  if (report.phase === 'Ready') return { type: 'Ready', status: 'True', reason: 'AllLoaded', message: loadedMessage(report) };
  return { type: 'Ready', status: 'False', ...inTheWay(report) };
}

/** Why the module is not ready. The first rule that speaks wins: what a person must decide stands before what time will change. */
function inTheWay(report: Report): Finding {
  switch (report.phase) {
    case 'Invalid':
      return invalidSpec(report);
    case 'Paused':
      return pausedFinding(report);
    case 'Removing':
      return { reason: 'Removing', message: 'The module is being removed from all clusters.' };
    case 'Ready':
    case 'Pending':
    case 'Progressing':
    case 'Degraded':
      return removalHeld(report) ?? failed(report) ?? underWay(report) ?? imageProblem(report) ?? excluded(report) ?? waiting(report);
  }
}

function progressing(report: Report): Verdict {
  const busy = (found: Finding): Verdict => ({ type: 'Progressing', status: 'True', ...found });
  const idle = (found: Finding): Verdict => ({ type: 'Progressing', status: 'False', ...found });
  if (report.phase === 'Invalid' || report.phase === 'Paused') return idle(inTheWay(report));
  if (report.phase === 'Removing') return busy(inTheWay(report));
  const moving = underWay(report);
  if (moving !== undefined) return busy(moving);
  if (report.phase === 'Ready') return idle({ reason: 'AllLoaded', message: loadedMessage(report) });
  const open = openImages(report);
  const underWayAlone = open !== undefined && (isMakingImages(report) || imageProblem(report) === undefined);
  return underWayAlone ? busy(open) : idle(inTheWay(report));
}

/** Something will not get better without a person, whatever else goes on. */
function degraded(report: Report): Verdict {
  const found =
    (report.phase === 'Invalid' ? invalidSpec(report) : undefined) ??
    removalHeld(report) ??
    failed(report) ??
    imageProblem(report) ??
    excluded(report);
  if (found !== undefined) return { type: 'Degraded', status: 'True', ...found };
  return { type: 'Degraded', status: 'False', reason: 'AsExpected', message: 'No cluster has failed and none is left out.' };
}

function imagesReady(report: Report): Verdict {
  const verdict = (status: Verdict['status'], { reason, message }: Finding): Verdict => ({
    type: 'ImagesReady',
    status,
    reason,
    message: [message, ...(report.notes ?? []).map((note) => `(Note: ${note})`)].join(' '),
  });
  if (report.phase === 'Invalid') return { type: 'ImagesReady', status: 'Unknown', ...invalidSpec(report) };
  const found = imagesFinding(report);
  if (found !== undefined) return verdict(found.ready ? 'True' : 'False', found);
  if (report.updateRevision !== undefined)
    return verdict('True', { reason: 'NoImageNeeded', message: 'No selected cluster needs a kernel module image.' });
  return verdict('Unknown', waiting(report));
}

function loadedMessage({ fleet: { selected, states }, currentRevision, updateRevision }: Report): string {
  const others = [
    ...(states.NoNodes > 0 ? [`${states.NoNodes} without matching nodes`] : []),
    ...(states.Offline > 0 ? [`${states.Offline} offline, which catch up when they return`] : []),
  ];
  const revision = updateRevision ?? currentRevision;
  const at = revision === undefined ? '' : ` at revision ${revision}`;
  return `${states.Loaded} of ${count(selected, 'cluster')} loaded${at}${others.map((o) => `; ${o}`).join('')}.`;
}

function invalidSpec(report: Report): Finding {
  const { problems } = report;
  const [first, ...rest] = problems;
  const more = rest.length === 0 ? '' : ` And ${count(rest.length, 'further problem')}, the next at ${rest[0]?.path ?? ''}.`;
  const what =
    first === undefined ? 'The spec is not valid.' : first.message.includes(first.path) ? first.message : `${first.path}: ${first.message}`;
  return { reason: first?.reason ?? 'InvalidSpec', message: `${sentence(what)}${more}${nextStep(report, 'spec')}` };
}

function pausedFinding(report: Report): Finding {
  const { paused, fleet } = report;
  const by = paused === undefined || paused.by === PAUSED_BY_SPEC ? 'Paused by spec.rollout.paused' : `Paused by ${paused.by}`;
  const why = paused === undefined || paused.reason === '' ? '' : `: ${paused.reason}`;
  return {
    reason: 'Paused',
    message: `${sentence(`${by}${why}`)} Still to be published: ${count(fleet.behind, 'cluster')}.${nextStep(report, 'pause')}`,
  };
}

function removalHeld(report: Report): Finding | undefined {
  const { removals } = report;
  if (removals?.held !== true) return undefined;
  const names = nameSome(removals.sample, removals.count);
  const { recent = 0 } = removals;
  const lately = recent > 0 ? ` ${count(recent, 'other')} lost it within the last hour.` : '';
  return {
    reason: 'RemovalHeld',
    message: `${removals.count} of ${count(removals.published, 'cluster')} are not selected any more and would lose the module at once: ${names}.${lately}${nextStep(report, 'removal')}`,
  };
}

/** The clusters of one state among the exceptions, with the reason that the first of them has. */
function clustersIn(
  report: Report,
  state: 'Failed' | 'Excluded',
): { readonly names: string[]; readonly first: Finding | undefined; readonly total: number } {
  const those = report.fleet.exceptions.filter((e) => e.state === state && e.kernel === undefined);
  return { names: those.flatMap((e) => e.cluster ?? []), first: those[0], total: report.fleet.states[state] };
}

function failed(report: Report): Finding | undefined {
  const { names, first, total } = clustersIn(report, 'Failed');
  if (total === 0) return undefined;
  const which = names.length === 0 ? '' : `: ${nameSome(names, total)}`;
  return {
    reason: first?.reason ?? 'ApplyFailed',
    message: `${total} of ${count(report.fleet.selected, 'cluster')} failed${which}. ${sentence(first?.message ?? '')}${nextStep(report, 'failed')}`,
  };
}

function excluded(report: Report): Finding | undefined {
  const { names, first, total } = clustersIn(report, 'Excluded');
  if (total === 0) return undefined;
  const which = names.length === 0 ? '' : `: ${nameSome(names, total)}`;
  const reason = first?.reason ?? 'NoMatchingMapping';
  return {
    reason,
    message: `${total} of ${count(report.fleet.selected, 'cluster')} get nothing${which}. ${sentence(first?.message ?? '')}${nextStep(report, 'excluded')}`,
  };
}

function underWay({ rollout, phase, fleet: { selected, states, behind } }: Report): Finding | undefined {
  const done = `${states.Loaded + states.NoNodes} of ${count(selected, 'cluster')} done, ${states.Publishing + states.Applied + states.Loading} loading, ${behind} to be published`;
  if (rollout !== undefined && rollout.phase === 'Stopping')
    return {
      reason: 'Superseded',
      message: `Rollout ${rollout.number} of revision ${rollout.revision} is being stopped, since the spec has changed.`,
    };
  if (rollout !== undefined)
    return { reason: 'RollingOut', message: `Rollout ${rollout.number} of revision ${rollout.revision}: ${done}.` };
  return phase === 'Progressing' ? { reason: 'CatchingUp', message: `Clusters are catching up: ${done}.` } : undefined;
}

function waiting(report: Report): Finding {
  const { selected, states } = report.fleet;
  if (selected === 0)
    return {
      reason: 'NoClusterSelected',
      message: 'spec.selector matches no ManagedCluster. Label the clusters, or correct spec.selector.',
    };
  if (states.Offline === selected)
    return {
      reason: 'ClusterUnavailable',
      message: `None of the ${count(selected, 'selected cluster')} is available. They are served when they return.`,
    };
  return openImages(report) ?? { reason: 'Starting', message: `${count(selected, 'cluster')} selected; nothing is published yet.` };
}

/** The next step, out of the same advice that the other pages show. */
function nextStep(report: Report, about: Advice['about']): string {
  const text = nextStepText(adviceFor(report), about);
  return text === '' ? '' : ` ${text}`;
}
