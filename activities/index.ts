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
import { createResolveImages } from './resolve-images.js';

export type { Deps, WorkflowMessages } from './deps.js';

/** Every side effect of the workflows. Faults leave as Temporal failures, translated in one place. Each of them beats, so that a killed worker is noticed soon. */
export const createActivities = (deps: Deps) =>
  withFailures({
    observe: beating(createObserve(deps)),
    resolveImages: beating(createResolveImages(deps)),
    recordRevision: beating(createRecordRevision(deps)),
    planWave: beating(createPlanWave(deps)),
    publishBatch: createPublishBatch(deps),
    followWave: beating(createFollowWave(deps)),
    removeWorks: beating(createRemoveWorks(deps)),
    report: beating(createReport(deps)),
    isRunning: beating((workflowId: string): Promise<boolean> => deps.workflows.isRunning(workflowId)),
  });

export type Activities = ReturnType<typeof createActivities>;
