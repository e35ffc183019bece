import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import type { Activities } from '../../activities/index.js';
import type { Assessment } from '../../src/domain/assess-cluster.js';
import type { ClusterState } from '../../src/domain/cluster-state.js';
import { isMassRemoval, summarizeFleet, type Removals } from '../../src/domain/fleet-summary.js';
import { IMAGE_NEWS_SIGNAL, WAVE_PROGRESS_SIGNAL } from '../../src/domain/messages.js';
import type { ImageNeed, ImageNews, ImageRequest, ImageResult } from '../../src/domain/image-process.js';
import type {
  FollowInput,
  Observation,
  ObserveInput,
  Outcome,
  PlanWaveInput,
  PublishInput,
  PublishResult,
  RecordRevisionInput,
  Remembered,
  RemoveInput,
  RemoveResult,
  Report,
  SpecProblem,
} from '../../src/domain/process.js';
import type { Problem } from '../../src/domain/reasons.js';
import type { EffectivePolicy } from '../../src/domain/rollout-policy.js';

export interface FakeCluster {
  kernel: string;
  /** What the cluster reports of what is published to it. */
  state: Extract<ClusterState, 'Loading' | 'Loaded' | 'NoNodes' | 'Failed' | 'Offline'>;
  selected: boolean;
  /** Revision that is published to it. */
  published?: string | undefined;
  /** The last attempt that a person asked for. */
  retriedWith?: string | undefined;
}

export interface Call {
  readonly activity: keyof Activities;
  readonly workflowId: string;
  readonly input: unknown;
}

interface FakeRevision {
  readonly name: string;
  readonly number: number;
  readonly pins: Record<string, string>;
}

/** How an activity looks at a cluster. */
interface Lens {
  readonly reasons?: ReadonlyMap<string, Problem>;
  readonly nudge?: string | undefined;
}

const FOLLOW_MS = 15;

/**
 * Everything around the workflows, in memory: an MCM, its clusters, a registry and the recorded revisions. A test changes the fields; the activities answer from them
 * and write down each call. `before` holds an activity up, or fails it.
 */
export class FakeHub {
  readonly name: string;
  kind: Observation['kind'] = 'module';
  problems: SpecProblem[] = [];
  /** What the spec hashes to. Another word is another revision. */
  spec = 'first';
  policy: EffectivePolicy = { maxConcurrent: undefined, maxFailures: 0, paused: false, settleMs: 0, progressDeadlineMs: 60_000 };
  needsNoImage = false;
  remembered: Remembered = { currentRevision: undefined, rolloutNumber: 0, history: [] };
  readonly clusters = new Map<string, FakeCluster>();
  /** By kernel. What is not here is missing from the registry. */
  readonly digests = new Map<string, string>();
  /** What a cluster becomes when it is published to. */
  afterPublish: (cluster: string) => FakeCluster['state'] = () => 'Loaded';
  /** An input that every missing image lacks. */
  blocked: Problem | undefined;
  /** What the workflow of an image tells as soon as it is asked. Default: nothing. */
  tells: ((need: ImageNeed) => Pick<ImageNews, 'state' | 'problem'>) | undefined;
  removalsFinish = true;
  runs = true;
  readonly before: Partial<Record<keyof Activities, (input: unknown) => Promise<void> | void>> = {};
  readonly calls: Call[] = [];
  readonly reports: Report[] = [];
  mostUnproven = 0;
  readonly #client: Client;
  readonly #revisions = new Map<string, FakeRevision>();
  /** How often a workflow has written a cluster: what it wrote and is behind all the same has changed since. */
  readonly #writes = new Map<string, number>();

  constructor(name: string, client: Client, clusters: Readonly<Record<string, string>> = {}) {
    this.name = name;
    this.#client = client;
    for (const [cluster, kernel] of Object.entries(clusters)) this.add(cluster, kernel);
  }

