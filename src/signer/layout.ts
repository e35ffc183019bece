import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileDefect, SigningFailure } from './failure.js';
import { isRecord, sha256 } from './bytes.js';

/** Names content: what it is, its digest and its size. Everything else in it (annotations, platform) travels along. Source: OCI Image Specification 1.1. */
export interface Descriptor extends Readonly<Record<string, unknown>> {
  readonly mediaType: string;
  /** `sha256:<hex>` */
  readonly digest: string;
  readonly size: number;
}

/** The one image of an OCI image layout, as it stands on the volume. */
export interface ImageLayout {
  readonly directory: string;
  /** Parsed JSON of `index.json`, the manifest and the config, with every field that is there. */
  readonly index: Readonly<Record<string, unknown>>;
  readonly manifest: Readonly<Record<string, unknown>>;
  readonly config: Readonly<Record<string, unknown>>;
  readonly manifestDescriptor: Descriptor;
  readonly configDescriptor: Descriptor;
  /** From the bottom up. */
  readonly layers: readonly Descriptor[];
  /** SHA-256 of each layer without its compression, `sha256:<hex>`. */
  readonly diffIds: readonly string[];
}

const IMAGE_TYPES = ['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json'];
const INDEX_TYPES = ['application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json'];
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** What registries accept at most for a manifest. Configs are as large at the utmost. */
const MAX_JSON_BYTES = 4_194_304; // 4 MiB

/**
 * Reads an OCI image layout that holds exactly one image.
 * @throws SigningFailure when there is no such layout, it holds something else, or a blob is not what its digest says.
 */
export async function readLayout(directory: string): Promise<ImageLayout> {
  const index = await readJson(join(directory, 'index.json'), `${directory}/index.json`);
  const manifests = Array.isArray(index['manifests']) ? (index['manifests'] as unknown[]) : [];
  if (manifests.length !== 1) throw wrong(`${directory}/index.json names ${manifests.length} manifests, and exactly one image is signed`);
  const manifestDescriptor = descriptor(manifests[0], `${directory}/index.json`);
  if (INDEX_TYPES.includes(manifestDescriptor.mediaType)) {
    throw wrong(
      `${directory} holds an image index (several architectures under one name), and one image is signed at a time. Name the image of one architecture, by its digest if need be`,
    );
  }
  if (!IMAGE_TYPES.includes(manifestDescriptor.mediaType)) {
    throw wrong(`${directory}/index.json names something of the type ${manifestDescriptor.mediaType}, where an image manifest is right`);
  }
  const manifest = await readJsonBlob(directory, manifestDescriptor, 'manifest');
  const configDescriptor = descriptor(manifest['config'], 'The manifest');
  const config = await readJsonBlob(directory, configDescriptor, 'config');
  const layers = (Array.isArray(manifest['layers']) ? (manifest['layers'] as unknown[]) : []).map((layer) =>
    descriptor(layer, 'The manifest'),
  );
  return { directory, index, manifest, config, manifestDescriptor, configDescriptor, layers, diffIds: readDiffIds(config, layers.length) };
}

/** Where a blob lies. A digest reaches this only after its form was checked: it cannot lead out of the directory. */
export const blobPath = (directory: string, digest: string): string => join(directory, 'blobs', 'sha256', digest.slice('sha256:'.length));

/** Writes a small blob, durably, and returns what names it. */
export async function writeBlob(directory: string, content: Buffer): Promise<Pick<Descriptor, 'digest' | 'size'>> {
  const digest = sha256(content);
  await writeDurably(blobPath(directory, digest), content);
  return { digest, size: content.length };
}

/** What of an image is new after signing. */
export interface SignedImage {
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly string[];
}

/**
 * Makes the signed image the image of the layout. The new layers must be in place already. `index.json` is replaced last and at once: whoever stops this
 * process leaves the old image or the new one, never a mixture. The blobs of the old one stay: {@link removeUnnamedBlobs}.
 * @returns The digest of the new manifest.
 */
