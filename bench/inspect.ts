import { execFile } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import { pack, type Pack } from 'tar-stream';
import { fakeKmod } from '../test/harness/kmod.js';
import { startRegistry, type Registry } from '../test/harness/registry.js';
import type { InspectOnce, OnceFigures } from './inspect-once.js';
import { say } from './scene.js';

export interface InspectOptions {
  readonly megabytes: number;
}

export interface InspectFigures {
  /** Of compressed layers, as the registry sends them; 1 MB is 1,000,000 bytes. */
  readonly megabytes: number;
  readonly layers: number;
  readonly seconds: number;
  readonly megabytesPerSecond: number;
  /** Highest resident memory of a fresh process over what it had just before. */
  readonly peakRssGrowthMiB: number;
  /** The same blobs, fetched and hashed and nothing else; mean of one run before and one after. */
  readonly floorSeconds: number;
  readonly floorMegabytesPerSecond: number;
  readonly floorPeakRssGrowthMiB: number;
  readonly ratio: number;
  readonly modules: number;
}

const KERNEL = '6.1.0-13-amd64';
const REPOSITORY = 'kmods/bench-inspect';
const LAYERS = 5;
const FILE_BYTES = 1_000_000;
const MODULE_BYTES = 4_000_000;
const run = promisify(execFile);
const round = (value: number): number => Math.round(value * 100) / 100;

/** How long an image takes to be inspected and what memory that needs, against fetching the same blobs. */
export async function benchInspect({ megabytes }: InspectOptions): Promise<InspectFigures> {
  say('Starting the registry …');
  const registry = await startRegistry();
  try {
    say(`Pushing an image of ${megabytes} MB …`);
    const image = await pushLargeImage(registry, megabytes);
    const before = await inOwnProcess({ ...image, mode: 'download' });
    say(`Floor: ${before.seconds.toFixed(2)} s. Inspecting …`);
    const inspected = await inOwnProcess({ ...image, mode: 'inspect' });
    const after = await inOwnProcess({ ...image, mode: 'download' });
    if (inspected.accepted !== 1) throw new Error('The image was not accepted.');
    const floorSeconds = (before.seconds + after.seconds) / 2;
    const size = image.blobs.reduce((sum, blob) => sum + blob.size, 0) / 1_000_000;
    return {
      megabytes: round(size),
      layers: LAYERS,
      seconds: round(inspected.seconds),
      megabytesPerSecond: round(size / inspected.seconds),
      peakRssGrowthMiB: round(inspected.peakRssGrowthMiB),
      floorSeconds: round(floorSeconds),
      floorMegabytesPerSecond: round(size / floorSeconds),
      floorPeakRssGrowthMiB: round(Math.max(before.peakRssGrowthMiB, after.peakRssGrowthMiB)),
      ratio: round(inspected.seconds / floorSeconds),
      modules: inspected.modules,
    };
  } finally {
    await registry.stop();
  }
}

/** In a process of its own, so that its memory is that of this one thing. */
async function inOwnProcess(input: InspectOnce): Promise<OnceFigures> {
  const program = fileURLToPath(new URL('./inspect-once.js', import.meta.url));
  const { stdout } = await run(process.execPath, [program, JSON.stringify(input)]);
  return JSON.parse(stdout) as OnceFigures;
}

interface Blob {
  readonly digest: string;
  readonly size: number;
}

async function pushLargeImage(registry: Registry, megabytes: number): Promise<Omit<InspectOnce, 'mode'>> {
  const bytes = Math.ceil((megabytes * 1_000_000) / LAYERS);
  const layers: Blob[] = [];
  for (let number = 1; number <= LAYERS; number += 1) layers.push(await pushBlob(registry, layer(number, bytes)));
  const config = await pushBlob(registry, Readable.from([Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux' }))]));
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: layers.map((blob) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...blob })),
  };
  await send('PUT', `http://${registry.host}/v2/${REPOSITORY}/manifests/1`, JSON.stringify(manifest), mediaType);
  return { host: registry.host, repository: REPOSITORY, tag: '1', kernel: KERNEL, blobs: [...layers, config] };
}

/** Files of chance, which no compression makes smaller, and in the last layer a module of a common size. */
function layer(number: number, bytes: number): Readable {
  const archive = pack();
  void fill(archive, number, bytes);
  return Readable.from(archive as unknown as AsyncIterable<Buffer>).pipe(createGzip({ level: 1 }));
}

async function fill(archive: Pack, number: number, bytes: number): Promise<void> {
  if (number === LAYERS) {
    const module = Buffer.concat([fakeKmod({ kernel: KERNEL, name: 'bench' }), randomFillSync(Buffer.alloc(MODULE_BYTES))]);
    await add(archive, `opt/lib/modules/${KERNEL}/bench.ko`, module);
  }
  for (let at = 0; at < bytes; at += FILE_BYTES)
    await add(archive, `usr/share/noise/${number}-${at}`, randomFillSync(Buffer.alloc(Math.min(FILE_BYTES, bytes - at))));
  archive.finalize();
}

async function add(archive: Pack, name: string, content: Buffer): Promise<void> {
  const sink = archive.entry({ name, size: content.length });
  const closed = once(sink as unknown as NodeJS.EventEmitter, 'close');
  sink.end(content);
  await closed;
}

/** A chunked upload, since the digest is known when everything was sent. */
async function pushBlob(registry: Registry, content: Readable): Promise<Blob> {
  const hash = createHash('sha256');
  let size = 0;
  const metered = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of content as AsyncIterable<Buffer>) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  };
  const next = (answer: Response): URL => new URL(answer.headers.get('location') ?? '', `http://${registry.host}`);
  const begun = await send('POST', `http://${registry.host}/v2/${REPOSITORY}/blobs/uploads/`);
  const sent = await send('PATCH', next(begun).href, Readable.toWeb(Readable.from(metered())));
  const end = next(sent);
  const digest = `sha256:${hash.digest('hex')}`;
  end.searchParams.set('digest', digest);
  await send('PUT', end.href);
  return { digest, size };
}

async function send(method: string, url: string, body?: unknown, type = 'application/octet-stream'): Promise<Response> {
  const answer = await fetch(url, {
    method,
    headers: { 'content-type': type },
    ...(body !== undefined && { body: body as string, duplex: 'half' }),
  });
  if (!answer.ok) throw new Error(`${method} ${url} answered ${answer.status}: ${await answer.text()}`);
  return answer;
}
