import { Context } from '@temporalio/activity';
import { Fault, isFault } from '../src/domain/fault.js';
import { renderManifestWork } from '../src/domain/manifest-work.js';
import type { Outcome, PublishInput, PublishResult } from '../src/domain/process.js';
import type { Problem } from '../src/domain/reasons.js';
import type { RenderedModule } from '../src/domain/render-module.js';
import { resources } from '../src/kube/index.js';
import { whileBeating } from './heartbeat.js';
import { SYNC_TIMEOUT_MS } from './observe.js';
import { lookAtWave, type WaveLook, type WaveLookDeps } from './wave-look.js';

const AT_ONCE = 16;

type PublishDeps = WaveLookDeps;
type Written = { readonly kind: 'written' | 'unchanged' } | { readonly kind: 'setAside'; readonly outcome: Outcome };

/** What a retry resumes from: the whole partial result, since a cursor alone would lose the outcomes. */
interface Progress {
  readonly written: string[];
  readonly unchanged: string[];
  readonly setAside: Outcome[];
}

/**
 * Publishes one batch: each cluster's ManifestWork is rendered at the rollout's revision and applied when it differs from what stands there. Every cluster is judged
 * again right before its write, so one that went offline since the plan is set aside. Safe to run twice.
 */
export const createPublishBatch =
  (deps: PublishDeps) =>
  async (input: PublishInput): Promise<PublishResult> => {
    const earlier = Context.current().info.heartbeatDetails as Progress | undefined;
    const progress: Progress = earlier ?? { written: [], unchanged: [], setAside: [] };
    await whileBeating(
      () => progress,
      () => publishRest(deps, input, progress),
    );
    return progress;
  };

async function publishRest(deps: PublishDeps, input: PublishInput, progress: Progress): Promise<void> {
  await deps.fleet.whenSynced(SYNC_TIMEOUT_MS);
  const { cancellationSignal } = Context.current();
  const look = await lookAtWave(deps, input);
  if (look === undefined) throw new Fault('Invalid', `Module ${input.name} is gone; nothing more is published for it.`);
  const done = new Set([...progress.written, ...progress.unchanged, ...progress.setAside.map((o) => o.cluster)]);
  const queue = input.clusters.filter((c) => !done.has(c));
  const work = async (): Promise<void> => {
    for (let cluster = queue.shift(); cluster !== undefined; cluster = queue.shift()) {
      cancellationSignal.throwIfAborted();
      const result = await publishOne(deps, look, input, cluster);
      if (result.kind === 'setAside') progress.setAside.push(result.outcome);
      else progress[result.kind].push(cluster);
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, queue.length) }, work));
  const failed = workers.find((w) => w.status === 'rejected');
  if (failed === undefined) return;
  Context.current().heartbeat(progress); // what the retry resumes from
  throw failed.reason;
}

async function publishOne(deps: PublishDeps, look: WaveLook, input: PublishInput, cluster: string): Promise<Written> {
  const due = whatIsDue(deps, look, cluster);
  if (due.kind !== 'write') return due;
  const key = `${cluster}/${input.name}`;
  const work = renderManifestWork(due.module, {
    cluster,
    revision: look.revision.name,
    workflow: input.workflowId,
    publishedAt: new Date(deps.now()).toISOString(),
    ownerUid: look.source.uid,
    retry: input.nudge,
  });
  try {
    deps.fleet.works.put(await deps.api.apply(resources.manifestWorks, work));
    deps.fleet.refusals.forget(key);
    return { kind: 'written' };
  } catch (error) {
    const problem = refusal(error, cluster);
    if (problem === undefined) throw error;
    deps.fleet.refusals.note(key, due.module.hash, problem, input.nudge);
    return aside(cluster, 'Failed', problem);
  }
}

type Due = Exclude<Written, { readonly kind: 'written' }> | { readonly kind: 'write'; readonly module: RenderedModule };

/** Judges a cluster right before its write: the plan may be minutes old. */
function whatIsDue(deps: PublishDeps, look: WaveLook, name: string): Due {
  const cluster = deps.fleet.clusters.get(name);
  if (cluster === undefined || !look.isSelected(cluster)) {
    const message = `Cluster ${name} is not selected any more. Nothing is published to it.`;
    return aside(name, 'Excluded', { reason: 'ClusterDeleting', message });
  }
  const { desired, assessment } = look.spoke(cluster);
  const { state, behind, final, problem } = assessment;
  if (!behind) return final && state !== 'Loaded' && state !== 'NoNodes' ? aside(name, state, problem) : { kind: 'unchanged' };
  return desired?.kind === 'content' ? { kind: 'write', module: desired.module } : aside(name, 'Excluded', problem);
}

const aside = (cluster: string, state: Outcome['state'], problem: Problem | undefined): { kind: 'setAside'; outcome: Outcome } => ({
  kind: 'setAside',
  outcome: { cluster, state, problem },
});

/** A refusal that concerns this cluster alone. The others of the batch go on; what concerns the API server as a whole is thrown. */
function refusal(error: unknown, cluster: string): Problem | undefined {
  if (isFault(error, 'Missing'))
    return {
      reason: 'ClusterNotAccepted',
      message: `The hub has no namespace ${cluster} for cluster ${cluster}. The registration controller makes it when the cluster is accepted.`,
    };
  if (isFault(error, 'Invalid'))
    return { reason: 'ApplyFailed', message: `The hub refused the ManifestWork of cluster ${cluster}: ${error.message}` };
  return undefined;
}
