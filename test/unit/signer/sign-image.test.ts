import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { compressionOf, decompressModule } from '../../../src/kmod/compression.js';
import { splitSignatures } from '../../../src/kmod/signature.js';
import { signModule } from '../../../src/kmod/sign.js';
import { xz } from '../../../src/signer/xz.js';
import { signImage } from '../../../src/signer/sign-image.js';
import { fakeKmod } from '../../harness/kmod.js';
import { archive, contentIn, entriesOf, everyByte, readImage, sha256, writeLayout } from './image.js';
import type { Entry, Layer, ReadImage } from './image.js';
import { newFolder, newPair, verifyWithOpenssl } from './keys.js';
import type { KeyFiles } from './keys.js';
import { gzipSync, zstdCompressSync } from 'node:zlib';

let pair: KeyFiles;
beforeAll(() => {
  pair = newPair('rsa:2048');
});

const KERNEL = '6.1.0-18-amd64';
const FOLDER = `opt/lib/modules/${KERNEL}/extra`;
/** Filled with something that cannot be found by chance, so that a scan for it means this module. */
const module = (name: string): Buffer => fakeKmod({ kernel: KERNEL, name, extra: { description: `${name} `.repeat(200) } });

const newLayout = (layers: readonly Layer[]): string => {
  const directory = newFolder();
  writeLayout(directory, layers);
  return directory;
};

const sign = (layout: string, ...files: string[]): Promise<{ digest: string; signed: number; rewrittenLayers: number }> =>
  signImage({ layout, files, pair, hash: 'sha256', onSigned: () => undefined });

