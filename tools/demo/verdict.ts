import type { ManagedClusterModuleStatus } from '../../src/api/index.js';
import { progressLine, type Snapshot } from './progress.js';

export type Verdict = { readonly kind: 'done' } | { readonly kind: 'wait' } | { readonly kind: 'failed'; readonly why: string };

/** Whether the rollout of this generation of the object is over, and how. What the demo expects to stay away (offline, no claim) does not count. */
export function verdictOn({ status, expected }: Snapshot, generation: number): Verdict {
  if (status === undefined || status.observedGeneration !== generation) return { kind: 'wait' };
  if (status.phase === 'Invalid') return { kind: 'failed', why: readyMessage(status) };
  const last = status.history?.[0];
  if (last === undefined) return { kind: 'wait' };
  if (last.outcome !== 'Completed')
    return { kind: 'failed', why: `Rollout ${last.number} ended as ${last.outcome}. ${last.message ?? ''}`.trim() };
  return status.clusters?.loaded === expected ? { kind: 'done' } : { kind: 'wait' };
}

const readyMessage = ({ conditions = [] }: ManagedClusterModuleStatus): string =>
  conditions.find(({ type }) => type === 'Ready')?.message ?? 'The hub says that the spec is not valid.';

const NAMED = 10;

/** Why the time limit was reached: sentences for a person. `notLoaded` are the clusters whose spoke has not loaded the module. */
export function whatIsMissing(snapshot: Snapshot, notLoaded: readonly string[], limitMs: number): string {
  const { status } = snapshot;
  const head = `The rollout was not complete after ${Math.round(limitMs / 1000)} seconds.`;
  if (status === undefined) return `${head} The hub has not written a status to the ManagedClusterModule: no worker looks after it.`;
  const names = `${notLoaded.slice(0, NAMED).join(', ')}${notLoaded.length > NAMED ? ` and ${notLoaded.length - NAMED} more` : ''}`;
  const where =
    notLoaded.length === 0
      ? 'Every reachable spoke has loaded the module, but the hub does not count it as proven.'
      : `Not loaded on: ${names}.`;
  // Those that stay away on purpose have their exceptions too, and are not what is missing.
  const problems = (status.exceptions ?? [])
    .filter(({ cluster }) => cluster === undefined || notLoaded.includes(cluster))
    .map(({ cluster, kernel, reason, message }) => `  ${cluster ?? kernel ?? 'module'}  ${reason}: ${message}`);
  const images = (status.images ?? []).flatMap(({ kernel, message }) =>
    message === undefined ? [] : [`  image for ${kernel}: ${message}`],
  );
  return [`${head} The hub says: ${progressLine(snapshot)}.`, where, ...problems, ...images].join('\n');
}
