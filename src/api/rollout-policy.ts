import { z } from 'zod';
import { Duration, Interval } from './duration.js';
import { PositiveIntOrPercent, IntOrPercent } from './int-or-percent.js';
import { LabelSelector } from './meta.js';

export const APPROVALS = ['None', 'AfterCanary', 'BeforeEachWave'] as const;
export type Approval = (typeof APPROVALS)[number];

export const FAILURE_ACTIONS = ['Pause', 'Rollback', 'Continue'] as const;
export type FailureAction = (typeof FAILURE_ACTIONS)[number];

const maxConcurrent = PositiveIntOrPercent.meta({
  description: 'Clusters that may be between published and proven at one time: a number, or a share of the wave.',
});

export const Canary = z.object({
  clusters: PositiveIntOrPercent.meta({ description: 'How many clusters go first: a number, or a share of those selected.' }).optional(),
  clusterSelector: LabelSelector.meta({ description: 'Labels of the clusters from which the canaries are taken.' }).optional(),
});
export type Canary = z.infer<typeof Canary>;

export const WavePolicy = z.object({
  name: z.string().min(1).meta({ description: 'Name of the wave, for people.' }),
  clusterSelector: LabelSelector.meta({
    description: 'Labels of the clusters of this wave; a cluster belongs to the first wave that fits.',
  }).optional(),
  maxConcurrent: maxConcurrent.optional(),
});
export type WavePolicy = z.infer<typeof WavePolicy>;

export const RetryPolicy = z.object({
  attempts: z
    .int()
    .min(1)
    .meta({ description: 'How often a cluster in trouble is tried, the first time included.', format: 'int32' })
    .optional(),
  initialInterval: Interval.meta({ description: 'Wait before the second attempt; it doubles from then on.' }).optional(),
  maximumInterval: Interval.meta({ description: 'Longest wait between two attempts.' }).optional(),
});
export type RetryPolicy = z.infer<typeof RetryPolicy>;

/** How a change travels through the fleet. Everything is optional: without a policy all matching clusters are served at once, as upstream does. */
export const RolloutPolicy = z.object({
  canary: Canary.meta({ description: 'Clusters that go before all others.' }).optional(),
  waves: z.array(WavePolicy).meta({ description: 'Waves in their order; clusters that no wave names come last.' }).optional(),
  maxConcurrent: maxConcurrent.optional(),
  maxFailures: IntOrPercent.meta({
    description: 'Failed clusters that are still bearable: a number, or a share of those selected. Default 0.',
  }).optional(),
  soak: Duration.meta({ description: 'How long a wave must stay healthy before the next one begins.' }).optional(),
  settle: Duration.meta({ description: 'How long the loading on a cluster must hold before it counts as proven.' }).optional(),
  progressDeadline: Duration.meta({
    description: 'How long a reachable cluster may take to load before it counts as failed. Default 30m.',
  }).optional(),
  approval: z.enum(APPROVALS).meta({ description: 'Where a person must agree before the rollout goes on.' }).optional(),
  onFailure: z.enum(FAILURE_ACTIONS).meta({ description: 'What happens when more clusters fail than maxFailures allows.' }).optional(),
  retry: RetryPolicy.meta({ description: 'How a cluster in trouble is tried again.' }).optional(),
  paused: z.boolean().meta({ description: 'Holds the rollout: nothing more is published until this is false.' }).optional(),
});
export type RolloutPolicy = z.infer<typeof RolloutPolicy>;
