import type { Outcome, PublishResult, RolloutRecord, WaveProgress, WaveRef } from '../domain/process.js';
import type { ClusterEvent } from './types.js';
import type { WaveRun, WaveStep } from './workflows.js';

/** What one run of a wave did with one cluster, oldest first. */
export function eventsOfCluster(cluster: string, run: WaveRun, steps: readonly WaveStep[]): ClusterEvent[] {
  const place = placeOf(run.workflowId);
  const started = steps.find((s) => s.kind === 'started')?.payload as Partial<WaveRef> | undefined;
  const base = { revision: started?.revision ?? '', ...place, workflowId: run.workflowId, runId: run.runId };
  return steps.flatMap((step) =>
    happenings(cluster, step).map(({ what, problem }) => ({
      at: step.at.toISOString(),
      what,
      ...base,
      reason: problem?.reason,
      message: problem?.message,
    })),
  );
}

interface Happening {
  readonly what: string;
  readonly problem?: Outcome['problem'];
}

function happenings(cluster: string, { kind, payload }: WaveStep): Happening[] {
  if (kind === 'published') {
    const { written = [], unchanged = [], setAside = [] } = (payload ?? {}) as Partial<PublishResult>;
    return [
      ...(written.includes(cluster) ? [{ what: 'published' }] : []),
      ...(unchanged.includes(cluster) ? [{ what: 'unchanged' }] : []),
      ...outcomes(cluster, setAside),
    ];
  }
  if (kind === 'progress') {
    const { outcomes: ended = [], behind = [] } = (payload ?? {}) as Partial<WaveProgress>;
    return [...outcomes(cluster, ended), ...(behind.includes(cluster) ? [{ what: 'behind' }] : [])];
  }
  return [];
}

const outcomes = (cluster: string, ended: readonly Outcome[]): Happening[] =>
  ended.flatMap((o) => (o.cluster === cluster ? [{ what: o.state, problem: o.problem }] : []));

/** `mcm/<name>/rollout/<n>/wave/<k>` or `mcm/<name>/catch-up/<n>`. */
function placeOf(workflowId: string): Pick<ClusterEvent, 'kind' | 'number'> {
  const [, , kind, number] = workflowId.split('/');
  return { kind: kind === 'rollout' ? 'rollout' : 'catch-up', number: Number(number) };
}

/** Rollouts that the module remembers and Temporal does not: their waves are past its retention. */
export function droppedNote(rollouts: readonly RolloutRecord[], runs: readonly WaveRun[]): string | undefined {
  const kept = new Set(runs.flatMap(({ workflowId }) => (placeOf(workflowId).kind === 'rollout' ? [placeOf(workflowId).number] : [])));
  const dropped = rollouts
    .flatMap(({ number, clusters }) => (kept.has(number) || clusters.total === 0 ? [] : [number]))
    .sort((a, b) => a - b);
  if (dropped.length === 0) return undefined;
  const which = dropped.length === 1 ? `rollout ${dropped[0]}` : `rollouts ${dropped.join(', ')}`;
  return `Temporal's retention has dropped the details of ${which}: what they did to single clusters is not known any more.`;
}
