import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

/** Bundles `workflowsPath` (index.js or index.ts) as workers run it. @throws what webpack says when it cannot. */
export const bundleWorkflows = (workflowsPath: string): Promise<{ code: string }> =>
  bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
