import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Transform } from 'node:stream';
import type { Duplex, Readable } from 'node:stream';
import { createGunzip, createGzip, createZstdCompress } from 'node:zlib';
import { createUnzstd } from '../kmod/zstd.js';

/** How a layer's tar archive is packed. */
export type Packing = 'none' | 'gzip' | 'zstd';

/**
 * The packing by the first bytes, as container runtimes tell it: media types are wrong too often.
 * A tar archive begins with a file's name, which neither of the two magic numbers can be.
 */
export async function packingOf(path: string): Promise<Packing> {
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    const start = buffer.subarray(0, bytesRead).toString('hex');
    if (start.startsWith('1f8b')) return 'gzip';
    // A layer that can be fetched in parts may begin with a skippable frame.
    return start === '28b52ffd' || /^5.2a4d18$/.test(start) ? 'zstd' : 'none';
  } finally {
    await handle.close();
  }
}

/** Streams to put one after the other, from the packed layer to its tar archive. */
export function unpack(packing: Packing): readonly Duplex[] {
  switch (packing) {
    case 'none':
      return [];
    case 'gzip':
      return [createGunzip()];
    case 'zstd':
      return createUnzstd();
  }
}

/** The other way. The same archive gives the same bytes: no time and no file name goes into the header. */
export function pack(packing: Packing): readonly Duplex[] {
  switch (packing) {
    case 'none':
      return [];
    case 'gzip':
      return [createGzip()];
    case 'zstd':
      return [createZstdCompress()];
  }
}

/** Passes bytes on unchanged, and knows how many they were and their digest when they are all through. */
export class Meter extends Transform {
  readonly #hash = createHash('sha256');
  size = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error: null, chunk: Buffer) => void): void {
    this.#hash.update(chunk);
    this.size += chunk.length;
    done(null, chunk);
  }

  /** `sha256:<hex>`; to be asked once, at the end. */
  digest(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}

/** Large pieces: each one costs a turn through every stream of the pipeline. */
const PIECE_BYTES = 262_144; // 256 KiB

export const readBlob = (path: string): Readable => createReadStream(path, { highWaterMark: PIECE_BYTES });
