import { z } from 'zod';
import type { FoundModule } from '../domain/image-process.js';
import { pathParts, shellGlob } from '../domain/shell-glob.js';
import { subjectOf } from '../kmod/index.js';
import { readBlob, type BlobSource } from './blob.js';
import { ImageDefect, statusFault } from './faults.js';
import { isIndex, readImageDocument, readIndexDocument, type Descriptor } from './image-document.js';
import { ImageTree } from './image-tree.js';
import { judgeKernel, type KernelVerdict, type PlatformImage } from './judge-image.js';
import { applyLayer, NoArchive, type LayerOptions, type Meter } from './layer.js';
import { ACCEPT_IMAGE, printable, verifyManifest } from './manifest.js';
import type { Inspection, InspectionAsk, ReadImage } from './types.js';

const DEFAULT_MAX_IMAGE_BYTES = 4_294_967_296; // 4 GiB
const DEFAULT_MAX_MODULE_BYTES = 134_217_728; // 128 MiB
const DEFAULT_MAX_ENTRIES = 2_000_000;
const MAX_CONFIG_BYTES = 4_194_304; // 4 MiB; real ones have some kilobytes
const MAX_MODULES = 1_000;

export interface InspectionSource extends BlobSource {
  readonly maxManifestBytes: number;
}

/** What {@link RegistryClient.inspect} does, without its queue and its errors' last form. */
export async function inspectImage(source: InspectionSource, read: ReadImage, ask: InspectionAsk): Promise<Inspection> {
  if (ask.expect.sign !== undefined && ask.certificate === undefined)
    throw new TypeError('The certificate is missing with which the signatures are to be compared.');
  const expectations = { expect: ask.expect, signer: ask.certificate && subjectOf(ask.certificate) };
  const verdicts = new Map<string, KernelVerdict[]>(ask.kernels.map((kernel) => [kernel, []]));
  for await (const image of platforms(source, read, ask)) {
    for (const [kernel, ofKernel] of verdicts) ofKernel.push(judgeKernel(image, kernel, expectations));
  }
  return summarise(verdicts);
}

/** The image, or those of the index, one after the other: one's tree is gone before the next one's is made. */
async function* platforms(source: InspectionSource, read: ReadImage, ask: InspectionAsk): AsyncGenerator<PlatformImage> {
  if (!isIndex(read.document)) {
    yield readPlatform(source, { document: read.document, title: `Image ${read.image}` }, ask);
    return;
  }
  const entries = readIndexDocument(read.document);
  if (entries.length === 0) throw new ImageDefect('is an index that names no image');
  for (const entry of entries) {
    const title = `Image ${read.image}, platform ${entry.platform ?? entry.digest},`;
    yield readPlatform(source, { document: await readManifest(source, entry), title }, ask);
  }
}

async function readManifest({ session, call, maxManifestBytes }: InspectionSource, entry: Descriptor): Promise<unknown> {
  const answer = await session.ask(call, { path: `manifests/${entry.digest}`, headers: { accept: ACCEPT_IMAGE } }, maxManifestBytes);
  if (answer.status === 404) throw new ImageDefect(`is an index whose image ${entry.digest} is not in the registry`);
  if (answer.status !== 200)
    throw statusFault(session.subject(call), answer.status, { retryAfter: answer.headers['retry-after'], peer: answer.url.host });
  const verdict = verifyManifest({
    body: answer.body,
    contentType: String(answer.headers['content-type'] ?? ''),
    digestHeader: undefined,
    expectedDigest: entry.digest,
  });
  if (!verdict.ok) throw new ImageDefect(verdict.defect);
  const document: unknown = JSON.parse(answer.body.toString('utf8'));
  if (isIndex(document)) throw new ImageDefect(`is an index that names another index (${entry.digest}), which is not followed`);
  return document;
}

interface PlatformSource {
  readonly document: unknown;
  readonly title: string;
}

async function readPlatform(source: InspectionSource, { document, title }: PlatformSource, ask: InspectionAsk): Promise<PlatformImage> {
  const { config, layers } = readImageDocument(document);
  const architecture = await readArchitecture(source, config);
  const tree = new ImageTree();
  const options = layerOptions(ask);
  const maxLayerBytes = ask.maxLayerBytes ?? ask.maxImageBytes ?? DEFAULT_MAX_IMAGE_BYTES;
  for (const [index, layer] of layers.entries()) {
    options.meter.startLayer(layer.digest, maxLayerBytes);
    await readLayer(source, layer, (bytes) => applyLayer(tree, index + 1, bytes, options));
  }
  return { title, architecture, tree };
}