async function refusalOf(layout: string, ...files: string[]): Promise<string> {
  try {
    await sign(layout, ...files);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('It was signed.');
}

/** The signed file is `unsigned` with one signature behind it that openssl takes. */
function expectSigned(signed: Buffer, unsigned: Buffer): void {
  const { content, signatures } = splitSignatures(signed);
  expect(content.equals(unsigned)).toBe(true);
  expect(signatures).toHaveLength(1);
  verifyWithOpenssl(content, signatures[0] ?? Buffer.alloc(0), pair.certFile);
}

const expectNowhere = (directory: string, unsigned: Buffer): void => {
  // A signed module begins with the unsigned one: what must not be is one without a signature right behind it.
  for (const bytes of everyByte(directory)) {
    for (let at = bytes.indexOf(unsigned); at >= 0; at = bytes.indexOf(unsigned, at + 1)) {
      const behind = bytes.subarray(at + unsigned.length, at + unsigned.length + 2).toString('hex');
      expect(behind).toBe('3082'); // a DER sequence, where an unsigned file has padding
    }
  }
};

/** Everything but the content and size of files whose name ends in .ko. */
async function withoutModules(bytes: Buffer): Promise<unknown[]> {
  return (await entriesOf(bytes)).map(({ header: { size, ...header }, content }) =>
    header.name.includes('.ko') ? { ...header, byteOffset: 0 } : { ...header, byteOffset: 0, size, content: content.toString('base64') },
  );
}

async function baseLayer(): Promise<Layer> {
  return {
    archive: await archive([
      { name: 'etc/', type: 'directory' },
      { name: 'etc/passwd', content: 'root:x:0:0\n' },
    ]),
  };
}

describe('signing in place', () => {
  test.each(['none', 'gzip', 'zstd'] as const)('signs a module in a layer packed as %s, and changes nothing else', async (packing) => {
    const kmod = module('kmod_a');
    const entries: Entry[] = [
      { name: 'opt/', type: 'directory', mode: 0o750, uid: 7, gid: 8, uname: 'somebody' },
      { name: 'opt/before', content: 'before', pax: { 'SCHILY.xattr.user.note': 'a note', mtime: '1612325106.123456789' } },
      {
        name: `${FOLDER}/kmod_a.ko`,
        content: kmod,
        mode: 0o640,
        uid: 12,
        gid: 13,
        pax: { 'SCHILY.xattr.security.selinux': 'system_u:object_r:modules_object_t:s0' },
      },
      { name: 'opt/link', type: 'symlink', linkname: 'before' },
      { name: 'opt/after', content: 'x'.repeat(1500) },
    ];
    const bytes = await archive(entries);
    const directory = newLayout([await baseLayer(), { archive: bytes, packing }]);
    const before = readImage(directory);

    const result = await sign(directory, `/${FOLDER}/*.ko`);

    const after = readImage(directory);
    expect(result).toEqual({ digest: after.digest, signed: 1, rewrittenLayers: 1 });
    expectSigned(await contentIn(after, 1, `${FOLDER}/kmod_a.ko`), kmod);
    expect(await withoutModules(after.archives[1] ?? Buffer.alloc(0))).toEqual(await withoutModules(bytes));
    expect(after.manifest.layers[0]).toEqual(before.manifest.layers[0]);
    expect(after.manifest.layers[1]?.mediaType).toBe(before.manifest.layers[1]?.mediaType);
    expect(after.manifest.annotations).toEqual({ 'kmodflow.io/image-key': '0123456789abcdef' });
    expect(after.indexAnnotations).toEqual({ 'org.opencontainers.image.ref.name': 'image:tag' });
    expect({ ...after.config, rootfs: 0 }).toEqual({ ...before.config, rootfs: 0 });
    expectNowhere(directory, kmod);
  });

  test('leaves in the layout what the new manifest names, and nothing else', async () => {
    const directory = newLayout([{ archive: await archive([{ name: 'a.ko', content: module('a') }]) }]);
    writeFileSync(join(directory, 'blobs', 'sha256', 'left-by-a-killed-process.new'), module('a'));
    mkdirSync(join(directory, '.kmodflow-sign'));
    writeFileSync(join(directory, '.kmodflow-sign', '0'), module('a'));
    await sign(directory, '/a.ko');
    const { digest, manifest } = readImage(directory);
    const named = [digest, manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)];
    expect(readdirSync(join(directory, 'blobs', 'sha256')).sort()).toEqual(named.map((name) => name.replace('sha256:', '')).sort());
    expect(readdirSync(directory).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
  });

  test('gives the same digest for the same image and an RSA key, and leaves a signed image as it is', async () => {
    const layers = [{ archive: await archive([{ name: 'a.ko', content: module('a') }]) }];
    const [first, second] = [newLayout(layers), newLayout(layers)];
    const { digest } = await sign(first, '/a.ko');
    expect((await sign(second, '/a.ko')).digest).toBe(digest);
    expect(await sign(first, '/a.ko')).toEqual({ digest, signed: 1, rewrittenLayers: 0 });
  });

  test('drops notes about the old packing from a layer that it writes anew, and keeps the others', async () => {
    const annotations = { 'io.github.containers.zstd-chunked.manifest-position': '1:2:3:4', 'org.example.note': 'kept' };
    const directory = newLayout([{ archive: await archive([{ name: 'a.ko', content: module('a') }]), packing: 'zstd', annotations }]);
    await sign(directory, '/a.ko');
    expect(readImage(directory).manifest.layers[0]?.annotations).toEqual({ 'org.example.note': 'kept' });
  });
});

describe('modules', () => {
  test('that somebody else signed, twice, end with one signature', async () => {
    const kmod = module('a');
    const other = newPair('P-256', '/CN=somebody else');
    const theirs = signModule(kmod, other.key, other.certificate);
    const twice = Buffer.concat([theirs, signModule(kmod, other.key, other.certificate).subarray(kmod.length)]);
    expect(splitSignatures(twice).signatures).toHaveLength(2);
    const directory = newLayout([{ archive: await archive([{ name: 'a.ko', content: twice }]) }]);
    await sign(directory, '/a.ko');
    expectSigned(await contentIn(readImage(directory), 0, 'a.ko'), kmod);
  });

  test('that are compressed are signed inside and compressed again', async () => {
    const kmod = module('a');
    const packed = await xz(kmod);
    const contents = {
      'a.ko.gz': gzipSync(kmod),
      'a.ko.zst': zstdCompressSync(kmod),
      'a.ko.xz': packed.ok ? packed.bytes : Buffer.alloc(0),
    };
    const directory = newLayout([{ archive: await archive(Object.entries(contents).map(([name, content]) => ({ name, content }))) }]);
    expect(await sign(directory, '/a.ko.*')).toMatchObject({ signed: 3 });
    for (const name of Object.keys(contents)) {
      const stored = await contentIn(readImage(directory), 0, name);
      expectSigned(await decompressModule(stored, compressionOf(name), 1e6), kmod);
    }
    const stored = await contentIn(readImage(directory), 0, 'a.ko.xz');
    expect(stored.subarray(0, 8).toString('hex')).toBe('fd377a585a000001'); // stream flags: CRC32, which the kernel can check
  });

  test.each([
    ['is no ELF file', 'a.ko', 'text', '/a.ko cannot be signed: the file is not a kernel module: it is not an ELF file.'],
    ['is not compressed as its name says', 'a.ko.gz', 'text', '/a.ko.gz cannot be signed: the file is not a complete .gz file.'],
  ])('one that %s is refused by name', async (_, name, content, message) => {
    const directory = newLayout([{ archive: await archive([{ name, content }]) }]);
    const before = readImage(directory).digest;
    expect(await refusalOf(directory, `/${name}`)).toBe(message);
    expect(readImage(directory).digest).toBe(before);
    expect(existsSync(join(directory, '.kmodflow-sign'))).toBe(false);
  });
});

describe('which files', () => {
  test('a pattern that names nothing is named, with the modules that are there', async () => {
    const entries = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => ({ name: `${FOLDER}/${name}.ko`, content: module(name) }));
    const directory = newLayout([{ archive: await archive([...entries, { name: 'lib/not-a-file.ko/', type: 'directory' as const }]) }]);
    expect(await refusalOf(directory, `/${FOLDER}/a.ko`, '/lib/*.ko')).toBe(
      'filesToSign: /lib/*.ko names no regular file in the image. Module files in it: ' +
        ['a', 'b', 'c', 'd', 'e'].map((name) => `/${FOLDER}/${name}.ko`).join(', ') +
        ' and 2 more. Correct the pattern, or the Dockerfile that should put the file there.',
    );
  });

  test('a module behind a symbolic link, of a file or a folder, is signed where it stands', async () => {
    const [a, b, c] = [module('a'), module('b'), module('c')];
    const entries: Entry[] = [
      { name: 'lib', type: 'symlink', linkname: 'usr/lib' },
      { name: 'usr/lib/a.ko', content: a },
      { name: 'srv/v1/b.ko', content: b },
      { name: 'srv/current', type: 'symlink', linkname: '../srv/./v1' },
      { name: 'c.ko', type: 'symlink', linkname: '/hidden/c-1.ko' },
      { name: 'hidden/c-1.ko', content: c },
      { name: 'loop', type: 'symlink', linkname: 'loop' },
    ];
    const directory = newLayout([{ archive: await archive(entries) }]);
    await sign(directory, '/lib/*.ko', '/srv/curr*/b.ko', '/c.ko');
    const image = readImage(directory);
    expectSigned(await contentIn(image, 0, 'usr/lib/a.ko'), a);
    expectSigned(await contentIn(image, 0, 'srv/v1/b.ko'), b);
    expectSigned(await contentIn(image, 0, 'hidden/c-1.ko'), c);
    expect(await refusalOf(directory, '/loop')).toMatch(/^filesToSign: \/loop names no regular file/);
  });

  test('both names of a hard link have the signed file, and the archive keeps the link', async () => {
    const kmod = module('a');
    const link: Entry = { name: 'b.ko', type: 'link', linkname: 'a.ko' };
    const directory = newLayout([{ archive: await archive([{ name: 'a.ko', content: kmod }, link]) }]);
    expect(await sign(directory, '/b.ko')).toMatchObject({ signed: 1 });
    const image = readImage(directory);
    expectSigned(await contentIn(image, 0, 'a.ko'), kmod);
    expect((await entriesOf(image.archives[0] ?? Buffer.alloc(0)))[1]?.header).toMatchObject({ type: 'link', linkname: 'a.ko' });
  });

  test('a file that a whiteout took away is not found', async () => {
    const lower = {
      archive: await archive([
        { name: 'x/a.ko', content: module('a') },
        { name: 'y/b.ko', content: module('b') },
      ]),
    };
    const upper = {
      archive: await archive([{ name: 'x/.wh.a.ko' }, { name: 'y/.wh..wh..opq' }, { name: 'y/c.ko', content: module('c') }]),
    };
    expect(await refusalOf(newLayout([lower, upper]), '/x/a.ko')).toMatch(/Module files in it: \/y\/c\.ko\. /);
    expect(await refusalOf(newLayout([lower, upper]), '/y/b.ko')).toMatch(/names no regular file/);
    expect(await sign(newLayout([lower, upper]), '/y/*.ko')).toMatchObject({ signed: 1 });
  });
});

