import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { repositoryRoot } from './parts.js';

/** A program that builds kmod images or runs virtual nodes. It comes with the operating system. */
export type BuildProgram = 'buildah' | 'skopeo' | 'qemu-system-x86_64' | 'modinfo' | 'xz' | 'zstd' | 'openssl';

/** One layer of a base image, compressed, with what an OCI manifest says of it. */
export interface LayerFile {
  /** Absolute path. */
  readonly file: string;
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  /** Digest of the uncompressed archive. */
  readonly diffId: string;
}

export interface BuildParts {
  /** The folder that holds them all. */
  readonly folder: string;
  /** A statically linked busybox. */
  readonly busybox: string;
  readonly kernels: readonly { readonly flavour: string; readonly release: string; readonly package: string }[];
  readonly layers: { readonly kbuild: LayerFile; readonly runtime: LayerFile };
}

/**
 * The kernels and base images that `make build-parts` has put into the cache.
 * @throws Error that says what is missing and how to get it: a test that needs them fails, it does not pass by.
 */
export function buildParts(): BuildParts {
  const folder = join(repositoryRoot, '.tools', 'build-parts');
  const file = join(folder, 'parts.json');
  if (!existsSync(file)) throw new Error(`The kernels and base images are missing: there is no ${file}. Run "make build-parts".`);
  const { kernels, layers } = JSON.parse(readFileSync(file, 'utf8')) as Omit<BuildParts, 'folder' | 'busybox'>;
  const placed = (layer: LayerFile): LayerFile => ({ ...layer, file: join(folder, layer.file) });
  return {
    folder,
    busybox: join(folder, 'busybox'),
    kernels,
    layers: { kbuild: placed(layers.kbuild), runtime: placed(layers.runtime) },
  };
}

/** Where Debian keeps modinfo, which ordinary users do not have on PATH. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin'];

/**
 * The absolute path of a program on PATH.
 * @throws Error that says how to get it.
 */
export function findBuildProgram(program: BuildProgram): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_FOLDERS].filter((folder) => folder !== '');
  const found = folders.map((folder) => join(folder, program)).find(isExecutable);
  if (found === undefined) throw new Error(`The program ${program} is missing: it is in no folder of PATH. Run "make build-parts".`);
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
