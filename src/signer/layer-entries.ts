import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import type { Header } from 'tar-stream';
import { isRecord } from './bytes.js';
import { SigningFailure, systemCode } from './failure.js';
import { Meter, packingOf, readBlob, unpack } from './layer-stream.js';
import { blobPath } from './layout.js';
import type { Descriptor } from './layout.js';

/** One entry of a layer's archive, as far as it matters for which files an image has. */
export interface LayerEntry {
  readonly kind: 'file' | 'hard link' | 'symlink' | 'directory' | 'other';
  /** As the archive has it: mostly without a slash in front. */
  readonly name: string;
  /** Of links: what they name. */
  readonly target: string;
  /** Where the content begins in the archive (without its packing), bytes. The header is the 512 bytes before it. */
  readonly at: number;
  /** Of the content, bytes. */
  readonly size: number;
  /** Why the content cannot be exchanged: a clause about the entry. */
  readonly defect?: string | undefined;
}

export interface LayerContent {
  readonly entry: LayerEntry;
  /** The whole content. Reading it is optional; what is not read is passed over. At most `entry.size` bytes of memory. */
  read(): Promise<Buffer>;
}

/**
 * Goes through a layer from its first entry to its last, and checks the digest of the whole: a layout that was damaged on its volume is not signed.
 * @param visit Is waited for before the next entry comes.
 * @throws SigningFailure when the blob is missing, damaged, or no archive. What `visit` throws comes through as it is.
 */
export async function visitLayer(
  directory: string,
  layer: Descriptor,
  visit: (content: LayerContent) => Promise<void> | void,
): Promise<void> {
  const path = blobPath(directory, layer.digest);
  const meter = new Meter();
  const extract = tar.extract();
  const packing = await packingOf(path).catch((error: unknown) => {
    throw unreadable(layer, error);
  });
  const [visited, streamed] = await Promise.allSettled([
    visitEntries(extract, visit),
    pipeline([readBlob(path), meter, ...unpack(packing), extract]),
  ]);
  // A visitor that throws ends the streams too, and what they say of it is of no interest.
  if (visited.status === 'rejected' && visited.reason instanceof VisitError) throw visited.reason.cause;
  if (streamed.status === 'rejected') throw unreadable(layer, streamed.reason);
  if (visited.status === 'rejected') throw unreadable(layer, visited.reason);
  const found = meter.digest();
  if (found !== layer.digest) throw new SigningFailure('Sign', `The layer ${layer.digest} has the digest ${found}: the layout is damaged.`);
}

/** Tells what the visitor threw from what the streams threw. */
class VisitError extends Error {}

async function visitEntries(extract: tar.Extract, visit: (content: LayerContent) => Promise<void> | void): Promise<void> {
  for await (const stream of extract) {
    const entry = toEntry(stream.header);
    const read = async (): Promise<Buffer> => {
      // Of the right size at once: collecting pieces would take the memory twice.
      const content = Buffer.alloc(entry.size);
      let filled = 0;
      for await (const chunk of stream) filled += (chunk as Buffer).copy(content, filled);
      return content;
    };
    try {
      await visit({ entry, read });
    } catch (error) {
      throw new VisitError('', { cause: error });
    }
    stream.resume();
  }
}

function unreadable(layer: Descriptor, error: unknown): SigningFailure {
  const why = isRecord(error) && typeof error['message'] === 'string' ? error['message'] : 'unknown error';
  const defect = systemCode(error) === 'ENOENT' ? 'is not in the layout' : `cannot be read as a tar archive (${why})`;
  return new SigningFailure('Sign', `The layer ${layer.digest} of the type ${layer.mediaType} ${defect}.`);
}

const KINDS: Readonly<Record<string, LayerEntry['kind']>> = {
  file: 'file',
  'contiguous-file': 'file',
  link: 'hard link',
  symlink: 'symlink',
  directory: 'directory',
};

function toEntry(header: Header & { readonly byteOffset?: number }): LayerEntry {
  return {
    kind: KINDS[header.type ?? 'other'] ?? 'other',
    name: header.name,
    target: header.linkname ?? '',
    at: header.byteOffset ?? 0,
    size: header.size ?? 0,
    defect: defectOf((header.pax ?? {}) as Readonly<Record<string, string>>),
  };
}

/** Writers do this for files of 8 GiB and for files with holes: neither is a kernel module. */
function defectOf(pax: Readonly<Record<string, string>>): string | undefined {
  if (Object.keys(pax).some((key) => key.startsWith('GNU.sparse'))) return 'is stored as a sparse file';
  return pax['size'] === undefined ? undefined : 'has its size in an extended header';
}
