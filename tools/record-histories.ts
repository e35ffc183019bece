/**
 * Records a history of each workflow type and main path from real runs (API server, Temporal, registry, simulated agents, builds) into `test/replay/histories`.
 * Run by `npm run record-histories [-- name …]` after the build: all scenarios, or those whose function has one of the names. A file that is there is left as it is:
 * after a release old histories are what proves that running workflows survive an upgrade. Before the first release, delete them first. Exits 1 when a scenario does not
 * come to its end, and for a name that no scenario has.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startStage } from '../test/harness/module-stage.js';
import { findPart, repositoryRoot } from '../test/harness/parts.js';
import type { Stack } from '../test/harness/stack.js';
import { buildScenarios, startBuildStage } from './histories/build-scenarios.js';
import { cleanHistory, printHistory } from './histories/clean.js';
import { scenarios, type Recording } from './histories/scenarios.js';

const HISTORY_BYTES = 64 * 1024 * 1024;
const FOLDER = join(repositoryRoot, 'test/replay/histories');

async function record(names: readonly string[]): Promise<void> {
  const known = [...scenarios, ...buildScenarios].map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`There is no scenario ${unknown.join(', ')}. There are ${known.join(', ')}.`);
  const isWanted = ({ name }: { readonly name: string }): boolean => names.length === 0 || names.includes(name);
  mkdirSync(FOLDER, { recursive: true });
  const plain = scenarios.filter(isWanted);
  if (plain.length > 0) await perform(startStage, plain, ({ stack }) => stack);
  const builds = buildScenarios.filter(isWanted);
  if (builds.length > 0) await perform(startBuildStage, builds, (stage) => stage);
}

/** Plays scenarios, one after the other on one stage, and writes what they recorded. */
async function perform<Stage extends { readonly stop: () => Promise<void> }>(
  start: () => Promise<Stage>,
  played: readonly ((stage: Stage) => Promise<readonly Recording[]>)[],
  stackOf: (stage: Stage) => Stack,
): Promise<void> {
  const stage = await start();
  try {
    for (const scenario of played) for (const recording of await scenario(stage)) await write(stackOf(stage), recording);
  } finally {
    await stage.stop();
  }
}

/** As people would save one: in proto JSON, with payloads as they are. */
async function show(address: string, workflowId: string, runId: string | undefined): Promise<string> {
  const args = ['workflow', 'show', '--address', address, '--workflow-id', workflowId, '--output', 'json', '--no-json-shorthand-payloads'];
  if (runId !== undefined) args.push('--run-id', runId);
  const { stdout } = await promisify(execFile)(findPart('temporal'), args, { maxBuffer: HISTORY_BYTES });
  return stdout;
}

async function write(stack: Stack, { file, workflowId, runId }: Recording): Promise<void> {
  const path = join(FOLDER, `${file}.json`);
  if (existsSync(path)) {
    console.log(`${file}: is there already, left as it is`);
    return;
  }
  const history = await show(stack.temporal.address, workflowId, runId);
  const replace = {
    [stack.registry.host]: 'registry.example.com',
    [`${process.pid}@${hostname()}`]: 'kmodflow',
    [repositoryRoot]: '.',
    [homedir()]: '~',
  };
  const text = printHistory(cleanHistory(JSON.parse(history), { replace }));
  writeFileSync(path, text);
  console.log(`${file}: ${text.split('\n').length - 3} events, ${(text.length / 1024).toFixed(0)} KiB`);
}

record(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`The histories could not be recorded: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
