/** What travels between workflows and activities: plain JSON, bounded in size whatever the size of the fleet, never a secret. */
import type { ManagedClusterModuleSpec } from '../api/index.js';
import type { ClusterState } from './cluster-state.js';
import type { Exception, FleetSummary, Removals } from './fleet-summary.js';
import type { ImageNeed, ImageNews, ImageOrigin, ImageProblem } from './image-process.js';
import type { Problem, Reason } from './reasons.js';
import type { EffectivePolicy } from './rollout-policy.js';
import type { Pin } from './revision.js';

/** Which module an activity works for. A headless module has no MCM object: its spec travels along. */
export interface ModuleRef {
  readonly name: string;
  readonly headless?: ManagedClusterModuleSpec | undefined;
}

export interface ObserveInput extends ModuleRef {
  readonly imageProblems: readonly ImageProblem[];
  /** A person asked to try failed clusters again, and no wave has done so yet: see {@link WaveRef.nudge}. */
  readonly nudge?: string | undefined;
  /** ManifestWorks that were removed lately without a confirmation: they count towards a mass removal. */
  readonly recentlyRemoved?: number | undefined;
  /** Token of the removal that is held: it stays held, however long nobody answers. */
  readonly heldRemoval?: string | undefined;
}

export interface SpecProblem {
  readonly path: string;
  readonly message: string;
  /** Set where another reason than `InvalidSpec` fits. */
  readonly reason?: Reason | undefined;
}

/** What the MCM's own status remembers: enough to go on after the loss of Temporal's database. */
export interface Remembered {
  readonly currentRevision: string | undefined;
  readonly rolloutNumber: number;
  readonly history: readonly RolloutRecord[];
}

export interface ObservedModule {
  readonly kind: 'module';
  /** Uid of the MCM object; undefined for a headless module. */
  readonly uid: string | undefined;
  readonly generation: number;
  readonly policy: EffectivePolicy;
  /** The revision that the spec asks for; `name` once it is recorded. */
  readonly revision: { readonly hash: string; readonly name?: string | undefined; readonly number?: number | undefined };
  readonly needs: readonly ImageNeed[];
  /** Images of this revision that have a digest. */
  readonly pinned: readonly Pin[];
  readonly pinnedCount: number;
  /** The module has no `moduleLoader`: there is no image to wait for. */
  readonly needsNoImage: boolean;
  readonly fleet: FleetSummary;
  readonly removals: Removals;
  readonly remembered: Remembered;
  /** Settings that are accepted and have no effect, a sentence each. */
  readonly notes?: readonly string[] | undefined;
  /** In how many milliseconds some cluster's state changes by time alone: a settle time or a deadline ends. Undefined: none does. */
  readonly changesInMs?: number | undefined;
}

export type Observation =
  | ObservedModule
  | { readonly kind: 'gone'; readonly published: number; readonly sample: readonly string[] }
  | {
      readonly kind: 'invalid';
      readonly uid: string | undefined;
      readonly generation: number;
      readonly problems: readonly SpecProblem[];
      readonly fleet: FleetSummary;
      readonly remembered: Remembered;
    };

export interface RecordRevisionInput extends ModuleRef {
  /** The hash that the workflow decided on. When the spec has moved on since, nothing is recorded and the answer is undefined. */
  readonly hash: string;
  readonly pins: readonly Pin[];
}

export interface RecordedRevision {
  readonly name: string;
  readonly number: number;
}

/** Names the part of a rollout that an activity works on. */
export interface WaveRef extends ModuleRef {
  readonly revision: string;
  readonly imageProblems: readonly ImageProblem[];
  readonly policy: EffectivePolicy;
  /** A person asked to try failed clusters again: they are written once more with this as the retry label, which makes the work agent try at once. */
  readonly nudge?: string | undefined;
}

export interface PlanWaveInput extends WaveRef {
  /** Name of the last cluster of the page before. */
  readonly after?: string | undefined;
}

/** One page of a plan: as many clusters as fit a payload, in order of their names. */
export interface WavePlan {
  readonly clusters: readonly string[];
  readonly next?: string | undefined;
}

