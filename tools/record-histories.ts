/**
 * Records a history of each workflow type and main path from real runs (API server, Temporal, registry, simulated agents) into `test/replay/histories`.
 * Run by `npm run record-histories [name …]` after the build. A file that is there is left as it is: after a release old histories are what proves that running
 * workflows survive an upgrade. Before the first release, delete them first. Exits 1 when a scenario does not come to its end.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startStage, type Stage } from '../test/harness/module-stage.js';
import { findPart, repositoryRoot } from '../test/harness/parts.js';
import { cleanHistory, printHistory } from './histories/clean.js';
import { scenarios, type Recording } from './histories/scenarios.js';

const HISTORY_BYTES = 64 * 1024 * 1024;
const FOLDER = join(repositoryRoot, 'test/replay/histories');

async function record(): Promise<void> {
  mkdirSync(FOLDER, { recursive: true });
  const stage = await startStage();
  try {
    for (const scenario of scenarios) {
      const recordings = await scenario(stage);
      for (const recording of recordings) await write(stage, recording);
    }
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

async function write({ stack }: Stage, { file, workflowId, runId }: Recording): Promise<void> {
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

record().catch((error: unknown) => {
  console.error(`The histories could not be recorded: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
