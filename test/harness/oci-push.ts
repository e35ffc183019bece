import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { fakeKmod } from './kmod.js';
import { tar, type Files } from './tar.js';

/** A layer of its own. */
export interface LayerToPush {
  readonly files: Files;
  /** Default `gzip`. */
  readonly compression?: LayerCompression;
  /** Default: OCI's for the compression. */
  readonly mediaType?: string;
}

/** A layer whose bytes are given as they are. */
export interface RawLayer {
  readonly bytes: Buffer;
  readonly mediaType?: string;
}

export type LayerCompression = 'none' | 'gzip' | 'zstd';

export interface ImageToPush {
  /** Without the registry's host, for instance `team/driver`. */
  readonly repository: string;
  readonly tag: string;
  /** Content of the first layer. */
  readonly files?: Files;
  /** Layers on top of the first one, the lowest first. */
  readonly layers?: readonly (LayerToPush | RawLayer)[];
  /** Adds `<dirName>/lib/modules/<kernel>/<module>.ko` for each of these kernels, with a matching `vermagic`. */
  readonly kernels?: readonly string[];
  /** Default `/opt`. */
  readonly dirName?: string;
  /** Names without `.ko`; default `kmm_ci_a`. */
  readonly modules?: readonly string[];
  /** What becomes of each module before it is stored, such as a signature. */
  readonly process?: (module: Buffer) => Buffer;
  /** A value of the label `test`: two images that differ in it alone have different digests. */
  readonly label?: string;
  /** As Go calls it, of the image and of its modules; default `amd64`. */
  readonly architecture?: string;
  /** OCI annotations of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface PushedImage {
  readonly digest: string;
  /** `host/repository:tag`. */
  readonly reference: string;
  /** `host/repository@digest`. */
  readonly pinned: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly architecture: string;
}

export interface IndexToPush {
  readonly repository: string;
  readonly tag: string;
  /** Images of the same repository. */
  readonly images: readonly PushedImage[];
}

export interface PushTarget {
  /** `host:port` of a registry that speaks plain HTTP. */
  readonly host: string;
  readonly authorization?: string;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar';

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** Pushes an image; everything in it is fixed, so the same input gives the same digest. Sends no GET and no HEAD, which tests count. */
export async function pushImage(target: PushTarget, image: ImageToPush): Promise<PushedImage> {
  const { repository, tag, label, annotations, architecture = 'amd64' } = image;
  const layers = [{ files: layerFiles(image) }, ...(image.layers ?? [])].map(packLayer);
  const config = json({
    architecture,
    os: 'linux',
    config: { Labels: label === undefined ? {} : { test: label } },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  });
  await Promise.all([...layers.map(({ bytes }) => pushBlob(target, repository, bytes)), pushBlob(target, repository, config)]);
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, digest: digestOf(config), size: config.length },
    layers: layers.map(({ mediaType, bytes }) => ({ mediaType, digest: digestOf(bytes), size: bytes.length })),
    ...(annotations && { annotations }),
  });
  return pushManifest(target, { repository, tag, mediaType: MANIFEST, manifest, architecture });
}

interface PackedLayer {
  readonly bytes: Buffer;
  readonly mediaType: string;
  /** Digest of the archive before it was compressed. */
  readonly diffId: string;
}

function packLayer(layer: LayerToPush | RawLayer): PackedLayer {
  if ('bytes' in layer) return { bytes: layer.bytes, mediaType: layer.mediaType ?? LAYER, diffId: digestOf(layer.bytes) };
  const archive = tar(layer.files);
  const compression = layer.compression ?? 'gzip';
  const pack = {
    none: (bytes: Buffer) => bytes,
    gzip: (bytes: Buffer) => gzipSync(bytes),
    zstd: (bytes: Buffer) => zstdCompressSync(bytes),
  };
  const mediaType = layer.mediaType ?? (compression === 'none' ? LAYER : `${LAYER}+${compression}`);
  return { bytes: pack[compression](archive), mediaType, diffId: digestOf(archive) };
}

/** Pushes an image index over images that were pushed to the same repository. */
export function pushIndex(target: PushTarget, { repository, tag, images }: IndexToPush): Promise<PushedImage> {
  const manifest = json({
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: images.map(({ mediaType, digest, sizeBytes, architecture }) => ({
      mediaType,
      digest,
      size: sizeBytes,
      platform: { os: 'linux', architecture },
    })),
  });
  return pushManifest(target, { repository, tag, mediaType: INDEX, manifest, architecture: 'index' });
}

function layerFiles(image: ImageToPush): Files {
  const {
    files = {},
    kernels = [],
    dirName = '/opt',
    modules = ['kmm_ci_a'],
    architecture = 'amd64',
    process = (module) => module,
  } = image;
  const modulesOf = (kernel: string): [string, Buffer][] =>
    modules.map((name) => [`${dirName}/lib/modules/${kernel}/${name}.ko`, process(fakeKmod({ kernel, name, architecture }))]);
  return { ...Object.fromEntries(kernels.flatMap(modulesOf)), ...files };
}

async function pushBlob(target: PushTarget, repository: string, bytes: Buffer): Promise<void> {
  const upload = await send(target, 'POST', `http://${target.host}/v2/${repository}/blobs/uploads/`, 202);
  const location = new URL(upload.headers.get('location') ?? '', `http://${target.host}`);
  location.searchParams.set('digest', digestOf(bytes));
  await send(target, 'PUT', location.href, 201, { bytes, type: 'application/octet-stream' });
}

interface ManifestToPush {
  readonly repository: string;
  readonly tag: string;
  readonly mediaType: string;
  readonly manifest: Buffer;
  readonly architecture: string;
}

async function pushManifest(
  target: PushTarget,
  { repository, tag, mediaType, manifest, architecture }: ManifestToPush,
): Promise<PushedImage> {
  await send(target, 'PUT', `http://${target.host}/v2/${repository}/manifests/${tag}`, 201, { bytes: manifest, type: mediaType });
  const digest = digestOf(manifest);
  const name = `${target.host}/${repository}`;
  return { digest, reference: `${name}:${tag}`, pinned: `${name}@${digest}`, mediaType, sizeBytes: manifest.length, architecture };
}

interface Payload {
  readonly bytes: Buffer;
  readonly type: string;
}

async function send({ authorization }: PushTarget, method: string, url: string, expected: number, payload?: Payload): Promise<Response> {
  const answer = await fetch(url, {
    method,
    headers: { ...(authorization && { authorization }), ...(payload && { 'content-type': payload.type }) },
    ...(payload && { body: new Uint8Array(payload.bytes) }),
  });
  const body = await answer.text();
  if (answer.status !== expected) throw new Error(`${method} ${url} answered ${answer.status} where ${expected} is right: ${body}`);
  return answer;
}
