/**
 * Bundles the compiled workflows into `dist/workflow-bundle.js`, so that workers start without webpack.
 * Run by `npm run build` after the compiler: reads `dist/workflows/index.js`, prints one line, exits 1 with webpack's message when it cannot.
 */
import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflows } from '../src/temporal/bundle.js';

// This file runs as dist/tools/bundle-workflows.js: the compiled workflows and the bundle are found from there, whatever the current folder is.
const workflowsPath = fileURLToPath(new URL('../workflows/index.js', import.meta.url));
const bundlePath = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));

async function bundle(): Promise<void> {
  if (!existsSync(workflowsPath)) throw new Error(`${workflowsPath} does not exist. Compile workflows/index.ts first: npm run build.`);
  const { code } = await bundleWorkflows(workflowsPath);
  // Written beside and renamed: a worker that starts at this moment reads the old bundle or the new one, never half of one.
  const unfinished = `${bundlePath}.${process.pid}`;
  await writeFile(unfinished, code);
  await rename(unfinished, bundlePath);
  console.log(`workflow bundle: ${(code.length / 1024 / 1024).toFixed(1)} MiB`);
}

bundle().catch((error: unknown) => {
  console.error(`The workflows could not be bundled: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
