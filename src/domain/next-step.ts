import type { ImageNeed } from './image-process.js';
import type { ObservedModule } from './process.js';
import { count } from './wording.js';

/** A rollout or catch-up that runs. */
export interface ActiveWork {
  readonly kind: 'rollout' | 'catchUp';
  readonly workflowId: string;
  readonly number: number;
  readonly revision: string;
  /** RFC 3339 */
  readonly startedAt: string;
  readonly stopping: boolean;
}

/** What the workflow knows beside the observation. */
export interface Progress {
  readonly paused: boolean;
  readonly active: ActiveWork | undefined;
  readonly currentRevision: string | undefined;
  /** Revision of the last rollout that ended, whatever its outcome: it is not begun again by itself. */
  readonly lastRolled: string | undefined;
  /** Images whose next look-up is due. */
  readonly dueImages: readonly ImageNeed[];
  /** The removal that a person has confirmed. */
  readonly confirmedRemoval: string | undefined;
}

export type Step =
  | { readonly do: 'resolve'; readonly images: readonly ImageNeed[] }
  | { readonly do: 'record' }
  | { readonly do: 'stop'; readonly why: string }
  | { readonly do: 'remove'; readonly token: string; readonly count: number }
  | { readonly do: 'rollout'; readonly revision: string }
  | { readonly do: 'catchUp'; readonly revision: string; readonly clusters: number }
  | { readonly do: 'complete'; readonly revision: string }
  | { readonly do: 'wait'; readonly why: string };

type Rule = (seen: ObservedModule, progress: Progress) => Step | undefined;

const unproven = ({ fleet: { states } }: ObservedModule): number => states.Publishing + states.Applied + states.Loading;

/** What comes next. The first rule that speaks wins; the order is part of the rule. */
const RULES: readonly Rule[] = [
  function abandonTheOldRevision({ revision }, { active }) {
    if (active === undefined || active.stopping || active.revision === revision.name) return undefined;
    return { do: 'stop', why: `The spec has changed: revision ${active.revision} is superseded.` };
  },
  function resolveImages(_seen, { dueImages }) {
    return dueImages.length === 0 ? undefined : { do: 'resolve', images: dueImages };
  },
  function recordWhatNeedsNoImage({ revision, needsNoImage, needs, pinnedCount }) {
    const nothingToWaitFor = needsNoImage || (needs.length === 0 && pinnedCount === 0);
    return revision.name === undefined && nothingToWaitFor ? { do: 'record' } : undefined;
  },
  function respectThePause(_seen, { paused }) {
    return paused ? { do: 'wait', why: 'Paused: nothing is published or removed until somebody resumes.' } : undefined;
  },
  function removeWhatIsNotSelected({ removals: { count, token, held } }, { confirmedRemoval }) {
    if (count === 0 || (held && confirmedRemoval !== token)) return undefined;
    return { do: 'remove', token, count };
  },
  function letTheActiveWorkFinish(_seen, { active }) {
    if (active === undefined) return undefined;
    return { do: 'wait', why: active.kind === 'rollout' ? `Rollout ${active.number} is under way.` : 'Single clusters are catching up.' };
  },
  function waitForTheFirstImage({ revision }) {
    return revision.name === undefined ? { do: 'wait', why: 'No image of this revision has a digest yet.' } : undefined;
  },
  function rollOut(seen, { currentRevision, lastRolled }) {
    const name = seen.revision.name;
    if (name === undefined || name === lastRolled || (name === currentRevision && lastRolled === undefined)) return undefined;
    return seen.fleet.behind + unproven(seen) > 0 ? { do: 'rollout', revision: name } : undefined;
  },
  function catchUp({ revision, fleet }) {
    if (revision.name === undefined || fleet.behind === 0) return undefined;
    return { do: 'catchUp', revision: revision.name, clusters: fleet.behind };
  },
  function completeWhatIsLoadedEverywhere(seen, { currentRevision }) {
    const { revision, fleet } = seen;
    const allGood = fleet.states.Failed === 0 && unproven(seen) === 0 && fleet.states.Loaded + fleet.states.NoNodes > 0;
    return revision.name !== undefined && revision.name !== currentRevision && allGood
      ? { do: 'complete', revision: revision.name }
      : undefined;
  },
];

export function nextStep(seen: ObservedModule, progress: Progress): Step {
  for (const rule of RULES) {
    const step = rule(seen, progress);
    if (step !== undefined) return step;
  }
  return { do: 'wait', why: idle(seen) };
}

/** Why nothing is left to do. It must not sound calm while something waits for a person. */
export function idle(seen: ObservedModule): string {
  const { removals, fleet, needs } = seen;
  const { selected, states } = fleet;
  if (removals.held)
    return `Waiting for a person: ${removals.count} of ${count(removals.published, 'cluster')} would lose the module at once.`;
  if (states.Failed > 0)
    return `Failed: ${states.Failed} of ${count(selected, 'cluster')}. They are tried again when somebody asks for it.`;
  if (unproven(seen) > 0) return `Waiting for the proof of loading from ${count(unproven(seen), 'cluster')}.`;
  if (needs.length > 0) return waitingForImages(needs);
  if (states.Excluded > 0)
    return `Left out, for a reason of their own: ${states.Excluded} of ${count(selected, 'cluster')}. All others are as they should be.`;
  return 'Everything is as it should be.';
}

/** Made here, or by somebody else: what helps differs. */
function waitingForImages(needs: readonly ImageNeed[]): string {
  const made = needs.filter((n) => n.recipe !== undefined).length;
  const what = made === needs.length ? 'them' : 'what is made here';
  const next = [
    ...(made < needs.length ? ['What is missing is looked up again by itself.'] : []),
    ...(made > 0 ? [`Their own workflows build and sign ${what}, and say how far they are.`] : []),
  ];
  return `Waiting for ${count(needs.length, 'image')}. ${next.join(' ')}`;
}
