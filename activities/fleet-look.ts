import { assessCluster, type Assessment, type Patience } from '../src/domain/assess-cluster.js';
import { contentRenderer, type DesiredContent, type ImageProblems } from '../src/domain/desired-content.js';
import type { ImageProblem } from '../src/domain/process.js';
import type { Revision } from '../src/domain/revision.js';
import { matchesLabels } from '../src/domain/selector.js';
import type { ClusterView, WorkView } from '../src/domain/views.js';
import type { Deps } from './deps.js';

export type LookDeps = Pick<Deps, 'fleet' | 'sha256' | 'now'>;

export interface LookAt {
  readonly name: string;
  readonly selector: Readonly<Record<string, string>>;
  /** Undefined while nothing is recorded for the spec. */
  readonly revision: Revision | undefined;
  readonly imageProblems: readonly ImageProblem[];
  readonly ownerUid: string | undefined;
  readonly patience: Patience;
}

export interface SpokeLook {
  readonly cluster: ClusterView;
  readonly work: WorkView | undefined;
  readonly desired: DesiredContent | undefined;
  readonly assessment: Assessment;
}

export const problemsByImage = (problems: readonly ImageProblem[]): ImageProblems =>
  new Map(problems.map(({ image, reason, message }) => [image, { reason, message }]));

/** Looks at one module through the caches. Costs no request, whatever the size of the fleet. */
export function lookAt({ fleet, sha256, now }: LookDeps, at: LookAt): { spoke(cluster: ClusterView): SpokeLook; selected(): ClusterView[] } {
  const works = fleet.worksOf(at.name);
  const render =
    at.revision === undefined
      ? undefined
      : contentRenderer({ name: at.name, revision: at.revision, imageProblems: problemsByImage(at.imageProblems), sha256 });
  return {
    selected: () => [...fleet.clusters.values()].filter((c) => matchesLabels(at.selector, c.labels)).sort((a, b) => (a.name < b.name ? -1 : 1)),
    spoke: (cluster) => {
      const work = works.get(cluster.name);
      const desired = render?.(cluster, work);
      const clock = {
        nowMs: now(),
        heldSinceMs: fleet.clock.heldSinceMs(work),
        availableSinceMs: fleet.clock.availableSinceMs(cluster.name),
      };
      return { cluster, work, desired, assessment: assessCluster({ cluster, work, desired }, at.ownerUid, at.patience, clock) };
    },
  };
}
