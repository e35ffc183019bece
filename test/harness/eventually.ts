import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks again and again until the answer is not undefined.
 * @throws Error after `timeoutMs` that says what was waited for and what was last seen.
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  { timeoutMs = 30_000, everyMs = 100, seen }: { timeoutMs?: number; everyMs?: number; seen?: () => unknown } = {},
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() > deadline) {
      const last = seen === undefined ? '' : ` Last seen: ${JSON.stringify(await seen(), null, 1)}`;
      throw new Error(`Waited ${timeoutMs} ms for ${what}.${last}`, { cause: lastError });
    }
    await sleep(everyMs);
  }
}
