import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { isFault } from '../../../src/domain/fault.js';
import type { LogLookup } from './log-server.js';
import { isOver, podKey, type Pod } from './pod.js';
import { PodWorker, type NodeContext } from './pod-worker.js';
import { untilItWorks } from './retry.js';
import type { ContainerRun } from './types.js';

const LOST = {
  phase: 'Failed',
  reason: 'NodeLost',
  message: 'The node agent was started anew and does not know the processes of this pod.',
};

/** The pods of one node: a worker for each, and what outlives the worker (logs, until the object is gone). */
export class PodManager {
  readonly #node: NodeContext;
  readonly #workers = new Map<string, PodWorker>();
  /** `namespace/name` to the uid that has this name now. */
  readonly #uids = new Map<string, string>();
  readonly #stopping = new AbortController();
  /** Begun by an earlier agent. */
  readonly #old = new Set<string>();
  #mayBeOld = true;

  constructor(node: NodeContext) {
    this.#node = node;
  }

  get runs(): ContainerRun[] {
    return this.#node.runs.map((run) => ({ ...run }));
  }

  get activePods(): number {
    return [...this.#workers.values()].filter(({ isOver: over }) => !over).length;
  }

  /** Those that have not ended, as they were last seen. */
  get pods(): Pod[] {
    return [...this.#workers.values()].filter(({ isOver: over }) => !over).map(({ pod }) => pod);
  }

  /** From now on a pod that is new to us was begun by nobody else. */
  adoptNothingMore(): void {
    this.#mayBeOld = false;
  }

  /** @param pod undefined when it is gone. */
  changed(key: string, pod: Pod | undefined): void {
    const known = this.#uids.get(key);
    if (known !== undefined && known !== pod?.metadata.uid) this.#forget(key, known);
    if (pod?.spec.nodeName !== this.#node.nodeName) return;
    const { uid } = pod.metadata;
    const worker = this.#workers.get(uid);
    this.#noteIfOld(pod);
    if (worker !== undefined) worker.update(pod);
    else if (this.#old.has(uid)) void this.#giveUp(pod);
    else if (!isOver(pod)) this.#begin(key, pod);
    if (worker?.isOver === true && pod.metadata.deletionTimestamp !== undefined) void this.#remove(pod);
  }

  /** @param name of the pod, or `namespace/name`. @throws Error when no pod that is still there has it, or more than one. */
  find(name: string): PodWorker {
    const found = [...this.#workers.values()].filter(({ pod }) => pod.metadata.name === name || podKey(pod) === name);
    const [only] = found;
    if (only === undefined || found.length > 1) {
      throw new Error(`${found.length} pods of node ${this.#node.nodeName} are named ${name}: name one, as name or namespace/name.`);
    }
    return only;
  }

  readonly logOf: LogLookup = (namespace, pod, container) => {
    const worker = this.#workers.get(this.#uids.get(`${namespace}/${pod}`) ?? '');
    const state = worker?.stateOf(container);
    if (worker === undefined || state === undefined) return undefined;
    const log = worker.logs.get(container);
    return { ...(log === undefined ? {} : { log }), ...('waiting' in state ? { waiting: state.waiting.reason } : {}) };
  };

  /** All processes end at once and no status is written. */
  async halt(): Promise<void> {
    this.#stopping.abort();
    const workers = [...this.#workers.values()];
    workers.forEach((worker) => worker.halt());
    await Promise.all(workers.map(({ ended }) => ended));
  }

  #noteIfOld(pod: Pod): void {
    if (this.#mayBeOld && pod.status?.startTime !== undefined) this.#old.add(pod.metadata.uid);
  }

  #begin(key: string, pod: Pod): void {
    if (this.#stopping.signal.aborted) return;
    const worker = new PodWorker(this.#node, pod);
    this.#workers.set(pod.metadata.uid, worker);
    this.#uids.set(key, pod.metadata.uid);
    void worker.ended.then(() => (worker.pod.metadata.deletionTimestamp === undefined ? undefined : this.#remove(worker.pod)));
  }

  /** The object is gone. What still runs of the pod, after a deletion by force, ends at once. */
  #forget(key: string, uid: string): void {
    const worker = this.#workers.get(uid);
    this.#uids.delete(key);
    worker?.halt();
    void worker?.ended.then(() => {
      this.#workers.delete(uid);
      rmSync(join(this.#node.folder, 'logs', uid), { recursive: true, force: true });
    });
  }

  async #giveUp(pod: Pod): Promise<void> {
    if (!isOver(pod)) await this.#tryUntilStopped(() => this.#node.cluster.patchStatus(pod, LOST));
    if (pod.metadata.deletionTimestamp !== undefined) await this.#remove(pod);
  }

  #remove(pod: Pod): Promise<void> {
    return this.#tryUntilStopped(() => this.#node.cluster.removePod(pod));
  }

  /** A pod that is gone needs nothing more. */
  async #tryUntilStopped(attempt: () => Promise<unknown>): Promise<void> {
    const { signal } = this.#stopping;
    const orGone = (error: unknown): void => {
      if (!isFault(error, 'Missing') && !isFault(error, 'Conflict')) throw error;
    };
    await untilItWorks(() => attempt().catch(orGone), { signal, firstMs: 200, longestMs: 2_000 }).catch(() => undefined);
  }
}