  /** A cluster that is selected, reachable and has nothing yet; its image is in the registry unless a test takes it out. */
  add(cluster: string, kernel = '6.1.0-1'): void {
    this.clusters.set(cluster, { kernel, state: 'Loading', selected: true });
    if (!this.digests.has(kernel)) this.digests.set(kernel, digestOf(kernel));
  }

  cluster(name: string): FakeCluster {
    const cluster = this.clusters.get(name);
    if (cluster === undefined) throw new Error(`There is no cluster ${name}.`);
    return cluster;
  }

  /** Names of the activities that a workflow called, in order. */
  callsOf = (workflowId: string): string[] => this.calls.filter((c) => c.workflowId === workflowId).map((c) => c.activity);

  /** Inputs of one activity, whoever called it. */
  inputsOf = <I>(activity: keyof Activities): I[] => this.calls.filter((c) => c.activity === activity).map((c) => c.input as I);

  /** Clusters that were published to, in order, again and again if so. */
  publishedTo = (): string[] => this.inputsOf<PublishInput>('publishBatch').flatMap((i) => [...i.clusters]);

  get revisionName(): string | undefined {
    return this.#revisions.get(this.spec)?.name;
  }

  readonly activities: Activities = {
    observe: (input) => this.#call('observe', input, () => this.#observe(input)),
    resolveImages: (input) => this.#call('resolveImages', input, () => input.images.map((need) => this.#resolve(need))),
    recordRevision: (input) => this.#call('recordRevision', input, () => this.#record(input)),
    planWave: (input) => this.#call('planWave', input, () => this.#plan(input)),
    publishBatch: (input) => this.#call('publishBatch', input, () => this.#publish(input)),
    followWave: (input) => this.#call('followWave', input, () => this.#follow(input)),
    removeWorks: (input) => this.#call('removeWorks', input, () => this.#remove(input)),
    report: (input) => this.#call('report', input, () => void this.reports.push(input)),
    isRunning: (input) => this.#call('isRunning', input, () => this.runs),
    requestImages: (input) => this.#call('requestImages', input, () => this.#tell(input.requests)),
    requestBuildSlot: (input) => this.#call('requestBuildSlot', input, () => undefined),
    runImageJob: (input) => this.#call('runImageJob', input, () => ({ ok: true, job: 'job', digest: digestOf('built'), seconds: 1 })),
    standingImageJobs: (input) => this.#call('standingImageJobs', input, () => ({ attempts: 0 })),
    adoptImageJobs: (input) => this.#call('adoptImageJobs', input, () => undefined),
    releaseImageJob: (input) => this.#call('releaseImageJob', input, () => undefined),
    cancelImageJobs: (input) => this.#call('cancelImageJobs', input, () => ({ deleted: 0 })),
  };

