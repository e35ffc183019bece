import { isDeepStrictEqual } from 'node:util';
import { resources, type HubApi, type KubernetesObject } from '../../src/kube/index.js';
import { isFault } from '../../src/domain/fault.js';
import { createFaults, type AgentFaults, type ClusterFaults } from './agent-faults.js';
import { nextWorkStatus, readFeedback, type ManifestState } from './agent-status.js';
import { disarm, isDue, newWork, remember, triggerOf, type Work } from './agent-work.js';
import { feedbackRulesFor, resourceMetaOf, WORK_FINALIZER, type Manifest, type ManifestWork } from './manifest-work.js';
import { whyModuleIsRefused } from './module-validation.js';
import { KeyQueue } from './pool.js';
import { Spoke, type NodeHealth } from './spoke.js';

/** Shortest and longest, both included; drawn anew each time. */
export type DelayRange = readonly [minMs: number, maxMs: number];

export interface AgentOptions {
  /** From a change on the spoke to its status on the hub; a real agent takes 10 to 19 s, or 60 to 115 s on a single node. Default 20 to 100 ms. */
  readonly feedbackDelayMs?: DelayRange;
  /** From a new Module to its last node loaded; half-way the counters show desired without available. Default 50 to 200 ms. 0: both at once. */
  readonly loadDelayMs?: DelayRange;
  /** First wait after a refused apply; doubles up to 16 times this. A real agent goes up to 1,000 s. Default 1,000. */
  readonly applyRetryMs?: number;
  /** Nodes of a cluster that the Module's selector matches; default 1. */
  readonly nodes?: (cluster: string) => number;
  readonly faults?: Readonly<Record<string, ClusterFaults>>;
  /** ManifestWorks that are worked on at once, default 24. */
  readonly concurrency?: number;
}

export interface ModuleRejection {
  readonly cluster: string;
  readonly module: string;
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

const RETRY_AFTER_FAULT_MS = 300;
const CONFLICT_ATTEMPTS = 5;
const MAX_BACKOFF_DOUBLINGS = 4;

/** Every cluster of one hub. Told of ManifestWorks by {@link Simulation.notice}, writes to the hub by itself. */
export class Simulation {
  readonly faults: AgentFaults;
  readonly rejections: ModuleRejection[] = [];
  readonly counters = { statusWrites: 0, finalizerWrites: 0, failedWrites: 0 };
  readonly #api: HubApi;
  readonly #options: AgentOptions;
  readonly #works = new Map<string, Work>();
  readonly #spokes = new Map<string, Spoke>();
  readonly #nodes = new Map<string, number>();
  readonly #queue: KeyQueue;

  constructor(api: HubApi, options: AgentOptions) {
    this.#api = api;
    this.#options = options;
    this.faults = createFaults(options.faults ?? {}, (cluster) => this.#recount(cluster));
    this.#queue = new KeyQueue(
      options.concurrency ?? 24,
      (key) => this.#look(key),
      (key, error) => this.#failed(key, error),
    );
  }

  /** A ManifestWork as the hub has it now; undefined: it is gone. */
  notice(key: string, object: ManifestWork | undefined): void {
    const work = this.#works.get(key);
    if (object === undefined) {
      if (work) disarm(work);
      this.#works.delete(key);
      return;
    }
    if (work === undefined || work.object.metadata.uid !== object.metadata.uid) {
      if (work) disarm(work);
      this.#works.set(key, newWork(key, object));
    } else if (!remember(work, object)) return;
    this.#queue.add(key);
  }

  spoke(cluster: string): Spoke {
    let spoke = this.#spokes.get(cluster);
    if (spoke === undefined) this.#spokes.set(cluster, (spoke = new Spoke(() => this.#health(cluster))));
    return spoke;
  }

  setNodes(cluster: string, nodes: number): void {
    this.#nodes.set(cluster, nodes);
    this.#recount(cluster);
  }

  async stop(): Promise<void> {
    this.#works.forEach(disarm);
    await this.#queue.close();
    this.#works.forEach(disarm); // what ran while the queue closed may have set alarms
  }

