import type { WorkView } from './views.js';

/**
 * Whether a spoke reports right now that it loaded what the hub published. Necessary, not sufficient: the caller adds that the cluster is available and that this
 * held for the settle time by the hub's own clock, because the work agent's status may still carry the counters of the previous content.
 *
 * @param kernels The cluster's kernels: where each has a mapping, every node that matches the selector must be ready.
 *
 * - `Unapplied`: the work agent has not confirmed the current generation.
 * - `ApplyFailed`: it tried and could not.
 * - `NotEchoed`: the spoke still reports other content.
 * - `Behind`: fewer nodes are ready than should be.
 * - `Holds`, `NoNodes`: all conditions hold; with `NoNodes` the selector matches no node, so there was nothing to load.
 */
export type Proof =
  | { readonly verdict: 'Unapplied' | 'NotEchoed' | 'Holds' | 'NoNodes' }
  | { readonly verdict: 'ApplyFailed'; readonly message: string }
  | { readonly verdict: 'Behind'; readonly available: number; readonly desired: number; readonly part: string };

export function proveLoaded(work: WorkView, kernels: readonly string[] | undefined): Proof {
  const { applied, manifestApplied } = work;
  if (applied?.observedGeneration !== work.generation) return { verdict: 'Unapplied' };
  if (applied.status !== 'True') return { verdict: 'ApplyFailed', message: manifestApplied?.message || applied.message };
  if (manifestApplied !== undefined && manifestApplied.status !== 'True')
    return { verdict: 'ApplyFailed', message: manifestApplied.message };
  if (work.echoedHash === undefined || work.echoedHash !== work.declaredHash) return { verdict: 'NotEchoed' };
  return proveCounters(work, kernels);
}

function proveCounters(work: WorkView, kernels: readonly string[] | undefined): Proof {
  const counter = (part: string, name: string) => work.counters[`${part}.${name}`] ?? 0; // absent is 0: upstream omits zeros
  const everyKernelMapped = (kernels ?? []).every((kernel) => work.mappings.some((m) => m.literal === kernel));
  let nodes = 0;
  for (const part of ['moduleLoader', 'devicePlugin', 'dra'] as const) {
    if (!work.parts[part]) continue;
    const available = counter(part, 'availableNumber');
    const asked = counter(part, 'desiredNumber');
    // Until the spoke has verified the image it configures no node, and 0 of 0 while nodes match is not loaded. The selector may well match nodes of an unmapped
    // kernel, and under ordered upgrade an administrator decides when a node loads; then the spoke's own number is all there is.
    const expectsAll = part !== 'moduleLoader' || (everyKernelMapped && !work.ordered);
    const desired = expectsAll ? Math.max(asked, counter(part, 'nodesMatchingSelectorNumber')) : asked;
    if (available < desired) return { verdict: 'Behind', available, desired, part };
    nodes += desired;
  }
  return { verdict: nodes === 0 ? 'NoNodes' : 'Holds' };
}
