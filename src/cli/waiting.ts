import type { StatusAnswer, Waited, WaitOptions } from '../client/index.js';
import type { Context } from './command.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { createProgress } from './progress.js';

/** Waits for a module with progress on standard error. @throws WaitTimedOut */
export async function waitWithProgress({ io, session }: Context<object>, name: string, options: WaitOptions): Promise<Waited> {
  const progress = createProgress(io);
  try {
    const onProgress = (status: StatusAnswer): void => progress.update(status);
    return await session().client.waitFor(name, undefined, { ...options, signal: io.interruption(), onProgress });
  } finally {
    progress.end();
  }
}

/** What people asked for a moment ago shows in the next look of the workflow (2 seconds). */
const AFTER_REQUEST_MS = 2_000;

/** Waits after a request and tells how it ended: the status as data, why it failed as an error. */
export async function waitAndTell(context: Context<object>, name: string, options: WaitOptions): Promise<ExitCode> {
  const { status, failed } = await waitWithProgress(context, name, { doneSteadyMs: AFTER_REQUEST_MS, ...options });
  context.output.show(status, () => (failed === undefined ? readySentence(status) : ''));
  if (failed === undefined) return EXIT.done;
  context.io.stderr.write(`${failed}\n`);
  return EXIT.failed;
}

function readySentence({ name, fleet: { selected, states } }: StatusAnswer): string {
  const rest = [
    states.NoNodes > 0 ? `${states.NoNodes} have no matching nodes` : '',
    states.Offline > 0 ? `${states.Offline} are offline and catch up later` : '',
  ];
  return `Module ${name} is ready: loaded on ${[`${states.Loaded} of ${selected} clusters`, ...rest.filter((r) => r !== '')].join('; ')}.`;
}
