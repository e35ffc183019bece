/** Names of what workflows are told. Watchers use signals; people use updates, since they get an answer. */
export const RECONCILE_SIGNAL = 'reconcile';
export const WAVE_PROGRESS_SIGNAL = 'waveProgress';
export const WORK_FINISHED_SIGNAL = 'workFinished';
export const SET_PAUSED_SIGNAL = 'setPaused';
export const STOP_SIGNAL = 'stop';

export const moduleWorkflowId = (module: string): string => `mcm/${module}`;
export const rolloutWorkflowId = (module: string, number: number): string => `mcm/${module}/rollout/${number}`;
export const waveWorkflowId = (module: string, number: number, wave: number): string => `mcm/${module}/rollout/${number}/wave/${wave}`;
export const catchUpWorkflowId = (module: string, number: number): string => `mcm/${module}/catch-up/${number}`;
