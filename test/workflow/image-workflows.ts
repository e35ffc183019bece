/** What the tests of images run: the two workflows, and one that stands in for whoever needs an image. */
import { condition, defineQuery, defineSignal, setHandler } from '@temporalio/workflow';
import type { ImageNews } from '../../src/domain/image-process.js';
import { imageNewsSignal, slotGrantedSignal } from '../../workflows/messages.js';

export { buildQueue } from '../../workflows/build-queue.js';
export { kmodImage } from '../../workflows/kmod-image.js';

/** Keeps all news that it is told, until it is told to end. */
export async function requester(): Promise<void> {
  const heard: ImageNews[] = [];
  let ended = false;
  setHandler(imageNewsSignal, (news) => void heard.push(news));
  setHandler(defineSignal('end'), () => void (ended = true));
  setHandler(defineQuery<ImageNews[]>('heard'), () => heard);
  await condition(() => ended);
}

/** Waits for a build slot. */
export async function slotTaker(): Promise<string> {
  let granted = false;
  setHandler(slotGrantedSignal, () => void (granted = true));
  return (await condition(() => granted, '10 seconds')) ? 'granted' : 'forgotten';
}
