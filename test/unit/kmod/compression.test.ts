import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  compressionOf,
  createUnzstd,
  DecompressionError,
  decompressModule,
  moduleNameOf,
  sameModule,
  through,
  type Compression,
} from '../../../src/kmod/index.js';

const xz = (input: Buffer, ...args: string[]): Buffer => execFileSync('xz', ['--stdout', ...args], { input, maxBuffer: 1e8 });
/** As the kernel's build packs its modules. */
const packers: Readonly<Record<Compression, (input: Buffer) => Buffer>> = {
  none: (input) => input,
  gz: (input) => gzipSync(input),
  xz: (input) => xz(input, '--check=crc32', '--lzma2=dict=1MiB'),
  zst: (input) => zstdCompressSync(input),
};
const content = Buffer.concat([randomBytes(200_000), Buffer.alloc(400_000, 'module')]);

const failure = async (promise: Promise<Buffer>): Promise<[string, string]> => {
  const error = await promise.then(
    () => new Error('it was read'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof DecompressionError) return [error.kind, error.message];
  throw error;
};

test('the name of a module is that of its file', () => {
  const paths = ['/opt/lib/modules/6.1/one-two.ko', 'a.ko.gz', '/x/b.ko.xz', 'c.ko.zst', 'd.ko.bz2', '/e.ko/f', '.ko', 'g.KO'];
  expect(paths.map((path) => [moduleNameOf(path), compressionOf(path)])).toEqual([
    ['one-two', 'none'],
    ['a', 'gz'],
    ['b', 'xz'],
    ['c', 'zst'],
    [undefined, 'none'],
    [undefined, 'none'],
    [undefined, 'none'],
    [undefined, 'none'],
  ]);
});

test('a dash and an underscore are the same in the name of a module', () => {
  expect([sameModule('a-b_c', 'a_b-c'), sameModule('a', 'b')]).toEqual([true, false]);
});

describe.each(['none', 'gz', 'xz', 'zst'] as const)('a module file with compression %s', (compression) => {
  const pack = packers[compression];

  test('is read as it was', async () => {
    expect((await decompressModule(pack(content), compression, content.length)).equals(content)).toBe(true);
  });

  test('is not read beyond the limit', async () => {
    expect(await failure(decompressModule(pack(content), compression, content.length - 1))).toEqual([
      'TooLarge',
      `holds more than ${content.length - 1} bytes when it is decompressed`,
    ]);
    expect((await decompressModule(pack(content), compression, content.length)).length).toBe(content.length);
  });
});

describe.each(['gz', 'xz', 'zst'] as const)('a file with compression %s that is damaged', (compression) => {
  const packed = packers[compression](content);

  test('is broken wherever it is cut off', async () => {
    const cuts = [0, 1, 5, 20, 40, packed.length >> 1, packed.length - 9, packed.length - 1];
    for (const cut of cuts)
      expect([cut, await failure(decompressModule(packed.subarray(0, cut), compression, 1e7))]).toEqual([
        cut,
        ['Broken', `is not a complete .${compression} file`],
      ]);
  });

  test('gives its content or is broken, whatever is written over it, and the next file is read', async () => {
    const small = packers[compression](Buffer.from('a small module '.repeat(40)));
    const flip = fc.record({ at: fc.nat(small.length - 1), byte: fc.integer({ min: 0, max: 255 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 4 }), async (flips) => {
        const file = Buffer.from(small);
        for (const { at, byte } of flips) file[at] = byte;
        await decompressModule(file, compression, 100_000).catch((error: unknown) => expect(error).toBeInstanceOf(DecompressionError));
      }),
      { numRuns: 150 },
    );
    expect((await decompressModule(packed, compression, 1e7)).equals(content)).toBe(true);
  });
});

test('many xz files at once are read one after the other, those that are too large among them', async () => {
  const files = Array.from({ length: 12 }, (_, index) => Buffer.alloc(100_000 + index, index));
  const results = await Promise.all(
    files.map((file, index) => decompressModule(packers.xz(file), 'xz', index % 3 === 0 ? 1_000 : 1e6).catch(() => undefined)),
  );
  expect(results.map((result, index) => result?.equals(files[index] ?? Buffer.alloc(0)))).toEqual(
    files.map((_, index) => (index % 3 === 0 ? undefined : true)),
  );
});

test('xz files with the default check and several blocks are read', async () => {
  for (const options of [['--check=crc64'], ['--check=none'], ['-9e'], ['--block-size=50000']])
    expect((await decompressModule(xz(content, ...options), 'xz', 1e7)).equals(content)).toBe(true);
});

describe('a zstd stream', () => {
  const skippable = Buffer.concat([Buffer.from([0x5e, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]), Buffer.from('notes')]);
  const unpack = (chunks: Iterable<Buffer>): Promise<Buffer> => buffer(Readable.from(through(chunks, createUnzstd())));
  const cutInto = (bytes: Buffer, size: number): Buffer[] =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size));

  test('is read with all of its frames, skippable ones left out, however it is cut into pieces', async () => {
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      fc.nat(200_000).map((length) => Buffer.alloc(length, 'x')),
      fc.constant(undefined),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 2_000 }), async (frames, size) => {
        const contents = [Buffer.from('first'), ...frames];
        const packed = Buffer.concat(contents.map((part) => (part === undefined ? skippable : zstdCompressSync(part))));
        const expected = Buffer.concat(contents.filter((part) => part !== undefined));
        expect((await unpack(cutInto(packed, size))).equals(expected)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('with checksums and without a content size is read', async () => {
    const packed = execFileSync('zstd', ['--stdout', '--check', '--no-content-size', '-19', '-'], { input: content });
    expect((await unpack([packed])).equals(content)).toBe(true);
  });

  test('that ends within a frame, or holds something else, is an error', async () => {
    const packed = zstdCompressSync(content);
    await expect(unpack([packed, packed.subarray(0, -3)])).rejects.toThrow('The zstd stream is cut off.');
    await expect(unpack([packed, Buffer.from('junk')])).rejects.toThrow('The stream holds something else than zstd frames.');
    await expect(unpack([])).rejects.toThrow('The zstd stream is cut off.');
  });
});
