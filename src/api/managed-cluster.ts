import { z } from 'zod';
import { Condition, ObjectMeta } from './meta.js';

/** A fact that a cluster's agent publishes about its cluster. */
export const ClusterClaim = z.looseObject({ name: z.string(), value: z.string() });
export type ClusterClaim = z.infer<typeof ClusterClaim>;

/** A cluster of the fleet, as Open Cluster Management (cluster.open-cluster-management.io/v1) keeps it. We only read it: what we do not need is kept and not judged. */
export const ManagedCluster = z.looseObject({
  apiVersion: z.string().optional(),
  kind: z.string().optional(),
  metadata: ObjectMeta,
  spec: z
    .looseObject({
      hubAcceptsClient: z.boolean().optional(),
      leaseDurationSeconds: z.int().optional(),
      taints: z
        .array(
          z.looseObject({ key: z.string(), value: z.string().optional(), effect: z.string().optional(), timeAdded: z.string().nullish() }),
        )
        .optional(),
    })
    .optional(),
  status: z
    .looseObject({
      conditions: z.array(Condition).optional(),
      clusterClaims: z.array(ClusterClaim).optional(),
      version: z.looseObject({ kubernetes: z.string().optional() }).optional(),
    })
    .optional(),
});
export type ManagedCluster = z.infer<typeof ManagedCluster>;
