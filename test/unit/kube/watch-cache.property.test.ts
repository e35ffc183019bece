import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createHubApi, createWatchCache, type CacheChange } from '../../../src/kube/index.js';
import { FakeApiServer, answerStatus, gadgets, resetConnection } from './fake-api-server.js';
import { eventually, memoryLogger } from './helpers.js';

type Step =
  | { readonly do: 'put' | 'own put' | 'remove'; readonly name: string }
  | {
      readonly do:
        'drop' | 'cut a line' | 'end' | 'compact' | 'compact and drop' | 'malformed' | 'repeat' | 'bookmark' | 'expire' | 'pause';
    }
  | { readonly do: 'refuse'; readonly verb: 'list' | 'watch'; readonly code: number }
  | { readonly do: 'reset'; readonly verb: 'list' | 'watch' };

const names = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const verbs = fc.constantFrom('list' as const, 'watch' as const);
const aStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('put' as const, 'own put' as const, 'remove' as const), name: names }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'drop' as const,
        'cut a line' as const,
        'end' as const,
        'compact' as const,
        'compact and drop' as const,
        'malformed' as const,
        'repeat' as const,
        'bookmark' as const,
        'expire' as const,
        'pause' as const,
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('refuse' as const), verb: verbs, code: fc.constantFrom(500, 503, 410, 403) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const), verb: verbs }) },
);

let value = 0;

async function take(step: Step, server: FakeApiServer, own: (object: ReturnType<FakeApiServer['put']>) => void): Promise<void> {
  switch (step.do) {
    case 'put':
      return void server.put(step.name, (value += 1));
    case 'own put':
      return own(server.put(step.name, (value += 1)));
    case 'remove':
      return server.remove(step.name);
    case 'drop':
      return server.dropWatches();
    case 'cut a line':
      return server.dropWatches(true);
    case 'end':
      return server.endWatches();
    case 'compact':
      return server.compact();
    case 'compact and drop':
      server.compact();
      return server.dropWatches();
    case 'malformed':
      return server.sendRaw('{"type":"ADDED",\n');
    case 'repeat':
      return server.repeatLastEvent();
    case 'bookmark':
      return server.bookmark();
    case 'expire':
      return server.sendError({ code: 410, reason: 'Expired' });
    case 'pause':
      return sleep(5);
    case 'refuse':
      return server.next(step.verb, answerStatus(step.code));
    case 'reset':
      return server.next(step.verb, resetConnection);
  }
}

const sorted = (entries: Iterable<[string, unknown]>): [string, unknown][] => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
const text = (entries: Iterable<[string, unknown]>): string => JSON.stringify(sorted(entries));

function replay(changes: readonly CacheChange<unknown>[]): Map<string, unknown> {
  const believed = new Map<string, unknown>();
  for (const { type, key, before, after } of changes) {
    expect(before).toBe(believed.get(key)); // each change follows from the one before: none lost, none twice
    if (type === 'deleted') believed.delete(key);
    else believed.set(key, after);
  }
  return believed;
}

test('after any writes and faults the cache equals the server, and the changes replay to the same content', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aStep, { maxLength: 25 }), async (steps) => {
      const server = await FakeApiServer.start();
      const api = createHubApi({ kubeConfig: server.kubeConfig(), requestTimeoutMs: 2_000 });
      const cache = createWatchCache<unknown>({
        api,
        resource: gadgets,
        transform: (object) => object['value'],
        logger: memoryLogger(),
        backoff: { baseMs: 1, maxMs: 4 },
        pageSize: 2,
      });
      const changes: CacheChange<unknown>[] = [];
      cache.onChange((change) => changes.push(change));
      cache.start();
      try {
        for (const step of steps) await take(step, server, (object) => cache.put(object));
        server.recover();
        // The marker is newer than everything: once it has arrived on a live watch, so has everything before it.
        server.put('end', (value += 1));
        expect(await eventually(() => cache.synced && text(cache.entries()) === text(server.content()))).toBe(true);
        await sleep(2);
        expect(text(cache.entries())).toBe(text(server.content()));
        expect(text(replay(changes))).toBe(text(server.content()));
      } finally {
        await cache.stop();
        await api.close();
        await server.stop();
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);
