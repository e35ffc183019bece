import { Duplex } from 'node:stream';
import type { Readable } from 'node:stream';

/** A new content for one entry of a tar archive. */
export interface Splice {
  /** Where the old content begins in the archive; its header is the 512 bytes before. */
  readonly at: number;
  readonly oldSize: number;
  readonly newSize: number;
  /** Opened when its turn comes. */
  readonly open: () => Readable;
}

const BLOCK_BYTES = 512;
const SIZE_AT = 124;
const SIZE_BYTES = 12;
const CHECKSUM_AT = 148;
const CHECKSUM_BYTES = 8;

/**
 * Exchanges the content of some entries of a tar archive, for a pipeline. Of their headers the size and the checksum change; every other byte of the archive
 * comes through as it is, extended headers, unusual formats and the padding at the end included. No archive is read or written anew: writers differ in too
 * much that a reader does not tell.
 * @param splices Sorted by `at`.
 */
export const splice = (splices: readonly Splice[]): Duplex =>
  Duplex.from(async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const reader = new Cursor(source);
    for (const { at, oldSize, newSize, open } of splices) {
      yield* reader.until(at - BLOCK_BYTES);
      yield withSize(Buffer.concat(await toArray(reader.until(at))), newSize);
      for await (const chunk of open()) yield chunk as Buffer;
      yield Buffer.alloc(padded(newSize) - newSize);
      await reader.skip(at + padded(oldSize));
    }
    yield* reader.until(Infinity);
  });

const padded = (size: number): number => Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;

/** The header of the same entry with another size. */
function withSize(header: Buffer, size: number): Buffer {
  const changed = Buffer.from(header);
  changed.write(`${size.toString(8).padStart(SIZE_BYTES - 1, '0')}\0`, SIZE_AT, 'latin1');
  // The checksum counts its own field as blanks.
  changed.fill(' ', CHECKSUM_AT, CHECKSUM_AT + CHECKSUM_BYTES);
  const checksum = changed.reduce((sum, byte) => sum + byte, 0);
  changed.write(`${checksum.toString(8).padStart(6, '0')}\0 `, CHECKSUM_AT, 'latin1');
  return changed;
}

async function toArray(chunks: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

/** Reads a stream up to given positions, each byte once. */
class Cursor {
  readonly #source: AsyncIterator<Buffer>;
  #position = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The bytes from here to a position, counted from the beginning of the stream; fewer when the stream ends before it. */
  async *until(end: number): AsyncGenerator<Buffer> {
    while (this.#position < end) {
      if (this.#rest.length === 0) {
        const next = await this.#source.next();
        if (next.done === true) return;
        this.#rest = next.value;
      }
      const taken = this.#rest.subarray(0, end - this.#position);
      this.#rest = this.#rest.subarray(taken.length);
      this.#position += taken.length;
      yield taken;
    }
  }

  async skip(end: number): Promise<void> {
    const pieces = this.until(end);
    while ((await pieces.next()).done !== true) continue;
  }
}
