import type { ImageOrigin } from './image-process.js';
import { timeText } from './markdown.js';
import { count, nameSome } from './wording.js';

/** `kernel 6.1.0`, `kernels 6.1.0 and 6.8.0`. */
export const kernelsText = (kernels: readonly string[]): string => `${kernels.length === 1 ? 'kernel' : 'kernels'} ${nameSome(kernels)}`;

export interface Attempts {
  /** Attempts that were begun so far. */
  readonly attempt?: number | undefined;
  /** RFC 3339 */
  readonly nextTryAt?: string | undefined;
  /** A workflow of its own makes it, and has nothing to do now. */
  readonly waiting: boolean;
}

/** When an image that failed is tried again, or that a person is needed for it; empty where the problem's own sentence has to do. */
export function nextTryText({ attempt = 0, nextTryAt, waiting }: Attempts): string {
  if (nextTryAt !== undefined) return `It is tried again at ${timeText(nextTryAt)}.`;
  return waiting && attempt > 0 ? 'It is not tried again before one of its inputs changes or somebody asks for it.' : '';
}

/** `2 made by kmodflow, 1 pushed by somebody else`; empty where nobody knows. */
export function originsText(origins: readonly (ImageOrigin | string | undefined)[]): string {
  const [made, foreign] = (['Made', 'Foreign'] as const).map((origin) => origins.filter((o) => o === origin).length);
  const parts = [...(made ? [`${made} made by kmodflow`] : []), ...(foreign ? [`${foreign} pushed by somebody else`] : [])];
  return parts.join(', ');
}

/** The same of one image. */
export const originText = (origin: string | undefined): string =>
  origin === 'Made' ? 'made by kmodflow' : origin === 'Foreign' ? 'pushed by somebody else' : '';

/** `2 of 3 images have a digest.` */
export const digestsText = (pinned: number, all: number): string =>
  `${pinned} of ${count(all, 'image')} ${all === 1 ? 'has' : 'have'} a digest.`;
