import { ActivityCancellationType, scheduleActivity, type ActivityOptions } from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';

const patient = { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' } as const;

/** Every activity beats every 2.5 seconds while it runs: so soon is the work of a killed worker taken over. */
const HEARTBEAT = '10 seconds';
/** Looking and recording: short calls that are worth trying for as long as the hub is away. */
const SHORT: ActivityOptions = { startToCloseTimeout: '2 minutes', heartbeatTimeout: HEARTBEAT, retry: patient };
/** Many objects: a retry resumes from the heartbeat. */
const BATCH: ActivityOptions = { startToCloseTimeout: '30 minutes', heartbeatTimeout: HEARTBEAT, retry: patient };
/** Follows a wave for as long as it lasts; the timeout only bounds a worker that hangs and heartbeats all the same. */
const FOLLOW: ActivityOptions = {
  startToCloseTimeout: '30 days',
  heartbeatTimeout: HEARTBEAT,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { ...patient, maximumInterval: '10 seconds' },
};

/** Follows one build (3 hours: the Job's own deadline ends a longer one). A cancelled one is waited for, so that nobody makes a Job after Jobs have been deleted. */
const BUILD: ActivityOptions = { startToCloseTimeout: '3 hours', heartbeatTimeout: HEARTBEAT, retry: patient };

/** What the Temporal UI shows beside an activity: at most 200 bytes. */
const SUMMARY_CHARS = 150;

const activity =
  <A extends keyof Activities>(name: A, options: ActivityOptions) =>
  (summary: string, ...args: Parameters<Activities[A]>): Promise<Awaited<ReturnType<Activities[A]>>> =>
    scheduleActivity<Awaited<ReturnType<Activities[A]>>>(name, args, { ...options, summary: summary.slice(0, SUMMARY_CHARS) });

export const observe = activity('observe', SHORT);
export const recordRevision = activity('recordRevision', SHORT);
export const report = activity('report', SHORT);
export const planWave = activity('planWave', SHORT);
export const isRunning = activity('isRunning', SHORT);
export const resolveImages = activity('resolveImages', { ...BATCH, startToCloseTimeout: '10 minutes' });
export const requestImages = activity('requestImages', SHORT);
export const publishBatch = activity('publishBatch', BATCH);
export const removeWorks = activity('removeWorks', BATCH);
export const followWave = activity('followWave', FOLLOW);
export const runImageJob = activity('runImageJob', BUILD);
export const standingImageJobs = activity('standingImageJobs', SHORT);
export const adoptImageJobs = activity('adoptImageJobs', SHORT);
export const releaseImageJob = activity('releaseImageJob', SHORT);
export const cancelImageJobs = activity('cancelImageJobs', SHORT);
export const requestBuildSlot = activity('requestBuildSlot', SHORT);
