import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createHubApi, createWatchCache, type CacheChange } from '../../../src/kube/index.js';
import { FakeApiServer, answerStatus, gadgets, resetConnection } from './fake-api-server.js';
import { eventually, memoryLogger } from './helpers.js';

type Own = (object: ReturnType<FakeApiServer['put']>) => void;
let value = 0;

/** What may happen to one object. */
const HAPPENS = {
  put: (server: FakeApiServer, name: string) => void server.put(name, (value += 1)),
  'own put': (server: FakeApiServer, name: string, own: Own) => own(server.put(name, (value += 1))),
  remove: (server: FakeApiServer, name: string) => server.remove(name),
};
/** What may happen to the watch. */
const FAULTS = {
  drop: (server: FakeApiServer) => server.dropWatches(),
  'cut a line': (server: FakeApiServer) => server.dropWatches(true),
  end: (server: FakeApiServer) => server.endWatches(),
  compact: (server: FakeApiServer) => server.compact(),
  'compact and drop': (server: FakeApiServer) => {
    server.compact();
    server.dropWatches();
  },
  malformed: (server: FakeApiServer) => server.sendRaw('{"type":"ADDED",\n'),
  repeat: (server: FakeApiServer) => server.repeatLastEvent(),
  bookmark: (server: FakeApiServer) => server.bookmark(),
  expire: (server: FakeApiServer) => server.sendError({ code: 410, reason: 'Expired' }),
  pause: () => sleep(5),
};
/** What may become of the next list or watch. */
const ANSWERS = { 500: answerStatus(500), 503: answerStatus(503), 410: answerStatus(410), 403: answerStatus(403), reset: resetConnection };

const keysOf = <T extends object>(table: T): (keyof T)[] => Object.keys(table) as (keyof T)[];
const aStep = fc.oneof(
  { weight: 6, arbitrary: fc.record({ happens: fc.constantFrom(...keysOf(HAPPENS)), to: fc.constantFrom('a', 'b', 'c', 'd', 'e') }) },
  { weight: 4, arbitrary: fc.record({ fault: fc.constantFrom(...keysOf(FAULTS)) }) },
  {
    weight: 2,
    arbitrary: fc.record({ next: fc.constantFrom('list' as const, 'watch' as const), is: fc.constantFrom(...keysOf(ANSWERS)) }),
  },
);
type Step = typeof aStep extends fc.Arbitrary<infer S> ? S : never;

async function take(step: Step, server: FakeApiServer, own: Own): Promise<void> {
  if ('happens' in step) HAPPENS[step.happens](server, step.to, own);
  else if ('fault' in step) await FAULTS[step.fault](server);
  else server.next(step.next, ANSWERS[step.is]);
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