describe('what lies below the last layer', () => {
  const layersOf = async (...layers: Entry[][]): Promise<Layer[]> =>
    Promise.all(layers.map(async (entries) => ({ archive: await archive(entries) })));
  const signedLayers = async (layers: readonly Layer[], ...files: string[]): Promise<{ directory: string; image: ReadImage }> => {
    const directory = newLayout(layers);
    await sign(directory, ...files);
    return { directory, image: readImage(directory) };
  };

  test('an older copy of a signed file is replaced by the signed one', async () => {
    const [old, current] = [module('old'), module('new')];
    const layers = await layersOf(
      [
        { name: 'a.ko', content: old },
        { name: 'other', content: 'kept' },
      ],
      [{ name: './a.ko', content: current }],
      [{ name: 'x' }],
    );
    const { directory, image } = await signedLayers(layers, '/a.ko');
    expectSigned(await contentIn(image, 0, 'a.ko'), current);
    expectSigned(await contentIn(image, 1, './a.ko'), current);
    expect((await contentIn(image, 0, 'other')).toString()).toBe('kept');
    expect(image.manifest.layers[2]?.digest).toBe(sha256(gzipSync(layers[2]?.archive ?? Buffer.alloc(0))));
    expectNowhere(directory, current);
    expect(everyByte(directory).some((bytes) => bytes.includes(old))).toBe(false);
  });

  test('an older copy is replaced too when the file on top had this signature already', async () => {
    const kmod = module('a');
    const layers = await layersOf(
      [{ name: 'a.ko', content: kmod }],
      [{ name: 'a.ko', content: signModule(kmod, pair.key, pair.certificate) }],
    );
    const { directory, image } = await signedLayers(layers, '/a.ko');
    expectSigned(await contentIn(image, 0, 'a.ko'), kmod);
    expectNowhere(directory, kmod);
  });

  test('a copy earlier in the same layer, and one that is no module, are replaced', async () => {
    const layers = await layersOf([
      { name: 'a.ko', content: 'a placeholder' },
      { name: 'a.ko', content: module('first') },
      { name: 'a.ko', content: module('last') },
    ]);
    const { directory, image } = await signedLayers(layers, '/a.ko');
    const entries = await entriesOf(image.archives[0] ?? Buffer.alloc(0));
    expect(entries).toHaveLength(3);
    for (const { content } of entries) expectSigned(content, module('last'));
    expect(everyByte(directory).some((bytes) => bytes.includes('a placeholder'))).toBe(false);
  });

  test('a module that was deleted is signed where it lies, when a pattern would name it', async () => {
    const gone = module('gone');
    const layers = await layersOf(
      [
        { name: 'm/gone.ko', content: gone },
        { name: 'm/notes.ko', content: 'no module' },
      ],
      [{ name: 'm/.wh.gone.ko' }, { name: 'm/.wh.notes.ko' }, { name: 'm/a.ko', content: module('a') }],
    );
    const { directory, image } = await signedLayers(layers, '/m/*.ko');
    expectSigned(await contentIn(image, 0, 'm/gone.ko'), gone);
    expect((await contentIn(image, 0, 'm/notes.ko')).toString()).toBe('no module');
    expectNowhere(directory, gone);
  });

  test('an older copy that is still seen under another name keeps its content, and is signed', async () => {
    const [old, current] = [module('old'), module('new')];
    const layers = await layersOf(
      [
        { name: 'a.ko', content: old },
        { name: 'keep.ko', type: 'link', linkname: 'a.ko' },
      ],
      [{ name: 'a.ko', content: current }],
    );
    const { image } = await signedLayers(layers, '/a.ko');
    expectSigned(await contentIn(image, 0, 'a.ko'), old);
    expectSigned(await contentIn(image, 1, 'a.ko'), current);
  });
});

