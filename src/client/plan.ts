import type { ManagedClusterModuleSpec } from '../api/index.js';
import { assessCluster } from '../domain/assess-cluster.js';
import type { Sha256 } from '../domain/canonical-json.js';
import { contentRenderer, type DesiredContent } from '../domain/desired-content.js';
import { resolveKernel } from '../domain/effective-module.js';
import { isMassRemoval } from '../domain/fleet-summary.js';
import { formatPinned, parseImageReference } from '../domain/image-reference.js';
import type { Problem } from '../domain/reasons.js';
import { revisionHash, revisionName, type InputHashes, type Pin, type Pins, type Revision } from '../domain/revision.js';
import type { ClusterView } from '../domain/views.js';
import type { FleetSnapshot } from './fleet-snapshot.js';
import { PLAN_ACTIONS, type ModulePreview, type PlanAction, type PlannedCluster, type PlannedImage } from './types.js';

export interface PlanInput {
  readonly name: string;
  readonly spec: ManagedClusterModuleSpec;
  readonly exists: boolean;
  readonly ownerUid: string | undefined;
  readonly currentRevision: string | undefined;
  /** Hashes of the Dockerfiles and certificates that the spec names, as far as they are known: part of the revision. */
  readonly inputs?: InputHashes | undefined;
  /** The revision of this spec, when it is recorded already. */
  readonly recorded: Revision | undefined;
  /** Why images could not be resolved when the hub last tried. */
  readonly imageProblems: ReadonlyMap<string, Problem>;
  readonly snapshot: FleetSnapshot;
  readonly sha256: Sha256;
}

/** Stands for a digest that is not known: as long as one, so that sizes are right, and never published. */
const UNKNOWN_DIGEST = `sha256:${'0'.repeat(64)}`;

interface Expected extends Omit<Pin, 'kernel'> {
  /** False: it is not in the revision; the tag would be looked up. */
  readonly pinned: boolean;
}

/** What would change, cluster by cluster. Pure: the same fleet and manifest give the same plan. */
export function planModule(input: PlanInput): ModulePreview {
  const { name, spec, snapshot, sha256, recorded } = input;
  const frozen = { spokeNamespace: spec.spokeNamespace, moduleSpec: spec.moduleSpec ?? { selector: {} }, inputs: input.inputs };
  const hash = recorded?.hash ?? revisionHash(frozen, sha256);
  const expected = expectedImages(input);
  const revision: Revision = { ...frozen, name: revisionName(name, hash), number: recorded?.number ?? 0, hash, pins: pinsOf(expected) };
  const render = contentRenderer({ name, revision, imageProblems: input.imageProblems, sha256 });
  const selected = snapshot.clusters.map((cluster) => planCluster(input, cluster, render, expected));
  const removed = removals(snapshot);
  const clusters = [...selected, ...removed].sort((a, b) => (a.cluster < b.cluster ? -1 : 1));
  return {
    name,
    exists: input.exists,
    revision: { name: revision.name, recorded: recorded !== undefined, current: input.currentRevision ?? standingRevision(snapshot) },
    counts: countActions(clusters),
    clusters,
    images: plannedImages(input, expected),
    removalHeld: isMassRemoval(removed.length, snapshot.works.size),
  };
}

