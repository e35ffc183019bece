import { Readable } from 'node:stream';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { splice } from '../../../src/signer/splice.js';
import { archive, entriesOf } from './image.js';

const aFile = fc.record({
  content: fc.uint8Array({ maxLength: 1600 }),
  replacement: fc.option(fc.uint8Array({ maxLength: 1600 }), { nil: undefined }),
});

async function run(source: Iterable<Buffer>, splices: Parameters<typeof splice>[0]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of Readable.from(source).pipe(splice(splices))) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function* cut(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test('gives the archive that would have been written with the new contents, however the bytes arrive', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aFile, { maxLength: 6 }), fc.integer({ min: 1, max: 3000 }), async (files, chunk) => {
      const named = files.map((file, index) => ({ ...file, name: `file-${index}`, mode: 0o600 + index }));
      const before = await archive(named.map(({ name, mode, content }) => ({ name, mode, content: Buffer.from(content) })));
      const after = await archive(
        named.map(({ name, mode, content, replacement }) => ({ name, mode, content: Buffer.from(replacement ?? content) })),
      );
      const entries = await entriesOf(before);
      const splices = named.flatMap(({ replacement, content }, index) => {
        const { byteOffset } = entries[index]?.header as unknown as { byteOffset: number };
        if (replacement === undefined) return [];
        const open = (): Readable => Readable.from([Buffer.from(replacement)]);
        return [{ at: byteOffset, oldSize: content.length, newSize: replacement.length, open }];
      });
      const got = await entriesOf(await run(cut(before, chunk), splices));
      // Writers end a number with a blank or a zero byte: what a reader sees must be the same, and where nothing was exchanged every byte.
      expect(got).toEqual(await entriesOf(after));
      if (splices.length === 0) expect((await run(cut(before, chunk), splices)).equals(before)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('changes size and checksum of the header, and no other byte outside of the content', async () => {
  const before = await archive([
    { name: 'a', content: 'old' },
    { name: 'b', content: 'other' },
  ]);
  const garbage = Buffer.concat([before, Buffer.from('what follows the end of an archive')]);
  const after = await run([garbage], [{ at: 512, oldSize: 3, newSize: 4, open: () => Readable.from([Buffer.from('new!')]) }]);
  const differs = [...garbage.keys()].filter((at) => garbage[at] !== after[at]);
  expect(after).toHaveLength(garbage.length);
  expect(differs.every((at) => (at >= 124 && at < 136) || (at >= 148 && at < 156) || (at >= 512 && at < 516))).toBe(true);
  expect(after.toString('latin1', 124, 136)).toBe('00000000004\0');
});
