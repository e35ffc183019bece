import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeLogger } from '../../../src/kube/index.js';

export interface LogLine {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

/** A logger that keeps its lines. */
export function memoryLogger(): KubeLogger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push({ level, fields, message });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Waits until `holds`, at most `timeoutMs`. @returns Whether it did. */
export async function eventually(holds: () => boolean, timeoutMs = 5_000): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    if (holds()) return true;
    await sleep(2);
  }
  return holds();
}

/** What a promise rejected with. */
export async function failureOf(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new TypeError('it rejected with something that is not an Error');
  }
  throw new Error('it was expected to fail, and succeeded');
}
