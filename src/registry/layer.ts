import { once } from 'node:events';
import { isNativeError } from 'node:util/types';
import { createGunzip } from 'node:zlib';
import { extract, type Extract, type Header } from 'tar-stream';
import { createUnzstd, moduleNameOf, through } from '../kmod/index.js';
import { entryPath, type ImageTree } from './image-tree.js';
import { reportOn, unreadable, type FileReport, type ReportOptions } from './module-report.js';

const OPAQUE = '.wh..wh..opq';
/** Bookkeeping of AUFS, which some old layers carry. */
const AUFS = '.wh..wh.';
const WHITEOUT = '.wh.';
/** What a decompressor gives at a time: small, so that little waits for the garbage collector (86 to 89 MiB of growth for 500 MB; 128 KiB: up to 104). */
const CHUNK_BYTES = 32_768; // 32 KiB
const SNIFF_BYTES = 4;

export interface LayerOptions extends ReportOptions {
  /** Whether a file is looked at though it is not named like a module. */
  readonly isWanted: (path: string) => boolean;
  /** Whether a directory is remembered even if it is empty. */
  readonly isKept: (path: readonly string[]) => boolean;
  /** Counts what a layer holds; throws ImageDefect when it is too much. */
  readonly meter: Meter;
}

/** Bounds on what is read. */
export interface Meter {
  bytes(count: number): void;
  entry(): void;
}

/** One entry of an archive, with its content. */
type Entry = AsyncIterable<unknown> & { readonly header: Header; resume(): unknown };

/** Thrown when the bytes of a layer are no complete tar archive, plain, gzip or zstd. */
export class NoArchive extends Error {
  override readonly name = 'NoArchive';
}

/**
 * Applies one layer to the tree: its bytes as the registry sends them, compressed or not (told by their first bytes, as runtimes do).
 * @throws NoArchive, ImageDefect for what breaks a limit, and whatever `bytes` throws. The bytes are read to their end unless something throws.
 */
export async function applyLayer(tree: ImageTree, layer: number, bytes: AsyncGenerator<Buffer>, options: LayerOptions): Promise<void> {
  const archive = extract();
  const fed = feed(archive, await uncompressed(bytes), options.meter).catch((error: unknown) => {
    archive.destroy(error as Error); // the loop below ends with it
  });
  try {
    for await (const entry of archive) await applyEntry(tree, layer, entry, options);
  } catch (error) {
    // The parser and the decompressors throw plain errors; ours, the connection's and those of a bug have names.
    if (isNativeError(error) && error.name === 'Error') throw new NoArchive(error.message);
    throw error;
  } finally {
    archive.destroy(null);
    await fed;
  }
}

/** Writes everything into the archive's parser, as fast as it takes it. */
async function feed(archive: Extract, chunks: AsyncGenerator<Buffer>, meter: Meter): Promise<void> {
  const closed = once(archive, 'close').catch(() => undefined);
  for await (const chunk of chunks) {
    meter.bytes(chunk.length);
    if (!archive.write(chunk)) await Promise.race([once(archive, 'drain').catch(() => undefined), closed]);
    if (archive.destroyed) return; // somebody else failed
  }
  archive.end(undefined);
}

/** The tar archive within, by the magic number that it begins with. */
async function uncompressed(bytes: AsyncGenerator<Buffer>): Promise<AsyncGenerator<Buffer>> {
  let head = Buffer.alloc(0);
  while (head.length < SNIFF_BYTES) {
    const next = await bytes.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  const all = async function* (): AsyncGenerator<Buffer> {
    if (head.length > 0) yield head;
    yield* bytes;
  };
  const magic = head.toString('hex', 0, SNIFF_BYTES);
  if (magic.startsWith('1f8b')) return through(all(), [createGunzip({ chunkSize: CHUNK_BYTES })]);
  if (magic === '28b52ffd' || /^5.2a4d18$/.test(magic)) return through(all(), createUnzstd({ chunkSize: CHUNK_BYTES }));
  return all();
}

async function applyEntry(tree: ImageTree, layer: number, entry: Entry, options: LayerOptions): Promise<void> {
  options.meter.entry();
  const { name: path, type, linkname } = entry.header;
  const names = entryPath(path);
  const name = names.at(-1) ?? '';
  if (name.startsWith(WHITEOUT)) hide(tree, layer, names);
  else if (type === 'directory') tree.directory(names, layer, options.isKept(names));
  else if (type === 'symlink') tree.put(names, layer, { kind: 'link', target: linkname ?? '' });
  else tree.put(names, layer, await fileEntry(tree, entry, names, options));
  entry.resume(); // what nobody has read
}

function hide(tree: ImageTree, layer: number, names: readonly string[]): void {
  const name = names.at(-1) ?? '';
  const folder = names.slice(0, -1);
  if (name === OPAQUE) tree.opaque(folder, layer);
  else if (!name.startsWith(AUFS)) tree.whiteout([...folder, name.slice(WHITEOUT.length)], layer);
}

async function fileEntry(
  tree: ImageTree,
  entry: Entry,
  names: readonly string[],
  options: LayerOptions,
): Promise<{ kind: 'file'; report: FileReport } | undefined> {
  const path = `/${names.join('/')}`;
  if (moduleNameOf(path) === undefined && !options.isWanted(path)) return undefined;
  const { type, size = 0, linkname } = entry.header;
  if (type === 'link') return { kind: 'file', report: hardLink(tree, linkname ?? '') };
  if (type !== 'file' && type !== 'contiguous-file') return undefined;
  if (size > options.maxModuleBytes)
    return { kind: 'file', report: unreadable(size, `has ${size} bytes, where at most ${options.maxModuleBytes} are read`) };
  return { kind: 'file', report: await reportOn(path, await contentOf(entry, size), options) };
}

const hardLink = (tree: ImageTree, target: string): FileReport =>
  tree.fileAt(entryPath(target)) ??
  unreadable(0, 'is a hard link to a file that is not named like a module; store the module under its own name');

async function contentOf(entry: Entry, size: number): Promise<Buffer> {
  const content = Buffer.allocUnsafe(size);
  let at = 0;
  for await (const chunk of entry) at += (chunk as Buffer).copy(content, at);
  return content.subarray(0, at);
}
