import type { ManagedClusterModuleSpec } from '../api/index.js';
import type { ClusterState } from '../domain/cluster-state.js';
import type { FoundModule, ImageOrigin } from '../domain/image-process.js';
import type { ImageProgress } from '../domain/mcm-images.js';
import type { ModuleStatus } from '../domain/module-status.js';
import type { RolloutRecord } from '../domain/process.js';
import type { Reason } from '../domain/reasons.js';

/** A module to start without a ManagedClusterModule object: its name and spec, or a whole manifest that has both. */
export type StartInput =
  | { readonly name: string; readonly spec: ManagedClusterModuleSpec; readonly mcm?: undefined }
  | { readonly mcm: unknown; readonly name?: undefined; readonly spec?: undefined };

export interface Started {
  readonly name: string;
  readonly workflowId: string;
  readonly runId: string;
}

/** Who asks, and why: recorded with the decision. */
export interface Person {
  readonly by: string;
  readonly reason?: string | undefined;
}

export interface StatusAnswer extends ModuleStatus {
  /** `workflow`: current. `object`: what the ManagedClusterModule's status said last, since no workflow answered. */
  readonly source: 'workflow' | 'object';
  /** Why the answer does not come from the workflow. */
  readonly note: string | undefined;
  /** `metadata.generation` of the object now; undefined for a headless module. `generation` is the one that was last looked at. */
  readonly desiredGeneration: number | undefined;
}

export interface ModuleListItem {
  readonly name: string;
  readonly headless: boolean;
  readonly phase: string;
  /** Undefined: nobody could tell. */
  readonly selected: number | undefined;
  readonly loaded: number | undefined;
  readonly failed: number | undefined;
  readonly offline: number | undefined;
  readonly revision: string | undefined;
  /** Whether a workflow looks after it; undefined when Temporal did not answer. */
  readonly running: boolean | undefined;
  /** RFC 3339. */
  readonly createdAt: string | undefined;
}

export interface ModuleList {
  readonly modules: readonly ModuleListItem[];
  /** What the list may lack, a sentence each. */
  readonly notes: readonly string[];
}

export interface KernelNote {
  readonly kernel: string;
  readonly reason: Reason;
  readonly message: string;
}

/** One selected cluster, as the hub's API server shows it now. */
export interface ClusterRow {
  readonly cluster: string;
  readonly kernels: readonly string[];
  readonly state: ClusterState;
  readonly reason: Reason | undefined;
  readonly message: string | undefined;
  /** Since when it has been so, as far as the hub knows. RFC 3339. */
  readonly since: string | undefined;
  /** What stands in its ManifestWork. */
  readonly revision: string | undefined;
  readonly contentHash: string | undefined;
  /** The hub would write its ManifestWork now. */
  readonly behind: boolean;
  /** Kernels of a served cluster that have no image. */
  readonly kernelNotes: readonly KernelNote[];
}

export const PLAN_ACTIONS = ['create', 'update', 'unchanged', 'remove', 'offline', 'excluded'] as const;
/** `offline`: the cluster keeps what it has and catches up when it returns. `excluded`: it gets nothing, and the row says why. */
export type PlanAction = (typeof PLAN_ACTIONS)[number];

export interface PlannedKernel {
  readonly kernel: string;
  readonly image: string;
  /** Undefined: the tag would be resolved first. */
  readonly digest: string | undefined;
}

export interface PlannedCluster {
  readonly cluster: string;
  readonly action: PlanAction;
  readonly kernels: readonly PlannedKernel[];
  readonly reason: Reason | undefined;
  readonly message: string | undefined;
  readonly kernelNotes: readonly KernelNote[];
}

export interface PlannedImage {
  readonly image: string;
  readonly kernels: readonly string[];
  readonly clusters: number;
  /** `pinned`: the revision has its digest. `would be resolved`: the tag is looked up first. `missing`: the last look-up failed. */
  readonly state: 'pinned' | 'would be resolved' | 'missing';
  readonly digest: string | undefined;
  readonly message: string | undefined;
}

