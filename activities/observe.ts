import type { Assessment } from '../src/domain/assess-cluster.js';
import { isMassRemoval, summarizeFleet, type Exception, type FleetSummary, type Removals } from '../src/domain/fleet-summary.js';
import { imageNeeds, type KnownInputs } from '../src/domain/image-need.js';
import type { ImageNeed } from '../src/domain/image-process.js';
import type { Observation, ObserveInput, SpecProblem } from '../src/domain/process.js';
import { settingsWithoutEffect } from '../src/domain/settings-without-effect.js';
import type { Pin, Revision } from '../src/domain/revision.js';
import { effectivePolicy } from '../src/domain/rollout-policy.js';
import type { ClusterView, WorkView } from '../src/domain/views.js';
import { validateManagedClusterModule } from '../src/domain/validate-mcm.js';
import type { Deps } from './deps.js';
import { lookAt, selectedClusters, type SpokeLook } from './fleet-look.js';
import { readModuleSource, type SourceModule } from './module-source.js';
import { wantedRevision, type WantedRevision } from './wanted-revision.js';

export const SYNC_TIMEOUT_MS = 60_000;
const PROBLEMS_SHOWN = 20;
const SAMPLE = 10;
/** A need with a recipe has about a kilobyte, and a payload at most 256 of them: what was not looked for yet comes first, the rest when there is room again. */
const NEEDS_AT_ONCE = 100;

type ObserveDeps = Pick<Deps, 'api' | 'fleet' | 'inputs' | 'sha256' | 'now' | 'defaultSettleMs'>;

/**
 * Looks at the module and its fleet: what the spec asks for, which images have no digest yet, where each cluster stands, what must be removed. Reads one object; the
 * rest comes from the watch caches. The answer is bounded whatever the size of the fleet.
 */
export const createObserve =
  (deps: ObserveDeps) =>
  async (input: ObserveInput): Promise<Observation> => {
    await deps.fleet.whenSynced(SYNC_TIMEOUT_MS);
    const source = await readModuleSource(deps, input);
    if (source === undefined) return gone(deps, input.name);
    const problems = validateManagedClusterModule({ metadata: { name: source.name }, spec: source.spec });
    if (problems.length > 0) return invalid(deps, source, problems);
    return observeModule(deps, source, await wantedRevision(deps, source), input);
  };

function gone({ fleet }: ObserveDeps, name: string): Observation {
  const works = fleet.worksOf(name);
  return { kind: 'gone', published: works.size, sample: [...works.keys()].sort().slice(0, SAMPLE) };
}

function invalid(deps: ObserveDeps, source: SourceModule, problems: readonly SpecProblem[]): Observation {
  const { uid, generation, remembered } = source;
  // What stands on the fleet is what the newest revision asked for: the broken spec has none.
  const newest = deps.fleet
    .revisionsOf(source.name)
    .reduce<Revision | undefined>((a, b) => (a === undefined || b.number > a.number ? b : a), undefined);
  const look = lookAt(deps, { ...lookOptions(source, newest, []), patience: effectivePolicy(undefined, deps.defaultSettleMs) });
  const fleet = summarizeFleet(
    look.selected().map((c) => look.spoke(c).assessment),
    deps.fleet.worksOf(source.name).size,
  );
  return { kind: 'invalid', uid, generation, problems: problems.slice(0, PROBLEMS_SHOWN), fleet, remembered };
}

const lookOptions = (source: SourceModule, revision: Revision | undefined, imageProblems: ObserveInput['imageProblems']) => ({
  name: source.name,
  selector: source.spec.selector,
  revision,
  imageProblems,
  ownerUid: source.uid,
});

function observeModule(deps: ObserveDeps, source: SourceModule, wanted: WantedRevision, input: ObserveInput): Observation {
  const { name, spec, uid, generation, remembered } = source;
  const policy = effectivePolicy(spec.rollout, deps.defaultSettleMs);
  const moduleSpec = spec.moduleSpec ?? { selector: {} };
  const { hash, known, recorded: revision } = wanted;
  const selected = selectedClusters(deps.fleet.clusters.values(), spec.selector);
  const pins = revision?.pins ?? {};
  const needed = neededImages(deps, source, known, selected);
  // While an image is being looked up for the first time, nothing can be said. Once every one is known to be missing, that is what each cluster waits for.
  const allTried = needed.every(({ image }) => input.imageProblems.some((p) => p.image === image));
  const unrecorded = allTried ? { name: '', number: 0, hash, pins, spokeNamespace: spec.spokeNamespace, moduleSpec } : undefined;
  const options = lookOptions(source, revision ?? unrecorded, input.imageProblems);
  const look = lookAt(deps, { ...options, patience: policy, nudge: input.nudge });
  const spokes = selected.map((cluster) => look.spoke(cluster));
  return {
    kind: 'module',
    uid,
    generation,
    policy,
    revision: { hash, name: revision?.name, number: revision?.number },
    needs: urgentNeeds(
      needed.flatMap((need) => withoutPinned(need, pins)),
      input.imageProblems,
    ),
    notes: settingsWithoutEffect(moduleSpec),
    pinned: boundedPins(needed, pins),
    pinnedCount: Object.keys(pins).length,
    needsNoImage: moduleSpec.moduleLoader === undefined,
    fleet: summary(deps, name, spokes),
    removals: removals(deps, name, new Set(selected.map((c) => c.name)), input),
    remembered,
    changesInMs: soonest(spokes),
  };
}

