import type { StatusAnswer, Waited } from '../client/index.js';
import type { Context } from './command.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { createProgress } from './progress.js';

/** Waits for a module with progress on standard error. @throws WaitTimedOut */
export async function waitWithProgress({ io, session }: Context<object>, name: string, timeoutMs: number): Promise<Waited> {
  const progress = createProgress(io);
  try {
    const options = { timeoutMs, signal: io.interruption(), onProgress: (status: StatusAnswer): void => progress.update(status) };
    return await session().client.waitFor(name, undefined, options);
  } finally {
    progress.end();
  }
}

/** Waits and tells how it ended: the status as data, why it failed as an error. */
export async function waitAndTell(context: Context<object>, name: string, timeoutMs: number): Promise<ExitCode> {
  const { status, failed } = await waitWithProgress(context, name, timeoutMs);
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
