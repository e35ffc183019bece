import type { Command } from 'commander';
import type { DestinationStream } from 'pino';
import { handle, type Context, type Shell } from '../command.js';
import { configOf, kubeConfigOf } from '../session.js';

type Parts = 'hub' | 'controller' | 'worker';

const DESCRIPTIONS: Readonly<Record<Parts, string>> = {
  hub: 'run controller and worker in one process, until SIGTERM',
  controller: 'run the controller alone: it watches the hub and wakes workflows',
  worker: 'run a worker alone: it carries workflows and activities out',
};

export function addServers(program: Command, shell: Shell): void {
  for (const parts of Object.keys(DESCRIPTIONS) as Parts[])
    handle<object>(program.command(parts).description(DESCRIPTIONS[parts]), shell, (context) => serve(context, parts));
}

/** Runs until SIGTERM or SIGINT; then activities get ten seconds to finish. */
async function serve({ io, options }: Context<object>, parts: Parts): Promise<void> {
  const config = configOf(io, options);
  const kubeConfig = kubeConfigOf(config);
  // Loaded here and not above: the worker is a native module, and a status should not wait for it.
  const [{ runHub }, { createLogger }] = await Promise.all([import('../../hub.js'), import('../../logger.js')]);
  const logger = createLogger(config.logLevel, await destination(io));
  const signal = io.interruption();
  signal.addEventListener('abort', () => logger.info('shutting down; a second signal ends at once'), { once: true });
  await runHub({ config, parts, logger, signal, kubeConfig });
  logger.info({ parts }, 'kmodflow has ended');
}

/** Lines for people on a terminal, where the formatter is installed; JSON lines everywhere else. */
async function destination({ stdout }: Pick<Context<object>['io'], 'stdout'>): Promise<DestinationStream> {
  if (stdout.isTTY === true) {
    try {
      const { default: pretty } = await import('pino-pretty');
      return pretty({ translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname' });
    } catch {
      // it is a development dependency
    }
  }
  return { write: (line) => void stdout.write(line) };
}