export async function replaceImage(layout: ImageLayout, { layers, diffIds }: SignedImage): Promise<string> {
  const { directory } = layout;
  const rootfs = { ...(layout.config['rootfs'] as Record<string, unknown>), diff_ids: diffIds };
  const config = await writeBlob(directory, toJson({ ...layout.config, rootfs }));
  const manifest = await writeBlob(directory, toJson({ ...layout.manifest, config: renamed(layout.configDescriptor, config), layers }));
  await syncDirectory(join(directory, 'blobs', 'sha256'));
  await writeDurably(join(directory, 'index.json'), toJson({ ...layout.index, manifests: [renamed(layout.manifestDescriptor, manifest)] }));
  await syncDirectory(directory);
  return manifest.digest;
}

/**
 * Deletes every blob that the image of the layout does not name. Only for an image that was signed: what goes may be all that is left of the unsigned one.
 * A process that was killed before it came here has left its blobs, so this is done also when nothing had to be signed.
 */
export async function removeUnnamedBlobs(directory: string): Promise<void> {
  const { manifest, manifestDescriptor, configDescriptor, layers } = await readLayout(directory);
  const named = [manifestDescriptor, configDescriptor, ...layers].map(({ digest }) => digest);
  const keep = new Set([...named, ...subjectOf(manifest)].map((digest) => digest.slice('sha256:'.length)));
  const blobs = join(directory, 'blobs', 'sha256');
  for (const name of await readdir(blobs)) {
    if (!keep.has(name)) await rm(join(blobs, name), { recursive: true, force: true });
  }
}

/** The descriptor of new content in the place of old. `data` would hold the old content itself, and `urls` say where else it can be had. */
export function renamed(before: Descriptor, { digest, size }: Pick<Descriptor, 'digest' | 'size'>): Descriptor {
  const { data: _data, urls: _urls, ...kept } = before;
  return { ...kept, mediaType: before.mediaType, digest, size };
}

/** Flushes the names in a directory: a rename is lost in a power cut otherwise. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const wrong = (what: string): SigningFailure => new SigningFailure('Sign', `${what}.`);
const toJson = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

async function readJson(path: string, name: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const { size } = await stat(path);
    if (size > MAX_JSON_BYTES) throw wrong(`${name} has ${size} bytes, and at most ${MAX_JSON_BYTES} are read`);
    return parseJson(await readFile(path), name);
  } catch (error) {
    if (error instanceof SigningFailure) throw error;
    throw wrong(`${name} ${fileDefect(error)}. The image to sign must lie there as an OCI image layout`);
  }
}

function parseJson(bytes: Buffer, name: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw wrong(`${name} is not JSON`);
  }
  if (!isRecord(value)) throw wrong(`${name} is not a JSON object`);
  return value;
}

async function readJsonBlob(directory: string, { digest }: Descriptor, what: string): Promise<Readonly<Record<string, unknown>>> {
  const path = blobPath(directory, digest);
  const value = await readJson(path, `The image's ${what} ${digest}`);
  const found = sha256(await readFile(path));
  if (found !== digest) throw wrong(`The image's ${what} ${digest} has the digest ${found}: the layout is damaged`);
  return value;
}

function descriptor(value: unknown, where: string): Descriptor {
  const { mediaType, digest, size } = isRecord(value) ? value : {};
  if (isRecord(value) && typeof mediaType === 'string' && typeof digest === 'string' && DIGEST.test(digest) && typeof size === 'number') {
    return { ...value, mediaType, digest, size };
  }
  throw wrong(`${where} has a descriptor without media type, size or a digest of the form sha256:<64 hex digits>`);
}

function readDiffIds(config: Readonly<Record<string, unknown>>, layers: number): readonly string[] {
  const rootfs = config['rootfs'];
  const ids: unknown = isRecord(rootfs) ? rootfs['diff_ids'] : undefined;
  if (!Array.isArray(ids) || !ids.every((id): id is string => typeof id === 'string')) {
    throw wrong("The image's config names no layers (rootfs.diff_ids): this is an artifact, and images are signed");
  }
  if (ids.length !== layers) throw wrong(`The image's manifest has ${layers} layers and its config ${ids.length}: the layout is damaged`);
  return ids;
}

function subjectOf(manifest: Readonly<Record<string, unknown>>): string[] {
  const subject = manifest['subject'];
  return isRecord(subject) && typeof subject['digest'] === 'string' ? [subject['digest']] : [];
}

async function writeDurably(path: string, content: Buffer): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, 'w', 0o644);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
}