/** What would change if this manifest were applied now. */
export interface ModulePreview {
  readonly name: string;
  /** A ManagedClusterModule of this name exists. */
  readonly exists: boolean;
  /** `current` is the one that is deployed; undefined for a module that is new. */
  readonly revision: { readonly name: string; readonly recorded: boolean; readonly current: string | undefined };
  readonly counts: Readonly<Record<PlanAction, number>>;
  readonly clusters: readonly PlannedCluster[];
  readonly images: readonly PlannedImage[];
  /** So many clusters would lose the module at once that the hub waits for a person. */
  readonly removalHeld: boolean;
}

/** The image of one kernel. */
export interface ImageRow {
  readonly kernel: string;
  readonly image: string;
  readonly state: ImageProgress;
  readonly digest: string | undefined;
  /** Of a pinned image: `Made` by kmodflow, or `Foreign`: pushed by somebody else. Undefined: not known. */
  readonly origin: ImageOrigin | undefined;
  /** Why it is not ready, or why the last attempt failed. */
  readonly reason: Reason | undefined;
  readonly message: string | undefined;
  /** Id of the workflow that makes it or waits for it; undefined for a pinned image. */
  readonly workflow: string | undefined;
  /** Jobs that were begun so far; 0 for an image that is only looked up. */
  readonly attempt: number;
  readonly job: string | undefined;
  /** RFC 3339. Undefined: not before an input changes or somebody asks. */
  readonly nextTryAt: string | undefined;
  /** The last lines of the log of the attempt that failed, at most 50. */
  readonly log: readonly string[];
  /** What stands in it for this kernel; empty until it is pinned. */
  readonly modules: readonly FoundModule[];
}

export interface ModuleImages {
  readonly module: string;
  readonly source: 'workflow' | 'object';
  /** One for each kernel, by kernel. */
  readonly images: readonly ImageRow[];
  /** What is not known, and settings without effect, a sentence each. */
  readonly notes: readonly string[];
}

/** The containers of a build Job in their order; `check` looks whether key and certificate belong together. */
export const LOG_CONTAINERS = ['check', 'fetch', 'build', 'sign', 'push'] as const;
export type LogContainer = (typeof LOG_CONTAINERS)[number];

export interface LogsOptions {
  /** May be left out when the module has one image. */
  readonly kernel?: string | undefined;
  /** This container alone. */
  readonly container?: LogContainer | undefined;
  /** Counts from 1; default the newest whose Job is there. */
  readonly attempt?: number | undefined;
  /** So many lines of each container, from the end; default 20,000, and at most 8 MiB. */
  readonly tail?: number | undefined;
}

export interface ContainerLog {
  readonly container: string;
  /** `waiting`: it has not begun. */
  readonly state: 'waiting' | 'running' | 'succeeded' | 'failed';
  readonly exitCode: number | undefined;
  /** Undefined: there is none, and `note` says why. */
  readonly text: string | undefined;
  /** Also that the text is cut. */
  readonly note: string | undefined;
}

export interface ImageLogs {
  readonly module: string;
  readonly image: string;
  readonly kernels: readonly string[];
  /** Undefined: no Job of the image is there. */
  readonly job: string | undefined;
  readonly attempt: number | undefined;
  readonly containers: readonly ContainerLog[];
  /** What the module's status has of the log of the attempt that failed; filled when the Job cannot be asked. */
  readonly remembered: readonly string[];
  /** What is not there (any more), a sentence each. */
  readonly notes: readonly string[];
}

/** Something that happened to one cluster in one wave. */
export interface ClusterEvent {
  /** RFC 3339, by Temporal's clock. */
  readonly at: string;
  /** `published`, `unchanged` (it had the content already), `behind` (to be published again), or the state in which its part ended. */
  readonly what: string;
  readonly revision: string;
  readonly kind: 'rollout' | 'catch-up';
  readonly number: number;
  readonly reason: string | undefined;
  readonly message: string | undefined;
  readonly workflowId: string;
  readonly runId: string;
}

