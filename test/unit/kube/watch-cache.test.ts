import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  createHubApi,
  createWatchCache,
  type CacheChange,
  type HubApi,
  type WatchCache,
  type WatchCacheOptions,
} from '../../../src/kube/index.js';
import { FakeApiServer, answerStatus, gadgets, neverAnswer, resetConnection } from './fake-api-server.js';
import { eventually, failureOf, memoryLogger } from './helpers.js';

let server: FakeApiServer;
let api: HubApi;
let logger: ReturnType<typeof memoryLogger>;
let cache: WatchCache<unknown> | undefined;
let changes: string[];
const unhandled: unknown[] = [];
const onUnhandled = (error: unknown): void => void unhandled.push(error);

beforeEach(async () => {
  server = await FakeApiServer.start();
  api = createHubApi({ kubeConfig: server.kubeConfig(), requestTimeoutMs: 1_000 });
  logger = memoryLogger();
  changes = [];
  unhandled.length = 0;
  process.on('unhandledRejection', onUnhandled);
});

afterEach(async () => {
  await cache?.stop();
  cache = undefined;
  await api.close();
  await server.stop();
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

const say = ({ type, key, before, after }: CacheChange<unknown>): string => `${type} ${key} ${before ?? '-'} → ${after ?? '-'}`;

function watch(options: Partial<WatchCacheOptions<unknown>> = {}): WatchCache<unknown> {
  cache = createWatchCache<unknown>({
    api,
    resource: gadgets,
    transform: (object) => object['value'],
    logger,
    backoff: { baseMs: 5, maxMs: 20 },
    ...options,
  });
  cache.onChange((change) => changes.push(say(change)));
  cache.start();
  return cache;
}

const watched = async (options: Partial<WatchCacheOptions<unknown>> = {}): Promise<WatchCache<unknown>> => {
  const started = watch(options);
  await started.whenSynced(5_000, 'for this test');
  expect(await eventually(() => server.openWatches === 1)).toBe(true);
  return started;
};

const contentOf = (held: WatchCache<unknown>): Map<string, unknown> => new Map([...held.entries()].sort());
const serverContent = (): Map<string, unknown> => new Map([...server.content()].sort());
const caughtUp = (held: WatchCache<unknown>): Promise<boolean> =>
  eventually(() => JSON.stringify([...contentOf(held)]) === JSON.stringify([...serverContent()]));

describe('in good weather', () => {
  test('the first list comes in pages, announces every object as added, and the watch continues from it with bookmarks', async () => {
    for (let i = 0; i < 7; i += 1) server.put(`g${i}`, i);
    const held = await watched({ pageSize: 3 });
    expect(contentOf(held)).toEqual(serverContent());
    expect(changes).toEqual([0, 1, 2, 3, 4, 5, 6].map((i) => `added g${i} - → ${i}`));
    expect(server.requests.filter(({ verb }) => verb === 'list').map(({ url }) => url.searchParams.get('limit'))).toEqual(['3', '3', '3']);
    const query = server.requests.find(({ verb }) => verb === 'watch')?.url.searchParams;
    expect(query?.get('resourceVersion')).toBe(String(server.version));
    expect(query?.get('allowWatchBookmarks')).toBe('true');
    expect(Number(query?.get('timeoutSeconds'))).toBeGreaterThanOrEqual(240);
    expect(Number(query?.get('timeoutSeconds'))).toBeLessThanOrEqual(290);
  });

  test('changes arrive in order with the view before and after', async () => {
    const held = await watched();
    server.put('a', 1);
    server.put('a', 2);
    server.remove('a');
    server.put('b', 3);
    expect(await caughtUp(held)).toBe(true);
    expect(changes).toEqual(['added a - → 1', 'modified a 1 → 2', 'deleted a 2 → -', 'added b - → 3']);
    expect(held.get('b')).toBe(3);
    expect(held.has('a')).toBe(false);
    expect([...held.values()]).toEqual([3]);
  });

  test('an object deleted and created again is announced as both, since it is another object', async () => {
    server.put('a', 1);
    const held = await watched();
    server.dropWatches();
    server.remove('a');
    server.put('a', 2);
    server.compact();
    expect(await caughtUp(held)).toBe(true);
    expect(changes).toEqual(['added a - → 1', 'deleted a 1 → -', 'added a - → 2']);
  });

  test('a change that the views do not show is not announced, and the old view stays the one', async () => {
    const held = await watched({
      transform: (object) => ({ of: (object['value'] as string).length }),
      same: (a, b) => JSON.stringify(a) === JSON.stringify(b),
    });
    server.put('a', 'one');
    await eventually(() => held.has('a'));
    const view = held.get('a');
    server.put('a', 'two');
    server.put('end', 'x');
    await eventually(() => held.has('end'));
    expect(changes.map((text) => text.split(' ').slice(0, 2).join(' '))).toEqual(['added a', 'added end']);
    expect(held.get('a')).toBe(view);
  });

  test('after stop nothing is announced any more and the content can still be read', async () => {
    server.put('a', 1);
    const held = await watched();
    await held.stop();
    server.put('b', 2);
    held.put(server.put('c', 3));
    await sleep(30);
    expect(changes).toEqual(['added a - → 1']);
    expect(held.get('a')).toBe(1);
    expect(held.synced).toBe(false);
    expect((await failureOf(held.whenSynced(10, 'to plan'))).message).toBe('The cache of Gadgets was stopped (needed to plan)');
  });
});

describe('when the connection breaks', () => {
  test.each([
    ['between events', false],
    ['in the middle of a line', true],
  ])('%s, the watch continues from the last version without a new list', async (_when, midLine) => {
    const held = await watched();
    server.put('a', 1);
    await caughtUp(held);
    server.dropWatches(midLine);
    server.put('a', 2);
    expect(await caughtUp(held)).toBe(true);
    expect(held.state.listCount).toBe(1);
    expect(held.state.restarts).toBeGreaterThanOrEqual(1);
    expect(held.synced).toBe(true);
    expect(changes).toEqual(['added a - → 1', 'modified a 1 → 2']);
  });

  test('a watch that the server ends in good order goes on from where it was', async () => {
    const held = await watched();
    server.put('a', 1);
    server.endWatches();
    server.put('b', 2);
    expect(await caughtUp(held)).toBe(true);
    expect(held.state.listCount).toBe(1);
  });

  test('a silent connection is given up and opened again', async () => {
    server.next('watch', (response) => void response.writeHead(200).flushHeaders());
    const held = watch({ idleTimeoutMs: 50 });
    await held.whenSynced(5_000, 'for this test');
    server.put('a', 1);
    expect(await caughtUp(held)).toBe(true);
    expect(logger.lines.map(({ fields }) => (fields as { error?: string }).error)).toContain(
      'Failed to watch Gadget: the API server did not answer within 0.05 s.',
    );
  });

  test('a server that accepts the connection and never answers delays the cache, and no longer than the timeout', async () => {
    api = createHubApi({ kubeConfig: server.kubeConfig(), requestTimeoutMs: 60 });
    server.next('list', neverAnswer);
    server.next('watch', neverAnswer);
    server.put('a', 1);
    const held = await watched();
    expect(contentOf(held)).toEqual(serverContent());
  });

  test('the old content stays readable, synced ends after the grace time and returns with the server', async () => {
    server.put('a', 1);
    const held = await watched({ graceMs: 60 });
    let syncs = 0;
    held.onSync(() => (syncs += 1));
    server.always('watch', resetConnection);
    server.always('list', resetConnection);
    server.dropWatches();
    await sleep(25);
    expect(held.synced).toBe(true);
    expect(await eventually(() => !held.synced)).toBe(true);
    expect(held.get('a')).toBe(1);
    expect(held.state.lastError).toMatch(/^Failed to watch Gadget: no answer from the API server: /);
    const failure = await failureOf(held.whenSynced(20, 'to plan rollout 3'));
    expect(failure).toMatchObject({ kind: 'Unavailable' });
    expect(failure.message).toMatch(
      /^The cache of Gadgets was not in sync with the API server within 0\.02 s \(needed to plan rollout 3\)\. Last failure: Failed to watch Gadget: /,
    );
    server.recover();
    await held.whenSynced(5_000, 'for this test');
    expect(syncs).toBe(1);
    expect(held.state.lastError).toBeUndefined();
  });
});

describe('when the version is gone (410)', () => {
  test.each([
    ['at the start of a watch', () => server.dropWatches()],
    ['in the stream', () => server.sendError({ code: 410, reason: 'Expired', message: 'too old resource version' })],
  ])('%s, the list is read again and the differences are announced, deletions too', async (_when, breakIt) => {
    server.put('kept', 1);
    server.put('gone', 1);
    server.put('changed', 1);
    const held = await watched();
    changes.length = 0;
    server.always('watch', resetConnection);
    server.dropWatches();
    server.remove('gone');
    server.put('changed', 2);
    server.put('new', 1);
    server.compact();
    server.recover();
    breakIt();
    expect(await caughtUp(held)).toBe(true);
    expect(held.state.listCount).toBeGreaterThanOrEqual(2);
    expect([...changes].sort()).toEqual(['added new - → 1', 'deleted gone 1 → -', 'modified changed 1 → 2']);
  });

  test('a server that answers 410 to every watch is not hammered with lists', async () => {
    server.always('watch', answerStatus(410, { reason: 'Expired' }));
    const held = watch({ backoff: { baseMs: 40, maxMs: 1_000 } });
    await held.whenSynced(5_000, 'for this test');
    await sleep(300);
    expect(held.state.listCount).toBeGreaterThan(1);
    expect(held.state.listCount).toBeLessThan(8);
  });

  test('a list that expires between two pages begins again, and what vanished meanwhile is not kept', async () => {
    for (let i = 0; i < 4; i += 1) server.put(`g${i}`, i);
    server.next('list', (response) => {
      response.writeHead(200).end(
        JSON.stringify({
          metadata: { resourceVersion: String(server.version), continue: 'lost:2' },
          items: [{ metadata: { name: 'g0', uid: 'uid-1', resourceVersion: '101' }, value: 0 }],
        }),
      );
      server.remove('g0');
      server.compact();
    });
    const held = await watched({ pageSize: 1 });
    expect(contentOf(held)).toEqual(serverContent());
    expect(held.has('g0')).toBe(false);
    expect(changes).toContain('deleted g0 0 → -');
  });

  test('a server restored from a backup is believed although its versions are older', async () => {
    server.put('a', 1);
    for (let i = 0; i < 50; i += 1) server.put('b', i);
    const held = await watched();
    server.always('watch', answerStatus(504, { reason: 'Timeout', message: 'Too large resource version' }));
    server.dropWatches();
    server.put('b', 'restored');
    server.rewind(10);
    await eventually(() => held.get('b') === 'restored');
    server.recover();
    expect(await caughtUp(held)).toBe(true);
    server.put('b', 'later');
    expect(await caughtUp(held)).toBe(true);
    expect(held.get('b')).toBe('later');
  });
});

describe('when the server is in trouble', () => {
  test('500s on list and watch are outlived', async () => {
    server.next('list', answerStatus(500), answerStatus(503));
    server.next('watch', answerStatus(500), answerStatus(502));
    server.put('a', 1);
    const held = await watched();
    server.put('a', 2);
    expect(await caughtUp(held)).toBe(true);
  });

  test('a Retry-After on a watch is waited for', async () => {
    server.next('watch', answerStatus(429, { reason: 'TooManyRequests' }, { 'retry-after': '1' }));
    const begun = performance.now();
    await watched();
    expect(performance.now() - begun).toBeGreaterThan(950);
  });

  test('malformed lines never stop the cache, and after three without progress the list is read again', async () => {
    const held = await watched();
    for (let i = 0; i < 3; i += 1) {
      server.next('watch', (response) => {
        response.writeHead(200);
        response.end('{"type":"ADDED","object":\n');
      });
    }
    server.sendRaw('this is not JSON\n');
    expect(await eventually(() => held.state.listCount >= 2)).toBe(true);
    server.put('a', 1);
    expect(await caughtUp(held)).toBe(true);
  });

  test.each([
    '{"type":"NEWS","object":{"metadata":{}}}',
    '{"type":"ADDED","object":{"metadata":null}}',
    '{"type":"ADDED"}',
    'null',
    '[]',
    '7',
  ])('the line %s is refused and the next events arrive', async (text) => {
    const held = await watched();
    server.sendRaw(`${text}\n`);
    await sleep(10);
    server.put('a', 1);
    expect(await caughtUp(held)).toBe(true);
  });

  test('an event that comes twice is announced once', async () => {
    const held = await watched();
    server.put('a', 1);
    server.repeatLastEvent();
    server.put('b', 1);
    server.repeatLastEvent();
    await caughtUp(held);
    await sleep(10);
    expect(changes).toEqual(['added a - → 1', 'added b - → 1']);
  });

  test('a line cut into many chunks, within a letter too, is read whole', async () => {
    const held = await watched();
    const bytes = Buffer.from(
      `${JSON.stringify({ type: 'ADDED', object: { metadata: { name: 'a', uid: 'u', resourceVersion: '9000' }, value: 'Größe 🚀' } })}\n`,
    );
    for (const byte of bytes) {
      server.sendRaw(Buffer.from([byte]) as unknown as string);
      if (byte > 127) await sleep(1);
    }
    expect(await eventually(() => held.get('a') === 'Größe 🚀')).toBe(true);
  });
});

describe('when our own code throws', () => {
  test('a listener that throws is logged; the other listeners and the cache go on', async () => {
    const held = watch();
    const heard: string[] = [];
    held.onChange(() => {
      throw new Error('broken listener');
    });
    held.onChange((async () => {
      await sleep(1);
      throw new Error('broken async listener');
    }) as () => void);
    held.onChange(({ key }) => heard.push(key));
    await held.whenSynced(5_000, 'for this test');
    server.put('a', 1);
    server.put('b', 1);
    await caughtUp(held);
    await eventually(() => logger.lines.length >= 4);
    expect(heard).toEqual(['a', 'b']);
    expect(logger.lines.map(({ message }) => message)).toEqual(Array(4).fill('A listener of a watch cache threw; the cache goes on'));
    expect(held.state.restarts).toBe(0);
  });

  test('an object that the transform throws on is skipped and named in the log', async () => {
    server.put('bad', null);
    server.put('good', 'x');
    const held = await watched({ transform: (object) => (object['value'] as string).length });
    server.put('also-good', 'yy');
    expect(await eventually(() => held.size === 2)).toBe(true);
    expect([...held.entries()]).toEqual([
      ['good', 1],
      ['also-good', 2],
    ]);
    expect(logger.lines).toMatchObject([
      { level: 'error', message: 'An object was skipped: its view could not be made', fields: { kind: 'Gadget', object: 'bad' } },
    ]);
  });

  test('a listener that writes to the cache does not confuse the order for the others', async () => {
    const held = watch();
    held.onChange(({ type, key }) => {
      if (type === 'added' && key === 'a') held.forget('a');
    });
    const seen: string[] = [];
    held.onChange(({ type, key }) => seen.push(`${type} ${key}`));
    await held.whenSynced(5_000, 'for this test');
    server.put('a', 1);
    await eventually(() => seen.length === 2);
    expect(seen).toEqual(['added a', 'deleted a']);
  });

  test('a listener that was taken off is not called', async () => {
    const held = watch();
    const heard: string[] = [];
    const off = held.onChange(({ key }) => heard.push(key));
    await held.whenSynced(5_000, 'for this test');
    server.put('a', 1);
    await caughtUp(held);
    off();
    server.put('b', 1);
    await caughtUp(held);
    expect(heard).toEqual(['a']);
  });
});

describe('read your own writes', () => {
  test('what a write answered is there at once, announced, and not undone by older events', async () => {
    const held = await watched();
    const first = server.put('a', 1);
    const second = server.put('a', 2);
    held.put(second);
    expect(held.get('a')).toBe(2);
    held.put(first);
    expect(held.get('a')).toBe(2);
    server.put('end', 0);
    await caughtUp(held);
    expect(changes).toEqual(['added a - → 2', 'added end - → 0']);
  });

  test('silent writes are not announced', async () => {
    const held = await watched();
    held.put(server.put('a', 1), { silent: true });
    server.put('end', 0);
    await caughtUp(held);
    expect(changes).toEqual(['added end - → 0']);
    expect(held.get('a')).toBe(1);
  });

  test('the late answer to a write does not bring back what was deleted since', async () => {
    const held = await watched();
    const answer = server.put('a', 1);
    server.remove('a');
    server.put('end', 0);
    await caughtUp(held);
    held.put(answer);
    expect(held.has('a')).toBe(false);
  });

  test('what was forgotten stays away', async () => {
    server.put('a', 1);
    const held = await watched();
    held.forget('a');
    held.forget('a');
    server.remove('a');
    server.put('end', 0);
    await caughtUp(held);
    expect(changes).toEqual(['added a - → 1', 'deleted a 1 → -', 'added end - → 0']);
  });
});
