import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowBundleOption } from '@temporalio/worker';
import { bundleWorkflows } from '../../src/temporal/bundle.js';
import { repositoryRoot } from './parts.js';

/** The workflow code for a worker: the bundle of the build when it is newer than every source, else one made now and kept until a source changes. */
export async function workflowBundle(): Promise<WorkflowBundleOption> {
  const sourceTime = Math.max(
    ...['workflows', 'src/domain', 'src/api', 'src/temporal'].map((folder) => newest(join(repositoryRoot, folder))),
  );
  const built = join(repositoryRoot, 'dist/workflow-bundle.js');
  const cached = join(repositoryRoot, '.tools/workflow-bundle.js');
  for (const codePath of [built, cached]) if (existsSync(codePath) && statSync(codePath).mtimeMs > sourceTime) return { codePath };
  const { code } = await bundleWorkflows(join(repositoryRoot, 'workflows/index.ts'));
  mkdirSync(join(repositoryRoot, '.tools'), { recursive: true });
  writeFileSync(cached, code);
  return { codePath: cached };
}

const newest = (folder: string): number =>
  Math.max(
    0,
    ...readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((e) =>
      e.isFile() ? [statSync(join(e.parentPath, e.name)).mtimeMs] : [],
    ),
  );
