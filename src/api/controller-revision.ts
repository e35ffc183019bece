import { z } from 'zod';
import { ObjectMeta } from './meta.js';

/**
 * A revision of an MCM, kept as `apps/v1` ControllerRevision. Kubernetes refuses any change of `data`; what grows later (pins) stands in annotations.
 * Items of a list carry neither apiVersion nor kind, so both are optional.
 */
export const ControllerRevision = z.looseObject({
  apiVersion: z.literal('apps/v1').optional(),
  kind: z.literal('ControllerRevision').optional(),
  metadata: ObjectMeta,
  revision: z.int(),
  data: z.looseObject({}).optional(),
});
export type ControllerRevision = z.infer<typeof ControllerRevision>;
