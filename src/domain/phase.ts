import type { ActiveWork } from './next-step.js';
import type { Observation, ObservedModule, Phase } from './process.js';

export interface PhaseInput {
  readonly active: ActiveWork | undefined;
  readonly paused: boolean;
  readonly currentRevision: string | undefined;
  /** An image is being looked for, built or signed, and nothing has gone wrong with it so far. */
  readonly making?: boolean | undefined;
}

/**
 * The module in one word. `Ready`: every reachable cluster has what the spec asks for. `Degraded`: nothing more happens by itself, and some cluster does not have it.
 * Offline clusters do not degrade a module: they catch up. A fleet that is offline as a whole is not ready either.
 */
export function phaseOf(seen: Observation | undefined, { active, paused, making = false }: PhaseInput): Phase {
  if (seen === undefined) return 'Pending';
  if (seen.kind === 'gone') return 'Removing';
  if (seen.kind === 'invalid') return 'Invalid';
  if (paused) return 'Paused';
  if (active?.kind === 'rollout') return 'Progressing';
  return phaseOfFleet(seen, active !== undefined, making);
}

/** The first line that speaks wins; a failure stands before what is still under way. */
function phaseOfFleet(
  { fleet: { states, selected, behind }, revision, removals, needs }: ObservedModule,
  catchingUp: boolean,
  making: boolean,
): Phase {
  const loading = states.Publishing + states.Applied + states.Loading;
  if (selected === 0) return 'Pending';
  if (revision.name === undefined) return withoutRevision(states.Excluded, making);
  if (states.Failed > 0 || removals.held) return 'Degraded';
  if (states.Offline === selected) return 'Pending'; // of an unreachable fleet nothing can be said
  if (catchingUp || making || behind > 0 || loading > 0) return 'Progressing';
  return states.Excluded > 0 || needs.length > 0 ? 'Degraded' : 'Ready';
}

/** No image has a digest yet. */
const withoutRevision = (excluded: number, making: boolean): Phase => (making ? 'Progressing' : excluded > 0 ? 'Degraded' : 'Pending');
