import { setImmediate as nextTurn } from 'node:timers/promises';
// A CommonJS package that Node can import as a whole alone: its names are not to be seen from outside.
import xzDecompress from 'xz-decompress';

/** How much is decoded before other work of the process gets its turn. About 10 ms. */
const TURN_BYTES = 1_048_576; // 1 MiB
/** The decoder has no end of its own for input that stops early: it gives empty pieces then. */
const MAX_EMPTY_PIECES = 3;

/** One at a time: the decoder has one memory for the whole process, and loses count of its users when one of them leaves early. */
let queue: Promise<unknown> = Promise.resolve();

/**
 * The content of a `.xz` file, piece by piece. Leaving the loop early ends the decoder.
 * @throws Error when the file is damaged, cut off, or uses what the decoder does not know: it knows LZMA2 and the checks none, CRC32 and CRC64, which is what
 * the kernel's own build makes, and neither BCJ filters nor SHA-256.
 */
export async function* unxz(bytes: Buffer): AsyncGenerator<Buffer> {
  const before = queue;
  let free = (): void => undefined;
  queue = new Promise<void>((resolve) => (free = resolve));
  await before;
  try {
    yield* decode(bytes);
  } finally {
    free();
  }
}

async function* decode(bytes: Buffer): AsyncGenerator<Buffer> {
  // Else the decoder runs past the end of its input before it notices.
  if (bytes.length < 32) throw new Error('An xz file has at least 32 bytes.');
  const reader = new xzDecompress.XzReadableStream(new Blob([new Uint8Array(bytes)]).stream()).getReader();
  let [sinceTurn, empty, ended] = [0, 0, false];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        ended = true;
        return;
      }
      empty = value.length === 0 ? empty + 1 : 0;
      if (empty > MAX_EMPTY_PIECES) throw new Error('The xz file is cut off.');
      sinceTurn += value.length;
      if (sinceTurn >= TURN_BYTES) {
        sinceTurn = 0;
        await nextTurn();
      }
      if (value.length > 0) yield Buffer.from(value);
    }
  } finally {
    if (!ended) {
      await nextTurn(); // the piece that it works on in advance
      await reader.cancel().catch(() => undefined);
    }
  }
}
