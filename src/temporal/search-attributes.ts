import type { Connection } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../domain/fault.js';

/** Types as Temporal's API numbers them: Keyword 2, Int 3, KeywordList 7. */
const TYPES = { Keyword: 2, Int: 3, KeywordList: 7 } as const;

/** What people search workflows by. */
export const SEARCH_ATTRIBUTES = {
  KmodModule: 'Keyword',
  KmodPhase: 'Keyword',
  KmodRevision: 'Keyword',
  KmodCluster: 'Keyword',
  KmodKernel: 'KeywordList',
  KmodFailed: 'Int',
} as const satisfies Record<string, keyof typeof TYPES>;

const VISIBLE_TIMEOUT_MS = 30_000;

/**
 * Registers the search attributes that the namespace lacks, and waits until the server knows them. Safe to run often.
 * @returns The names that were registered now.
 * @throws Fault `Invalid` when one exists with another type; `Unavailable` when the server does not show them in time.
 */
export async function ensureSearchAttributes(connection: Connection, namespace: string): Promise<string[]> {
  const missing = await missingAttributes(connection, namespace);
  if (missing.length === 0) return [];
  const searchAttributes = Object.fromEntries(missing.map((name) => [name, TYPES[SEARCH_ATTRIBUTES[name]]]));
  try {
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
  } catch (error) {
    // Several hubs may start at once: whoever is second finds them there.
    if ((await missingAttributes(connection, namespace)).length > 0) {
      const message = `The search attributes ${missing.join(', ')} could not be registered in Temporal namespace ${namespace}: ${(error as Error).message}. Ask its administrator to run kmodflow setup.`;
      throw new Fault('Unavailable', message, { cause: error });
    }
  }
  const deadline = Date.now() + VISIBLE_TIMEOUT_MS;
  while ((await missingAttributes(connection, namespace)).length > 0) {
    if (Date.now() > deadline)
      throw new Fault('Unavailable', `Temporal does not show the new search attributes ${missing.join(', ')} after 30 seconds.`);
    await sleep(200);
  }
  return missing;
}

async function missingAttributes(connection: Connection, namespace: string): Promise<(keyof typeof SEARCH_ATTRIBUTES)[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  return (Object.keys(SEARCH_ATTRIBUTES) as (keyof typeof SEARCH_ATTRIBUTES)[]).filter((name) => {
    const type = customAttributes[name];
    const expected = SEARCH_ATTRIBUTES[name];
    if (type !== undefined && type !== null && Number(type) !== TYPES[expected])
      throw new Fault(
        'Invalid',
        `Search attribute ${name} exists in Temporal namespace ${namespace} with another type; kmodflow needs ${expected}.`,
      );
    return type === undefined || type === null;
  });
}