/** What most clusters hold: all that is known of a module without an object. */
function standingRevision({ works }: FleetSnapshot): string | undefined {
  const counts = new Map<string, number>();
  for (const { view } of works.values()) if (view.revision !== undefined) counts.set(view.revision, (counts.get(view.revision) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}

/** The image of each kernel of the fleet. Kernels without one are left out: the renderer says why. */
function expectedImages({ name, spec, snapshot, recorded, imageProblems }: PlanInput): Map<string, Expected> {
  const moduleSpec = spec.moduleSpec;
  const expected = new Map<string, Expected>();
  if (moduleSpec?.moduleLoader === undefined) return expected;
  for (const kernel of kernelsOf(snapshot)) {
    const pin = recorded?.pins[kernel];
    const effective = resolveKernel({ moduleSpec, modName: name, modNamespace: spec.spokeNamespace, kernel });
    if (pin !== undefined) expected.set(kernel, { ...pin, pinned: true });
    else if (!('problem' in effective) && !imageProblems.has(effective.containerImage)) {
      const image = effective.containerImage;
      expected.set(kernel, { image, digest: standingDigest(snapshot, kernel, image) ?? UNKNOWN_DIGEST, pinned: false });
    }
  }
  return expected;
}

const kernelsOf = ({ clusters }: FleetSnapshot): string[] =>
  [...new Set(clusters.flatMap((c) => (c.accepted && !c.deleting ? (c.kernels ?? []) : [])))].sort();

/** A tag that is published somewhere most likely still names the digest that it named then. */
function standingDigest({ works }: FleetSnapshot, kernel: string, image: string): string | undefined {
  const parsed = parseImageReference(image);
  if (!parsed.ok) return undefined;
  for (const { view } of works.values()) {
    const standing = view.mappings.find((m) => m.literal === kernel)?.containerImage;
    const digest = standing?.slice(standing.indexOf('@') + 1);
    if (digest !== undefined && standing === formatPinned(parsed.value, digest)) return digest;
  }
  return undefined;
}

const pinsOf = (expected: ReadonlyMap<string, Expected>): Pins =>
  Object.fromEntries([...expected].map(([kernel, { image, digest }]) => [kernel, { image, digest }]));

function planCluster(
  input: PlanInput,
  cluster: ClusterView,
  render: ReturnType<typeof contentRenderer>,
  expected: ReadonlyMap<string, Expected>,
): PlannedCluster {
  const work = input.snapshot.works.get(cluster.name)?.view;
  const desired = render(cluster, work);
  // Only "is there something to write" is asked here, so no clock is needed.
  const clock = { nowMs: 0, heldSinceMs: undefined, availableSinceMs: 0 };
  const assessment = assessCluster({ cluster, work, desired }, input.ownerUid, { settleMs: 0, progressDeadlineMs: 0 }, clock);
  const action = actionOf(assessment.state, assessment.behind || work?.deleting === true, work !== undefined && !work.deleting);
  const says = action === 'unchanged' ? undefined : assessment.problem;
  const shown = action === 'create' || action === 'update' || action === 'unchanged';
  return {
    cluster: cluster.name,
    action,
    kernels: shown ? (cluster.kernels ?? []).flatMap((kernel) => plannedKernel(kernel, expected)) : [],
    reason: says?.reason,
    message: says?.message,
    kernelNotes: shown ? notesOf(desired) : [],
  };
}

const plannedKernel = (kernel: string, expected: ReadonlyMap<string, Expected>): PlannedCluster['kernels'] => {
  const found = expected.get(kernel);
  return found === undefined ? [] : [{ kernel, image: found.image, digest: found.pinned ? found.digest : undefined }];
};

const notesOf = ({ problems }: DesiredContent): PlannedCluster['kernelNotes'] =>
  problems.map(({ kernel, reason, message }) => ({ kernel, reason, message }));

function actionOf(state: string, behind: boolean, standing: boolean): PlanAction {
  if (state === 'Offline') return 'offline';
  if (state === 'Excluded') return 'excluded';
  if (!behind) return 'unchanged';
  return standing ? 'update' : 'create';
}

function removals({ clusters, works }: FleetSnapshot): PlannedCluster[] {
  const selected = new Set(clusters.map((c) => c.name));
  return [...works.values()].flatMap(({ view }) =>
    selected.has(view.cluster)
      ? []
      : [
          {
            cluster: view.cluster,
            action: 'remove' as const,
            kernels: [],
            reason: undefined,
            message: view.deleting ? 'It is being removed already.' : 'spec.selector does not match this cluster.',
            kernelNotes: [],
          },
        ],
  );
}

function countActions(clusters: readonly PlannedCluster[]): Record<PlanAction, number> {
  const counts = Object.fromEntries(PLAN_ACTIONS.map((action) => [action, 0])) as Record<PlanAction, number>;
  for (const { action } of clusters) counts[action] += 1;
  return counts;
}

/** Each distinct image once, with its kernels and how many clusters need it. */
function plannedImages({ name, spec, snapshot, imageProblems }: PlanInput, expected: ReadonlyMap<string, Expected>): PlannedImage[] {
  const moduleSpec = spec.moduleSpec;
  if (moduleSpec?.moduleLoader === undefined) return [];
  const byImage = new Map<string, PlannedImage & { readonly kernels: string[] }>();
  for (const kernel of kernelsOf(snapshot)) {
    const found = expected.get(kernel);
    const effective = resolveKernel({ moduleSpec, modName: name, modNamespace: spec.spokeNamespace, kernel });
    const image = found?.image ?? ('problem' in effective ? undefined : effective.containerImage);
    if (image === undefined) continue;
    const known = byImage.get(image);
    if (known !== undefined) known.kernels.push(kernel);
    else byImage.set(image, { image, kernels: [kernel], clusters: 0, ...imageState(found, imageProblems.get(image)) });
  }
  return [...byImage.values()].map((planned) => ({
    ...planned,
    clusters: snapshot.clusters.filter((c) => c.kernels?.some((k) => planned.kernels.includes(k))).length,
  }));
}

const imageState = (found: Expected | undefined, problem: Problem | undefined): Pick<PlannedImage, 'state' | 'digest' | 'message'> => {
  if (found?.pinned === true) return { state: 'pinned', digest: found.digest, message: undefined };
  if (found !== undefined) return { state: 'would be resolved', digest: undefined, message: undefined };
  return { state: 'missing', digest: undefined, message: problem?.message };
};
