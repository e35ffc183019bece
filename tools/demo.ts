/** `make demo`: a hub with a simulated fleet on this machine, and a rollout to watch. `--help` lists the options. */
import { parseDemoArguments, type DemoOptions } from './demo/options.js';
import { runDemo } from './demo/run-demo.js';
import { createScreen } from './demo/screen.js';

const INTERRUPTED = 130;

/** Ctrl-C, a kill, and a terminal that is closed stop everything in good order; a second one ends at once, and the parts end with this process. */
function abortOnSignals(say: (text: string) => void): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(INTERRUPTED);
      say('\nStopping everything that this demo has started.');
      controller.abort();
    });
  }
  return controller.signal;
}

async function demo(options: DemoOptions): Promise<number> {
  const screen = createScreen(process.stdout);
  const signal = abortOnSignals(screen.say);
  try {
    await runDemo(options, screen, signal);
    screen.say(options.once ? 'Everything is stopped again.' : 'Everything is stopped.');
    return 0;
  } catch (error) {
    if (signal.aborted) {
      screen.say('Everything is stopped.');
      return INTERRUPTED;
    }
    console.error(`\nThe demo failed. ${explain(error)}`);
    return 1;
  }
}

/** Messages of parts and of the demo are sentences; an error that nobody foresaw is a defect and keeps its stack. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isDefect = error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
  return (isDefect ? error.stack : undefined) ?? error.message;
}

// A terminal that is closed, or a reader such as head that has enough, must not keep the parts from being stopped.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const parsed = parseDemoArguments(process.argv.slice(2));
if (parsed.kind === 'end') {
  (parsed.exitCode === 0 ? process.stdout : process.stderr).write(parsed.text);
  process.exitCode = parsed.exitCode;
} else {
  // Handles of the parts may linger; nothing of them is needed any more.
  process.exit(await demo(parsed.options));
}
