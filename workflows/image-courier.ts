import { getExternalWorkflowHandle, isCancellation } from '@temporalio/workflow';
import { fingerprint } from '../src/domain/image-run.js';
import type { ImageNews } from '../src/domain/image-process.js';
import { isAlive } from './image-alive.js';
import { imageNewsSignal } from './messages.js';

/** What each requester was told last, as a fingerprint, by workflow id. */
export type Told = Readonly<Record<string, string>>;

export interface Mail {
  readonly news: ImageNews;
  readonly to: readonly string[];
}

/**
 * Brings news to all who need an image, each one once, in order: what has changed while a message is under way goes out after it. A requester that cannot be told and does
 * not run any more is given up.
 */
export class ImageCourier {
  readonly #read: () => Mail;
  readonly #giveUp: (workflowId: string) => void;
  readonly #told: Map<string, string>;
  #busy = false;

  /** @param read The news and those who need it, as it is now. */
  constructor(read: () => Mail, giveUp: (workflowId: string) => void, told: Told = {}) {
    this.#read = read;
    this.#giveUp = giveUp;
    this.#told = new Map(Object.entries(told));
  }

  /** Tells whoever does not know the news yet. Does not wait for it. */
  send(): void {
    if (this.#busy || this.#unaware().length === 0) return;
    this.#busy = true;
    void this.#deliver();
  }

  /** That requester asks: it is told, whether it knows or not. */
  sendAgain(workflowId: string): void {
    this.#told.delete(workflowId);
    this.send();
  }

  /** Everybody knows. */
  get isIdle(): boolean {
    return !this.#busy;
  }

  get told(): Told {
    const { to } = this.#read();
    return Object.fromEntries([...this.#told].filter(([workflowId]) => to.includes(workflowId)));
  }

  #unaware(): string[] {
    const { news, to } = this.#read();
    const mark = fingerprint(news);
    return to.filter((id) => this.#told.get(id) !== mark);
  }

  /** Never fails: nobody waits for it, and what becomes of an image does not depend on who hears of it. */
  async #deliver(): Promise<void> {
    try {
      for (let to = this.#unaware(); to.length > 0; to = this.#unaware()) {
        const { news } = this.#read();
        const mark = fingerprint(news);
        for (const id of to) this.#told.set(id, mark);
        await Promise.all(to.map((id) => this.#tell(id, news)));
      }
    } catch (error) {
      if (!isCancellation(error)) throw error; // a bug
    } finally {
      this.#busy = false;
    }
  }

  async #tell(workflowId: string, news: ImageNews): Promise<void> {
    try {
      await getExternalWorkflowHandle(workflowId).signal(imageNewsSignal, news);
    } catch (error) {
      if (isCancellation(error)) throw error;
      if (!(await isAlive(workflowId))) this.#giveUp(workflowId);
    }
  }
}
