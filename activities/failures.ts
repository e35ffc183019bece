import { ApplicationFailure, type ApplicationFailureOptions } from '@temporalio/common';
import { Fault, type FaultKind } from '../src/domain/fault.js';

/** The one place where a fault meets Temporal. A new kind does not compile until it has a row. */
const TREATMENT = {
  Invalid: { nonRetryable: true }, // a person must act; trying again would only repeat it
  Missing: { category: 'BENIGN', nextRetryDelay: '1 minute' }, // may still appear
  Conflict: { nextRetryDelay: '200 milliseconds' }, // somebody else wrote: read again
  Unavailable: {}, // the activity's own backoff, unless the backend named a delay
} as const satisfies Record<FaultKind, ApplicationFailureOptions>;

export const toFailure = (fault: Fault): ApplicationFailure =>
  ApplicationFailure.create({
    type: fault.kind,
    message: fault.message,
    cause: fault,
    ...TREATMENT[fault.kind],
    ...(fault.retryAfterMs === undefined ? {} : { nextRetryDelay: fault.retryAfterMs }),
  });

type Activity = (...args: never[]) => Promise<unknown>;

/** Wraps each activity so that its faults leave as failures of their kind. Everything else is a bug and keeps its stack. */
export function withFailures<T extends Record<string, Activity>>(activities: T): T {
  const wrap =
    (activity: Activity): Activity =>
    async (...args) => {
      try {
        return await activity(...args);
      } catch (error) {
        throw error instanceof Fault ? toFailure(error) : error;
      }
    };
  return Object.fromEntries(Object.entries(activities).map(([name, activity]) => [name, wrap(activity)])) as T;
}
