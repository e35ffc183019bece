export { loadKubeConfig, type LoadKubeConfigOptions } from './config.js';
export { createHubApi, type HubApiOptions } from './hub-api.js';
export { resources, apiVersionOf, pathOf, keyOf } from './resources.js';
export { KubeFault, isAlreadyExists } from './faults.js';
export { compareResourceVersions } from './resource-version.js';
export { createWatchCache, type WatchCache, type WatchCacheOptions, type WatchCacheState } from './watch-cache.js';
export type { CacheChange } from './cache-store.js';
export type { BackoffOptions } from './backoff.js';
export {
  createEventRecorder,
  type EventContent,
  type EventRecorder,
  type EventRecorderOptions,
  type ObjectReference,
} from './event-recorder.js';
export type {
  ApplyOptions,
  DeleteOptions,
  HubApi,
  KubeLogger,
  KubernetesObject,
  ListOptions,
  ListPage,
  ObjectMeta,
  OwnerReference,
  PatchOptions,
  PodLogOptions,
  RequestCounters,
  ResourceType,
  Selection,
  WatchEvent,
  WatchEventType,
  WatchOptions,
  Writable,
} from './types.js';
export { createFleet, type Fleet, type FleetOptions } from './fleet.js';
export { LoadClock } from './load-clock.js';
export type { ModuleView } from './module-view.js';
export { createImageInputs, type ImageInputs } from './image-inputs.js';
export type { InputView } from './input-view.js';
export { encodePins, readRevision, writeRevision, type NewRevision, type StoredRevision } from './stored-revision.js';
