import { isFault } from '../domain/fault.js';
import { imageProgress, imageTrouble } from '../domain/mcm-images.js';
import { imageWorkflowId } from '../domain/messages.js';
import type { ImageState } from '../domain/process.js';
import type { Pins } from '../domain/revision.js';
import { readRevision, resources } from '../kube/index.js';
import type { ClientParts } from './parts.js';
import { readStatus } from './status.js';
import type { ImageRow, ModuleImages } from './types.js';

/** A row for each kernel, by kernel, with what the revision's pins say about the inside of its image. */
export async function readImages(parts: ClientParts, name: string): Promise<ModuleImages> {
  const status = await readStatus(parts, name);
  const { pins, note } = await pinsOf(parts, status.updateRevision ?? status.currentRevision);
  const rows = status.images.flatMap((image) => image.kernels.map((kernel) => rowOf(kernel, image, pins)));
  rows.sort((a, b) => (a.kernel < b.kernel ? -1 : a.kernel > b.kernel ? 1 : 0));
  const notes = [status.note, note, ...(status.notes ?? [])].filter((n): n is string => n !== undefined);
  return { module: name, source: status.source, images: rows, notes };
}

function rowOf(kernel: string, state: ImageState, pins: Pins): ImageRow {
  const { image, digest, origin } = state;
  const pin = pins[kernel];
  const pinned = digest !== undefined && pin?.digest === digest ? pin : undefined;
  return {
    kernel,
    image,
    state: imageProgress(state),
    digest,
    origin: origin ?? pinned?.origin,
    ...troubleFields(state),
    ...runFields(state),
    modules: pinned?.modules ?? [],
  };
}

function troubleFields(state: ImageState): Pick<ImageRow, 'reason' | 'message' | 'log'> {
  const trouble = imageTrouble(state);
  return { reason: trouble?.reason, message: trouble?.message, log: trouble === undefined ? [] : (state.run?.log ?? []) };
}

const runFields = ({ run }: ImageState): Pick<ImageRow, 'workflow' | 'attempt' | 'job' | 'nextTryAt'> => ({
  workflow: run === undefined ? undefined : imageWorkflowId(run.key),
  attempt: run?.attempt ?? 0,
  job: run?.job,
  nextTryAt: run?.nextTryAt,
});

/** The pins of a revision. Who may not read them, or has no hub, sees the images without what is in them. */
async function pinsOf(
  { kube, operatorNamespace }: ClientParts,
  revision: string | undefined,
): Promise<{ readonly pins: Pins; readonly note?: string }> {
  if (revision === undefined) return { pins: {} };
  try {
    return { pins: readRevision(await kube().get(resources.controllerRevisions, revision, operatorNamespace)).pins };
  } catch (error) {
    if (isFault(error, 'Missing')) return { pins: {} };
    if (isFault(error)) return { pins: {}, note: `What is in the images is not known: ${error.message}` };
    throw error;
  }
}
