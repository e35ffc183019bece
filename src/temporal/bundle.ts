import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

/**
 * Libraries that keep no state of a workflow's own, evaluated once per worker and shared: evaluating them for each workflow again cost tens of milliseconds and
 * some megabytes each.
 */
const SHARED = ['zod', 're2js'];

/** Bundles `workflowsPath` (index.js or index.ts) as workers run it. @throws what webpack says when it cannot. */
export const bundleWorkflows = (workflowsPath: string): Promise<{ code: string }> =>
  bundleWorkflowCode({ workflowsPath, preloadModules: SHARED, logger: new DefaultLogger('WARN') });
