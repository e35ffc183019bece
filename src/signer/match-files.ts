import { shellGlobParts } from '../domain/shell-glob.js';
import { toPath } from './image-files.js';
import type { ImageDirectory, ImageFile, ImageFiles } from './image-files.js';

export interface MatchedFile {
  /** Without symbolic links: where the file really stands. */
  readonly path: string;
  readonly file: ImageFile;
}

/** The regular files that a pattern names in an image, as a shell inside it would find them: a symbolic link counts as the file that it leads to. */
export function matchFiles(files: ImageFiles, pattern: string): MatchedFile[] {
  const tests = shellGlobParts(pattern);
  let folders: (readonly string[])[] = [[]];
  for (const [index, test] of tests.entries()) {
    const isLast = index === tests.length - 1;
    const named = folders.flatMap((folder) => childrenThat(files, folder, test));
    if (isLast) return named.flatMap((parts) => fileAt(files, parts));
    folders = named;
  }
  return [];
}

function childrenThat(files: ImageFiles, folder: readonly string[], test: (name: string) => boolean): (readonly string[])[] {
  const directory = directoryAt(files, folder);
  if (directory === undefined) return [];
  return [...directory.children.keys()]
    .filter(test)
    .sort()
    .map((name) => [...folder, name]);
}

function directoryAt(files: ImageFiles, parts: readonly string[]): ImageDirectory | undefined {
  const node = files.resolve(parts)?.node;
  return node?.kind === 'directory' ? node : undefined;
}

function fileAt(files: ImageFiles, parts: readonly string[]): MatchedFile[] {
  const place = files.resolve(parts);
  return place?.node.kind === 'file' ? [{ path: toPath(place.parts), file: place.node }] : [];
}
