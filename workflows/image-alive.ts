import { isCancellation } from '@temporalio/workflow';
import { isRunning } from './activity-proxies.js';

/** Whether that workflow runs. Nobody is given up because the question could not be answered. */
export async function isAlive(workflowId: string): Promise<boolean> {
  try {
    return await isRunning(`Is ${workflowId} still there?`, workflowId);
  } catch (error) {
    if (isCancellation(error)) throw error;
    return true;
  }
}
