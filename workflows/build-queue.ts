import { allHandlersFinished, condition, continueAsNew, setHandler } from '@temporalio/workflow';
import { isLongEnough } from './history-length.js';
import { enqueueSignal, holdSlotSignal, leaveQueueSignal, queueQuery } from './messages.js';
import { QueueWork, type QueueSnapshot } from './queue-work.js';

export interface BuildQueueInput {
  /** State of the run before, after continue-as-new. */
  readonly carried?: QueueSnapshot | undefined;
  /** A run continues as new after so many events. Default: `EVENTS_PER_RUN` of history-length.ts. */
  readonly eventsPerRun?: number | undefined;
  /** How long it stays when nobody is in it, milliseconds. Default: 1 minute. */
  readonly idleMs?: number | undefined;
  /** How often it asks whether those in it still run, milliseconds. Default: 2 minutes. */
  readonly aliveMs?: number | undefined;
}

/**
 * The queue of builds, one for the whole hub: at most as many Jobs at a time as the hub allows, in an order that is fair to all modules. Whoever asks first starts it
 * (signalWithStart); it ends when nobody has been in it for a minute.
 */
export async function buildQueue(input: BuildQueueInput): Promise<string> {
  const { carried, eventsPerRun, idleMs, aliveMs } = input;
  const longEnough = (): boolean => isLongEnough(eventsPerRun);
  const work = new QueueWork(carried, { longEnough, idleMs, aliveMs });
  setHandler(enqueueSignal, (request) => work.enqueue(request), {
    description: 'An image waits for a build slot. Sent again, it brings its entry up to date; it keeps its place.',
  });
  setHandler(holdSlotSignal, ({ workflowId }) => work.hold(workflowId), {
    description: 'A Job of that image runs already: it takes a slot, free or not.',
  });
  setHandler(leaveQueueSignal, ({ workflowId }) => work.leave(workflowId), {
    description: 'That image has no Job any more, or wants none: its slot is free.',
  });
  setHandler(queueQuery, () => work.view());
  for (;;) {
    await work.step();
    await condition(allHandlersFinished);
    // Nothing may be awaited from here on: a signal that comes meanwhile makes Temporal ask once more, so that none is lost.
    if (work.ended) return 'Nobody is in the queue.';
    if (longEnough()) await continueAsNew<typeof buildQueue>({ ...input, carried: work.snapshot() });
  }
}
