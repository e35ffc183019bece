import type { ImageStatus } from '../../../src/api/index.js';
import { shortDigest } from '../../../src/domain/details.js';
import { sentence } from '../../../src/domain/wording.js';

/** Tells which images have come a step further since one looked last. */
export class ImageChanges {
  readonly #told = new Map<string, string>();

  next(images: readonly ImageStatus[]): ImageStatus[] {
    return images.filter(({ kernel, state, attempt = 0, digest = '', nextTryAt = '' }) => {
      const step = [state, attempt, digest, state === 'Failed' ? nextTryAt : ''].join(' ');
      if (state === 'Resolving' || this.#told.get(kernel) === step) return false;
      this.#told.set(kernel, step);
      return true;
    });
  }
}

/** A container of a Job, and how long it ran. */
export interface Stage {
  readonly container: string;
  readonly seconds: number;
}

/** A line for a person. `stages` are those of the image's last Job, in their order, as far as they are known. */
export function changeText(image: ImageStatus, stages: readonly Stage[]): string {
  const { kernel, state, attempt = 0, job, digest, origin, reason, message, nextTryAt } = image;
  switch (state) {
    case 'Queued':
      return `${kernel}: attempt ${attempt + 1} waits for a free build slot.`;
    case 'Building':
      return `${kernel}: attempt ${attempt} runs as Job ${job ?? ''}.`;
    case 'Pinned':
      return `${kernel}: ${origin === 'Made' ? madeText(stages) : 'found'}, looked into, and pinned as ${shortDigest(digest ?? '')}.`;
    default: {
      const next = nextTryAt === undefined ? 'It waits for a changed input or a retry.' : 'It is tried again by itself.';
      return `${kernel}: ${[reason, message === undefined ? undefined : sentence(message)].filter((part) => part !== undefined).join(': ')} ${next}`;
    }
  }
}

const DONE: Readonly<Record<string, string>> = { build: 'built', sign: 'signed', push: 'pushed' };

/** `built in 21 s, signed in 2 s, pushed in 3 s`. */
function madeText(stages: readonly Stage[]): string {
  const told = stages.flatMap(({ container, seconds }) =>
    DONE[container] === undefined ? [] : [`${DONE[container]} in ${Math.max(1, Math.round(seconds))} s`],
  );
  return told.length === 0 ? 'built, signed and pushed' : told.join(', ');
}

/** Images that were tried as often as it makes sense: nothing more happens unless a person does something. */
export const givenUp = (images: readonly ImageStatus[]): ImageStatus[] =>
  images.filter(({ state, attempt = 0, nextTryAt }) => state === 'Failed' && attempt > 1 && nextTryAt === undefined);
