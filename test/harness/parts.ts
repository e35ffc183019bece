import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A program that the harness runs and does not come from npm. */
export type Part = 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'temporal' | 'registry';

const CONTROL_PLANE_PARTS: readonly Part[] = ['etcd', 'kube-apiserver', 'kube-controller-manager'];

/** The folder with this project's package.json, wherever this file runs from (`test/harness` or `dist/test/harness`). */
export const repositoryRoot: string = findRoot(import.meta.dirname);

/**
 * The path of a program.
 * Looked for in this order: the override of the environment (`KUBEBUILDER_ASSETS` is a folder, `TEMPORAL_CLI` a file), then `.tools/bin/<name>`
 * under the repository root. An override that lacks one of the programs (envtest ships no controller manager) falls through to the second.
 * @throws Error that names the missing part, the places that were tried, and what to do.
 */
export function findPart(part: Part): string {
  const candidates = [...overrides(part), join(repositoryRoot, '.tools', 'bin', part)];
  const found = candidates.find(isExecutable);
  if (found === undefined) {
    throw new Error(`The program ${part} is missing: neither ${candidates.join(' nor ')} can be executed. Run "make tools".`);
  }
  return found;
}

function overrides(part: Part): string[] {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  if (assets && CONTROL_PLANE_PARTS.includes(part)) return [join(assets, part)];
  const cli = process.env['TEMPORAL_CLI'];
  if (cli && part === 'temporal') return [cli];
  return [];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function findRoot(from: string): string {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'kmodflow') return folder;
  }
  throw new Error(`No package.json of kmodflow in ${from} or a folder above it.`);
}
