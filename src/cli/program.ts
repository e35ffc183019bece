import { Command, CommanderError } from 'commander';
import { isFault } from '../client/index.js';
import { addClusters } from './commands/clusters.js';
import { addDecisions } from './commands/decisions.js';
import { addHistory } from './commands/history.js';
import { addImages } from './commands/images.js';
import { addLogs } from './commands/logs.js';
import { addPlan } from './commands/plan.js';
import { addServers } from './commands/servers.js';
import { addSetup } from './commands/setup.js';
import { addStart } from './commands/start.js';
import { addStatus } from './commands/status.js';
import type { Shell } from './command.js';
import { EXIT, EXIT_HELP, exitCodeOf, INTERRUPTED, type ExitCode } from './exit-codes.js';
import type { Io } from './io.js';
import { addGlobalOptions } from './options.js';
import { openSession, type OpenSession } from './session.js';

/** In the order in which the help lists them. */
const COMMANDS = [addStart, addStatus, addClusters, addImages, addLogs, addHistory, addPlan, addDecisions, addServers, addSetup];

/**
 * Runs one command.
 * @param argv What stands after the program's name.
 * @returns The exit code. Nothing is thrown: errors are sentences on standard error.
 */
export async function run(argv: readonly string[], io: Io, open: OpenSession = openSession): Promise<ExitCode> {
  let code: ExitCode = EXIT.done;
  try {
    await buildProgram({ io, open, ended: (c) => (code = c) }).parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    return tell(error, io, argv.includes('--debug'));
  }
}

export function buildProgram(shell: Shell): Command {
  const { stdout, stderr } = shell.io;
  const program = new Command('kmodflow')
    .description('Rolls kernel modules out from a hub cluster to a fleet of spoke clusters.')
    .configureOutput({ writeOut: (text) => void stdout.write(text), writeErr: (text) => void stderr.write(text) })
    .configureHelp({ showGlobalOptions: true, helpWidth: stdout.columns ?? 100 })
    .showHelpAfterError('(kmodflow --help lists commands and options)')
    .exitOverride()
    .addHelpText('after', `\n${EXIT_HELP}`);
  addGlobalOptions(program);
  for (const add of COMMANDS) add(program, shell);
  return program;
}

function tell(error: unknown, { stderr }: Io, debug: boolean): ExitCode {
  // Commander has written its own message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  const code = exitCodeOf(error);
  if (code === INTERRUPTED) stderr.write('Interrupted. What was asked for goes on in the workflow.\n');
  else if (isFault(error)) stderr.write(`${error.message}\n`);
  else
    stderr.write(
      `This should not have happened: ${error instanceof Error ? error.message : String(error)}${debug ? '' : ' (--debug shows where)'}\n`,
    );
  if (debug && error instanceof Error) stderr.write(`${withCauses(error)}\n`);
  return code;
}

function withCauses(error: Error): string {
  const own = error.stack ?? error.message;
  return error.cause instanceof Error ? `${own}\ncaused by: ${withCauses(error.cause)}` : own;
}