export interface PublishInput extends WaveRef {
  readonly clusters: readonly string[];
  readonly workflowId: string;
}

/** What became of each cluster of a batch: every name of the input stands in exactly one list. */
export interface PublishResult {
  readonly written: readonly string[];
  readonly unchanged: readonly string[];
  readonly setAside: readonly Outcome[];
}

/** The end of a cluster's part in a wave. */
export interface Outcome {
  readonly cluster: string;
  readonly state: ClusterState;
  readonly problem?: Problem | undefined;
}

export interface FollowInput extends WaveRef {
  /** Clusters that the wave publishes by itself: that they are behind need not be told. */
  readonly clusters: readonly string[];
  /** Clusters that it has published before this follower began: whatever is the case with them is told. */
  readonly inFlight: readonly string[];
  readonly workflowId: string;
}

/** What the follower of a wave tells it: outcomes, and clusters that need publishing again or are new. */
export interface WaveProgress {
  readonly outcomes: readonly Outcome[];
  readonly behind: readonly string[];
}

export interface WaveTotals {
  readonly total: number;
  readonly pending: number;
  readonly inFlight: number;
  readonly loaded: number;
  readonly noNodes: number;
  readonly failed: number;
  readonly offline: number;
  readonly excluded: number;
  readonly written: number;
}

export interface WaveResult {
  readonly totals: WaveTotals;
  readonly stopped: boolean;
  /** The failed clusters, the first twenty by name. */
  readonly failures: readonly Exception[];
}

export type RolloutOutcome = 'Completed' | 'Failed' | 'Superseded' | 'Aborted';

export interface RolloutRecord {
  readonly number: number;
  readonly revision: string;
  readonly outcome: RolloutOutcome;
  /** RFC 3339 */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly clusters: WaveTotals;
  readonly message: string;
}

export interface RemoveInput extends ModuleRef {
  /** `all`: the module is gone. Otherwise the token of the removals that were observed: nothing is removed when the set has changed since. */
  readonly scope: 'all' | { readonly token: string };
}

export interface RemoveResult {
  readonly deleted: number;
  readonly remaining: number;
  readonly sample: readonly string[];
  /** With scope `all`: the module has been made anew, so nothing was removed. */
  readonly exists?: boolean | undefined;
}

export type Phase = 'Pending' | 'Progressing' | 'Ready' | 'Degraded' | 'Paused' | 'Invalid' | 'Removing';

export interface ImageState {
  readonly image: string;
  readonly kernels: readonly string[];
  readonly digest?: string | undefined;
  readonly problem?: Problem | undefined;
  /** Of a pinned image: who made it. */
  readonly origin?: ImageOrigin | undefined;
  /** Of an image that is not pinned yet and has a workflow of its own: how far that one is. */
  readonly run?: Pick<ImageNews, 'key' | 'state' | 'attempt' | 'job' | 'log' | 'nextTryAt'> | undefined;
}

export interface RolloutState {
  readonly number: number;
  readonly revision: string;
  readonly phase: string;
  readonly startedAt: string;
}

/** The truth that the status, the Events, the details in the UI and the CLI show. */
export interface Report {
  readonly name: string;
  readonly generation: number;
  readonly phase: Phase;
  readonly fleet: FleetSummary;
  readonly currentRevision: string | undefined;
  readonly updateRevision: string | undefined;
  readonly images: readonly ImageState[];
  readonly rollout: RolloutState | undefined;
  readonly history: readonly RolloutRecord[];
  readonly removals: Removals | undefined;
  readonly problems: readonly SpecProblem[];
  readonly paused: { readonly by: string; readonly reason: string } | undefined;
  readonly workflow: { readonly id: string; readonly runId: string };
  /** The spec's `imageRebuildTriggerGeneration`, where the reporter knows it: the status echoes it once the revision that it made is rolled out. */
  readonly rebuildGeneration?: number | undefined;
  /** Settings that are accepted and have no effect, a sentence each. */
  readonly notes?: readonly string[] | undefined;
}
