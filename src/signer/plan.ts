import { shellGlob } from '../domain/shell-glob.js';
import { moduleNameOf } from '../kmod/compression.js';
import { SigningFailure } from './failure.js';
import { ImageFiles } from './image-files.js';
import type { ImageFile } from './image-files.js';
import type { LayerEntry } from './layer-entries.js';
import { matchFiles } from './match-files.js';

/** What happens to one file of the image, wherever a container sees it. */
export type FileStep =
  /** `isAsked`: a pattern names it now. Otherwise it stood at such a path in a lower layer, and may be something else than a module. */
  | { readonly kind: 'sign'; readonly path: string; readonly isAsked: boolean }
  /** An older content of `path` that nobody sees: the signed file takes its place. */
  | { readonly kind: 'replace'; readonly path: string; readonly by: ImageFile };

export type SigningPlan = ReadonlyMap<ImageFile, FileStep>;

/**
 * Collects the files of an image layer by layer and decides what has to be signed. A layer that is below another one still travels with the image, and
 * anybody can take it apart: an unsigned content must not stay at the path of a signed file in any of them, nor behind a whiteout.
 */
export class SigningPlanner {
  readonly #files = new ImageFiles();
  readonly #patterns: readonly string[];
  /** Paths that a pattern named after some layer, without symbolic links. */
  readonly #named = new Set<string>();
  #layers = 0;

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns;
  }

  /** Entries in the order of the archive. */
  add(entry: LayerEntry): void {
    this.#files.add(this.#layers, entry);
  }

  /** To be called after each layer, from the bottom up. */
  endLayer(): void {
    for (const pattern of this.#patterns) {
      for (const { path } of matchFiles(this.#files, pattern)) this.#named.add(path);
    }
    this.#layers += 1;
  }

  /** @throws SigningFailure when a pattern names no regular file, with the modules that are there. */
  plan(): SigningPlan {
    const asked = new Map<string, ImageFile>();
    for (const pattern of this.#patterns) {
      const found = matchFiles(this.#files, pattern);
      if (found.length === 0) throw new SigningFailure('Sign', this.#nothingFound(pattern));
      for (const { path, file } of found) asked.set(path, file);
    }
    const plan = new Map<ImageFile, FileStep>();
    for (const [path, file] of asked) plan.set(file, { kind: 'sign', path, isAsked: true });
    this.#addHidden(plan, asked);
    return plan;
  }

  #addHidden(plan: Map<ImageFile, FileStep>, asked: ReadonlyMap<string, ImageFile>): void {
    const visible = new Set([...this.#files.visibleFiles()].map(({ file }) => file));
    const tests = this.#patterns.map(shellGlob);
    for (const file of this.#files.everyFile) {
      if (plan.has(file)) continue;
      const path = [...file.names].find((name) => this.#named.has(name) || tests.some((test) => test(name)));
      if (path === undefined) continue;
      const signed = [...file.names].find((name) => asked.has(name));
      const by = signed === undefined ? undefined : asked.get(signed);
      // One that is still seen under another name keeps its own content.
      if (signed !== undefined && by !== undefined && !visible.has(file)) plan.set(file, { kind: 'replace', path: signed, by });
      else plan.set(file, { kind: 'sign', path, isAsked: false });
    }
  }

  #nothingFound(pattern: string): string {
    const modules = [...this.#files.visibleFiles()].map(({ path }) => path).filter((path) => moduleNameOf(path) !== undefined);
    const shown = modules.sort().slice(0, MAX_SHOWN);
    const left = modules.length - shown.length;
    const there =
      shown.length === 0
        ? 'It holds no module file (.ko) at all'
        : `Module files in it: ${shown.join(', ')}${left > 0 ? ` and ${left} more` : ''}`;
    return `filesToSign: ${pattern} names no regular file in the image. ${there}. Correct the pattern, or the Dockerfile that should put the file there.`;
  }
}

const MAX_SHOWN = 5;
