import type { Command } from 'commander';
import type { KmodflowClient, Person } from '../../client/index.js';
import { handle, type Context, type Shell } from '../command.js';
import type { ExitCode } from '../exit-codes.js';
import { addWaitOptions, type WaitFlags } from '../options.js';
import { waitAndTell } from '../waiting.js';

interface DecisionOptions extends Partial<WaitFlags> {
  readonly reason?: string;
  readonly token?: string;
}

type Decide = (client: KmodflowClient, name: string, person: Person & { readonly token?: string | undefined }) => Promise<string>;

/** What people tell a module: recorded with who said it and why, and answered by the module's workflow. */
export function addDecisions(program: Command, shell: Shell): void {
  const add = (name: string, description: string, decide: Decide, more: (command: Command) => Command = (c) => c): void => {
    const command = program
      .command(name)
      .description(description)
      .argument('<name>', 'the module')
      .option('--reason <text>', 'why, for the record');
    handle<DecisionOptions>(more(command), shell, (context, module) => carryOut(context, module, name, decide));
  };
  add('pause', 'publish and remove nothing more until somebody resumes', (client, name, person) => client.pause(name, person));
  add('resume', 'go on after a pause', (client, name, person) => client.resume(name, person), addWaitOptions);
  add(
    'retry',
    'look up missing images, make failed images and try failed clusters again now',
    (client, name, person) => client.retry(name, person),
    addWaitOptions,
  );
  add('delete', 'delete a module that was started without an object: it is removed from all clusters', (client, name, person) =>
    client.delete(name, person),
  );
  add(
    'confirm-removal',
    'let a held removal from many clusters go on',
    (client, name, person) => client.confirmRemoval(name, person),
    (command) =>
      command.option('--token <token>', 'the set of clusters that you have seen (status shows it); without it, the one that is held now'),
  );
}

async function carryOut(
  context: Context<DecisionOptions>,
  module: string | undefined,
  request: string,
  decide: Decide,
): Promise<ExitCode | void> {
  const { io, options, output, session } = context;
  const name = module ?? '';
  const answer = await decide(session().client, name, { by: io.user(), reason: options.reason, token: options.token });
  if (options.wait !== true) return output.show({ module: name, request, answer }, () => answer);
  io.stderr.write(`${answer}\n`);
  return waitAndTell(context, name, { timeoutMs: options.timeout });
}
