import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { ManagedClusterModuleSpec } from '../src/api/index.js';
import type { QueueRequest, QueueView } from '../src/domain/build-queue.js';
import type { ImageStatus } from '../src/domain/image-details.js';
import type { ImageNews, ImageRequest } from '../src/domain/image-process.js';
import {
  ENQUEUE_SIGNAL,
  HOLD_SLOT_SIGNAL,
  IMAGE_NEWS_SIGNAL,
  LEAVE_QUEUE_SIGNAL,
  NEED_IMAGE_SIGNAL,
  RECONCILE_SIGNAL,
  RELEASE_IMAGE_SIGNAL,
  SET_PAUSED_SIGNAL,
  SLOT_GRANTED_SIGNAL,
  STOP_SIGNAL,
  WAVE_PROGRESS_SIGNAL,
  WORK_FINISHED_SIGNAL,
} from '../src/domain/messages.js';
import type { ModulePlan, ModuleStatus } from '../src/domain/module-status.js';
import type { RolloutRecord, WaveProgress } from '../src/domain/process.js';
import type { Exception } from '../src/domain/fleet-summary.js';

/** Who asks, and why: recorded with every decision. */
export interface Request {
  readonly by: string;
  readonly reason?: string | undefined;
}
export interface ConfirmRemoval extends Request {
  /** Names the set of clusters that the person has seen; without it the set that is held now. */
  readonly token?: string | undefined;
}
export interface SetSpec extends Request {
  readonly spec: ManagedClusterModuleSpec;
}

/** A rollout or a catch-up reports its end to the module's workflow by id, so that it finds the run that is current then. */
export interface WorkFinished {
  readonly workflowId: string;
  readonly record: RolloutRecord;
}

export const reconcileSignal = defineSignal(RECONCILE_SIGNAL);
export const workFinishedSignal = defineSignal<[WorkFinished]>(WORK_FINISHED_SIGNAL);
export const waveProgressSignal = defineSignal<[WaveProgress]>(WAVE_PROGRESS_SIGNAL);
export const setPausedSignal = defineSignal<[boolean]>(SET_PAUSED_SIGNAL);
export const stopSignal = defineSignal<[string]>(STOP_SIGNAL);

/** Names the workflow that a message is about. */
export interface WorkflowName {
  readonly workflowId: string;
}
export const needImageSignal = defineSignal<[ImageRequest]>(NEED_IMAGE_SIGNAL);
export const releaseImageSignal = defineSignal<[WorkflowName]>(RELEASE_IMAGE_SIGNAL);
export const imageNewsSignal = defineSignal<[ImageNews]>(IMAGE_NEWS_SIGNAL);
export const slotGrantedSignal = defineSignal(SLOT_GRANTED_SIGNAL);
export const enqueueSignal = defineSignal<[QueueRequest & { readonly capacity: number }]>(ENQUEUE_SIGNAL);
export const holdSlotSignal = defineSignal<[WorkflowName]>(HOLD_SLOT_SIGNAL);
export const leaveQueueSignal = defineSignal<[WorkflowName]>(LEAVE_QUEUE_SIGNAL);

export const pauseUpdate = defineUpdate<string, [Request]>('pause');
export const resumeUpdate = defineUpdate<string, [Request]>('resume');
export const retryUpdate = defineUpdate<string, [Request]>('retry');
export const confirmRemovalUpdate = defineUpdate<string, [ConfirmRemoval]>('confirmRemoval');
export const deleteUpdate = defineUpdate<string, [Request]>('delete');
export const setSpecUpdate = defineUpdate<string, [SetSpec]>('setSpec');

export const statusQuery = defineQuery<ModuleStatus>('status');
export const planQuery = defineQuery<ModulePlan>('plan');
export const clusterQuery = defineQuery<Exception | undefined, [string]>('cluster');
export const historyQuery = defineQuery<readonly RolloutRecord[]>('history');
export const imageStatusQuery = defineQuery<ImageStatus>('imageStatus');
export const queueQuery = defineQuery<QueueView>('queue');
