import { z } from 'zod';
import { ManagedClusterModuleStatus } from './managed-cluster-module-status.js';
import { LabelMap, ObjectMeta } from './meta.js';
import { ModuleSpec } from './module.js';
import { MCM_GROUP, MCM_VERSION } from './names.js';
import { RolloutPolicy } from './rollout-policy.js';

/** What a headless start takes, and what stands under `spec` of the object. */
export const ManagedClusterModuleSpec = z.object({
  selector: LabelMap.meta({ description: 'Labels of the ManagedClusters that get the module; every one must match.' }),
  spokeNamespace: z.string().meta({ description: 'Namespace on the spoke for the Module; it must exist there.' }),
  moduleSpec: ModuleSpec.meta({ description: 'The Module that each spoke gets, with the kernels of that spoke.' }).optional(),
  rollout: RolloutPolicy.meta({
    description: 'How a change travels through the fleet. Without it every matching cluster is served at once.',
  }).optional(),
});
export type ManagedClusterModuleSpec = z.infer<typeof ManagedClusterModuleSpec>;

export const ManagedClusterModule = z.object({
  apiVersion: z.literal(`${MCM_GROUP}/${MCM_VERSION}`),
  kind: z.literal('ManagedClusterModule'),
  metadata: ObjectMeta,
  spec: ManagedClusterModuleSpec,
  status: ManagedClusterModuleStatus.optional(),
});
export type ManagedClusterModule = z.infer<typeof ManagedClusterModule>;
