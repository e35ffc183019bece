import type { RunImageJobInput } from '../src/domain/image-process.js';
import type { Deps } from './deps.js';
import { withFailures } from './failures.js';
import { createFollowWave } from './follow-wave.js';
import { beating } from './heartbeat.js';
import { createObserve } from './observe.js';
import { createPlanWave } from './plan-wave.js';
import { createPublishBatch } from './publish-batch.js';
import { createRecordRevision } from './record-revision.js';
import { createRemoveWorks } from './remove-works.js';
import { createReport } from './report.js';
import { createRequestBuildSlot, createRequestImages } from './request-images.js';
import { createResolveImages } from './resolve-images.js';
import { createRunImageJob } from './run-image-job.js';
import { createAdoptImageJobs, createCancelImageJobs, createReleaseImageJob, createStandingImageJobs } from './standing-image-jobs.js';

export type { Deps, WorkflowMessages } from './deps.js';

/** Every side effect of the workflows. Faults leave as Temporal failures, translated in one place. Each of them beats, so that a killed worker is noticed soon. */
export const createActivities = (deps: Deps) =>
  withFailures({
    observe: beating(createObserve(deps)),
    resolveImages: beating(createResolveImages(deps)),
    requestImages: beating(createRequestImages(deps)),
    requestBuildSlot: beating(createRequestBuildSlot(deps)),
    runImageJob: beating((input: RunImageJobInput) => createRunImageJob(deps)(input)),
    standingImageJobs: beating(createStandingImageJobs(deps)),
    adoptImageJobs: beating(createAdoptImageJobs(deps)),
    releaseImageJob: beating(createReleaseImageJob(deps)),
    cancelImageJobs: beating(createCancelImageJobs(deps)),
    recordRevision: beating(createRecordRevision(deps)),
    planWave: beating(createPlanWave(deps)),
    publishBatch: createPublishBatch(deps),
    followWave: beating(createFollowWave(deps)),
    removeWorks: beating(createRemoveWorks(deps)),
    report: beating(createReport(deps)),
    isRunning: beating((workflowId: string): Promise<boolean> => deps.workflows.isRunning(workflowId)),
  });

export type Activities = ReturnType<typeof createActivities>;
