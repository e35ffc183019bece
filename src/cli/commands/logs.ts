import { Option, type Command } from 'commander';
import { LOG_CONTAINERS, type ContainerLog, type ImageLogs, type LogContainer } from '../../client/index.js';
import { printable } from '../../domain/log-tail.js';
import { handle, type Context, type Shell } from '../command.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { positiveInteger } from '../options.js';
import type { Output } from '../output.js';
import { page } from '../table.js';

interface LogsFlags {
  readonly kernel?: string;
  readonly container?: LogContainer;
  readonly attempt?: number;
  readonly tail?: number;
}

export function addLogs(program: Command, shell: Shell): void {
  const command = program
    .command('logs')
    .description('the log of the Job that builds and signs the image of a kernel')
    .argument('<name>', 'the module')
    .option('--kernel <kernel>', 'the kernel; may be left out when the module has one image')
    .addOption(new Option('--container <container>', 'only this step').choices([...LOG_CONTAINERS]))
    .option('--attempt <n>', 'this attempt; default the newest', positiveInteger)
    .option('--tail <n>', 'the last so many lines of each step; default 20000', positiveInteger);
  handle<LogsFlags>(command, shell, showLogs);
}

async function showLogs({ io, options, output, session }: Context<LogsFlags>, name = ''): Promise<ExitCode> {
  const { kernel, container, attempt, tail } = options;
  const logs = await session().client.logs(name, { kernel, container, attempt, tail });
  output.show(logs, () => logsPage(output, logs));
  if (output.format === 'table') for (const note of logs.notes) io.stderr.write(`${note}\n`);
  return logs.containers.length === 0 && logs.remembered.length === 0 ? EXIT.failed : EXIT.done;
}

/** The logs one after the other, each under a heading. Notes are not part of it: they go to standard error. */
export const logsPage = (output: Output, { containers, remembered, attempt }: ImageLogs): string =>
  page(
    ...containers.map((c) => containerText(output, c, attempt)),
    ...(remembered.length === 0 ? [] : [[heading(output, 'the last lines that the status has'), ...remembered.map(printable)].join('\n')]),
  );

function containerText(output: Output, { container, state, exitCode, text, note }: ContainerLog, attempt: number | undefined): string {
  const ended = state === 'failed' && exitCode !== undefined ? `, exit code ${exitCode}` : '';
  const head = heading(output, `${container}${attempt === undefined ? '' : `, attempt ${attempt}`}: `, state, ended);
  const lines = (text ?? '').split('\n').map(printable);
  while (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) return [head, note ?? 'It wrote nothing.'].join('\n');
  return [head, ...lines, ...(note === undefined ? [] : [note])].join('\n');
}

const STYLE = { waiting: 'dim', running: 'yellow', succeeded: 'green', failed: 'red' } as const;

const heading = ({ paint }: Output, text: string, state?: ContainerLog['state'], more = ''): string =>
  `${paint('bold', `== ${text}`)}${state === undefined ? '' : paint(STYLE[state], state)}${more} ==`;