export interface ModuleHistory {
  readonly source: 'workflow' | 'object';
  /** Newest first, at most ten. */
  readonly rollouts: readonly RolloutRecord[];
  /** Set when a cluster was asked for. */
  readonly cluster?: string | undefined;
  /** Oldest first. */
  readonly events: readonly ClusterEvent[];
  /** What is not there (any more), a sentence each. */
  readonly notes: readonly string[];
}

/** `done` and `failed` end the waiting. A failure must stand for a few seconds first, since the workflow may just not have looked yet. */
export type Verdict = { readonly verdict: 'wait' | 'done' } | { readonly verdict: 'failed'; readonly why: string };
export type Until = (status: StatusAnswer) => Verdict;

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called when what a person would see has changed. */
  readonly onProgress?: ((status: StatusAnswer) => void) | undefined;
  /** Default 30 minutes. */
  readonly timeoutMs?: number | undefined;
  /** Between two looks, default 1,000. */
  readonly pollMs?: number | undefined;
  /** How long a failure must stand before it counts, default 5,000. */
  readonly steadyMs?: number | undefined;
  /** How long "done" must stand, default 0. Right after a request the workflow may still answer with what it saw before: then wait a second or two. */
  readonly doneSteadyMs?: number | undefined;
  /** The revision of a spec that was set a moment ago: what is said of another one does not count. */
  readonly revision?: string | undefined;
}

export interface Waited {
  readonly status: StatusAnswer;
  /** Undefined: it is done. */
  readonly failed: string | undefined;
}

/**
 * What programs do with modules. Every method throws a Fault with a sentence for a person: `Missing` (no such module), `Invalid` (bad input), `Conflict` (the module
 * refuses this now), `Unavailable` (Temporal, a worker or Kubernetes does not answer).
 */
export interface KmodflowClient {
  /** Starts a module that has no ManagedClusterModule object. Refuses when one of that name exists or runs already. */
  start(input: StartInput): Promise<Started>;
  /** Gives a headless module another spec. @returns What the workflow answers, one sentence. */
  setSpec(name: string, spec: ManagedClusterModuleSpec, person: Person): Promise<string>;
  status(name: string): Promise<StatusAnswer>;
  list(): Promise<ModuleList>;
  /** One row for each selected cluster, by name. Needs Kubernetes alone, and for a headless module Temporal for its spec. */
  clusters(name: string): Promise<ClusterRow[]>;
  /** The image of each kernel: how far it is, who made it, and what is in it. Needs Temporal or the hub; what is in the images is known to the hub alone. */
  images(name: string): Promise<ModuleImages>;
  /** The logs of the Job that makes the image of a kernel. @throws Fault `Invalid` when the kernel is not the module's, or is left out and there are several images. */
  logs(name: string, options?: LogsOptions): Promise<ImageLogs>;
  /** Changes nothing. Images are not looked up: those without a digest "would be resolved". */
  plan(mcm: unknown): Promise<ModulePreview>;
  history(name: string, options?: { readonly cluster?: string | undefined }): Promise<ModuleHistory>;
  pause(name: string, person: Person): Promise<string>;
  resume(name: string, person: Person): Promise<string>;
  /** Tries failed images and failed clusters again now. */
  retry(name: string, person: Person): Promise<string>;
  /** @param person `token` names the set of clusters that the person has seen (`status`, `removals.token`). */
  confirmRemoval(name: string, person: Person & { readonly token?: string | undefined }): Promise<string>;
  /** Deletes a headless module: its ManifestWorks are removed everywhere. */
  delete(name: string, person: Person): Promise<string>;
  /** Waits until `until` says so; default {@link Until} `untilReady`. @throws WaitTimedOut */
  waitFor(name: string, until?: Until, options?: WaitOptions): Promise<Waited>;
}
