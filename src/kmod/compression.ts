import { createGunzip } from 'node:zlib';
import { through } from './streams.js';
import { unxz } from './xz.js';
import { createUnzstd } from './zstd.js';

/** How a module file is stored, by the suffix after `.ko`. */
export type Compression = 'none' | 'gz' | 'xz' | 'zst';

const MODULE_FILE = /(?:^|\/)([^/]+)\.ko(?:\.(gz|xz|zst))?$/;

/** The compression that a path names; `none` for a path that is no module file. */
export const compressionOf = (path: string): Compression => (MODULE_FILE.exec(path)?.[2] as Compression | undefined) ?? 'none';

/**
 * The name of the module in a file: without folders, `.ko` and the suffix of its compression; undefined when the path is no module file.
 * The kernel and modprobe take `-` and `_` in it for the same: compare with {@link sameModule}.
 */
export const moduleNameOf = (path: string): string | undefined => MODULE_FILE.exec(path)?.[1];

/** Whether two names mean one module: the kernel turns every `-` into `_`. */
export const sameModule = (left: string, right: string): boolean => left.replaceAll('-', '_') === right.replaceAll('-', '_');

/** Thrown when compressed bytes cannot be read: `Broken` (damaged, cut off, or not of that format) or `TooLarge` (the content is larger than allowed). */
export class DecompressionError extends Error {
  override readonly name = 'DecompressionError';
  readonly kind: 'Broken' | 'TooLarge';

  constructor(kind: 'Broken' | 'TooLarge', message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/**
 * The content of a module file. Stops as soon as the content is larger than `maxBytes`, so a bomb costs that much memory at most.
 * @throws DecompressionError whose message is a clause about the file: "the file …".
 */
export async function decompressModule(bytes: Buffer, compression: Compression, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of contentOf(bytes, compression)) {
      size += chunk.length;
      if (size > maxBytes) throw new DecompressionError('TooLarge', `holds more than ${maxBytes} bytes when it is decompressed`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof DecompressionError) throw error;
    throw new DecompressionError('Broken', `is not a complete .${compression} file`, { cause: error });
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size);
}

function contentOf(bytes: Buffer, compression: Compression): AsyncIterable<Buffer> | Iterable<Buffer> {
  switch (compression) {
    case 'none':
      return [bytes];
    case 'gz':
      return through([bytes], [createGunzip()]);
    case 'zst':
      return through([bytes], createUnzstd());
    case 'xz':
      return unxz(bytes);
  }
}
