import { z } from 'zod';
import { Condition, ObjectMeta, type OwnerReference } from './meta.js';
import type { KernelMapping, Module, ModuleSpec } from './module.js';
import type { KMM_GROUP, WORK_GROUP, WORK_VERSION } from './names.js';

/** Which object on the spoke something speaks about. `resource` is the plural. */
export const ResourceIdentifier = z.looseObject({
  group: z.string().optional(),
  resource: z.string(),
  name: z.string(),
  namespace: z.string().optional(),
});
export type ResourceIdentifier = z.infer<typeof ResourceIdentifier>;

/** A value that the work agent read from the object on the spoke. A field that the object lacks has no value at all: a counter that is absent is 0. */
export const FeedbackValue = z.looseObject({
  name: z.string(),
  fieldValue: z.looseObject({
    type: z.string(),
    integer: z.number().optional(),
    string: z.string().optional(),
    boolean: z.boolean().optional(),
    jsonRaw: z.string().optional(),
  }),
});
export type FeedbackValue = z.infer<typeof FeedbackValue>;

/** What the work agent says of one manifest. The actionable message of a failed apply stands here, not at the level of the work. */
export const ManifestStatus = z.looseObject({
  resourceMeta: z
    .looseObject({
      ordinal: z.number().optional(),
      group: z.string().optional(),
      version: z.string().optional(),
      kind: z.string().optional(),
      resource: z.string().optional(),
      name: z.string().optional(),
      namespace: z.string().optional(),
    })
    .optional(),
  conditions: z.array(Condition).optional(),
  statusFeedback: z.looseObject({ values: z.array(FeedbackValue).optional() }).optional(),
});
export type ManifestStatus = z.infer<typeof ManifestStatus>;

/** What a hub wants on one spoke (work.open-cluster-management.io/v1), as read: others may have edited it, so nothing here is taken for granted. */
export const ManifestWork = z.looseObject({
  apiVersion: z.string().optional(),
  kind: z.string().optional(),
  metadata: ObjectMeta,
  spec: z
    .looseObject({
      workload: z.looseObject({ manifests: z.array(z.looseObject({})).optional() }).optional(),
      manifestConfigs: z.array(z.looseObject({ resourceIdentifier: ResourceIdentifier })).optional(),
    })
    .optional(),
  status: z
    .looseObject({
      conditions: z.array(Condition).optional(),
      resourceStatus: z.looseObject({ manifests: z.array(ManifestStatus).optional() }).optional(),
    })
    .optional(),
});
export type ManifestWork = z.infer<typeof ManifestWork>;

/** A mapping of one spoke's own kernel. The spoke's CRD wants `containerImage`; `build` and `sign` stay on the hub. */
export type PublishedKernelMapping = Pick<KernelMapping, 'registryTLS' | 'inTreeModulesToRemove'> & {
  literal: string;
  containerImage: string;
};

type PublishedContainer = Omit<NonNullable<ModuleSpec['moduleLoader']>['container'], 'kernelMappings' | 'build' | 'sign'> & {
  kernelMappings: PublishedKernelMapping[];
};

/** The Module inside the ManifestWorks that we write: literal mappings, no `build`, no `sign`, no status. */
export interface PublishedModule {
  apiVersion: Module['apiVersion'];
  kind: Module['kind'];
  metadata: { name: string; namespace: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: Omit<ModuleSpec, 'moduleLoader'> & {
    moduleLoader?: Omit<NonNullable<ModuleSpec['moduleLoader']>, 'container'> & { container: PublishedContainer };
  };
}

/** The ManifestWork that we write, by server-side apply: one Module, one feedback rule, no status. */
export interface PublishedManifestWork {
  apiVersion: `${typeof WORK_GROUP}/${typeof WORK_VERSION}`;
  kind: 'ManifestWork';
  metadata: {
    name: string;
    namespace: string;
    labels: Record<string, string>;
    annotations: Record<string, string>;
    ownerReferences?: OwnerReference[];
  };
  spec: {
    workload: { manifests: [PublishedModule] };
    manifestConfigs: [
      {
        resourceIdentifier: { group: typeof KMM_GROUP; resource: 'modules'; name: string; namespace: string };
        feedbackRules: [{ type: 'JSONPaths'; jsonPaths: { name: string; path: string }[] }];
      },
    ];
  };
}
