import { pathParts } from '../domain/shell-glob.js';
import type { LayerEntry } from './layer-entries.js';

/** A regular file: one for all its hard links. */
export interface ImageFile {
  readonly kind: 'file';
  /** Counts from 0, the lowest. */
  readonly layer: number;
  readonly entry: LayerEntry;
  /** Every path at which it stood at some time, also where it is hidden by now. */
  readonly names: Set<string>;
}

export interface ImageDirectory {
  readonly kind: 'directory';
  layer: number;
  readonly children: Map<string, ImageNode>;
}

interface ImageLink {
  readonly kind: 'symlink';
  readonly layer: number;
  readonly target: string;
}

interface OtherNode {
  readonly kind: 'other';
  readonly layer: number;
}

export type ImageNode = ImageFile | ImageDirectory | ImageLink | OtherNode;

/** A place in the tree without symbolic links on the way to it. */
export interface Place {
  readonly node: ImageNode;
  readonly parts: readonly string[];
}

/** As many as Linux follows. */
const MAX_LINKS = 40;
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

export const toPath = (parts: readonly string[]): string => `/${parts.join('/')}`;

/**
 * The files of an image as its layers build them up: the tree that a container sees, and besides every file that was ever in a layer.
 * Source: OCI Image Specification 1.1, "Image Layer Filesystem Changeset" (whiteouts, opaque whiteouts, hard links).
 */
export class ImageFiles {
  readonly root: ImageDirectory = { kind: 'directory', layer: 0, children: new Map() };
  /** All of them, those too that an upper layer hides. */
  readonly everyFile: ImageFile[] = [];

  /** Entries must come in the order of the archive, layers from the bottom up. */
  add(layer: number, entry: LayerEntry): void {
    const parts = pathParts(entry.name);
    const name = parts.pop();
    if (name === undefined) return; // the root itself
    const parent = this.#makeDirectory(parts, layer);
    if (name === OPAQUE) removeLower(parent.directory, layer);
    else if (name.startsWith(WHITEOUT)) removeChild(parent.directory, name.slice(WHITEOUT.length), layer);
    else this.#put(parent, name, layer, entry);
  }

  /** What a path names, with every symbolic link followed; undefined where there is nothing. */
  resolve(parts: readonly string[]): Place | undefined {
    return this.#walk(parts, { links: 0 });
  }

  /** Every file that a container sees, by path: a hard link once for each of its names. */
  *visibleFiles(): Generator<{ readonly path: string; readonly file: ImageFile }> {
    const open: { readonly directory: ImageDirectory; readonly parts: readonly string[] }[] = [{ directory: this.root, parts: [] }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const [name, node] of next.directory.children) {
        const parts = [...next.parts, name];
        if (node.kind === 'file') yield { path: toPath(parts), file: node };
        if (node.kind === 'directory') open.push({ directory: node, parts });
      }
    }
  }

  #put({ directory, parts }: MadeDirectory, name: string, layer: number, entry: LayerEntry): void {
    const path = toPath([...parts, name]);
    const existing = directory.children.get(name);
    switch (entry.kind) {
      case 'directory':
        if (existing?.kind === 'directory') existing.layer = layer;
        else directory.children.set(name, { kind: 'directory', layer, children: new Map() });
        break;
      case 'file': {
        const file: ImageFile = { kind: 'file', layer, entry, names: new Set([path, toPath(pathParts(entry.name))]) };
        this.everyFile.push(file);
        directory.children.set(name, file);
        break;
      }
      case 'hard link': {
        const target = this.#lookUp(pathParts(entry.target));
        if (target?.kind === 'file') target.names.add(path).add(toPath(pathParts(entry.name)));
        directory.children.set(name, target?.kind === 'file' ? target : { kind: 'other', layer });
        break;
      }
      case 'symlink':
        directory.children.set(name, { kind: 'symlink', layer, target: entry.target });
        break;
      case 'other':
        directory.children.set(name, { kind: 'other', layer });
        break;
    }
  }

  /** What stands at a path itself, be it a symbolic link; links among the folders before it are followed. */
  #lookUp(parts: readonly string[]): ImageNode | undefined {
    const name = parts.at(-1);
    const parent = this.resolve(parts.slice(0, -1))?.node;
    return name !== undefined && parent?.kind === 'directory' ? parent.children.get(name) : undefined;
  }

  /** Archives may leave folders out, and a folder takes the place of whatever else stood there. */
  #makeDirectory(parts: readonly string[], layer: number): MadeDirectory {
    let made: MadeDirectory = { directory: this.root, parts: [] };
    for (const name of parts) {
      const here = [...made.parts, name];
      const place = this.resolve(here);
      if (place?.node.kind === 'directory') {
        made = { directory: place.node, parts: place.parts };
      } else {
        const directory: ImageDirectory = { kind: 'directory', layer, children: new Map() };
        made.directory.children.set(name, directory);
        made = { directory, parts: here };
      }
    }
    return made;
  }

  #walk(parts: readonly string[], budget: { links: number }): Place | undefined {
    let place: Place = { node: this.root, parts: [] };
    for (const name of parts) {
      const next = this.#step(place, name, budget);
      if (next === undefined) return undefined;
      place = next;
    }
    return place;
  }

  #step(from: Place, name: string, budget: { links: number }): Place | undefined {
    if (from.node.kind !== 'directory') return undefined;
    if (name === '' || name === '.') return from;
    // Not to be resolved in the text: the folder before it may be a link.
    if (name === '..') return this.#walk(from.parts.slice(0, -1), budget);
    const child = from.node.children.get(name);
    if (child === undefined) return undefined;
    return child.kind === 'symlink' ? this.#follow(child, from.parts, budget) : { node: child, parts: [...from.parts, name] };
  }

  #follow(link: ImageLink, folder: readonly string[], budget: { links: number }): Place | undefined {
    budget.links += 1;
    if (budget.links > MAX_LINKS) return undefined;
    return this.#walk([...(link.target.startsWith('/') ? [] : folder), ...link.target.split('/')], budget);
  }
}

interface MadeDirectory {
  readonly directory: ImageDirectory;
  readonly parts: readonly string[];
}

/** A whiteout hides what lower layers have, and nothing of its own layer. */
function removeChild(directory: ImageDirectory, name: string, layer: number): void {
  const child = directory.children.get(name);
  if (child === undefined) return;
  if (child.kind === 'directory') removeLower(child, layer);
  const isEmpty = child.kind !== 'directory' || child.children.size === 0;
  if (isEmpty && child.layer < layer) directory.children.delete(name);
}

function removeLower(directory: ImageDirectory, layer: number): void {
  for (const name of [...directory.children.keys()]) removeChild(directory, name, layer);
}
