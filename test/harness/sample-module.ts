import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from './parts.js';
import type { BaseImages } from './base-images.js';

export interface SampleOptions {
  /** Defaults of the Dockerfile's `FROM`, so that a build needs no arguments for them. */
  readonly images?: BaseImages;
  /** The module's `version`, and so another Dockerfile text. Default `1.0`. */
  readonly version?: string;
  /** C text in the place of the sample's own, for instance one that does not compile. */
  readonly source?: string;
}

/** What `sampleDockerfile` builds: the module's name, and the folder in the image that holds it. */
export const SAMPLE_MODULE = 'kmodflow_sample';
export const sampleModulePath = (kernel: string): string => `/opt/lib/modules/${kernel}/${SAMPLE_MODULE}.ko`;

const folder = join(repositoryRoot, 'test', 'harness', 'sample-module');
const read = (file: string): string => readFileSync(join(folder, file), 'utf8');

/**
 * A Dockerfile that compiles a real out-of-tree module and needs no files besides itself: the `Dockerfile` beside the sources, in which each `@write FILE`
 * has become a RUN that prints the file, one argument a line.
 * Build arguments: `KERNEL_FULL_VERSION` and `MOD_NAME`, which kmodflow passes itself; `KBUILD_IMAGE`, `RUNTIME_IMAGE` and `SAMPLE_VERSION` are optional.
 */
export function sampleDockerfile({ images, version, source }: SampleOptions = {}): string {
  const withDefault = (text: string, name: string, value: string | undefined): string =>
    value === undefined ? text : text.replace(new RegExp(`^ARG ${name}=.*$`, 'm'), () => `ARG ${name}=${value}`);
  const defaults: readonly (readonly [string, string | undefined])[] = [
    ['KBUILD_IMAGE', images?.kbuild],
    ['RUNTIME_IMAGE', images?.runtime],
    ['SAMPLE_VERSION', version],
  ];
  const text = defaults.reduce((before, [name, value]) => withDefault(before, name, value), read('Dockerfile'));
  return text.replace(/^@write (\S+)$/gm, (_, file: string) =>
    writeStep(file, source !== undefined && file.endsWith('.c') ? source : read(file)),
  );
}

/** buildah 1.28 knows no heredocs. A line's leading quote also keeps `#include` from being taken for a comment of the Dockerfile. */
function writeStep(file: string, content: string): string {
  const lines = content.trimEnd().split('\n');
  const quoted = lines.map((line) => `  '${line.replaceAll("'", `'\\''`)}' \\\n`);
  return `RUN printf '%s\\n' \\\n${quoted.join('')}  > ${file}`;
}
