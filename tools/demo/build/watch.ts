import { imageJobs } from '../../../test/harness/build-scene.js';
import type { Kubelet } from '../../../test/harness/kubelet/index.js';
import type { Stack } from '../../../test/harness/stack.js';
import type { ImageStatus } from '../../../src/api/index.js';
import type { AdaptedExample } from '../example.js';
import type { Snapshot } from '../progress.js';
import { changeText, givenUp, ImageChanges, type Stage } from './image-changes.js';
import { facts } from './texts.js';

/** How the images come about that the hub makes, told while the rollout is followed. */
export interface BuildWatch {
  /** A line for each image that has come a step further. */
  readonly news: (snapshot: Snapshot) => string[];
  /** Sentences, when an image will not come by itself. */
  readonly hopeless: (snapshot: Snapshot) => string | undefined;
  /** Ids of the workflows that make or made the images. */
  readonly workflows: () => string[];
  /** What it took, in sentences. */
  readonly facts: (works: number, images: number) => Promise<string>;
}

export function watchBuilds({ api, registry }: Stack, kubelet: Pick<Kubelet, 'runs'>, { imageFor }: AdaptedExample): BuildWatch {
  const changes = new ImageChanges();
  // A pinned image says no more how it was made: kernel to the last Job and the workflow that were seen.
  const seen = new Map<string, Pick<ImageStatus, 'job' | 'workflow'>>();
  return {
    news({ status, elapsedMs }) {
      const images = status?.images ?? [];
      for (const { kernel, job, workflow } of images)
        if (workflow !== undefined) seen.set(kernel, { job: job ?? seen.get(kernel)?.job, workflow });
      const at = `${Math.floor(elapsedMs / 1000)} s`.padStart(7);
      return changes.next(images).map((image) => `${at}  ${changeText(image, stagesOf(kubelet, seen.get(image.kernel)?.job))}`);
    },
    hopeless({ status }) {
      const images = givenUp(status?.images ?? []);
      return images.length === 0 ? undefined : images.map(giveUpText).join('\n');
    },
    workflows: () => [...seen.values()].flatMap(({ workflow }) => workflow ?? []),
    async facts(works, images) {
      const { repository } = imageFor('any');
      return facts({ works, images, jobs: (await imageJobs(api)).length, manifests: registry.stored(repository).manifests.length });
    },
  };
}

const giveUpText = ({ kernel, reason, message, log = [] }: ImageStatus): string =>
  [`The image for ${kernel} cannot be made. ${reason ?? ''}: ${message ?? ''}`, ...log.map((line) => `  ${line}`)].join('\n');

/** How long each container of a Job ran, in their order. */
const stagesOf = (kubelet: Pick<Kubelet, 'runs'>, job: string | undefined): Stage[] =>
  kubelet
    .runs()
    .flatMap(({ pod, container, startedAt, finishedAt }) =>
      job === undefined || finishedAt === undefined || !pod.startsWith(`${job}-`)
        ? []
        : [{ container, seconds: (finishedAt.getTime() - startedAt.getTime()) / 1000 }],
    );
