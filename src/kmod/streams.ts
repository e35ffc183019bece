import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * What comes out of a chain of streams that is fed from `source`. Leaving the loop early ends the source and every stream; an error of any of them is thrown.
 */
export async function* through(source: Iterable<Buffer> | AsyncIterable<Buffer>, chain: readonly Transform[]): AsyncGenerator<Buffer> {
  const last = chain.at(-1);
  if (last === undefined) {
    yield* source;
    return;
  }
  const done = pipeline([Readable.from(source, { objectMode: false }), ...chain]);
  done.catch(() => undefined); // the loop sees the same error
  for await (const chunk of last) yield chunk as Buffer;
  await done;
}
