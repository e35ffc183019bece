import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { WorkflowMessages } from '../../activities/index.js';

/** Messages to workflows over one client. */
export const createWorkflowMessages = (client: Client, taskQueue: string): WorkflowMessages => ({
  signalWithStart: async ({ workflowType, workflowId, input, signalName, payload, summary }) => {
    await client.workflow.signalWithStart(workflowType, {
      workflowId,
      taskQueue,
      args: [input],
      signal: signalName,
      signalArgs: [payload],
      staticSummary: summary,
    });
  },
  signal: (workflowId, signalName, payload) => unlessGone(() => client.workflow.getHandle(workflowId).signal(signalName, payload)),
  isRunning: async (workflowId) => {
    let running = false;
    await unlessGone(async () => {
      running = (await client.workflow.getHandle(workflowId).describe()).status.name === 'RUNNING';
    });
    return running;
  },
});

async function unlessGone(call: () => Promise<void>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
