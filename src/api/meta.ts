import { z } from 'zod';

/** Who owns an object: the owner's deletion takes the object along. */
export const OwnerReference = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().optional(),
  blockOwnerDeletion: z.boolean().optional(),
});
export type OwnerReference = z.infer<typeof OwnerReference>;

/** Metadata of any object. Loose: Kubernetes adds fields, and what we do not know is kept. Times are RFC 3339 text. */
export const ObjectMeta = z.looseObject({
  name: z.string().min(1),
  namespace: z.string().optional(),
  uid: z.string().optional(),
  resourceVersion: z.string().optional(),
  generation: z.int().optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  finalizers: z.array(z.string()).optional(),
  ownerReferences: z.array(OwnerReference).optional(),
});
export type ObjectMeta = z.infer<typeof ObjectMeta>;

/** One condition of any object. `status` is text and not a closed set, so that another controller's mistake does not make its whole object unreadable. */
export const Condition = z.object({
  type: z.string().meta({ description: 'What the condition is about.' }),
  status: z.string().meta({ description: 'True, False or Unknown.' }),
  reason: z.string().meta({ description: 'One word for why the status is as it is.' }).optional(),
  message: z.string().meta({ description: 'A sentence for people: what is the case and what to do.' }).optional(),
  lastTransitionTime: z.string().meta({ description: 'When the status last changed, RFC 3339.' }).optional(),
  observedGeneration: z.int().meta({ description: 'The metadata.generation that the condition speaks about.', format: 'int64' }).optional(),
});
export type Condition = z.infer<typeof Condition>;

/** Equality labels: every key has to be there with this very value. */
export const LabelMap = z.record(z.string(), z.string());
export type LabelMap = z.infer<typeof LabelMap>;

export const LABEL_OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;

/** A label selector as Kubernetes has it: all of `matchLabels` and all of `matchExpressions` must hold. An empty one matches everything. */
export const LabelSelector = z.object({
  matchLabels: LabelMap.meta({ description: 'Labels that must be there with these values.' }).optional(),
  matchExpressions: z
    .array(
      z.object({
        key: z.string().min(1).meta({ description: 'The label that the expression is about.' }),
        operator: z.enum(LABEL_OPERATORS).meta({ description: 'How the label compares with the values.' }),
        values: z.array(z.string()).meta({ description: 'The values for In and NotIn; empty for Exists and DoesNotExist.' }).optional(),
      }),
    )
    .meta({ description: 'Expressions that must all hold.' })
    .optional(),
});
export type LabelSelector = z.infer<typeof LabelSelector>;
