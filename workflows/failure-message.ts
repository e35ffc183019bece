import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';

/** The sentence that the innermost failure carries. */
export function messageOf(error: unknown): string {
  if (error instanceof ActivityFailure && error.cause !== undefined) return messageOf(error.cause);
  if (error instanceof ApplicationFailure) return error.message;
  return error instanceof Error ? error.message : String(error);
}
