export { ControllerRevision } from './controller-revision.js';
export { managedClusterModuleCrd } from './crd.js';
export { Duration, Interval, MAX_DURATION_MS, parseDuration } from './duration.js';
export { IntOrPercent, PositiveIntOrPercent } from './int-or-percent.js';
export { ClusterClaim, ManagedCluster } from './managed-cluster.js';
export { ManagedClusterModule, ManagedClusterModuleSpec } from './managed-cluster-module.js';
export {
  ClusterCounts,
  ImageStatus,
  ManagedClusterModuleStatus,
  MAX_EXCEPTIONS,
  MAX_HISTORY,
  RemovalStatus,
  RolloutCounts,
  RolloutRecord,
  RolloutStatus,
  StatusException,
  WorkflowReference,
} from './managed-cluster-module-status.js';
export {
  FeedbackValue,
  ManifestStatus,
  ManifestWork,
  ResourceIdentifier,
  type PublishedKernelMapping,
  type PublishedManifestWork,
  type PublishedModule,
} from './manifest-work.js';
export { Condition, LABEL_OPERATORS, LabelMap, LabelSelector, ObjectMeta, OwnerReference } from './meta.js';
export {
  Build,
  BuildArg,
  Container,
  DeviceClass,
  DevicePlugin,
  Dra,
  KernelMapping,
  LocalObjectReference,
  Modprobe,
  Module,
  ModuleLoader,
  ModuleSpec,
  ModuleStatus,
  PluginContainer,
  RegistryTls,
  Sign,
  Toleration,
  Volume,
} from './module.js';
export {
  CLUSTER_GROUP,
  CLUSTER_VERSION,
  CONTENT_HASH_ANNOTATION,
  CONTENT_HASH_FEEDBACK,
  FIELD_MANAGER,
  HOLD_LABEL,
  KERNEL_CLAIM,
  KMM_GROUP,
  KMM_VERSION,
  MCM_GROUP,
  MCM_LABEL,
  MCM_VERSION,
  PINS_ANNOTATION,
  PUBLISHED_AT_ANNOTATION,
  RETRY_LABEL,
  REVISION_ANNOTATION,
  REVISION_HASH_LABEL,
  REVISION_MODULE_LABEL,
  WORK_GROUP,
  WORK_VERSION,
  WORKFLOW_ANNOTATION,
} from './names.js';
export { parseManagedClusterModule, parseManagedClusterModuleSpec, type FieldProblem, type ParseResult } from './parse.js';
export {
  APPROVALS,
  Canary,
  FAILURE_ACTIONS,
  RetryPolicy,
  RolloutPolicy,
  WavePolicy,
  type Approval,
  type FailureAction,
} from './rollout-policy.js';
export { toStructuralSchema, type StructuralSchema } from './structural-schema.js';
