import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryRoot } from '../../../test/harness/parts.js';
import { accessTo, accessVariables } from '../access.js';
import type { Scene } from '../roll-out.js';
import { DemoFailure } from '../steps.js';
import { imagesShown } from './texts.js';

const LIMIT_MS = 60_000;

/** What `kmodflow images` prints, from the command line itself. @throws DemoFailure with its words when it fails. */
export async function imagesPage({ stack, example }: Scene): Promise<string> {
  const args = ['images', example.name];
  const env = { ...process.env, ...accessVariables(accessTo(stack)) };
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--no-warnings', join(repositoryRoot, 'dist/src/cli/main.js'), ...args],
      {
        env,
        timeout: LIMIT_MS,
      },
    );
    return imagesShown(`kmodflow ${args.join(' ')}`, stdout);
  } catch (error) {
    throw new DemoFailure(`kmodflow ${args.join(' ')} failed. ${error instanceof Error ? error.message : String(error)}`);
  }
}
