import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { benchBuild, type BuildOptions } from './build.js';
import { benchInspect } from './inspect.js';
import { benchPublish } from './publish.js';
import { benchSteady } from './steady.js';

const positive = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number of at least 1.');
  return value;
};

function print(results: Readonly<Record<string, unknown>>, file: string | undefined): void {
  const width = Math.max(...Object.keys(results).map((k) => k.length));
  for (const [key, value] of Object.entries(results)) console.log(`${key.padEnd(width)}  ${String(value)}`);
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}

interface Options {
  readonly clusters: number;
  readonly kernels: number;
  readonly json?: string;
}

const program = new Command('bench').description(
  'Measures kmodflow on real parts. Ratios count: both sides of one are taken in the same run.',
);
program
  .command('publish')
  .description('How long the first publication takes against a bare loop that does the same writes.')
  .option('--clusters <n>', 'clusters of the fleet', positive, 1000)
  .option('--kernels <n>', 'distinct kernels of the fleet', positive, 3)
  .option('--json <file>', 'writes the figures there too')
  .action(async (options: Options) => print({ ...(await benchPublish(options)) }, options.json));
program
  .command('steady')
  .description('What a restart and a single changed kernel cost a fleet that is loaded.')
  .option('--clusters <n>', 'clusters of the fleet', positive, 1000)
  .option('--kernels <n>', 'distinct kernels of the fleet', positive, 3)
  .option('--json <file>', 'writes the figures there too')
  .action(async (options: Options) => print({ ...(await benchSteady(options)) }, options.json));
program
  .command('inspect')
  .description('How long a large image takes to be inspected, and what memory that needs, against fetching its blobs.')
  .option('--megabytes <n>', 'size of the image', positive, 500)
  .option('--json <file>', 'writes the figures there too')
  .action(async (options: { megabytes: number; json?: string }) => print({ ...(await benchInspect(options)) }, options.json));
program
  .command('build')
  .description('What kmodflow adds to running the same build and push by hand, and where it goes.')
  .option('--seconds <n>', 'length of the build step that does the work', positive, 60)
  .option('--rounds <n>', 'how often; the median counts', positive, 1)
  .option('--sign', 'also sign what is built')
  .option('--json <file>', 'writes the figures there too')
  .action(async (options: BuildOptions & { json?: string }) => print({ ...(await benchBuild(options)) }, options.json));

await program.parseAsync();
