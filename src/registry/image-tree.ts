import { ImageDefect } from './faults.js';
import { printable } from './manifest.js';
import type { FileReport } from './module-report.js';

/** What is kept of a file system entry: of files what was found out about them, of symbolic links where they lead, of directories that they are there. */
export type TreeEntry =
  | { readonly kind: 'file'; readonly report: FileReport }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'directory' };

/** A place in the tree. Without an entry it is there because something below it is kept. */
export interface TreeNode {
  readonly name: string;
  readonly parent: TreeNode | undefined;
  readonly children: Map<string, TreeNode>;
  entry: TreeEntry | undefined;
  /** Number of the layer that the entry came with. */
  layer: number;
}

/** As the kernel's `PATH_MAX`. */
const MAX_PATH_LENGTH = 4_096;
const MAX_DEPTH = 256;
/** As the kernel's limit on a chain of links. */
const MAX_LINKS = 40;
/** Entries that are kept cost about 300 bytes each. Distributions have some ten thousand links. */
const MAX_KEPT = 200_000;

const tooDeep = (depth: number): ImageDefect =>
  new ImageDefect(`has a layer with ${depth} folders inside each other, where ${MAX_DEPTH} are read`);

/**
 * The names along a path of a tar archive. @throws ImageDefect when it leads out of the image or is longer than a file system takes: no container runtime
 * unpacks such a layer.
 */
export function entryPath(path: string): string[] {
  const names: string[] = [];
  if (path.length > MAX_PATH_LENGTH)
    throw new ImageDefect(`has a layer with a path of ${path.length} characters, where ${MAX_PATH_LENGTH} are possible`);
  for (const name of path.split('/')) {
    if (name === '..') {
      if (names.pop() === undefined) throw new ImageDefect(`has a layer whose entry ${printable(path)} leads out of the image`);
    } else if (name !== '' && name !== '.') {
      names.push(name);
    }
  }
  if (names.length > MAX_DEPTH) throw tooDeep(names.length);
  return names;
}

/**
 * The part of an image's file system that matters here, put together from layers as a runtime does: the lowest first, each one adding, replacing and hiding.
 * An entry whose path goes through a symbolic link of its own layer lands where that link leads. A link of a lower layer gives way to a folder, as overlay
 * file systems do it.
 */
export class ImageTree {
  readonly root: TreeNode = { name: '', parent: undefined, children: new Map(), entry: undefined, layer: 0 };
  #kept = 0;

  /** Something that is no directory. With `undefined` it is of no interest, and only what it replaces is gone. */
  put(path: readonly string[], layer: number, entry: Exclude<TreeEntry, { kind: 'directory' }> | undefined): void {
    const place = this.#place(path, layer);
    if (place.length === 0) return;
    this.#clearWay(place);
    if (entry === undefined) {
      const node = this.#at(place);
      if (node !== undefined) this.#remove(node);
      return;
    }
    const node = this.#make(place);
    node.children.clear();
    this.#keep(node, layer, entry);
  }

  /** A directory: what stood there before goes unless it is one too. `keep` remembers it even when nothing in it is kept. */
  directory(path: readonly string[], layer: number, keep: boolean): void {
    const place = this.#place(path, layer);
    this.#clearWay(place);
    const node = keep ? this.#make(place) : this.#at(place);
    if (node === undefined) return;
    if (node.entry?.kind !== 'directory') node.entry = undefined;
    if (keep) this.#keep(node, layer, { kind: 'directory' });
  }

