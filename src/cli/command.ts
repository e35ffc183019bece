import type { Command } from 'commander';
import { EXIT, type ExitCode } from './exit-codes.js';
import type { Io } from './io.js';
import type { GlobalOptions } from './options.js';
import { createOutput, type Output } from './output.js';
import type { OpenSession, Session } from './session.js';

/** What the action of a command gets, beside its arguments. */
export interface Context<Options> {
  readonly io: Io;
  readonly options: GlobalOptions & Options;
  readonly output: Output;
  /** Opened on first use and closed when the command ends. */
  readonly session: () => Session;
}

/** What every command is built from. */
export interface Shell {
  readonly io: Io;
  readonly open: OpenSession;
  /** Called once, with how the command ended. */
  readonly ended: (code: ExitCode) => void;
}

type Action<Options> = (context: Context<Options>, ...args: string[]) => Promise<ExitCode | void>;

/** Ties an action to a command: opens what it needs, closes it, and keeps the exit code. */
export function handle<Options>(command: Command, { io, open, ended }: Shell, action: Action<Options>): Command {
  return command.action(async () => {
    const options: GlobalOptions & Options = command.optsWithGlobals();
    let session: Session | undefined;
    const output = createOutput({ format: options.output, stdout: io.stdout, color: options.color, env: io.env, nowMs: io.now() });
    try {
      const context = { io, options, output, session: () => (session ??= open(io, options)) };
      ended((await action(context, ...command.args)) ?? EXIT.done);
    } finally {
      await session?.close();
    }
  });
}
