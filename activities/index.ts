import type { Deps } from './deps.js';
import { withFailures } from './failures.js';
import { createFollowWave } from './follow-wave.js';
import { createObserve } from './observe.js';
import { createPlanWave } from './plan-wave.js';
import { createPublishBatch } from './publish-batch.js';
import { createRecordRevision } from './record-revision.js';
import { createRemoveWorks } from './remove-works.js';
import { createReport } from './report.js';
import { createResolveImages } from './resolve-images.js';

export type { Deps, WorkflowMessages } from './deps.js';

/** Every side effect of the workflows. Faults leave as Temporal failures, translated in one place. */
export const createActivities = (deps: Deps) =>
  withFailures({
    observe: createObserve(deps),
    resolveImages: createResolveImages(deps),
    recordRevision: createRecordRevision(deps),
    planWave: createPlanWave(deps),
    publishBatch: createPublishBatch(deps),
    followWave: createFollowWave(deps),
    removeWorks: createRemoveWorks(deps),
    report: createReport(deps),
    isRunning: (workflowId: string): Promise<boolean> => deps.workflows.isRunning(workflowId),
  });

export type Activities = ReturnType<typeof createActivities>;