describe('a layout that cannot be signed', () => {
  const aLayout = async (): Promise<string> => newLayout([{ archive: await archive([{ name: 'a.ko', content: module('a') }]) }]);
  const changeIndex = (directory: string, change: (manifests: Record<string, unknown>[]) => unknown[]): void => {
    const file = join(directory, 'index.json');
    const index = JSON.parse(readFileSync(file, 'utf8')) as { manifests: Record<string, unknown>[] };
    writeFileSync(file, JSON.stringify({ ...index, manifests: change(index.manifests) }));
  };

  test('an index of several architectures', async () => {
    const directory = await aLayout();
    changeIndex(directory, ([one]) => [{ ...one, mediaType: 'application/vnd.oci.image.index.v1+json' }]);
    expect(await refusalOf(directory, '/a.ko')).toBe(
      `${directory} holds an image index (several architectures under one name), and one image is signed at a time. ` +
        'Name the image of one architecture, by its digest if need be.',
    );
  });

  test('two images', async () => {
    const directory = await aLayout();
    changeIndex(directory, ([one]) => [one, one]);
    expect(await refusalOf(directory, '/a.ko')).toBe(`${directory}/index.json names 2 manifests, and exactly one image is signed.`);
  });

  test('no layout at all', async () => {
    expect(await refusalOf('/nowhere', '/a.ko')).toBe(
      '/nowhere/index.json does not exist. The image to sign must lie there as an OCI image layout.',
    );
  });

  test('a digest that leads out of the layout', async () => {
    const directory = await aLayout();
    changeIndex(directory, ([one]) => [{ ...one, digest: 'sha256:../../../../etc/passwd' }]);
    expect(await refusalOf(directory, '/a.ko')).toMatch(/descriptor without media type, size or a digest of the form/);
  });

  test('a layer that is damaged, cut off or missing', async () => {
    const layer = async (): Promise<[string, string]> => {
      const directory = await aLayout();
      return [directory, join(directory, 'blobs', 'sha256', readImage(directory).manifest.layers[0]?.digest.slice(7) ?? '')];
    };
    const [damaged, damagedLayer] = await layer();
    writeFileSync(damagedLayer, gzipSync(await archive([{ name: 'a.ko', content: module('b') }])));
    expect(await refusalOf(damaged, '/a.ko')).toMatch(/^The layer sha256:\w+ has the digest sha256:\w+: the layout is damaged\.$/);
    const [cut, cutLayer] = await layer();
    writeFileSync(cutLayer, readFileSync(cutLayer).subarray(0, -20));
    expect(await refusalOf(cut, '/a.ko')).toMatch(/cannot be read as a tar archive/);
    const [text, textLayer] = await layer();
    writeFileSync(textLayer, 'no archive '.repeat(100));
    expect(await refusalOf(text, '/a.ko')).toMatch(/cannot be read as a tar archive/);
  });
});
