import type { Sha256 } from './canonical-json.js';
import { formatPinned, parseImageReference } from './image-reference.js';
import { resolveKernel, type EffectiveKernel } from './effective-module.js';
import { MANIFEST_LIMIT_BYTES } from './manifest-work.js';
import type { Problem } from './reasons.js';
import { renderModule, type RenderedModule } from './render-module.js';
import type { Revision } from './revision.js';
import type { ClusterView, PublishedMapping, WorkView } from './views.js';

/** Why an image is not pinned yet, by image reference. */
export type ImageProblems = ReadonlyMap<string, Problem>;

export interface KernelProblem extends Problem {
  readonly kernel: string;
  /** The mapping that stands in the published ManifestWork is kept until the image is there. */
  readonly kept: boolean;
}

/** What a cluster should hold at a revision; or why it gets nothing new. */
export type DesiredContent =
  | { readonly kind: 'content'; readonly module: RenderedModule; readonly problems: readonly KernelProblem[]; readonly complete: boolean }
  | { readonly kind: 'excluded'; readonly problem: Problem; readonly problems: readonly KernelProblem[] };

export interface ContentRules {
  readonly name: string;
  readonly revision: Revision;
  readonly imageProblems: ImageProblems;
  readonly sha256: Sha256;
}

/**
 * Decides a cluster's content at one revision. Clusters with the same kernels get the same content, so the answer is computed once per set of kernels:
 * rendering 5,000 clusters costs what rendering their few distinct kernel sets costs.
 */
export function contentRenderer(rules: ContentRules): (cluster: ClusterView, work: WorkView | undefined) => DesiredContent {
  const kernels = new Map<string, EffectiveKernel | { readonly problem: Problem }>();
  const contents = new Map<string, DesiredContent>();
  const effective = (kernel: string) => memo(kernels, kernel, () => effectiveKernel(rules, kernel));
  return (cluster, work) => {
    if (rules.revision.moduleSpec.moduleLoader === undefined) return memo(contents, '', () => render(rules, [], []));
    if (cluster.kernels === undefined) return { kind: 'excluded', problem: noClaim(cluster.name), problems: [] };
    const judged = cluster.kernels.map((kernel) => judge(rules, kernel, effective(kernel), work));
    // As JSON, since a spoke may put any character into its claim: no name of a kernel can pass for the key of another set.
    const key = JSON.stringify(judged.map((j) => [j.kernel, j.problem?.kept === true ? j.mapping : null]));
    return memo(contents, key, () => decide(rules, judged));
  };
}

function memo<K, V>(known: Map<K, V>, key: K, make: () => V): V {
  const hit = known.get(key);
  if (hit !== undefined) return hit;
  const made = make();
  known.set(key, made);
  return made;
}

const effectiveKernel = ({ name, revision }: ContentRules, kernel: string) =>
  resolveKernel({ moduleSpec: revision.moduleSpec, modName: name, modNamespace: revision.spokeNamespace, kernel });

interface Judged {
  readonly kernel: string;
  readonly mapping?: PublishedMapping;
  readonly problem?: KernelProblem;
}

/** One kernel of one cluster: its mapping at the revision, or the one it already has, or why it has none. */
function judge(
  rules: ContentRules,
  kernel: string,
  effective: EffectiveKernel | { readonly problem: Problem },
  work: WorkView | undefined,
): Judged {
  if ('problem' in effective) return { kernel, problem: { kernel, ...effective.problem, kept: false } };
  const pin = rules.revision.pins[kernel];
  if (pin !== undefined) return { kernel, mapping: literalMapping(effective, pin.image, pin.digest) };
  const standing = work?.mappings.find((m) => m.literal === kernel);
  const known = rules.imageProblems.get(effective.containerImage);
  const problem = known ?? {
    reason: 'ImageMissing' as const,
    message: `The image ${effective.containerImage} for kernel ${kernel} has not been resolved to a digest yet. kmodflow is looking it up.`,
  };
  return {
    kernel,
    problem: { kernel, ...problem, kept: standing !== undefined },
    ...(standing === undefined ? {} : { mapping: standing }),
  };
}

function literalMapping(effective: EffectiveKernel, image: string, digest: string): PublishedMapping {
  const parsed = parseImageReference(image);
  return {
    literal: effective.kernel,
    containerImage: parsed.ok ? formatPinned(parsed.value, digest) : `${image}@${digest}`,
    ...(effective.inTreeModulesToRemove === undefined ? {} : { inTreeModulesToRemove: effective.inTreeModulesToRemove }),
    ...(effective.mappingRegistryTLS === undefined ? {} : { registryTLS: effective.mappingRegistryTLS }),
  };
}

function decide(rules: ContentRules, judged: readonly Judged[]): DesiredContent {
  const problems = judged.flatMap((j) => j.problem ?? []);
  const ready = judged.some((j) => j.mapping !== undefined && j.problem === undefined);
  // Spokes reject an empty list, and content made of kept mappings alone would change a healthy cluster for nothing.
  if (!ready) return { kind: 'excluded', problem: worst(problems), problems };
  return render(
    rules,
    judged.flatMap((j) => j.mapping ?? []),
    problems,
  );
}

function render(
  { name, revision, sha256 }: ContentRules,
  mappings: readonly PublishedMapping[],
  problems: readonly KernelProblem[],
): DesiredContent {
  const module = renderModule({ name, spokeNamespace: revision.spokeNamespace, moduleSpec: revision.moduleSpec }, mappings, sha256);
  if (module.bytes > MANIFEST_LIMIT_BYTES) {
    const message = `The Module for ${mappings.length} kernels is ${module.bytes} bytes of JSON; Open Cluster Management accepts at most ${MANIFEST_LIMIT_BYTES}. Shorten spec.moduleSpec or split the module.`;
    return { kind: 'excluded', problem: { reason: 'ManifestTooLarge', message }, problems };
  }
  return { kind: 'content', module, problems, complete: problems.length === 0 };
}

/** An image that may still come says more than a kernel that nobody meant to serve. */
function worst(problems: readonly KernelProblem[]): Problem {
  const first = problems.find((p) => p.reason !== 'NoMatchingMapping') ?? problems[0];
  return { reason: first?.reason ?? 'NoMatchingMapping', message: first?.message ?? 'The cluster reports no kernel.' };
}

const noClaim = (cluster: string): Problem => ({
  reason: 'NoKernelClaim',
  message: `Cluster ${cluster} does not report its kernels. Check that KMM runs there with KMM_MANAGED=1 and that the ClusterClaim kernel-versions.kmm.node.kubernetes.io exists.`,
});
