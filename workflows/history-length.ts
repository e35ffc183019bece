import { workflowInfo } from '@temporalio/workflow';

/** Continue as new before Temporal asks for it (4,096 events), so that a run stays readable. */
export const EVENTS_PER_RUN = 3_000;

/** Whether the run should continue as new. @param eventsPerRun Events after which it should; default {@link EVENTS_PER_RUN}. */
export const isLongEnough = (eventsPerRun = EVENTS_PER_RUN): boolean =>
  workflowInfo().historyLength > eventsPerRun || workflowInfo().continueAsNewSuggested;
