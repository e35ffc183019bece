import { assessCluster, type Assessment, type Patience } from '../src/domain/assess-cluster.js';
import { retryLabel } from '../src/domain/manifest-work.js';
import { changesInMs } from '../src/domain/next-change.js';
import { contentRenderer, type DesiredContent, type ImageProblems } from '../src/domain/desired-content.js';
import type { ImageProblem } from '../src/domain/image-process.js';
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
  /** A person asked to try failed clusters again: those that this attempt has not written yet are behind. */
  readonly nudge?: string | undefined;
}

export interface SpokeLook {
  readonly cluster: ClusterView;
  readonly work: WorkView | undefined;
  readonly desired: DesiredContent | undefined;
  readonly assessment: Assessment;
  /** In how many milliseconds time alone may change the assessment. Undefined: never. */
  readonly changesInMs: number | undefined;
}

export const problemsByImage = (problems: readonly ImageProblem[]): ImageProblems =>
  new Map(problems.map(({ image, reason, message }) => [image, { reason, message }]));

/** In order of their names. */
export const selectedClusters = (clusters: Iterable<ClusterView>, selector: LookAt['selector']): ClusterView[] =>
  [...clusters].filter((c) => matchesLabels(selector, c.labels)).sort((a, b) => (a.name < b.name ? -1 : 1));

/** Looks at one module through the caches. Costs no request, whatever the size of the fleet. */
export function lookAt(
  { fleet, sha256, now }: LookDeps,
  at: LookAt,
): { spoke(cluster: ClusterView): SpokeLook; selected(): ClusterView[] } {
  const works = fleet.worksOf(at.name);
  const render =
    at.revision === undefined
      ? undefined
      : contentRenderer({ name: at.name, revision: at.revision, imageProblems: problemsByImage(at.imageProblems), sha256 });
  return {
    selected: () => selectedClusters(fleet.clusters.values(), at.selector),
    spoke: (cluster) => {
      const work = works.get(cluster.name);
      const desired = render?.(cluster, work);
      const clock = {
        nowMs: now(),
        heldSinceMs: fleet.clock.heldSinceMs(work),
        availableSinceMs: fleet.clock.availableSinceMs(cluster.name),
        lostAtMs: fleet.clock.lostAtMs(work, at.patience.settleMs),
      };
      const assessment = assessCluster({ cluster, work, desired }, at.ownerUid, at.patience, clock);
      const considered = consider({ assessment, work, desired }, at, { fleet, now });
      return { cluster, work, desired, changesInMs: changesInMs(work, assessment, at.patience, clock), ...considered };
    },
  };
}

type Considered = Pick<SpokeLook, 'assessment' | 'work' | 'desired'>;

/** What the ManifestWork alone does not tell: that the hub refused to write it, and that a person wants another attempt. */
function consider(
  { assessment, work, desired }: Considered,
  { name, nudge }: LookAt,
  { fleet, now }: Pick<LookDeps, 'fleet' | 'now'>,
): Pick<SpokeLook, 'assessment'> & Partial<SpokeLook> {
  if (desired?.kind !== 'content') return { assessment };
  const { cluster, state, behind } = assessment;
  const tryAgain = nudge !== undefined && state === 'Failed' && work?.retry !== retryLabel(nudge);
  if (tryAgain) return { assessment: { cluster, state: 'Pending', behind: true, final: false, problem: undefined } };
  const refused = behind ? fleet.refusals.standing(`${cluster}/${name}`, desired.module.hash, nudge) : undefined;
  if (refused === undefined) return { assessment };
  const failed: Assessment = { cluster, state: 'Failed', behind: false, final: true, problem: refused.problem };
  return { assessment: failed, changesInMs: refused.untilMs - now() };
}
