import { Fault, isFault } from '../src/domain/fault.js';
import type { WaveRef } from '../src/domain/process.js';
import type { Revision } from '../src/domain/revision.js';
import { matchesLabels } from '../src/domain/selector.js';
import { resources } from '../src/kube/index.js';
import type { ClusterView } from '../src/domain/views.js';
import type { Deps } from './deps.js';
import { lookAt, type SpokeLook } from './fleet-look.js';
import { readModuleSource, type SourceModule } from './module-source.js';

export interface WaveLook {
  readonly source: SourceModule;
  readonly revision: Revision;
  selected(): ClusterView[];
  isSelected(cluster: ClusterView): boolean;
  spoke(cluster: ClusterView): SpokeLook;
}

export type WaveLookDeps = Pick<Deps, 'api' | 'fleet' | 'sha256' | 'now' | 'operatorNamespace'>;

/**
 * Looks at the fleet as one rollout does: at its frozen revision, whatever the spec says by now.
 * @returns undefined when the module is gone.
 * @throws Fault `Missing` when the revision is not recorded (any more).
 */
export async function lookAtWave(deps: WaveLookDeps, ref: WaveRef): Promise<WaveLook | undefined> {
  const source = await readModuleSource(deps, ref);
  if (source === undefined) return undefined;
  await fetchRevision(deps, ref);
  return lookWith(deps, ref, source);
}

/** Another worker may have recorded the revision a moment ago, so that the watch of this one does not know it yet. */
export async function fetchRevision({ api, fleet, operatorNamespace }: WaveLookDeps, { name, revision }: WaveRef): Promise<void> {
  if (fleet.revisionsOf(name).some((r) => r.name === revision)) return;
  try {
    fleet.revisions.put(await api.get(resources.controllerRevisions, revision, operatorNamespace));
  } catch (error) {
    if (!isFault(error, 'Missing')) throw error; // the look says what is missing
  }
}

export function lookWith(deps: Pick<Deps, 'fleet' | 'sha256' | 'now'>, ref: WaveRef, source: SourceModule): WaveLook {
  const revision = deps.fleet.revisionsOf(ref.name).find((r) => r.name === ref.revision);
  if (revision === undefined)
    throw new Fault('Missing', `ControllerRevision ${ref.revision} of module ${ref.name} does not exist (any more).`);
  const selector = source.spec.selector;
  const look = lookAt(deps, {
    name: ref.name,
    selector,
    revision,
    imageProblems: ref.imageProblems,
    ownerUid: source.uid,
    patience: ref.policy,
    nudge: ref.nudge,
  });
  return { source, revision, ...look, isSelected: (cluster) => matchesLabels(selector, cluster.labels) };
}
