/** Names of what workflows are told. Watchers use signals; people use updates, since they get an answer. */
export const RECONCILE_SIGNAL = 'reconcile';
export const WAVE_PROGRESS_SIGNAL = 'waveProgress';
export const WORK_FINISHED_SIGNAL = 'workFinished';
export const SET_PAUSED_SIGNAL = 'setPaused';
export const STOP_SIGNAL = 'stop';

/** To the workflow of an image: somebody needs it, or needs it in another way. */
export const NEED_IMAGE_SIGNAL = 'needImage';
/** To the workflow of an image: that requester does not need it any more. */
export const RELEASE_IMAGE_SIGNAL = 'releaseImage';
/** From the workflow of an image to those who need it: how far it is. */
export const IMAGE_NEWS_SIGNAL = 'imageNews';
/** From the build queue to the workflow of an image: a Job may begin. */
export const SLOT_GRANTED_SIGNAL = 'slotGranted';
/** To the build queue: wait for a slot. Sent again, it brings the entry up to date. */
export const ENQUEUE_SIGNAL = 'enqueue';
/** To the build queue: a Job of that workflow runs already, so that it has a slot whether one is free or not. */
export const HOLD_SLOT_SIGNAL = 'holdSlot';
/** To the build queue: that workflow has no Job any more, or wants none. */
export const LEAVE_QUEUE_SIGNAL = 'leaveQueue';

export const moduleWorkflowId = (module: string): string => `mcm/${module}`;
export const rolloutWorkflowId = (module: string, number: number): string => `mcm/${module}/rollout/${number}`;
export const waveWorkflowId = (module: string, number: number, wave: number): string => `mcm/${module}/rollout/${number}/wave/${wave}`;
export const catchUpWorkflowId = (module: string, number: number): string => `mcm/${module}/catch-up/${number}`;
export const imageWorkflowId = (key: string): string => `image/${key}`;
/** One for the whole hub. */
export const BUILD_QUEUE_WORKFLOW_ID = 'image-queue';