  async #call<T>(activity: keyof Activities, input: unknown, answer: () => T | Promise<T>): Promise<T> {
    this.calls.push({ activity, workflowId: Context.current().info.workflowExecution?.workflowId ?? '', input });
    await this.before[activity]?.(input);
    return answer();
  }

  #observe({ imageProblems, nudge }: ObserveInput): Observation {
    const { kind, problems, remembered, needsNoImage, policy } = this;
    const published = [...this.clusters].filter(([, c]) => c.published !== undefined).map(([name]) => name);
    if (kind === 'gone') return { kind, published: published.length, sample: published.slice(0, 10) };
    const revision = this.#revisions.get(this.spec);
    const selected = [...this.clusters.keys()].filter((name) => this.cluster(name).selected).sort();
    const reasons = new Map<string, Problem>(imageProblems.map(({ image, ...problem }) => [image, problem]));
    const fleet = summarizeFleet(
      selected.map((name) => this.#assess(name, revision, { reasons, nudge })),
      published.length,
    );
    if (kind === 'invalid') return { kind, uid: 'uid', generation: 1, problems, fleet, remembered };
    const needs = this.#needs(selected, revision);
    const pinned = Object.entries(revision?.pins ?? {}).map(([kernel, digest]) => ({ kernel, image: this.imageOf(kernel), digest }));
    return {
      kind,
      uid: 'uid',
      generation: 1,
      policy,
      revision: { hash: this.spec, name: revision?.name, number: revision?.number },
      needs,
      pinned,
      pinnedCount: pinned.length,
      needsNoImage,
      fleet,
      removals: this.#removals(),
      remembered,
    };
  }

  /** Records the revision of the spec as it is now, with every digest that is there. */
  record(): string {
    const pins = [...this.digests].map(([kernel, digest]) => ({ kernel, image: this.imageOf(kernel), digest }));
    return this.#record({ name: this.name, hash: this.spec, pins })?.name ?? '';
  }

  /** Every cluster that is published to reports that it is loaded. */
  proveAll(): void {
    for (const cluster of this.clusters.values())
      if (cluster.published !== undefined && cluster.state === 'Loading') cluster.state = 'Loaded';
    this.afterPublish = () => 'Loaded';
  }

  imageOf = (kernel: string): string => `registry.example.com/kmods/${this.name}:${kernel}`;

  #needs(selected: readonly string[], revision: FakeRevision | undefined): ImageNeed[] {
    if (this.needsNoImage) return [];
    const kernels = [...new Set(selected.map((name) => this.cluster(name).kernel))].sort();
    return kernels
      .filter((kernel) => revision?.pins[kernel] === undefined)
      .map((kernel) => ({
        key: kernel,
        image: this.imageOf(kernel),
        kernels: [kernel],
        expect: { dirName: '/opt' },
        ...(this.blocked && { blocked: this.blocked }),
      }));
  }

  #assess(name: string, revision: FakeRevision | undefined, { reasons, nudge }: Lens = {}): Assessment {
    const { kernel, state, published, retriedWith } = this.cluster(name);
    const verdict = (as: ClusterState, problem?: Problem, behind = false): Assessment => ({
      cluster: name,
      state: as,
      behind,
      final: !behind && as !== 'Loading' && as !== 'Pending',
      problem,
    });
    if (state === 'Offline') return verdict('Offline', { reason: 'ClusterUnavailable', message: `Cluster ${name} is away.` });
    if (revision === undefined) return verdict('Pending');
    if (!this.needsNoImage && revision.pins[kernel] === undefined) {
      const message = `The image for kernel ${kernel} is not there.`;
      return verdict('Excluded', reasons?.get(this.imageOf(kernel)) ?? { reason: 'ImageMissing', message });
    }
    if (published !== revision.name) return verdict('Pending', undefined, true);
    if (state === 'Failed' && nudge !== undefined && nudge !== retriedWith) return verdict('Failed', undefined, true);
    return verdict(state, state === 'Failed' ? { reason: 'ApplyFailed', message: `Cluster ${name} could not apply it.` } : undefined);
  }

  #removals(): Removals {
    const published = [...this.clusters.values()].filter((c) => c.published !== undefined).length;
    const clusters = [...this.clusters].filter(([, c]) => !c.selected && c.published !== undefined).map(([name]) => name);
    const held = isMassRemoval(clusters.length, published);
    return { count: clusters.length, published, token: `of ${clusters.join(' ')}`, sample: clusters.slice(0, 10), held };
  }

  #resolve({ image, key, kernels, blocked }: ImageNeed): ImageResult {
    const digest = this.digests.get(kernels[0] ?? '');
    if (digest !== undefined) return { image, key, kernels, digest };
    return { image, key, kernels, problem: blocked ?? { reason: 'ImageMissing', message: `Image ${image} does not exist.` } };
  }

  async #tell(requests: readonly ImageRequest[]): Promise<void> {
    for (const { need, requester } of requests) {
      const { key, image } = need;
      if (this.tells === undefined) return;
      const news: ImageNews = { key, image, attempt: 0, ...this.tells(need) };
      await this.#client.workflow.getHandle(requester.workflowId).signal(IMAGE_NEWS_SIGNAL, news);
    }
  }

  #record({ hash, pins }: RecordRevisionInput) {
    if (hash !== this.spec) return undefined;
    const known = this.#revisions.get(hash);
    const number = known?.number ?? this.#revisions.size + 1;
    const revision: FakeRevision = {
      name: `${this.name}-${hash}`,
      number,
      pins: { ...known?.pins, ...Object.fromEntries(pins.map((p) => [p.kernel, p.digest])) },
    };
    this.#revisions.set(hash, revision);
    return { name: revision.name, number };
  }

  readonly #revision = (name: string): FakeRevision | undefined => [...this.#revisions.values()].find((r) => r.name === name);

  #plan({ revision, nudge }: PlanWaveInput) {
    const at = this.#revision(revision);
    const clusters = [...this.clusters.keys()].filter((name) => {
      const { behind, final } = this.#assess(name, at, { nudge });
      return this.cluster(name).selected && (behind || !final);
    });
    return { clusters: clusters.sort() };
  }

  #publish({ revision, clusters, nudge, workflowId }: PublishInput): PublishResult {
    const result = { written: [] as string[], unchanged: [] as string[], setAside: [] as Outcome[] };
    for (const name of clusters) {
      const { behind, final, state, problem } = this.#assess(name, this.#revision(revision), { nudge });
      if (behind) {
        Object.assign(this.cluster(name), { published: revision, state: 'Loading', retriedWith: nudge });
        this.#writes.set(`${workflowId} ${name}`, (this.#writes.get(`${workflowId} ${name}`) ?? 0) + 1);
        result.written.push(name);
      } else if (final && state !== 'Loaded' && state !== 'NoNodes') result.setAside.push({ cluster: name, state, problem });
      else result.unchanged.push(name);
    }
    this.mostUnproven = Math.max(this.mostUnproven, this.#unproven());
    for (const name of result.written) this.cluster(name).state = this.afterPublish(name);
    return result;
  }

  #unproven = (): number => [...this.clusters.values()].filter((c) => c.published !== undefined && c.state === 'Loading').length;

  /** As the real one: tells each change once, and newcomers. */
  async #follow({ clusters, inFlight, revision, workflowId, nudge }: FollowInput): Promise<void> {
    const told = new Map<string, string>([...clusters.map((c) => [c, 'behind'] as const), ...inFlight.map((c) => [c, 'unknown'] as const)]);
    for (;;) {
      Context.current().heartbeat();
      const progress = { outcomes: [] as Outcome[], behind: [] as string[] };
      for (const [name, { selected }] of this.clusters) {
        const { state, behind, final, problem } = this.#assess(name, this.#revision(revision), { nudge });
        const before = told.get(name);
        const writes = this.#writes.get(`${workflowId} ${name}`);
        const now = behind ? (writes === undefined ? 'behind' : `behind after ${writes}`) : final ? state : 'inFlight';
        if (!selected || now === before || (before === undefined && !behind)) continue;
        told.set(name, now);
        if (behind) progress.behind.push(name);
        else if (final) progress.outcomes.push({ cluster: name, state, problem });
      }
      if (progress.outcomes.length + progress.behind.length > 0)
        await this.#client.workflow
          .getHandle(workflowId)
          .signal(WAVE_PROGRESS_SIGNAL, progress)
          .catch(() => undefined); // it has ended
      await Context.current().sleep(FOLLOW_MS);
    }
  }

  #remove({ scope }: RemoveInput): RemoveResult {
    const removals = this.#removals();
    if (scope !== 'all' && scope.token !== removals.token) return { deleted: 0, remaining: removals.count, sample: removals.sample };
    const names = [...this.clusters.keys()].filter((name) => {
      const { published, selected } = this.cluster(name);
      return published !== undefined && (scope === 'all' || !selected);
    });
    if (!this.removalsFinish) return { deleted: names.length, remaining: names.length, sample: names.slice(0, 10) };
    for (const name of names) this.cluster(name).published = undefined;
    return { deleted: names.length, remaining: 0, sample: [] };
  }
}

const digestOf = (kernel: string): string => `sha256:${Buffer.from(kernel).toString('hex').padEnd(64, '0').slice(0, 64)}`;
