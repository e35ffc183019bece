import { adviceFor, nextStepText } from './advice.js';
import { digestsText, kernelsText, nextTryText, originsText, originText } from './mcm-image-wording.js';
import { imageProgress, imageTrouble, type ImageProgress } from './mcm-images.js';
import type { ImageState, Report } from './process.js';
import { count, nameSome, sentence } from './wording.js';

/** What is to be said about images, in one word and in sentences. */
export interface Finding {
  readonly reason: string;
  readonly message: string;
}

const inState = (images: readonly ImageState[], state: ImageProgress): ImageState[] => images.filter((i) => imageProgress(i) === state);

/** An image that no attempt is under way for and that cannot be used: the first of them, and how many more there are. */
export function imageProblem(report: Report): Finding | undefined {
  const failed = inState(report.images, 'Failed');
  const [first] = failed;
  if (first?.problem === undefined) return undefined;
  const { image, kernels, problem, run } = first;
  const attempt = run !== undefined && run.attempt > 0 ? ` (attempt ${run.attempt})` : '';
  const more = failed.length > 1 ? `${count(failed.length - 1, 'further image')} cannot be used either.` : '';
  const next = nextTryText({ ...run, waiting: run?.state === 'Waiting' });
  const advice = nextStepText(adviceFor(report), 'images');
  return {
    reason: problem.reason,
    message: sentences(
      `The image ${image} for ${kernelsText(kernels)} cannot be used${attempt}.`,
      sentence(problem.message),
      next,
      more,
      advice,
    ),
  };
}

/** Images that are on their way: built, queued for it, or looked up. */
export function openImages({ images }: Report): Finding | undefined {
  const [building, queued, resolving] = (['Building', 'Queued', 'Resolving'] as const).map((state) => inState(images, state));
  if (building === undefined || queued === undefined || resolving === undefined) return undefined;
  const reason = building.length > 0 ? 'BuildingImages' : queued.length > 0 ? 'BuildQueued' : 'ResolvingImages';
  const message = sentences(buildingText(building), queuedText(queued), resolvingText(resolving, images.length));
  return message === '' ? undefined : { reason, message };
}

/** Whether some image is being made now: not only looked up. */
export const isMakingImages = ({ images }: Report): boolean => images.some((i) => ['Building', 'Queued'].includes(imageProgress(i)));

function buildingText(building: readonly ImageState[]): string {
  const [first] = building;
  if (first === undefined) return '';
  if (building.length > 1) return `${building.length} images are being built: ${nameSome(building.map((i) => i.image))}.`;
  const attempt = first.run?.attempt ?? 0;
  const trouble = imageTrouble(first);
  const before = trouble === undefined ? '' : ` Attempt ${attempt - 1}: ${sentence(trouble.message)}`;
  return `Image ${first.image} for ${kernelsText(first.kernels)} is being built${attempt > 0 ? ` (attempt ${attempt})` : ''}.${before}`;
}

function queuedText(queued: readonly ImageState[]): string {
  const [first] = queued;
  if (first === undefined) return '';
  if (queued.length > 1) return `${queued.length} images wait for a free place to be built: ${nameSome(queued.map((i) => i.image))}.`;
  return `Image ${first.image} for ${kernelsText(first.kernels)} waits for a free place to be built.`;
}

const resolvingText = (resolving: readonly ImageState[], all: number): string =>
  resolving.length === 0 ? '' : `${count(resolving.length, 'image')} of ${all} being resolved: ${nameSome(resolving.map((i) => i.image))}.`;

/** Every image of the report, counted: what the condition ImagesReady says unless the spec is not valid. Undefined when the report has no images. */
export function imagesFinding(report: Report): (Finding & { readonly ready: boolean }) | undefined {
  const { images } = report;
  if (images.length === 0) return undefined;
  const [problem, open] = [imageProblem(report), openImages(report)];
  const first = problem ?? open;
  if (first === undefined) return { ready: true, reason: 'ImagesResolved', message: pinnedText(images) };
  const counted = digestsText(inState(images, 'Pinned').length, images.length);
  return { ready: false, reason: first.reason, message: sentences(counted, open?.message ?? '', problem?.message ?? '') };
}

function pinnedText(images: readonly ImageState[]): string {
  const one = images.length === 1;
  const origins = one ? originText(images[0]?.origin) : originsText(images.map((i) => i.origin));
  const pinned = `${one ? 'The image is' : `All ${images.length} images are`} pinned by digest`;
  return `${pinned}${origins === '' ? '' : `: ${origins}`}.`;
}

const sentences = (...parts: readonly string[]): string => parts.filter((p) => p !== '').join(' ');
