import { createHash } from 'node:crypto';
import type { ModuleSpec } from '../../../src/api/index.js';
import type { Clock, Patience } from '../../../src/domain/assess-cluster.js';
import type { StateCounts } from '../../../src/domain/cluster-state.js';
import { noCounts } from '../../../src/domain/cluster-state.js';
import type { DesiredContent } from '../../../src/domain/desired-content.js';
import { emptyFleet, type FleetSummary } from '../../../src/domain/fleet-summary.js';
import type { ModuleStatus } from '../../../src/domain/module-status.js';
import type { ActiveWork, Progress } from '../../../src/domain/next-step.js';
import type { ImageNeed } from '../../../src/domain/image-process.js';
import type { ObservedModule, RolloutRecord, WaveTotals } from '../../../src/domain/process.js';
import type { Pins, Revision } from '../../../src/domain/revision.js';
import { noTotals } from '../../../src/domain/rollout-outcome.js';
import type { ClusterView, WorkView } from '../../../src/domain/views.js';

/** Builders: each gives a plain, healthy thing, and a case changes only what matters to it. */

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A digest that is easy to tell from another: 64 times one hex digit. */
export const aDigest = (digit: string): string => `sha256:${digit.repeat(64)}`;

export const KERNELS = ['5.14.0-427.el9.x86_64', '6.1.0-18-amd64', '6.8.0-31-generic'] as const;

/** Published at `00:00`, looked at `00:10`. */
export const PUBLISHED_AT = '2026-01-01T00:00:00.000Z';
export const PUBLISHED_MS = Date.parse(PUBLISHED_AT);
export const MINUTE = 60_000;

/** An accepted, available cluster with one kernel. */
export const aCluster = (change: Partial<ClusterView> = {}): ClusterView => ({
  name: 'spoke-1',
  labels: { site: 'edge' },
  kernels: [KERNELS[1]],
  accepted: true,
  available: true,
  availabilitySince: '2025-12-31T12:00:00Z',
  deleting: false,
  ...change,
});

/** A ManifestWork that is applied, echoed and loaded on two of two nodes. */
export const aWork = (change: Partial<WorkView> = {}): WorkView => ({
  cluster: 'spoke-1',
  module: 'kmod',
  uid: 'work-uid',
  generation: 3,
  deleting: false,
  ownerUid: 'mcm-uid',
  contentHash: 'hash-a',
  declaredHash: 'hash-a',
  wellFormed: true,
  revision: 'kmod-aaaaaaaaaa',
  workflow: 'mcm/kmod/rollout/1/wave/1',
  retry: undefined,
  publishedAt: PUBLISHED_AT,
  mappings: [{ literal: KERNELS[1], containerImage: `registry.example.com/kmod@${aDigest('1')}` }],
  parts: { moduleLoader: true, devicePlugin: false, dra: false },
  ordered: false,
  applied: { status: 'True', observedGeneration: 3, message: '' },
  manifestApplied: { status: 'True', observedGeneration: 3, message: '' },
  echoedHash: 'hash-a',
  counters: {
    'moduleLoader.availableNumber': 2,
    'moduleLoader.desiredNumber': 2,
    'moduleLoader.nodesMatchingSelectorNumber': 2,
  },
  ...change,
});

/** Content that {@link aWork} holds already. */
export const theContent = (hash = 'hash-a'): DesiredContent => ({
  kind: 'content',
  module: {
    manifest: { apiVersion: 'v1', kind: 'Module', metadata: { name: 'kmod', namespace: 'kmm', annotations: {} }, spec: {} },
    hash,
    bytes: 100,
  },
  problems: [],
  complete: true,
});

export const PATIENCE: Patience = { settleMs: 2 * MINUTE, progressDeadlineMs: 30 * MINUTE };

/** Ten minutes after publishing; the proof has held for five of them. */
export const aClock = (change: Partial<Clock> = {}): Clock => ({
  nowMs: PUBLISHED_MS + 10 * MINUTE,
  heldSinceMs: PUBLISHED_MS + 5 * MINUTE,
  availableSinceMs: 0,
  ...change,
});

/** One regexp mapping whose image has the kernel in its tag. */
export const aModuleSpec = (change: Partial<ModuleSpec> = {}): ModuleSpec => ({
  selector: { 'node-role.kubernetes.io/worker': '' },
  moduleLoader: {
    container: {
      modprobe: { moduleName: 'kmod', dirName: '/opt' },
      kernelMappings: [{ regexp: '^.+$', containerImage: 'registry.example.com/kmod:${KERNEL_FULL_VERSION}' }],
    },
  },
  ...change,
});

