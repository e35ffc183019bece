import type { ImageRequest } from '../src/domain/image-process.js';
import { BUILD_QUEUE_WORKFLOW_ID, ENQUEUE_SIGNAL, imageWorkflowId, NEED_IMAGE_SIGNAL } from '../src/domain/messages.js';
import type { Deps } from './deps.js';

const AT_ONCE = 8;

/**
 * Asks the workflow of each image to provide it; starts the ones that do not run. Whoever needs the same image shares its run. Safe to run twice: a request that is known
 * already is answered with how far the image is.
 */
export const createRequestImages =
  ({ workflows }: Pick<Deps, 'workflows'>) =>
  async ({ requests }: { readonly requests: readonly ImageRequest[] }): Promise<void> => {
    const queue = [...requests];
    const work = async (): Promise<void> => {
      for (let request = queue.shift(); request !== undefined; request = queue.shift()) {
        const { key, image, kernels } = request.need;
        await workflows.signalWithStart({
          workflowType: 'kmodImage',
          workflowId: imageWorkflowId(key),
          input: {},
          signalName: NEED_IMAGE_SIGNAL,
          payload: request,
          summary: `Provides ${image} for kernel ${kernels[0] ?? ''}`,
        });
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, requests.length) }, work));
  };

export interface BuildSlotRequest {
  readonly workflowId: string;
  readonly modules: readonly string[];
  readonly key: string;
  readonly title: string;
}

/** Puts an image into the queue of builds, which begins when nobody has been in it. How many may be built at once is the hub's to say. */
export const createRequestBuildSlot =
  ({ workflows, imageJobs }: Pick<Deps, 'workflows' | 'imageJobs'>) =>
  (request: BuildSlotRequest): Promise<void> =>
    workflows.signalWithStart({
      workflowType: 'buildQueue',
      workflowId: BUILD_QUEUE_WORKFLOW_ID,
      input: {},
      signalName: ENQUEUE_SIGNAL,
      payload: { ...request, capacity: imageJobs.maxBuilds },
      summary: 'Lets builds run, a few at a time, in a fair order',
    });
