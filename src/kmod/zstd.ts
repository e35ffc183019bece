import { Transform, type TransformCallback } from 'node:stream';
import { createZstdDecompress, type ZstdOptions } from 'node:zlib';

const FRAME_MAGIC = 0xfd2fb528;
/** And the 15 numbers after it. */
const SKIPPABLE_MAGIC = 0x184d2a50;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const CHECKSUM_BYTES = 4;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/**
 * Streams that decompress zstd, for a pipeline in this order. Node's own decompressor looks no further than the first frame of what one write hands it, and
 * takes a file that is cut off for complete. Here every frame is decoded, skippable ones are left out (layers that can be fetched in parts have both), and an
 * end in mid-frame is an error.
 */
export const createUnzstd = (options?: ZstdOptions): [Transform, Transform] => [new FrameSplitter(), createZstdDecompress(options)];

/** What the parser asks for next: bytes to look at (`keep`), to pass on unseen, or to leave out. `end` marks the end of a frame. */
type Wish = { readonly how: 'keep' | 'pass' | 'drop'; readonly bytes: number } | { readonly how: 'end' };

const keep = (bytes: number): Wish => ({ how: 'keep', bytes });
const pass = (bytes: number): Wish => ({ how: 'pass', bytes });

/** Follows the structure of frames without decoding them. What it keeps it hands to `emit` itself. Source: RFC 8878, 3.1. */
function* parseFrames(emit: (bytes: Buffer) => void): Generator<Wish, never, Buffer> {
  for (;;) {
    const magic = yield keep(4);
    const number = magic.readUInt32LE(0);
    if (number >>> 4 === SKIPPABLE_MAGIC >>> 4) {
      const size = yield keep(4);
      yield { how: 'drop', bytes: size.readUInt32LE(0) };
    } else if (number === FRAME_MAGIC) {
      emit(magic);
      yield* parseFrame(emit);
    } else {
      throw new Error('The stream holds something else than zstd frames.');
    }
    yield { how: 'end' };
  }
}

function* parseFrame(emit: (bytes: Buffer) => void): Generator<Wish, void, Buffer> {
  const descriptor = yield keep(1);
  emit(descriptor);
  const flags = descriptor[0] ?? 0;
  const isSingleSegment = (flags & 0x20) !== 0;
  const contentSize = CONTENT_SIZE_BYTES[flags >>> 6] ?? 0;
  yield pass((isSingleSegment ? 0 : 1) + (DICTIONARY_ID_BYTES[flags & 3] ?? 0) + (isSingleSegment ? contentSize || 1 : contentSize));
  for (let isLast = false; !isLast;) {
    const header = yield keep(3);
    emit(header);
    const block = header.readUIntLE(0, 3);
    const type = (block >>> 1) & 3;
    if (type === RESERVED_BLOCK) throw new Error('The zstd stream has a block of the reserved type.');
    isLast = (block & 1) === 1;
    yield pass(type === RLE_BLOCK ? 1 : block >>> 3);
  }
  if ((flags & 4) !== 0) yield pass(CHECKSUM_BYTES);
}

/** Cuts a zstd stream where a frame ends, so that each piece it gives holds bytes of one frame alone. */
class FrameSplitter extends Transform {
  #piece: Buffer[] = [];
  /** Of what the parser wants to see as a whole. */
  #kept: Buffer[] = [];
  readonly #parser = parseFrames((bytes) => this.#piece.push(bytes));
  #wish: Wish = this.#parser.next().value;
  #left = 4;
  #frames = 0;
  #isBetween = true;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    try {
      for (let at = 0; at < chunk.length;) {
        const taken = chunk.subarray(at, at + this.#left);
        at += taken.length;
        this.#left -= taken.length;
        this.#isBetween = false;
        if (this.#wish.how === 'pass') this.#piece.push(taken);
        if (this.#wish.how === 'keep') this.#kept.push(taken);
        while (this.#left === 0) this.#advance();
      }
      this.#give();
      callback();
    } catch (error) {
      callback(error as Error);
    }
  }

  override _flush(callback: TransformCallback): void {
    callback(this.#isBetween && this.#frames > 0 ? null : new Error('The zstd stream is cut off.'));
  }

  #advance(): void {
    const kept = this.#kept.splice(0);
    this.#wish = this.#parser.next(kept.length === 1 && kept[0] !== undefined ? kept[0] : Buffer.concat(kept)).value;
    if (this.#wish.how === 'end') {
      this.#give();
      this.#frames += 1;
      this.#isBetween = true;
      this.#wish = this.#parser.next(Buffer.alloc(0)).value;
    }
    this.#left = this.#wish.how === 'end' ? 0 : this.#wish.bytes;
  }

  #give(): void {
    if (this.#piece.length > 0) this.push(Buffer.concat(this.#piece.splice(0)));
  }
}
