import { setTimeout as sleep } from 'node:timers/promises';
import { isFault } from '../../../src/domain/fault.js';

const AFTER_FAILURE_MS = 200;

/**
 * Writes the newest status of a pod, one request at a time, and again after a failure until it has arrived or there is nobody to write to.
 * A status that is the same as the last written one is not written.
 */
export class StatusWriter {
  readonly #compute: () => object;
  readonly #write: (status: object) => Promise<void>;
  #written = '';
  #running: Promise<void> | undefined;
  #dirty = false;
  #stopped = false;

  constructor(compute: () => object, write: (status: object) => Promise<void>) {
    this.#compute = compute;
    this.#write = write;
  }

  /** The status has changed. Resolves when everything has been written that was there to write. */
  changed(): Promise<void> {
    this.#dirty = true;
    this.#running ??= this.#loop().finally(() => (this.#running = undefined));
    return this.#running;
  }

  stop(): void {
    this.#stopped = true;
  }

  async #loop(): Promise<void> {
    while (this.#dirty && !this.#stopped) {
      this.#dirty = false;
      const status = this.#compute();
      const text = JSON.stringify(status);
      if (text === this.#written) continue;
      try {
        await this.#write(status);
        this.#written = text;
      } catch (error) {
        // Gone, or another pod of the same name: nothing of this one will ever be asked for.
        if (isFault(error, 'Missing') || isFault(error, 'Conflict')) this.#stopped = true;
        this.#dirty = true;
        if (!this.#stopped) await sleep(AFTER_FAILURE_MS);
      }
    }
  }
}
