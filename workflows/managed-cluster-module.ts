import { allHandlersFinished, condition, continueAsNew, setHandler } from '@temporalio/workflow';
import { isLongEnough } from './history-length.js';
import {
  clusterQuery,
  confirmRemovalUpdate,
  deleteUpdate,
  historyQuery,
  imageNewsSignal,
  pauseUpdate,
  planQuery,
  reconcileSignal,
  resumeUpdate,
  retryUpdate,
  setSpecUpdate,
  statusQuery,
  workFinishedSignal,
} from './messages.js';
import { freshState, type ModuleState } from './module-memory.js';
import { ModuleRun } from './module-run.js';

export interface ManagedClusterModuleInput {
  readonly name: string;
  /** Headless: the module has no MCM object, this is its spec. Parsed here, since anybody may start a workflow. */
  readonly spec?: unknown;
  /** State of the run before, after continue-as-new. */
  readonly carried?: ModuleState | undefined;
  /** A run continues as new after so many events. Default: `EVENTS_PER_RUN` of history-length.ts. */
  readonly eventsPerRun?: number | undefined;
}

/**
 * Looks after one module for as long as it exists: observes, resolves images, records revisions, starts rollouts and catch-ups, removes what is not wanted any more,
 * and reports. One per module; its id is the lock. Ends when the module is gone and its ManifestWorks with it.
 */
export async function managedClusterModule(input: ManagedClusterModuleInput): Promise<string> {
  const { parseSpec } = isHeadless(input) ? await import(/* webpackMode: "eager" */ './parse-spec.js') : { parseSpec: neverHeadless };
  const run = new ModuleRun(input.name, input.carried ?? freshState(input.spec === undefined ? undefined : parseSpec(input.spec)));
  const { face, images, requests, work } = run;
  setHandler(reconcileSignal, () => run.lookAgain(), {
    description: 'Something changed: look again. Carries nothing and may be lost or doubled.',
  });
  setHandler(workFinishedSignal, (finished) => work.finished(finished));
  setHandler(imageNewsSignal, (news) => images.news(news));
  setHandler(statusQuery, () => face.status());
  setHandler(planQuery, () => face.plan());
  setHandler(clusterQuery, (cluster) => face.exceptionOf(cluster));
  setHandler(historyQuery, () => face.history());
  // Updates and not signals: whoever asks must hear whether it was accepted and what happens next. Validators are synchronous; their throw is the answer.
  setHandler(pauseUpdate, (request) => requests.pause(request), { validator: (_request) => requests.checkPause() });
  setHandler(resumeUpdate, (request) => requests.resume(request), { validator: (_request) => requests.checkResume() });
  setHandler(retryUpdate, (request) => requests.retry(request));
  setHandler(confirmRemovalUpdate, (request) => requests.confirmRemoval(request), {
    validator: (request) => requests.checkConfirmRemoval(request),
  });
  setHandler(deleteUpdate, (request) => requests.delete(request), { validator: (_request) => requests.checkDelete() });
  setHandler(setSpecUpdate, ({ spec }) => requests.setSpec(parseSpec(spec)), {
    validator: ({ spec }) => requests.checkSetSpec(() => parseSpec(spec)),
  });
  face.show();
  const longEnough = (): boolean => isLongEnough(input.eventsPerRun);
  for (;;) {
    await run.pass(longEnough);
    if (run.ended) break;
    if (longEnough()) {
      await condition(allHandlersFinished);
      await continueAsNew<typeof managedClusterModule>({ name: input.name, carried: run.snapshot(), eventsPerRun: input.eventsPerRun });
    }
    await run.waitForNews();
  }
  await condition(allHandlersFinished);
  return `Module ${input.name} is gone, and so are its ManifestWorks.`;
}

/** Only these need the schemas, which are evaluated anew in every workflow that imports them: 20 to 40 milliseconds before the first step. */
const isHeadless = ({ spec, carried }: ManagedClusterModuleInput): boolean => spec !== undefined || carried?.headless !== undefined;

/** Stands in for the parser where `checkSetSpec` refuses every spec before it is read. */
const neverHeadless = (): never => {
  throw new TypeError('The spec of a module that stands in an object is not parsed here.');
};
