import { dirname, extname, join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

/**
 * Modules that keep no state of a workflow's own, evaluated once per worker and shared: evaluating the libraries and every schema for each workflow again cost tens
 * of milliseconds and some megabytes each.
 */
const shared = (workflowsPath: string): string[] => [
  'zod',
  're2js',
  join(dirname(workflowsPath), `../src/api/index${extname(workflowsPath)}`),
];

/** Bundles `workflowsPath` (index.js or index.ts) as workers run it. @throws what webpack says when it cannot. */
export const bundleWorkflows = (workflowsPath: string): Promise<{ code: string }> =>
  bundleWorkflowCode({ workflowsPath, preloadModules: shared(workflowsPath), logger: new DefaultLogger('WARN') });
