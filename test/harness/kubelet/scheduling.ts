import type { PodSpec, Taint, Toleration } from './pod.js';

export interface NodeFit {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly maxPods: number;
}

const tolerates = (toleration: Toleration, taint: Taint): boolean =>
  (toleration.effect === undefined || toleration.effect === '' || toleration.effect === taint.effect) &&
  (toleration.key === undefined || toleration.key === '' || toleration.key === taint.key) &&
  (toleration.operator === 'Exists' || (toleration.value ?? '') === (taint.value ?? ''));

/**
 * Why a pod does not fit on the one node that there is, in the scheduler's words; undefined when it fits.
 * Decides by taints, node selector and number of pods, in this order. Affinity and resources are not looked at.
 */
export function whyNotHere(spec: PodSpec, node: NodeFit, podsOnNode: number): string | undefined {
  const taint = node.taints.find(
    (candidate) =>
      candidate.effect !== 'PreferNoSchedule' && !(spec.tolerations ?? []).some((toleration) => tolerates(toleration, candidate)),
  );
  if (taint !== undefined) return unavailable(`1 node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`);
  const matches = Object.entries(spec.nodeSelector ?? {}).every(([key, value]) => node.labels[key] === value);
  if (!matches) return unavailable("1 node(s) didn't match Pod's node affinity/selector");
  return podsOnNode >= node.maxPods ? unavailable('1 Too many pods') : undefined;
}

const unavailable = (why: string): string => `0/1 nodes are available: ${why}.`;
