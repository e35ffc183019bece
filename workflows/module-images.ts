import { getExternalWorkflowHandle, patched, workflowInfo } from '@temporalio/workflow';
import { imageTries, provided, providedImages, withNews } from '../src/domain/image-tries.js';
import type { ImageNeed, ImageNews, ImageResult } from '../src/domain/image-process.js';
import { imageWorkflowId } from '../src/domain/messages.js';
import type { ObservedModule } from '../src/domain/process.js';
import type { Pin } from '../src/domain/revision.js';
import { recordRevision, requestImages, resolveImages } from './activity-proxies.js';
import { nowMs } from './clock.js';
import { releaseImageSignal } from './messages.js';
import type { ModuleMemory } from './module-memory.js';
import { moduleRef } from './module-work.js';

/** What the Temporal UI shows beside a signal or an activity: short. */
const NAMED = 1;

/**
 * The images of one module. What stands in a registry is looked up and pinned at once, all images together; what does not is asked of a workflow of its own each, which
 * other modules share, and which tells how far it is.
 */
export class ModuleImages {
  readonly #memory: ModuleMemory;
  readonly #show: () => void;

  /** @param show shows people what is being done now. */
  constructor(memory: ModuleMemory, show: () => void) {
    this.#memory = memory;
    this.#show = show;
  }

  news(news: ImageNews): void {
    const { images } = this.#memory.state;
    const next = withNews(images, news);
    if (next === images) return;
    this.#memory.update({ images: next });
    this.#memory.dirty = true;
  }

  /** Pins what workflows have provided. @returns Whether there was something. */
  async pinProvided(seen: ObservedModule): Promise<boolean> {
    const results = providedImages(seen.needs, this.#memory.state.images);
    if (results.length === 0) return false;
    await this.#pin(results, seen);
    this.#takeIn(results);
    return true;
  }

  async resolve(needs: readonly ImageNeed[], seen: ObservedModule): Promise<void> {
    const memory = this.#memory;
    memory.doing = `Resolving ${needs.length} images to digests.`;
    this.#show();
    const summary = `Resolves ${needs.length} images: ${needs[0]?.image ?? ''}${needs.length > NAMED ? ' …' : ''}`;
    const results = await resolveImages(summary, { images: [...needs] });
    this.#takeIn(results);
    await this.#pin(results, seen);
    await this.#ask(needs, results, seen);
  }

  /** Tells the workflows of images that this module does not need any more; one that nobody needs ends. */
  async releaseAllBut(needs: readonly ImageNeed[]): Promise<void> {
    const { requested = {} } = this.#memory.state;
    const needed = new Set(needs.map((n) => n.key));
    const unneeded = Object.keys(requested).filter((key) => !needed.has(key));
    if (unneeded.length === 0) return;
    this.#memory.update({ requested: Object.fromEntries(Object.entries(requested).filter(([key]) => needed.has(key))) });
    const { workflowId } = workflowInfo();
    for (const key of unneeded)
      await getExternalWorkflowHandle(imageWorkflowId(key))
        .signal(releaseImageSignal, { workflowId })
        .catch(() => undefined); // it has ended: the image was provided
  }

  #takeIn(results: readonly ImageResult[]): void {
    this.#memory.update({ images: imageTries(this.#memory.state.images, results, nowMs()) });
  }

  async #pin(results: readonly ImageResult[], seen: ObservedModule): Promise<void> {
    const pins = results.flatMap(pinsOf);
    if (pins.length === 0) return;
    const { name } = this.#memory;
    await recordRevision(`Pins ${pins.length} kernels of ${name}`, { ...moduleRef(this.#memory), hash: seen.revision.hash, pins });
  }

  async #ask(needs: readonly ImageNeed[], results: readonly ImageResult[], { uid }: ObservedModule): Promise<void> {
    const memory = this.#memory;
    const failed = new Set(results.flatMap((r) => ('problem' in r ? [r.image] : [])));
    // While an input is missing there is nothing to provide; the hub watches for it.
    const wanted = needs.filter((n) => failed.has(n.image) && n.blocked === undefined);
    if (wanted.length === 0 || !patched('image-workflows')) return;
    const { requested = {}, imageRetry, images } = memory.state;
    memory.update({
      requested: { ...requested, ...Object.fromEntries(wanted.map((n) => [n.key, n.image])) },
      images: provided(
        images,
        wanted.map((n) => n.image),
        nowMs(),
      ),
    });
    const requester = { workflowId: workflowInfo().workflowId, module: memory.name, uid };
    await requestImages(`Asks for ${wanted.length} images: ${wanted[0]?.image ?? ''}`, {
      requests: wanted.map((need) => ({ need, requester, retry: imageRetry })),
    });
  }
}

const pinsOf = (result: ImageResult): Pin[] => {
  if (!('digest' in result)) return [];
  const { kernels, image, digest, origin, key, modules } = result;
  return kernels.map((kernel) => {
    const found = modules?.filter((m) => m.kernel === kernel);
    return {
      kernel,
      image,
      digest,
      origin,
      ...(origin === 'Made' ? { key } : {}),
      ...(found === undefined || found.length === 0 ? {} : { modules: found }),
    };
  });
};
