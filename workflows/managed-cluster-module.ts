import {
  allHandlersFinished,
  ApplicationFailure,
  condition,
  continueAsNew,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { parseManagedClusterModuleSpec } from '../src/api/index.js';
import {
  clusterQuery,
  confirmRemovalUpdate,
  deleteUpdate,
  historyQuery,
  pauseUpdate,
  planQuery,
  reconcileSignal,
  resumeUpdate,
  retryUpdate,
  setSpecUpdate,
  statusQuery,
  workFinishedSignal,
} from './messages.js';
import { ModuleRun, type ModuleState } from './module-run.js';

export interface ManagedClusterModuleInput {
  readonly name: string;
  /** Headless: the module has no MCM object, this is its spec. Parsed here, since anybody may start a workflow. */
  readonly spec?: unknown;
  /** State of the run before, after continue-as-new. */
  readonly carried?: ModuleState | undefined;
}

/** Continue as new before Temporal asks for it (4,096 events), so that a run stays readable. */
const EVENTS_PER_RUN = 3_000;

/**
 * Looks after one module for as long as it exists: observes, resolves images, records revisions, starts rollouts and catch-ups, removes what is not wanted any more,
 * and reports. One per module; its id is the lock. Ends when the module is gone and its ManifestWorks with it.
 */
export async function managedClusterModule(input: ManagedClusterModuleInput): Promise<string> {
  const run = new ModuleRun(input.name, input.carried ?? freshState(input));
  setHandler(reconcileSignal, () => run.lookAgain(), { description: 'Something changed: look again. Carries nothing and may be lost or doubled.' });
  setHandler(workFinishedSignal, (finished) => run.workFinished(finished));
  setHandler(statusQuery, () => run.status());
  setHandler(planQuery, () => run.plan());
  setHandler(clusterQuery, (cluster) => run.exceptionOf(cluster));
  setHandler(historyQuery, () => run.history());
  // Updates and not signals: whoever asks must hear whether it was accepted and what happens next. Validators are synchronous; their throw is the answer.
  setHandler(pauseUpdate, (request) => run.pause(request), { validator: (_request) => run.checkPause() });
  setHandler(resumeUpdate, (request) => run.resume(request), { validator: (_request) => run.checkResume() });
  setHandler(retryUpdate, (request) => run.retry(request));
  setHandler(confirmRemovalUpdate, (request) => run.confirmRemoval(request), { validator: (request) => run.checkConfirmRemoval(request) });
  setHandler(deleteUpdate, (request) => run.delete(request), { validator: (_request) => run.checkDelete() });
  setHandler(setSpecUpdate, ({ spec }) => run.setSpec(parseSpec(spec)), { validator: ({ spec }) => run.checkSetSpec(() => parseSpec(spec)) });
  run.show();
  for (;;) {
    await run.pass();
    if (run.ended) break;
    if (workflowInfo().historyLength > EVENTS_PER_RUN || workflowInfo().continueAsNewSuggested) {
      await condition(allHandlersFinished);
      await continueAsNew<typeof managedClusterModule>({ name: input.name, carried: run.snapshot() });
    }
    await run.waitForNews();
  }
  await condition(allHandlersFinished);
  return `Module ${input.name} is gone, and so are its ManifestWorks.`;
}

const freshState = ({ spec }: ManagedClusterModuleInput): ModuleState => ({
  ...(spec === undefined ? {} : { headless: parseSpec(spec) }),
  generation: spec === undefined ? 0 : 1,
  deleting: false,
  rolloutNumber: 0,
  catchUpNumber: 0,
  history: [],
  images: {},
});

function parseSpec(spec: unknown) {
  const parsed = parseManagedClusterModuleSpec(spec);
  if (parsed.ok) return parsed.value;
  const problems = parsed.problems.map(({ path, message }) => `${path}: ${message}`);
  throw ApplicationFailure.nonRetryable(`The spec is not valid. ${problems.join('; ')}`, 'Invalid', parsed.problems);
}
