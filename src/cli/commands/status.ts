import type { Command } from 'commander';
import type { ModuleList, StatusAnswer } from '../../client/index.js';
import { handle, type Context, type Shell } from '../command.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { addWaitOptions, type WaitFlags } from '../options.js';
import { paintState, type Output } from '../output.js';
import { page, table } from '../table.js';
import { ago } from '../times.js';
import { waitWithProgress } from '../waiting.js';
import { statusPage } from './status-page.js';

export function addStatus(program: Command, shell: Shell): void {
  const command = program
    .command('status')
    .description('how a module is doing; without a name, all modules')
    .argument('[name]', 'the module');
  handle<WaitFlags>(addWaitOptions(command), shell, (context, name) => (name === undefined ? listAll(context) : showOne(context, name)));
}

async function listAll({ io, output, session }: Context<WaitFlags>): Promise<void> {
  const list = await session().client.list();
  output.show(list, () => listPage(output, list));
  if (output.format !== 'table') for (const note of list.notes) io.stderr.write(`${note}\n`);
}

async function showOne(context: Context<WaitFlags>, name: string): Promise<ExitCode> {
  const { io, options, output, session } = context;
  const waited =
    options.wait === true
      ? await waitWithProgress(context, name, { timeoutMs: options.timeout })
      : { status: await session().client.status(name), failed: undefined };
  output.show(waited.status, () => statusPage(output, waited.status));
  if (waited.failed !== undefined) io.stderr.write(`${waited.failed}\n`);
  return waited.failed !== undefined || needsAPerson(waited.status) ? EXIT.failed : EXIT.done;
}

const needsAPerson = ({ phase }: StatusAnswer): boolean => phase === 'Degraded' || phase === 'Invalid';

export function listPage(output: Output, { modules, notes }: ModuleList): string {
  const number = (n: number | undefined): string => (n === undefined ? '?' : String(n));
  const rows = modules.map((m) => [
    m.name,
    paintState(output.paint, m.phase),
    number(m.selected),
    number(m.loaded),
    number(m.failed),
    number(m.offline),
    m.revision ?? '',
    m.headless ? 'headless' : 'object',
    { true: 'yes', false: 'no' }[String(m.running)] ?? '?',
    ago(m.createdAt, output.nowMs).replace(' ago', ''),
  ]);
  const head = ['NAME', 'PHASE', 'SELECTED', 'LOADED', 'FAILED', 'OFFLINE', 'REVISION', 'SPEC', 'RUNNING', 'AGE'];
  const body =
    rows.length === 0
      ? 'There are no modules. Apply a ManagedClusterModule, or start one with "kmodflow start -f".'
      : table(output, head, rows);
  return page(body, ...notes);
}
