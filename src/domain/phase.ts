import type { ActiveWork } from './next-step.js';
import type { Observation, Phase } from './process.js';

export interface PhaseInput {
  readonly active: ActiveWork | undefined;
  readonly paused: boolean;
  readonly currentRevision: string | undefined;
}

/**
 * The module in one word. `Ready`: every reachable cluster has what the spec asks for. `Degraded`: nothing more happens by itself, and some cluster does not have it.
 * Offline clusters do not degrade a module: they catch up.
 */
export function phaseOf(seen: Observation | undefined, { active, paused }: PhaseInput): Phase {
  if (seen === undefined) return 'Pending';
  if (seen.kind === 'gone') return 'Removing';
  if (seen.kind === 'invalid') return 'Invalid';
  if (paused) return 'Paused';
  const { states, selected, behind } = seen.fleet;
  if (active?.kind === 'rollout') return 'Progressing';
  if (selected === 0 || seen.revision.name === undefined) return 'Pending';
  if (states.Failed > 0 || seen.removals.held) return 'Degraded';
  if (active !== undefined || behind > 0 || states.Publishing + states.Applied + states.Loading > 0) return 'Progressing';
  return states.Excluded > 0 || seen.needs.length > 0 ? 'Degraded' : 'Ready';
}
