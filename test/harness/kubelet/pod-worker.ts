import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.js';
import { ContainerLog } from './container-log.js';
import { planContainer, type ContainerPlan } from './container-plan.js';
import { startContainer, type ContainerProcess } from './container-process.js';
import { diskUsage } from './disk-usage.js';
import { apiTime, type Condition, type Container, type Pod } from './pod.js';
import { initialState, messageLimitBytes, podStatus, type ContainerRecord, type PodModel, type Verdict } from './pod-status.js';
import { bytesOf } from './quantity.js';
import { untilItWorks } from './retry.js';
import { StatusWriter } from './status-writer.js';
import { terminatedState } from './termination.js';
import type { ContainerImage, ContainerRun } from './types.js';
import { makeVolume, type MountedVolume } from './volumes.js';

/** What all pods of a node share. */
export interface NodeContext {
  readonly cluster: Cluster;
  readonly nodeName: string;
  /** Private to the node agent. */
  readonly folder: string;
  readonly images: ReadonlyMap<string, ContainerImage>;
  readonly runs: Writable<ContainerRun>[];
}

export type Writable<T> = { -readonly [K in keyof T]: T[K] };

const EVICTION_GRACE_MS = 1_000;
const USAGE_EVERY_MS = 1_000;
/** For what a container lacks (a Secret of its variables): tried again this often. */
const CONFIG_RETRY_MS = 1_000;

/** One pod from its arrival on the node to its end: volumes, init containers in order, then the containers together, and its status all the while. */
export class PodWorker {
  readonly logs = new Map<string, ContainerLog>();
  /** All processes have ended, the folders are gone and the last status is written (or will never be). */
  readonly ended: Promise<void>;
  #pod: Pod;
  readonly #node: NodeContext;
  readonly #folder: string;
  readonly #model: PodModel;
  readonly #writer: StatusWriter;
  /** Aborts what waits; what runs gets its signals from `#end`. */
  readonly #ending = new AbortController();
  /** Ends what merely watches the containers. */
  readonly #finishing = new AbortController();
  readonly #processes = new Map<ContainerRecord, ContainerProcess>();
  readonly #oomKilled = new Set<ContainerRecord>();
  #graceMs = Infinity;
  /** As they stand in the API. */
  #conditions: readonly Condition[];

  constructor(node: NodeContext, pod: Pod) {
    this.#node = node;
    this.#pod = pod;
    this.#conditions = pod.status?.conditions ?? [];
    this.#folder = join(node.folder, 'pods', pod.metadata.uid);
    const record = (init: boolean) => (spec: Container) => ({ spec, init, state: initialState(pod) });
    const { initContainers = [], containers } = pod.spec;
    const records = [...initContainers.map(record(true)), ...containers.map(record(false))];
    this.#model = { pod, records, startedAt: new Date(), ready: false, over: false, verdict: undefined };
    this.#writer = new StatusWriter(
      () => podStatus(this.#model, this.#conditions, new Date()),
      async (status) => {
        this.#conditions = (await node.cluster.patchStatus(this.#pod, status)).status?.conditions ?? [];
      },
    );
    this.ended = this.#live();
    if (pod.metadata.deletionTimestamp !== undefined) this.update(pod);
  }

  get pod(): Pod {
    return this.#pod;
  }

  get isOver(): boolean {
    return this.#model.over;
  }

  get #context(): { cluster: Cluster; pod: Pod; nodeName: string } {
    return { cluster: this.#node.cluster, pod: this.#pod, nodeName: this.#node.nodeName };
  }

  /** A newer state of the pod's object. */
  update(pod: Pod): void {
    this.#pod = pod;
    this.#conditions = pod.status?.conditions ?? [];
    if (pod.metadata.deletionTimestamp === undefined) return;
    const graceSeconds = pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
    this.#end(graceSeconds * 1000);
  }

  evict(verdict: Verdict): void {
    this.#end(EVICTION_GRACE_MS, verdict);
  }

