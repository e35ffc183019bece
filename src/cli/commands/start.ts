import type { Command } from 'commander';
import { checkManifest } from '../../client/manifest.js';
import { revisionOf } from '../../client/revision-of.js';
import { handle, type Context, type Shell } from '../command.js';
import type { ExitCode } from '../exit-codes.js';
import { readManifest } from '../manifest-file.js';
import { addWaitOptions, type WaitFlags } from '../options.js';
import { waitAndTell } from '../waiting.js';

interface StartOptions extends WaitFlags {
  readonly file: string;
  readonly update?: boolean;
  readonly reason?: string;
}

export function addStart(program: Command, shell: Shell): void {
  const command = program
    .command('start')
    .description('start a module from a manifest, without an object on the hub')
    .requiredOption('-f, --file <file>', 'the manifest, YAML or JSON; "-" reads standard input')
    .option('--update', 'give a module that runs already this spec')
    .option('--reason <text>', 'why, for the record of an update');
  handle<StartOptions>(addWaitOptions(command), shell, start);
}

async function start(context: Context<StartOptions>): Promise<ExitCode | void> {
  const { io, options, output, session } = context;
  const { name, spec } = checkManifest(await readManifest(io, options.file));
  const { client } = session();
  const updated = options.update === true ? await client.setSpec(name, spec, { by: io.user(), reason: options.reason }) : undefined;
  const started = updated === undefined ? await client.start({ name, spec }) : { name, answer: updated };
  const sentence = updated ?? `Module ${name} has been started. See how far it is with "kmodflow status ${name}".`;
  if (options.wait !== true) return output.show(started, () => sentence);
  io.stderr.write(`${sentence}\n`);
  return waitAndTell(context, name, { timeoutMs: options.timeout, revision: revisionOf(name, spec) });
}