export const imageOf = (kernel: string): string => `registry.example.com/kmod:${kernel}`;

/** Pins every kernel given to a digest of its own. */
export const somePins = (kernels: readonly string[] = KERNELS): Pins =>
  Object.fromEntries(kernels.map((kernel, i) => [kernel, { image: imageOf(kernel), digest: aDigest((i + 1).toString(16)) }]));

export const aRevision = (change: Partial<Revision> = {}): Revision => ({
  name: 'kmod-aaaaaaaaaa',
  number: 1,
  hash: 'aaaaaaaaaa',
  spokeNamespace: 'kmm-modules',
  moduleSpec: aModuleSpec(),
  pins: somePins(),
  ...change,
});

export const states = (change: Partial<StateCounts>): StateCounts => ({ ...noCounts(), ...change });

/** A fleet from its states; `selected` is their sum. */
export const aFleet = (counts: Partial<StateCounts>, change: Partial<FleetSummary> = {}): FleetSummary => {
  const all = states(counts);
  const selected = Object.values(all).reduce((a, b) => a + b, 0);
  return { ...emptyFleet(), selected, published: selected, states: all, ...change };
};

/** An MCM with three clusters, all loaded with the revision that the spec asks for. */
export const aModule = (change: Partial<ObservedModule> = {}): ObservedModule => ({
  kind: 'module',
  uid: 'mcm-uid',
  generation: 1,
  policy: { maxConcurrent: undefined, maxFailures: 0, paused: false, ...PATIENCE },
  revision: { hash: 'aaaaaaaaaa', name: 'kmod-aaaaaaaaaa', number: 1 },
  needs: [],
  pinned: [{ kernel: KERNELS[1], image: imageOf(KERNELS[1]), digest: aDigest('1') }],
  pinnedCount: 1,
  needsNoImage: false,
  fleet: aFleet({ Loaded: 3 }),
  removals: { count: 0, published: 3, token: 'e3b0c44298fc', sample: [], held: false },
  remembered: { currentRevision: undefined, rolloutNumber: 0, history: [] },
  ...change,
});

export const aNeed = (change: Partial<ImageNeed> = {}): ImageNeed => ({
  expect: { dirName: '/opt' },
  key: 'key',
  image: imageOf(KERNELS[0]),
  kernels: [KERNELS[0]],
  ...change,
});

export const aRollout = (change: Partial<ActiveWork> = {}): ActiveWork => ({
  kind: 'rollout',
  workflowId: 'mcm/kmod/rollout/1',
  number: 1,
  revision: 'kmod-aaaaaaaaaa',
  startedAt: PUBLISHED_AT,
  stopping: false,
  ...change,
});

/** A workflow that has rolled out what the spec asks for. */
export const someProgress = (change: Partial<Progress> = {}): Progress => ({
  paused: false,
  active: undefined,
  currentRevision: 'kmod-aaaaaaaaaa',
  lastRolled: 'kmod-aaaaaaaaaa',
  dueImages: [],
  confirmedRemoval: undefined,
  ...change,
});

export const someTotals = (change: Partial<WaveTotals> = {}): WaveTotals => ({ ...noTotals(), ...change });

export const aRecord = (change: Partial<RolloutRecord> = {}): RolloutRecord => ({
  number: 1,
  revision: 'kmod-aaaaaaaaaa',
  outcome: 'Completed',
  startedAt: '2026-01-01T00:00:00.000Z',
  finishedAt: '2026-01-01T00:05:00.000Z',
  clusters: someTotals({ total: 3, loaded: 3, written: 3 }),
  message: 'Completed: of 3 clusters 3 loaded.',
  ...change,
});

/** What the workflow knows of a module that is ready. */
export const aStatus = (change: Partial<ModuleStatus> = {}): ModuleStatus => ({
  name: 'kmod',
  generation: 1,
  phase: 'Ready',
  fleet: aFleet({ Loaded: 3 }),
  currentRevision: 'kmod-aaaaaaaaaa',
  updateRevision: 'kmod-aaaaaaaaaa',
  images: [{ image: imageOf(KERNELS[1]), kernels: [KERNELS[1]], digest: aDigest('1') }],
  rollout: undefined,
  history: [aRecord()],
  removals: { count: 0, published: 3, token: 'e3b0c44298fc', sample: [], held: false },
  problems: [],
  paused: undefined,
  workflow: { id: 'mcm/kmod', runId: 'run-1' },
  doing: 'Everything is as it should be.',
  trouble: undefined,
  headless: false,
  ...change,
});