  oomKill(container: string): void {
    const [record, process] = [...this.#processes].find(([{ spec, state }]) => spec.name === container && 'running' in state) ?? [];
    if (record === undefined || process === undefined) {
      throw new Error(`Container ${container} of pod ${this.#pod.metadata.name} does not run, so it cannot run out of memory.`);
    }
    this.#oomKilled.add(record);
    process.terminate(0);
  }

  /** The node loses its power, or the object is gone: processes end at once and nothing is written any more. */
  halt(): void {
    this.#writer.stop();
    this.#end(0);
  }

  stateOf(container: string): ContainerRecord['state'] | undefined {
    return this.#model.records.find(({ spec }) => spec.name === container)?.state;
  }

  /** The first verdict stands; a shorter grace replaces a longer one. */
  #end(graceMs: number, verdict?: Verdict): void {
    if (this.#model.over) return;
    if (!this.#ending.signal.aborted) this.#model.verdict = verdict;
    this.#graceMs = Math.min(this.#graceMs, graceMs);
    if (!this.#ending.signal.aborted && this.#processes.size > 0) {
      for (const { spec } of this.#processes.keys()) this.#event('Normal', 'Killing', `Stopping container ${spec.name}`);
    }
    this.#ending.abort();
    for (const process of this.#processes.values()) process.terminate(this.#graceMs);
  }

  async #live(): Promise<void> {
    // Whoever made this worker has to have it in hand before anything happens.
    await Promise.resolve();
    const timers: NodeJS.Timeout[] = [];
    try {
      this.#refuseWhatCannotRun();
      void this.#writer.changed();
      const deadline = this.#pod.spec.activeDeadlineSeconds;
      if (deadline !== undefined) timers.push(setTimeout(() => this.#deadlineExceeded(), deadline * 1000));
      await this.#runAll();
    } catch (error) {
      if (!this.#ending.signal.aborted) this.#model.verdict = { reason: 'NodeAgentError', message: String(error) };
    }
    timers.forEach(clearTimeout);
    this.#finishing.abort();
    await Promise.all([...this.#processes.values()].map(({ finished }) => finished));
    this.#settleStates();
    // What may be secret goes before anybody can read that the pod has ended; the rest may be large.
    await removeFolder(join(this.#folder, 'payload'));
    this.#model.over = true;
    const written = this.#writer.changed();
    await removeFolder(this.#folder);
    await written;
  }

  #refuseWhatCannotRun(): void {
    const { restartPolicy, initContainers = [] } = this.#pod.spec;
    const sidecar = initContainers.find((container) => container.restartPolicy === 'Always');
    if (restartPolicy === 'Never' && sidecar === undefined) return;
    const what =
      sidecar === undefined ? `The restart policy is ${restartPolicy}` : `The init container ${sidecar.name} is restarted always`;
    const message = `${what}, but this node agent restarts no container. Set restartPolicy: Never.`;
    this.#event('Warning', 'UnsupportedRestartPolicy', message);
    this.#end(0, { reason: 'UnsupportedRestartPolicy', message });
  }

  #deadlineExceeded(): void {
    const message = 'Pod was active on the node longer than the specified deadline';
    this.#event('Normal', 'DeadlineExceeded', message);
    this.#end((this.#pod.spec.terminationGracePeriodSeconds ?? 30) * 1000, { reason: 'DeadlineExceeded', message });
  }

  async #runAll(): Promise<void> {
    this.#ending.signal.throwIfAborted();
    const volumes = await this.#makeVolumes();
    this.#model.ready = true;
    const watching = this.#watchUsage(volumes);
    const init = this.#model.records.filter((record) => record.init);
    const main = this.#model.records.filter((record) => !record.init);
    let going = true;
    for (const record of init) going &&= await this.#run(record, volumes);
    const outcomes = going ? await Promise.allSettled(main.map((record) => this.#run(record, volumes))) : [];
    this.#finishing.abort();
    await watching;
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #makeVolumes(): Promise<Map<string, MountedVolume>> {
    const made = new Map<string, MountedVolume>();
    for (const kind of ['payload', 'empty']) mkdirSync(join(this.#folder, kind), { recursive: true, mode: 0o700 });
    await Promise.all(
      (this.#pod.spec.volumes ?? []).map(async (volume) => {
        const folder = join(this.#folder, volume.emptyDir === undefined ? 'payload' : 'empty', volume.name);
        let lastComplaint = '';
        const onFailure = (error: unknown): void => {
          const complaint = reasonOf(error);
          if (complaint === lastComplaint) return;
          lastComplaint = complaint;
          this.#event('Warning', 'FailedMount', `MountVolume.SetUp failed for volume "${volume.name}" : ${complaint}`);
        };
        made.set(
          volume.name,
          await untilItWorks(() => makeVolume(volume, folder, this.#context), { signal: this.#ending.signal, onFailure }),
        );
      }),
    );
    return made;
  }

  /** Once a second, and the whole pod goes when one volume is too large. */
  async #watchUsage(volumes: ReadonlyMap<string, MountedVolume>): Promise<void> {
    const limited = [...volumes].flatMap(([name, { path, sizeLimit }]) => (sizeLimit === undefined ? [] : [{ name, path, sizeLimit }]));
    const stopping = AbortSignal.any([this.#ending.signal, this.#finishing.signal]);
    while (limited.length > 0 && !stopping.aborted) {
      for (const { name, path, sizeLimit } of limited) {
        const used = await diskUsage(path);
        if (used === undefined || used <= bytesOf(sizeLimit) || stopping.aborted) continue;
        const message = `Usage of EmptyDir volume "${name}" exceeds the limit "${sizeLimit}". `;
        this.#event('Warning', 'Evicted', message);
        this.#end(EVICTION_GRACE_MS, { reason: 'Evicted', message, disrupted: true });
      }
      await sleep(USAGE_EVERY_MS, undefined, { signal: stopping }).catch(() => undefined);
    }
  }

  /** @returns whether it has ended with exit code 0. */
  async #run(record: ContainerRecord, volumes: ReadonlyMap<string, MountedVolume>): Promise<boolean> {
    const image = await this.#pull(record);
    const folder = join(this.#folder, 'containers', record.spec.name);
    mkdirSync(folder, { recursive: true });
    const plan = await this.#configure(record, image, volumes);
    this.#ending.signal.throwIfAborted();
    mkdirSync(join(this.#node.folder, 'logs', this.#pod.metadata.uid), { recursive: true });
    const log = new ContainerLog(join(this.#node.folder, 'logs', this.#pod.metadata.uid, record.spec.name));
    this.logs.set(record.spec.name, log);
    const terminationMessagePath = record.spec.terminationMessagePath ?? '/dev/termination-log';
    const process = startContainer({ folder, plan, terminationMessagePath, log });
    this.#processes.set(record, process);
    const startedAt = new Date();
    record.containerId = `process://${this.#pod.metadata.uid}/${record.spec.name}`;
    const { name, namespace, uid } = this.#pod.metadata;
    const run: Writable<ContainerRun> = { namespace, pod: name, uid, container: record.spec.name, init: record.init, startedAt };
    this.#node.runs.push(run);
    await process.started;
    record.state = { running: { startedAt: apiTime(startedAt) } };
    this.#event('Normal', 'Started', `Started container ${record.spec.name}`);
    void this.#writer.changed();
    const exit = await process.finished;
    const how = { oomKilled: this.#oomKilled.has(record), messageLimitBytes: messageLimitBytes(this.#model.records.length) };
    const terminated = { ...terminatedState(record.spec, exit, log, how), startedAt: apiTime(startedAt), containerID: record.containerId };
    Object.assign(run, { finishedAt: exit.finishedAt, exitCode: exit.exitCode, reason: terminated.reason });
    record.state = { terminated };
    void this.#writer.changed();
    await removeFolder(folder);
    return exit.exitCode === 0;
  }

  /** Waits until the image is there. The pauses of the real agent grow from 10 s to 5 min; these from 1 s to 5 s. */
  #pull(record: ContainerRecord): Promise<ContainerImage> {
    const { image } = record.spec;
    const refusal = `failed to pull and unpack image "${image}": failed to resolve reference "${image}": ${image}: not found`;
    let failures = 0;
    const wait = (reason: string, message: string): void => {
      record.state = { waiting: { reason, message } };
      void this.#writer.changed();
    };
    const attempt = async (): Promise<ContainerImage> => {
      const found = this.#node.images.get(image);
      if (found !== undefined && found.missing !== true) return found;
      throw new Error(refusal);
    };
    const onFailure = (): void => {
      failures += 1;
      wait('ErrImagePull', refusal);
      if (failures === 1) this.#event('Warning', 'Failed', `Failed to pull image "${image}": ${refusal}`);
      const backOff = `Back-off pulling image "${image}": ErrImagePull: ${refusal}`;
      if (failures === 1) this.#event('Normal', 'BackOff', `Back-off pulling image "${image}"`);
      setTimeout(() => {
        const stillWaits = 'waiting' in record.state && record.state.waiting.reason === 'ErrImagePull' && !this.#ending.signal.aborted;
        if (stillWaits) wait('ImagePullBackOff', backOff);
      }, 300).unref();
    };
    return untilItWorks(attempt, { signal: this.#ending.signal, firstMs: 1_000, longestMs: 5_000, onFailure });
  }

  /** Waits until everything that the variables refer to is there. */
  #configure(record: ContainerRecord, image: ContainerImage, volumes: ReadonlyMap<string, MountedVolume>): Promise<ContainerPlan> {
    const onFailure = (error: unknown): void => {
      const message = reasonOf(error);
      const before = record.state;
      record.state = { waiting: { reason: 'CreateContainerConfigError', message } };
      if (!('waiting' in before) || before.waiting.message !== message) this.#event('Warning', 'Failed', `Error: ${message}`);
      void this.#writer.changed();
    };
    const attempt = (): Promise<ContainerPlan> => planContainer(record.spec, image, volumes, this.#context);
    return untilItWorks(attempt, { signal: this.#ending.signal, firstMs: CONFIG_RETRY_MS, longestMs: CONFIG_RETRY_MS, onFailure });
  }

  /** A container of an initialized pod that never ran has failed as well; before that it is left waiting, as the real agent does. */
  #settleStates(): void {
    const { records } = this.#model;
    const initialized = records.filter(({ init }) => init).every(({ state }) => 'terminated' in state && state.terminated.exitCode === 0);
    if (!initialized || !this.#model.ready) return;
    const message = 'The container could not be located when the pod was terminated';
    for (const record of records) {
      if (!('terminated' in record.state)) record.state = { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', message } };
    }
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#node.cluster.event(this.#pod, { type, reason, message });
  }
}

const removeFolder = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
