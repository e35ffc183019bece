import { Context } from '@temporalio/activity';

/** Well within the heartbeat timeout of every activity (10 s), on a busy worker too. */
const BEAT_MS = 2_500;

/**
 * Tells Temporal that the worker lives for as long as the work takes, whatever it waits for: one request to an API server that hangs takes half a minute. So the
 * heartbeat timeout can be short, and the work of a worker that was killed is taken over within seconds.
 * @param details What a retry resumes from, as it is then.
 */
export async function whileBeating<T>(details: () => unknown, work: () => Promise<T>): Promise<T> {
  const context = Context.current();
  const beat = (): void => context.heartbeat(details());
  const timer = setInterval(beat, BEAT_MS);
  beat();
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** The same for an activity that begins from the start when it is tried again. */
export const beating =
  <Args extends unknown[], R>(activity: (...args: Args) => Promise<R>) =>
  (...args: Args): Promise<R> =>
    whileBeating(
      () => undefined,
      () => activity(...args),
    );
