import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { ManagedClusterModuleSpec } from '../src/api/index.js';
import { RECONCILE_SIGNAL, SET_PAUSED_SIGNAL, STOP_SIGNAL, WAVE_PROGRESS_SIGNAL, WORK_FINISHED_SIGNAL } from '../src/domain/messages.js';
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
