import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import tar from 'tar-stream';
import type { Header } from 'tar-stream';

/** An entry of a layer: content for a regular file, anything else by its type. */
export interface Entry extends Partial<Header> {
  readonly name: string;
  readonly content?: Buffer | string;
}

export type Packing = 'none' | 'gzip' | 'zstd';

export const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A time that no tool would put there by itself. */
const MTIME = new Date('2021-02-03T04:05:06Z');

/** A layer's archive, not packed. */
export async function archive(entries: readonly Entry[]): Promise<Buffer> {
  const pack = tar.pack();
  for (const { content, ...header } of entries) pack.entry({ mtime: MTIME, ...header }, content ?? '');
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export interface ReadEntry {
  readonly header: Header;
  readonly content: Buffer;
}

export async function entriesOf(bytes: Buffer): Promise<ReadEntry[]> {
  const extract = tar.extract();
  extract.end(bytes);
  const entries: ReadEntry[] = [];
  for await (const stream of extract) {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    entries.push({ header: stream.header, content: Buffer.concat(chunks) });
  }
  return entries;
}

const PACK: Readonly<Record<Packing, { readonly type: string; readonly pack: (bytes: Buffer) => Buffer }>> = {
  none: { type: 'application/vnd.oci.image.layer.v1.tar', pack: (bytes) => bytes },
  gzip: { type: 'application/vnd.oci.image.layer.v1.tar+gzip', pack: gzipSync },
  zstd: { type: 'application/vnd.oci.image.layer.v1.tar+zstd', pack: zstdCompressSync },
};

export interface Layer {
  readonly archive: Buffer;
  readonly packing?: Packing;
  readonly annotations?: Readonly<Record<string, string>>;
}

const blob = (directory: string, digest: string): string => join(directory, 'blobs', 'sha256', digest.replace('sha256:', ''));

function put(directory: string, content: Buffer): { digest: string; size: number } {
  writeFileSync(blob(directory, sha256(content)), content);
  return { digest: sha256(content), size: content.length };
}

const putJson = (directory: string, value: unknown): { digest: string; size: number } => put(directory, Buffer.from(JSON.stringify(value)));

/** Writes an OCI image layout with one image of these layers. */
export function writeLayout(directory: string, layers: readonly Layer[]): void {
  mkdirSync(join(directory, 'blobs', 'sha256'), { recursive: true });
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const descriptors = layers.map(({ archive: bytes, packing = 'gzip', annotations }) => ({
    mediaType: PACK[packing].type,
    ...put(directory, PACK[packing].pack(bytes)),
    ...(annotations && { annotations }),
  }));
  const config = putJson(directory, {
    architecture: 'amd64',
    os: 'linux',
    config: { Labels: { a: 'b' } },
    rootfs: { type: 'layers', diff_ids: layers.map(({ archive: bytes }) => sha256(bytes)) },
    history: layers.map((_, index) => ({ created_by: `step ${index}` })),
  });
  const manifest = putJson(directory, {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: descriptors,
    annotations: { 'kmodflow.io/image-key': '0123456789abcdef' },
  });
  const named = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    ...manifest,
    annotations: { 'org.opencontainers.image.ref.name': 'image:tag' },
  };
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ReadImage {
  readonly digest: string;
  readonly indexAnnotations: unknown;
  readonly manifest: { readonly config: Descriptor; readonly layers: readonly Descriptor[]; readonly annotations: unknown };
  readonly config: { readonly rootfs: { readonly diff_ids: readonly string[] }; readonly history: unknown; readonly config: unknown };
  readonly archives: readonly Buffer[];
}

/** Reads the image of a layout back and checks every digest and size on the way. */
export function readImage(directory: string): ReadImage {
  const index = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
  const [named] = index.manifests;
  if (named === undefined) throw new Error('The layout names no manifest.');
  const manifest = JSON.parse(checked(directory, named).toString()) as ReadImage['manifest'];
  const config = JSON.parse(checked(directory, manifest.config).toString()) as ReadImage['config'];
  const archives = manifest.layers.map((layer) => unpacked(checked(directory, layer)));
  const wrong = archives.findIndex((bytes, at) => sha256(bytes) !== config.rootfs.diff_ids[at]);
  if (wrong >= 0) throw new Error(`The diff id of layer ${wrong} is wrong.`);
  return { digest: named.digest, indexAnnotations: named.annotations, manifest, config, archives };
}

function checked(directory: string, { digest, size }: Descriptor): Buffer {
  const bytes = readFileSync(blob(directory, digest));
  if (sha256(bytes) !== digest || bytes.length !== size) throw new Error(`The blob ${digest} is not what its descriptor says.`);
  return bytes;
}

function unpacked(bytes: Buffer): Buffer {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync(bytes);
  return bytes.subarray(0, 4).toString('hex') === '28b52ffd' ? zstdDecompressSync(bytes) : bytes;
}

/** Every file that lies anywhere below the layout, unpacked: whoever has the volume can read these bytes. */
export function everyByte(directory: string): Buffer[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => unpacked(readFileSync(join(file.parentPath, file.name))));
}

/** The content of one entry of one layer. */
export async function contentIn(image: ReadImage, layer: number, name: string): Promise<Buffer> {
  const entries = await entriesOf(image.archives[layer] ?? Buffer.alloc(0));
  const found = entries.findLast(({ header }) => header.name === name);
  if (found === undefined) throw new Error(`Layer ${layer} has no ${name}, but ${entries.map(({ header }) => header.name).join(', ')}.`);
  return found.content;
}
