import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { SignatureHash } from '../kmod/sign.js';
import { NotAModule, SigningFailure, systemCode } from './failure.js';
import type { ImageFile } from './image-files.js';
import { visitLayer } from './layer-entries.js';
import { Meter, pack, packingOf, readBlob, unpack } from './layer-stream.js';
import { blobPath, readLayout, removeUnnamedBlobs, renamed, replaceImage } from './layout.js';
import type { Descriptor, ImageLayout } from './layout.js';
import { SigningPlanner } from './plan.js';
import type { FileStep, SigningPlan } from './plan.js';
import { MAX_MODULE_BYTES, signFile } from './sign-file.js';
import type { SigningPair } from './signing-pair.js';
import { splice } from './splice.js';

export interface SignImageOptions {
  /** Directory of an OCI image layout with one image; it is changed in place. */
  readonly layout: string;
  /** Shell patterns of absolute paths in the image. Each must name at least one regular file. */
  readonly files: readonly string[];
  readonly pair: SigningPair;
  readonly hash: SignatureHash;
  /** Told of each file that was signed: its path, and its size in the image before and after it. */
  readonly onSigned: (path: string, bytes: { readonly before: number; readonly after: number }) => void;
}

export interface SignImageResult {
  readonly digest: string;
  /** Files that a pattern names. */
  readonly signed: number;
  readonly rewrittenLayers: number;
}

/**
 * Signs modules inside an image. Three passes over the layers, each a stream: which files there are, signing those that match, and writing the layers anew
 * that hold one. At most one module is in memory at a time; signed ones wait in a folder of the layout. Layers without a match stay as they are.
 * With an RSA key the same image gives the same digest.
 * @throws SigningFailure. The layout is then as it was before.
 */