  /** Hides what lower layers have at a path. */
  whiteout(path: readonly string[], layer: number): void {
    const node = this.#at(path);
    if (node !== undefined && this.#prune(node, layer)) this.#remove(node);
  }

  /** Hides what lower layers have in a directory. */
  opaque(path: readonly string[], layer: number): void {
    const node = this.#at(path);
    for (const child of [...(node?.children.values() ?? [])]) if (this.#prune(child, layer)) this.#remove(child);
  }

  /** The file that a hard link names, as far as the tree was built. */
  fileAt(path: readonly string[]): FileReport | undefined {
    const entry = this.resolve(path)?.entry;
    return entry?.kind === 'file' ? entry.report : undefined;
  }

  /** What a path leads to, symbolic links followed wherever they are; undefined when it leads to nothing that was kept. */
  resolve(path: readonly string[], from: TreeNode = this.root): TreeNode | undefined {
    const ahead = [...path].reverse();
    let node = from;
    let links = 0;
    for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
      if (name === '..') node = node.parent ?? node;
      if (name === '..' || name === '.' || name === '') continue;
      const child = node.children.get(name);
      if (child === undefined) return undefined;
      if (child.entry?.kind !== 'link') {
        node = child;
        continue;
      }
      links += 1;
      const { target } = child.entry;
      if (links > MAX_LINKS || target.length > MAX_PATH_LENGTH) return undefined;
      if (target.startsWith('/')) node = this.root;
      ahead.push(...target.split('/').reverse());
    }
    return node;
  }

  /** What a node leads to: itself, unless it is a symbolic link. */
  follow(node: TreeNode): TreeNode | undefined {
    return node.parent === undefined ? node : this.resolve([node.name], node.parent);
  }

  #at(path: readonly string[]): TreeNode | undefined {
    let node: TreeNode | undefined = this.root;
    for (const name of path) node = node?.children.get(name);
    return node;
  }

  #make(path: readonly string[]): TreeNode {
    let node = this.root;
    for (const name of path) {
      let child = node.children.get(name);
      if (child === undefined) {
        child = { name, parent: node, children: new Map(), entry: undefined, layer: 0 };
        node.children.set(name, child);
      }
      node = child;
    }
    return node;
  }

  /** Where an entry lands: its path, with the links of the same layer that lie on the way replaced by what they say. */
  #place(path: readonly string[], layer: number): readonly string[] {
    let place = path;
    for (let links = 0; links < MAX_LINKS; links += 1) {
      let node: TreeNode | undefined = this.root;
      let at = 0;
      while (at < place.length - 1 && node !== undefined && !isLinkOf(node, layer)) node = node.children.get(place[at++] ?? '');
      if (node?.entry?.kind !== 'link' || node.layer !== layer) return place;
      const { target } = node.entry;
      const folder = target.startsWith('/') ? [] : place.slice(0, at - 1);
      place = [...withinRoot([...folder, ...target.slice(0, MAX_PATH_LENGTH).split('/')]), ...place.slice(at)];
      if (place.length > MAX_DEPTH) throw tooDeep(place.length);
    }
    return place;
  }

  /** Makes folders of what lies on the way. */
  #clearWay(path: readonly string[]): void {
    let node: TreeNode | undefined = this.root;
    for (const name of path) {
      if (node === undefined) return;
      if (node.entry?.kind !== 'directory') node.entry = undefined;
      node = node.children.get(name);
    }
  }

  #keep(node: TreeNode, layer: number, entry: TreeEntry): void {
    this.#kept += 1; // not taken back on removal: it bounds the work as well
    if (this.#kept > MAX_KEPT) throw new ImageDefect(`has more than ${MAX_KEPT} module files and symbolic links`);
    node.entry = entry;
    node.layer = layer;
  }

  /** Takes away what came with lower layers, at and below a node; @returns whether nothing is left there. */
  #prune(node: TreeNode, layer: number): boolean {
    for (const child of [...node.children.values()]) if (this.#prune(child, layer)) node.children.delete(child.name);
    if (node.layer < layer) node.entry = undefined;
    return node.entry === undefined && node.children.size === 0;
  }

  #remove(node: TreeNode): void {
    node.parent?.children.delete(node.name);
  }
}

const isLinkOf = (node: TreeNode, layer: number): boolean => node.entry?.kind === 'link' && node.layer === layer;

/** Names with `..` taken out; above the root there is nothing but the root. */
function withinRoot(names: readonly string[]): string[] {
  const kept: string[] = [];
  for (const name of names) {
    if (name === '..') kept.pop();
    else if (name !== '' && name !== '.') kept.push(name);
  }
  return kept;
}

/** The path of a node, absolute. */
export function pathOf(node: TreeNode): string {
  const names: string[] = [];
  for (let at: TreeNode | undefined = node; at?.parent !== undefined; at = at.parent) names.push(at.name);
  return `/${names.reverse().join('/')}`;
}
