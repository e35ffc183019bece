export { createKmodflowClient, type KmodflowClientOptions } from './create-client.js';
export { InvalidManifest } from './manifest.js';
export { untilReady, WaitTimedOut } from './wait.js';
export {
  LOG_CONTAINERS,
  PLAN_ACTIONS,
  type ClusterEvent,
  type ClusterRow,
  type ContainerLog,
  type ImageLogs,
  type ImageRow,
  type KernelNote,
  type KmodflowClient,
  type LogContainer,
  type LogsOptions,
  type ModuleHistory,
  type ModuleImages,
  type ModuleList,
  type ModuleListItem,
  type ModulePreview,
  type Person,
  type PlanAction,
  type PlannedCluster,
  type PlannedImage,
  type PlannedKernel,
  type StartInput,
  type Started,
  type StatusAnswer,
  type Until,
  type Verdict,
  type Waited,
  type WaitOptions,
} from './types.js';
export { Fault, isFault, type FaultKind } from '../domain/fault.js';
export type { ManagedClusterModule, ManagedClusterModuleSpec } from '../api/index.js';
export type { ClusterState } from '../domain/cluster-state.js';
export type { FoundModule, ImageOrigin } from '../domain/image-process.js';
export type { ImageProgress } from '../domain/mcm-images.js';
export type { ModuleStatus } from '../domain/module-status.js';
export type { Phase, RolloutRecord } from '../domain/process.js';
export type { Reason } from '../domain/reasons.js';