export async function signImage(options: SignImageOptions): Promise<SignImageResult> {
  const layout = await readLayout(options.layout);
  const plan = await planSigning(layout, options.files);
  const staging = join(layout.directory, '.kmodflow-sign');
  try {
    await rm(staging, { recursive: true, force: true }); // of a process that was killed
    await mkdir(staging);
    const signed = await signFiles(layout, plan, staging, options);
    const image = await rewriteLayers(layout, plan, signed);
    const rewritten = image.layers.filter(({ digest }, index) => digest !== layout.layers[index]?.digest).length;
    const digest = rewritten === 0 ? layout.manifestDescriptor.digest : await replaceImage(layout, image);
    await removeUnnamedBlobs(layout.directory);
    return { digest, signed: [...plan.values()].filter(isAsked).length, rewrittenLayers: rewritten };
  } catch (error) {
    throw ofTheVolume(layout.directory, error);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

const VOLUME_DEFECTS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on device (ENOSPC)',
  EDQUOT: 'the quota of the volume is used up (EDQUOT)',
  EROFS: 'the volume can only be read (EROFS)',
  EACCES: 'this user may not write there (EACCES)',
};

/** What the system refused is the volume's fault: everything else about the layout was looked at before. */
function ofTheVolume(directory: string, error: unknown): unknown {
  const code = systemCode(error);
  if (code === undefined || error instanceof SigningFailure) return error;
  return new SigningFailure(
    'Sign',
    `The image in ${directory} cannot be signed in place: ${VOLUME_DEFECTS[code] ?? `the system says ${code}`}.`,
  );
}

const isAsked = (step: FileStep): boolean => step.kind === 'sign' && step.isAsked;

async function planSigning(layout: ImageLayout, patterns: readonly string[]): Promise<SigningPlan> {
  const planner = new SigningPlanner(patterns);
  for (const layer of layout.layers) {
    await visitLayer(layout.directory, layer, ({ entry }) => planner.add(entry));
    planner.endLayer();
  }
  const plan = planner.plan();
  for (const [{ entry }, { path }] of plan) {
    if (entry.defect !== undefined) throw new SigningFailure('Sign', `${path} cannot be signed: in its layer the file ${entry.defect}.`);
    if (entry.size > MAX_MODULE_BYTES) {
      throw new SigningFailure(
        'Sign',
        `${path} cannot be signed: the file has ${entry.size} bytes, and at most ${MAX_MODULE_BYTES} are signed.`,
      );
    }
  }
  return plan;
}

/** A signed file on disk. */
interface Staged {
  /** False for a file that had this very signature already: its layer may stay, but older copies are replaced by it. */
  readonly isChanged: boolean;
  readonly path: string;
  readonly size: number;
}

type SignedFiles = ReadonlyMap<ImageFile, Staged>;

/** Files of a layer that the plan names, by the place of their content. */
const filesOfLayer = (plan: SigningPlan, layer: number): ReadonlyMap<number, ImageFile> =>
  new Map([...plan.keys()].filter((file) => file.layer === layer).map((file) => [file.entry.at, file]));

/** Signs what there is to sign, into files of the staging folder. */
async function signFiles(layout: ImageLayout, plan: SigningPlan, staging: string, options: SignImageOptions): Promise<SignedFiles> {
  const signed = new Map<ImageFile, Staged>();
  for (const [index, layer] of layout.layers.entries()) {
    const wanted = filesOfLayer(plan, index);
    if (wanted.size === 0) continue;
    await visitLayer(layout.directory, layer, async ({ entry, read }) => {
      const file = wanted.get(entry.at);
      const step = file && plan.get(file);
      if (file === undefined || step?.kind !== 'sign') return;
      const before = await read();
      const after = await signStep(step, before, options);
      if (after === undefined) return;
      const staged = { path: join(staging, `${signed.size}`), size: after.length, isChanged: !after.equals(before) };
      await writeFile(staged.path, after);
      signed.set(file, staged);
      options.onSigned(step.path, { before: before.length, after: after.length });
    });
  }
  return signed;
}

/** Undefined for a file that nobody asked for and that is no module: there is nothing in it that could be loaded. */
async function signStep(
  step: Extract<FileStep, { kind: 'sign' }>,
  content: Buffer,
  { pair, hash }: SignImageOptions,
): Promise<Buffer | undefined> {
  try {
    return await signFile(step.path, content, pair, hash);
  } catch (error) {
    if (!step.isAsked && error instanceof NotAModule) return undefined;
    throw error;
  }
}

async function rewriteLayers(
  layout: ImageLayout,
  plan: SigningPlan,
  signed: SignedFiles,
): Promise<{ layers: Descriptor[]; diffIds: string[] }> {
  const layers = [...layout.layers];
  const diffIds = [...layout.diffIds];
  for (const [index, layer] of layout.layers.entries()) {
    const contents = [...filesOfLayer(plan, index).values()].flatMap((file) => {
      const step = plan.get(file);
      const staged = signed.get(step?.kind === 'replace' ? step.by : file);
      return staged !== undefined && (staged.isChanged || step?.kind === 'replace') ? [{ file, staged }] : [];
    });
    if (contents.length === 0) continue;
    const written = await rewriteLayer(layout.directory, layer, contents);
    layers[index] = withoutPackingNotes(renamed(layer, written));
    diffIds[index] = written.diffId;
  }
  return { layers, diffIds };
}

async function rewriteLayer(
  directory: string,
  layer: Descriptor,
  contents: readonly { readonly file: ImageFile; readonly staged: Staged }[],
): Promise<{ readonly digest: string; readonly size: number; readonly diffId: string }> {
  const source = blobPath(directory, layer.digest);
  const target = `${source}.new`;
  const packing = await packingOf(source);
  const splices = contents
    .map(({ file: { entry }, staged }) => ({
      at: entry.at,
      oldSize: entry.size,
      newSize: staged.size,
      open: () => createReadStream(staged.path),
    }))
    .sort((left, right) => left.at - right.at);
  const [archive, blob] = [new Meter(), new Meter()];
  await pipeline([
    readBlob(source),
    ...unpack(packing),
    splice(splices),
    archive,
    ...pack(packing),
    blob,
    createWriteStream(target, { flush: true }),
  ]);
  const digest = blob.digest();
  await rename(target, blobPath(directory, digest));
  return { digest, size: blob.size, diffId: archive.digest() };
}

/** Annotations that describe the packed bytes, for runtimes that fetch a layer in parts: they do not hold for the new bytes. */
const PACKING_NOTES = ['containerd.io/snapshot/', 'io.containers.estargz.', 'io.github.containers.zstd-chunked.'];

function withoutPackingNotes(layer: Descriptor): Descriptor {
  const notes = layer['annotations'];
  if (typeof notes !== 'object' || notes === null) return layer;
  const kept = Object.entries(notes).filter(([key]) => !PACKING_NOTES.some((prefix) => key.startsWith(prefix)));
  return { ...layer, annotations: Object.fromEntries(kept) };
}
