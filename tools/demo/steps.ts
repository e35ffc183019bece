import { performance } from 'node:perf_hooks';
import type { DemoOptions } from './options.js';
import type { Screen } from './screen.js';

/** What went wrong, in sentences for a person: no stack is shown. */
export class DemoFailure extends Error {
  override readonly name = 'DemoFailure';
}

/** What has been started, to be stopped in reverse order. */
export class Cleanup {
  readonly #steps: (() => unknown)[] = [];

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Every step is tried; the first error is thrown at the end. */
  async run(): Promise<void> {
    const errors: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

/** What every part of the demo works with. */
export interface Demo {
  readonly options: DemoOptions;
  readonly kernels: readonly string[];
  readonly screen: Screen;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
  readonly cleanup: Cleanup;
}

/**
 * Says what begins, does it, and says how long it took. What was made is stopped at the end, also when Ctrl-C came in the middle.
 * @throws The reason of the signal, after `work`: a part that is half-way up cannot be stopped.
 */
export async function step<T>(
  { screen, signal, cleanup }: Demo,
  text: string,
  work: () => Promise<T>,
  stop?: (made: T) => unknown,
): Promise<T> {
  signal.throwIfAborted();
  screen.say(text);
  const startedMs = performance.now();
  const made = await work();
  if (stop !== undefined) cleanup.add(() => stop(made));
  signal.throwIfAborted();
  screen.say(`Done in ${((performance.now() - startedMs) / 1000).toFixed(1)} s.\n`);
  return made;
}
