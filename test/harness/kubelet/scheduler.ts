import type { Cluster } from './cluster.js';
import { apiTime, isOver, podKey, type Condition, type Pod } from './pod.js';
import { whyNotHere, type NodeFit } from './scheduling.js';

/** Pods that do not fit are looked at again this often, besides each time they change. */
const RETRY_MS = 1_000;

const hasNode = ({ spec }: Pod): boolean => (spec.nodeName ?? '') !== '';

/** Not placed yet, not waiting for somebody else, and not on its way out. */
const isToBePlaced = (pod: Pod): boolean =>
  !hasNode(pod) &&
  (pod.spec.schedulerName ?? 'default-scheduler') === 'default-scheduler' &&
  (pod.spec.schedulingGates ?? []).length === 0 &&
  pod.metadata.deletionTimestamp === undefined &&
  !isOver(pod);

/** Gives pods without a node to the one node that there is. */
export class Scheduler {
  readonly #cluster: Cluster;
  readonly #node: NodeFit;
  readonly #podsOnNode: () => number;
  readonly #waiting = new Map<string, Pod>();
  readonly #busy = new Set<string>();
  /** Bound by us, and not yet seen on the node. */
  readonly #assumed = new Set<string>();
  readonly #timer: NodeJS.Timeout;

  constructor(cluster: Cluster, node: NodeFit, podsOnNode: () => number) {
    this.#cluster = cluster;
    this.#node = node;
    this.#podsOnNode = podsOnNode;
    this.#timer = setInterval(() => [...this.#waiting.values()].forEach((pod) => void this.#place(pod)), RETRY_MS);
    this.#timer.unref();
  }

  /** @param pod undefined when it is gone. */
  changed(key: string, pod: Pod | undefined): void {
    const uid = pod?.metadata.uid ?? this.#waiting.get(key)?.metadata.uid ?? '';
    if (pod === undefined || hasNode(pod)) this.#assumed.delete(uid);
    if (pod === undefined || !isToBePlaced(pod)) {
      this.#waiting.delete(key);
      return;
    }
    this.#waiting.set(key, pod);
    void this.#place(pod);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#waiting.clear();
  }

  /** Never rejects: what did not work is tried again. */
  async #place(pod: Pod): Promise<void> {
    const { uid } = pod.metadata;
    if (this.#busy.has(uid)) return;
    this.#busy.add(uid);
    try {
      const message = whyNotHere(pod.spec, this.#node, this.#podsOnNode() + this.#assumed.size);
      if (message === undefined) {
        this.#assumed.add(uid);
        await this.#cluster.bind(pod);
        this.#waiting.delete(podKey(pod));
        this.#cluster.event(pod, {
          type: 'Normal',
          reason: 'Scheduled',
          message: `Successfully assigned ${podKey(pod)} to ${this.#node.name}`,
        });
      } else {
        await this.#sayUnschedulable(pod, message);
      }
    } catch {
      this.#assumed.delete(uid);
      // The API server is away or the pod is: the timer or the watch brings it again.
    } finally {
      this.#busy.delete(uid);
    }
  }

  async #sayUnschedulable(pod: Pod, message: string): Promise<void> {
    const before = pod.status?.conditions ?? [];
    if (before.some(({ type, message: old }) => type === 'PodScheduled' && old === message)) return;
    const lastTransitionTime = apiTime(new Date());
    const refusal: Condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime };
    await this.#cluster.patchStatus(pod, { conditions: [...before.filter(({ type }) => type !== 'PodScheduled'), refusal] });
    this.#cluster.event(pod, { type: 'Warning', reason: 'FailedScheduling', message });
  }
}
