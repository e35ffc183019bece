import { z } from 'zod';
import { Condition } from './meta.js';

/** Status lists are samples, not inventories: an object of Kubernetes has a size limit, and a fleet has none. */
export const MAX_EXCEPTIONS = 100;
/** Lines of a failed attempt's log. */
export const MAX_LOG_LINES = 50;
/** Rollouts that the status remembers. */
export const MAX_HISTORY = 10;

const text = (description: string) => z.string().meta({ description }).optional();
const time = (description: string) => text(`${description}, RFC 3339.`);
const count = (description: string) => z.int().meta({ description, format: 'int32' }).optional();
const number = (description: string) => z.int().meta({ description, format: 'int32' });

/** Clusters by state, now. */
export const ClusterCounts = z.object({
  selected: count('Clusters that the selector matches.'),
  published: count('Clusters whose ManifestWork holds what the hub wants.'),
  applied: count('Clusters whose agent applied it.'),
  loading: count('Clusters whose nodes are loading it.'),
  loaded: count('Clusters on which loading is proven.'),
  noNodes: count('Clusters on which no node matches the node selector.'),
  failed: count('Clusters that failed.'),
  offline: count('Clusters that do not answer; they catch up when they return.'),
  held: count('Clusters that wait for a person.'),
  repairing: count('Clusters that are tried again.'),
  excluded: count('Clusters that get nothing, for a reason given in exceptions.'),
  pending: count('Clusters whose turn has not come.'),
});
export type ClusterCounts = z.infer<typeof ClusterCounts>;

/** Clusters of one rollout. */
export const RolloutCounts = z.object({
  total: count('Clusters of the rollout.'),
  pending: count('Clusters whose turn has not come.'),
  inFlight: count('Clusters between published and proven.'),
  loaded: count('Clusters on which loading is proven.'),
  noNodes: count('Clusters on which no node matches the node selector.'),
  failed: count('Clusters that failed.'),
  offline: count('Clusters that do not answer.'),
  excluded: count('Clusters that got nothing.'),
  written: count('ManifestWorks that were written.'),
});
export type RolloutCounts = z.infer<typeof RolloutCounts>;

export const StatusException = z.object({
  cluster: text('The cluster that it is about, if one.'),
  kernel: text('The kernel that it is about, if one.'),
  state: text('State of the cluster.'),
  reason: z.string().meta({ description: 'One word for why.' }),
  message: z.string().meta({ description: 'What is the case and what to do.' }),
});
export type StatusException = z.infer<typeof StatusException>;

export const ImageStatus = z.object({
  kernel: z.string().meta({ description: 'The kernel that the image is for.' }),
  image: z.string().meta({ description: 'The image as the spec names it, variables replaced.' }),
  digest: text('The digest that is pinned for it.'),
  state: z.string().meta({ description: 'How far the image is: Pinned, Building, Queued, Resolving or Failed.' }),
  reason: text('One word for why it is not ready, or for why the last attempt to make it failed.'),
  message: text('What is the case and what to do.'),
  origin: text(
    'Who made a pinned image. Made: kmodflow, from these very inputs. Foreign: somebody else pushed it, and it is taken as it is.',
  ),
  workflow: text('Id of the workflow in Temporal that makes the image, for all modules that need it.'),
  attempt: count('Attempts to make it that were begun so far.'),
  job: text('The Job of the last attempt, in the namespace of the operator.'),
  nextTryAt: time('When it is tried again by itself; absent when an input has to change first, or somebody to ask for it'),
  log: z
    .array(z.string())
    .max(MAX_LOG_LINES)
    .meta({
      description: 'The last lines of the log of the attempt that failed. They stand in the row of the first kernel that the image is for.',
    })
    .optional(),
});
export type ImageStatus = z.infer<typeof ImageStatus>;

export const RolloutStatus = z.object({
  number: number('Number of the rollout; the first is 1.'),
  revision: z.string().meta({ description: 'The revision that is rolled out.' }),
  phase: z.string().meta({ description: 'How far the rollout is.' }),
  startedAt: time('When it began'),
  finishedAt: time('When it ended'),
  clusters: RolloutCounts.meta({ description: 'Its clusters by state.' }).optional(),
  message: text('What it is doing, or why it ended as it did.'),
});
export type RolloutStatus = z.infer<typeof RolloutStatus>;

export const RolloutRecord = z.object({
  number: number('Number of the rollout.'),
  revision: z.string().meta({ description: 'The revision that was rolled out.' }),
  outcome: z.string().meta({ description: 'How it ended.' }),
  startedAt: time('When it began'),
  finishedAt: time('When it ended'),
  clusters: RolloutCounts.meta({ description: 'Its clusters by state at the end.' }).optional(),
  message: text('Why it ended as it did.'),
});
export type RolloutRecord = z.infer<typeof RolloutRecord>;

export const RemovalStatus = z.object({
  held: number('How many clusters would lose the module.'),
  clusters: z.array(z.string()).max(MAX_EXCEPTIONS).meta({ description: 'Some of them, by name.' }).optional(),
  token: text('What a person gives back to confirm exactly this removal.'),
});
export type RemovalStatus = z.infer<typeof RemovalStatus>;

export const WorkflowReference = z.object({
  id: z.string().meta({ description: 'Workflow id in Temporal.' }),
  runId: text('Run id in Temporal.'),
});
export type WorkflowReference = z.infer<typeof WorkflowReference>;

export const ManagedClusterModuleStatus = z.object({
  numberDesired: count('Clusters that should have the module.'),
  numberApplied: count('Clusters whose agent applied the ManifestWork.'),
  numberDegraded: count('Clusters whose ManifestWork is degraded.'),
  observedGeneration: z.int().meta({ description: 'The metadata.generation that this status speaks about.', format: 'int64' }).optional(),
  phase: text('Where the module stands, in one word.'),
  conditions: z
    .array(Condition)
    .meta({
      description: 'Ready, Progressing, Degraded and ImagesReady.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
    })
    .optional(),
  currentRevision: text('The revision that last completed a rollout.'),
  updateRevision: text('The revision that the spec asks for.'),
  imageRebuildTriggerGeneration: z.int().meta({ description: 'The imageRebuildTriggerGeneration that was last acted on.' }).optional(),
  clusters: ClusterCounts.meta({ description: 'Clusters by state.' }).optional(),
  exceptions: z
    .array(StatusException)
    .max(MAX_EXCEPTIONS)
    .meta({ description: 'Clusters and kernels that need attention; a sample when there are many.' })
    .optional(),
  images: z.array(ImageStatus).meta({ description: 'The image of each kernel.' }).optional(),
  notes: z
    .array(z.string())
    .meta({ description: 'Settings of the spec that are accepted and have no effect, a sentence each.' })
    .optional(),
  rollout: RolloutStatus.meta({ description: 'The rollout that runs, or the last one.' }).optional(),
  history: z.array(RolloutRecord).max(MAX_HISTORY).meta({ description: 'The last rollouts, newest first.' }).optional(),
  removal: RemovalStatus.meta({ description: 'A removal of many clusters that waits for a person.' }).optional(),
  workflow: WorkflowReference.meta({ description: 'The workflow that looks after this object.' }).optional(),
});
export type ManagedClusterModuleStatus = z.infer<typeof ManagedClusterModuleStatus>;