function soonest(spokes: readonly SpokeLook[]): number | undefined {
  const times = spokes.flatMap((s) => s.changesInMs ?? []);
  return times.length === 0
    ? undefined
    : Math.max(
        0,
        times.reduce((a, b) => Math.min(a, b)),
      );
}

function summary({ fleet }: ObserveDeps, name: string, spokes: readonly SpokeLook[]): FleetSummary {
  const partial = spokes.flatMap(partlyServed);
  return summarizeFleet(
    spokes.map((s): Assessment => s.assessment),
    fleet.worksOf(name).size,
    partial,
  );
}

/** Kernels that a served cluster has to do without. An excluded cluster says so itself. */
function partlyServed({ cluster, desired, assessment }: SpokeLook): Exception[] {
  if (assessment.state === 'Excluded' || assessment.state === 'Offline' || desired === undefined) return [];
  return desired.problems.map(({ kernel, reason, message }) => ({
    cluster: cluster.name,
    kernel,
    reason,
    message,
    state: assessment.state,
  }));
}

function neededImages(
  { sha256 }: ObserveDeps,
  { name, spec }: SourceModule,
  inputs: KnownInputs,
  selected: readonly ClusterView[],
): ImageNeed[] {
  const kernels = [...new Set(selected.flatMap((c) => (c.accepted && !c.deleting ? (c.kernels ?? []) : [])))].sort();
  return imageNeeds({ name, spec, kernels, inputs, sha256 });
}

function urgentNeeds(needs: readonly ImageNeed[], problems: ObserveInput['imageProblems']): ImageNeed[] {
  const tried = new Set(problems.map((p) => p.image));
  return [...needs.filter((n) => !tried.has(n.image)), ...needs.filter((n) => tried.has(n.image))].slice(0, NEEDS_AT_ONCE);
}

const withoutPinned = (need: ImageNeed, pins: Revision['pins']): ImageNeed[] => {
  const kernels = need.kernels.filter((k) => pins[k] === undefined);
  // The same revision never means another image: a new kernel that shares a reference with a pinned one shares its digest.
  const digest = Object.values(pins).find((p) => p.image === need.image)?.digest;
  return kernels.length === 0 ? [] : [{ ...need, kernels, digest }];
};

const boundedPins = (needed: readonly ImageNeed[], pins: Revision['pins']): Pin[] =>
  needed
    .flatMap(({ kernels }) =>
      kernels.flatMap((kernel) => {
        const pin = pins[kernel];
        return pin === undefined ? [] : [{ kernel, image: pin.image, digest: pin.digest, origin: pin.origin, key: pin.key }];
      }),
    )
    .slice(0, 100);

/** ManifestWorks of ours on clusters that the selector does not match any more, or that are gone. */
export function removals(
  { fleet, sha256 }: Pick<ObserveDeps, 'fleet' | 'sha256'>,
  name: string,
  selected: ReadonlySet<string>,
  { recentlyRemoved = 0, heldRemoval }: Pick<ObserveInput, 'recentlyRemoved' | 'heldRemoval'> = {},
): Removals {
  const works = fleet.worksOf(name);
  const clusters = deselected(works, selected);
  const token = sha256(clusters.join('\n')).slice(0, 12);
  const tooMany = isMassRemoval(clusters.length + recentlyRemoved, works.size + recentlyRemoved);
  return {
    count: clusters.length,
    published: works.size,
    token,
    sample: clusters.slice(0, SAMPLE),
    recent: recentlyRemoved,
    held: clusters.length > 0 && (tooMany || token === heldRemoval),
  };
}

export const deselected = (works: ReadonlyMap<string, WorkView>, selected: ReadonlySet<string>): string[] =>
  [...works.values()].flatMap((w) => (selected.has(w.cluster) || w.deleting ? [] : [w.cluster])).sort();