async function readLayer(
  source: InspectionSource,
  layer: Descriptor,
  apply: (bytes: AsyncGenerator<Buffer>) => Promise<void>,
): Promise<void> {
  try {
    await apply(readBlob(source, layer));
  } catch (error) {
    if (!(error instanceof NoArchive)) throw error;
    // Other bytes than the manifest says are the likelier cause, and the better message: the blob is read once more, for its digest alone.
    await drain(readBlob(source, layer));
    throw new ImageDefect(
      `has the layer ${layer.digest} (${printable(layer.mediaType)}), which is no complete tar archive, plain, gzip or zstd`,
    );
  }
}

async function drain(bytes: AsyncGenerator<Buffer>): Promise<void> {
  while ((await bytes.next()).done !== true);
}

const Config = z.object({ architecture: z.string().min(1) });

async function readArchitecture(source: InspectionSource, config: Descriptor): Promise<string> {
  if (config.size > MAX_CONFIG_BYTES)
    throw new ImageDefect(`has a config of ${config.size} bytes, where at most ${MAX_CONFIG_BYTES} are read`);
  const chunks: Buffer[] = [];
  for await (const chunk of readBlob(source, config)) chunks.push(chunk);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    json = undefined;
  }
  const parsed = Config.safeParse(json);
  if (!parsed.success) throw new ImageDefect(`has the config ${config.digest}, which names no architecture`);
  return parsed.data.architecture;
}

function layerOptions(ask: InspectionAsk): LayerOptions & { meter: ImageMeter } {
  const globs = (ask.expect.sign?.files ?? []).map(shellGlob);
  const folder = [...pathParts(ask.expect.dirName), 'lib', 'modules'].join('/');
  return {
    certificate: ask.expect.sign === undefined ? undefined : ask.certificate,
    maxModuleBytes: ask.maxModuleBytes ?? DEFAULT_MAX_MODULE_BYTES,
    isWanted: (path) => globs.some((matches) => matches(path)),
    isKept: (path) => path.slice(0, -1).join('/') === folder,
    meter: new ImageMeter(ask.maxImageBytes ?? DEFAULT_MAX_IMAGE_BYTES, ask.maxEntries ?? DEFAULT_MAX_ENTRIES),
  };
}

/** Bounds on one platform's image. */
class ImageMeter implements Meter {
  readonly #maxBytes: number;
  readonly #maxEntries: number;
  #bytes = 0;
  #entries = 0;
  #layer = { digest: '', bytes: 0, maxBytes: 0 };

  constructor(maxBytes: number, maxEntries: number) {
    this.#maxBytes = maxBytes;
    this.#maxEntries = maxEntries;
  }

  startLayer(digest: string, maxBytes: number): void {
    this.#layer = { digest, bytes: 0, maxBytes };
  }

  bytes(count: number): void {
    const layer = this.#layer;
    layer.bytes += count;
    this.#bytes += count;
    if (layer.bytes > layer.maxBytes)
      throw new ImageDefect(
        `has the layer ${layer.digest}, which is larger than ${layer.maxBytes} bytes when it is unpacked: too large to be inspected`,
      );
    if (this.#bytes > this.#maxBytes)
      throw new ImageDefect(`has layers of more than ${this.#maxBytes} bytes when they are unpacked: too large to be inspected`);
  }

  entry(): void {
    this.#entries += 1;
    if (this.#entries > this.#maxEntries) throw new ImageDefect(`has more than ${this.#maxEntries} files: too many to be inspected`);
  }
}

function summarise(verdicts: ReadonlyMap<string, readonly KernelVerdict[]>): Inspection {
  const modules = new Map<string, FoundModule>();
  const result: Inspection = { modules: [], accepted: [], rejected: [] };
  for (const [kernel, ofKernel] of verdicts) {
    const problem =
      ofKernel.find(({ kind }) => kind === 'rejected') ?? (ofKernel.some(({ kind }) => kind === 'accepted') ? undefined : ofKernel[0]);
    if (problem !== undefined && problem.kind !== 'accepted') {
      result.rejected.push({ kernel, reason: 'ImageRejected', message: problem.message });
      continue;
    }
    result.accepted.push(kernel);
    for (const verdict of ofKernel) {
      for (const module of verdict.kind === 'accepted' ? verdict.modules : []) {
        const key = JSON.stringify([kernel, module.name]);
        if (!modules.has(key)) modules.set(key, module);
      }
    }
  }
  const sorted = [...modules.values()].sort((left, right) => compare(left.kernel, right.kernel) || compare(left.name, right.name));
  result.modules.push(...sorted.slice(0, MAX_MODULES));
  return result;
}

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