  #health(cluster: string): NodeHealth {
    const { neverLoads = false, omitZeros = true } = this.faults.of(cluster);
    const nodes = this.#nodes.get(cluster) ?? this.#options.nodes?.(cluster) ?? 1;
    const failing = typeof neverLoads === 'number' ? neverLoads : neverLoads ? nodes : 0;
    return { nodes, failing, showZeros: !omitZeros };
  }

  /** Faults or nodes of a cluster changed. */
  #recount(cluster: string): void {
    const changed = this.#spokes.get(cluster)?.recount() ?? false;
    for (const work of this.#works.values()) {
      if (work.cluster !== cluster) continue;
      if (changed) this.#observeSoon(work);
      this.#queue.add(work.key);
    }
  }

  async #look(key: string): Promise<void> {
    const work = this.#works.get(key);
    if (work === undefined || this.faults.of(work.cluster).offline) return;
    if (work.object.metadata.deletionTimestamp !== undefined) return this.#release(work);
    await this.#changeFinalizers(work, (finalizers) => (finalizers.includes(WORK_FINALIZER) ? undefined : [...finalizers, WORK_FINALIZER]));
    if (work.object.metadata.deletionTimestamp !== undefined) return this.#queue.add(key); // deleted between the event and the write
    this.#noticeTrigger(work);
    if (isDue(work.applyAt)) this.#apply(work);
    if (isDue(work.observeAt)) this.#observe(work);
    await this.#publish(work);
    this.#setAlarm(work);
  }

  #noticeTrigger(work: Work): void {
    const trigger = triggerOf(work.object);
    if (trigger === work.trigger) return;
    work.trigger = trigger;
    work.attempts = 0;
    const { slow, lagGenerationMs = 0 } = this.faults.of(work.cluster);
    work.applyAt = Date.now() + Math.max(slow?.applyMs ?? 0, lagGenerationMs);
    // The status controller does not wait for the apply controller: it stamps the new generation on what it finds.
    if (lagGenerationMs > 0) work.observeAt = Date.now();
  }

  #apply(work: Work): void {
    const { cluster, object } = work;
    const spoke = this.spoke(cluster);
    const generation = object.metadata.generation ?? 0;
    const { manifests } = object.spec.workload;
    work.outcomes = manifests.map((manifest) => {
      const error = this.faults.of(cluster).applyFails ?? (manifest.kind === 'Module' ? whyModuleIsRefused(manifest) : undefined);
      if (error === undefined) {
        if (spoke.apply(manifest, generation)) this.#load(work, manifest);
      } else if (manifest.kind === 'Module') {
        this.rejections.push({ cluster, module: manifest.metadata.name, message: error, at: Date.now() });
      }
      return { generation, error };
    });
    work.applied.filter((old) => !manifests.some((manifest) => isSameObject(old, manifest))).forEach((old) => spoke.remove(old));
    work.applied = [...manifests];
    work.applyAt = undefined;
    if (work.outcomes.some(({ error }) => error !== undefined)) {
      work.applyAt = Date.now() + (this.#options.applyRetryMs ?? 1_000) * 2 ** Math.min(work.attempts++, MAX_BACKOFF_DOUBLINGS);
    }
    this.#observeSoon(work);
  }

  /** KMM takes up a Module whose spec is new; it drops whatever it was doing for the old one. */
  #load(work: Work, manifest: Manifest): void {
    work.loading.splice(0).forEach(clearTimeout);
    const delayMs = this.faults.of(work.cluster).slow?.loadMs ?? draw(this.#options.loadDelayMs ?? [50, 200]);
    const advance = (phase: 'started' | 'loaded'): void => {
      if (!this.spoke(work.cluster).advance(manifest, phase)) return;
      this.#observeSoon(work);
      this.#queue.add(work.key);
    };
    if (delayMs === 0) return advance('loaded');
    // One after the other: of two timers with different times Node may run the later one first when the event loop was held up for long enough.
    const start = (): void => {
      advance('started');
      work.loading.push(setTimeout(advance, delayMs / 2, 'loaded'));
    };
    work.loading.push(setTimeout(start, delayMs / 2));
  }

  #observeSoon(work: Work): void {
    const delayMs = this.faults.of(work.cluster).slow?.feedbackMs ?? draw(this.#options.feedbackDelayMs ?? [20, 100]);
    work.observeAt = Math.min(work.observeAt ?? Infinity, Date.now() + delayMs);
  }

  #observe(work: Work): void {
    const { metadata, spec } = work.object;
    work.observeAt = undefined;
    work.observations = spec.workload.manifests.map((manifest, ordinal) => {
      const found = this.spoke(work.cluster).get(manifest);
      const rules = feedbackRulesFor(resourceMetaOf(manifest, ordinal), spec.manifestConfigs);
      const feedback = found === undefined ? { values: [], feedbackErrors: [] } : readFeedback(found, rules);
      return { generation: metadata.generation ?? 0, exists: found !== undefined, hasRules: rules.length > 0, ...feedback };
    });
  }

  /** Writes the status if it differs from what the hub has. */
  async #publish(work: Work): Promise<void> {
    if (work.outcomes.length === 0 && work.observations.length === 0) return;
    const { metadata, spec, status } = work.object;
    const manifests = spec.workload.manifests.map((manifest, ordinal): ManifestState => ({
      meta: resourceMetaOf(manifest, ordinal),
      outcome: work.outcomes[ordinal],
      observation: work.observations[ordinal],
    }));
    const next = nextWorkStatus(manifests, status, new Date().toISOString().replace(/\.\d+Z$/, 'Z'));
    if (isDeepStrictEqual(next, status)) return;
    // A merge patch replaces arrays as a whole, and nobody else writes this status: there is nothing to conflict with.
    const written = await this.#api.mergePatch(
      resources.manifestWorks,
      metadata.name,
      work.cluster,
      { status: next },
      { subresource: 'status' },
    );
    this.counters.statusWrites++;
    remember(work, written as ManifestWork);
  }

  /** The ManifestWork is being deleted: its objects go first, then the finalizer. */
  async #release(work: Work): Promise<void> {
    if (this.faults.of(work.cluster).holdFinalizer) return;
    work.loading.splice(0).forEach(clearTimeout);
    work.applied.splice(0).forEach((manifest) => this.spoke(work.cluster).remove(manifest));
    await this.#changeFinalizers(work, (finalizers) =>
      finalizers.includes(WORK_FINALIZER) ? finalizers.filter((finalizer) => finalizer !== WORK_FINALIZER) : undefined,
    );
  }

  /** Finalizers are a list, and others write it too: guarded by the resource version, and read again after a conflict. */
  async #changeFinalizers(work: Work, change: (finalizers: readonly string[]) => readonly string[] | undefined): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const { name, resourceVersion, finalizers: present = [] } = work.object.metadata;
      const finalizers = change(present);
      if (finalizers === undefined) return;
      try {
        const patch = { metadata: { resourceVersion, finalizers } };
        const written = await this.#api.mergePatch(resources.manifestWorks, name, work.cluster, patch);
        this.counters.finalizerWrites++;
        remember(work, written as ManifestWork);
        return;
      } catch (error) {
        if (!isFault(error, 'Conflict') || attempt === CONFLICT_ATTEMPTS) throw error;
        remember(work, await this.#api.get<ManifestWork & KubernetesObject>(resources.manifestWorks, name, work.cluster));
      }
    }
  }

  #setAlarm(work: Work): void {
    clearTimeout(work.alarm);
    // The answer to a write of ours may have brought a new spec along; the watch event of that spec is then old news and wakes nobody.
    if (triggerOf(work.object) !== work.trigger) this.#queue.add(work.key);
    const at = Math.min(work.applyAt ?? Infinity, work.observeAt ?? Infinity);
    work.alarm = at === Infinity ? undefined : setTimeout(() => this.#queue.add(work.key), Math.max(0, at - Date.now()));
  }

  /** A write did not succeed. Missing is no trouble: the watch will tell. Everything else is tried again, as the real agent does. */
  #failed(key: string, error: unknown): void {
    const work = this.#works.get(key);
    if (work === undefined || isFault(error, 'Missing')) return;
    this.counters.failedWrites++;
    clearTimeout(work.alarm);
    work.alarm = setTimeout(() => this.#queue.add(key), RETRY_AFTER_FAULT_MS);
  }
}

const draw = ([minMs, maxMs]: DelayRange): number => minMs + Math.random() * (maxMs - minMs);

const isSameObject = (a: Manifest, b: Manifest): boolean =>
  a.kind === b.kind && a.metadata.name === b.metadata.name && a.metadata.namespace === b.metadata.namespace;
