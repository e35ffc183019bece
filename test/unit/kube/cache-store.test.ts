import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CacheStore, type CacheChange } from '../../../src/kube/cache-store.js';
import { compareResourceVersions } from '../../../src/kube/resource-version.js';
import type { KubernetesObject } from '../../../src/kube/index.js';

interface Happening {
  readonly type: 'write' | 'delete';
  readonly key: string;
  readonly object: KubernetesObject;
}

/** Plays writes and deletions on a server; a deletion of what is not there does nothing. */
function playServer(steps: readonly { readonly key: string; readonly remove: boolean }[]): {
  history: Happening[];
  content: Map<string, number>;
} {
  const live = new Map<string, KubernetesObject>();
  const history: Happening[] = [];
  let version = 10;
  for (const { key, remove } of steps) {
    const before = live.get(key);
    if (remove && before === undefined) continue;
    version += 1;
    const uid = before?.metadata.uid ?? `uid-${version}`;
    const object = { apiVersion: 'v1', kind: 'Gadget', metadata: { name: key, uid, resourceVersion: String(version) }, value: version };
    history.push({ type: remove ? 'delete' : 'write', key, object });
    if (remove) live.delete(key);
    else live.set(key, object);
  }
  return { history, content: new Map([...live].map(([key, object]) => [key, object['value'] as number])) };
}

function newStore(): { store: CacheStore<number>; changes: CacheChange<number>[] } {
  const changes: CacheChange<number>[] = [];
  const store = new CacheStore<number>({
    transform: (object) => object['value'] as number,
    emit: (change) => changes.push(change),
    onBadObject: (_object, error) => {
      throw error;
    },
  });
  return { store, changes };
}

/** What somebody who only hears the changes believes; throws when a change does not follow from the one before. */
function replay(changes: readonly CacheChange<number>[]): Map<string, number> {
  const believed = new Map<string, number>();
  for (const { type, key, before, after } of changes) {
    expect(before).toBe(believed.get(key));
    if (type === 'added') expect(before).toBeUndefined();
    if (type === 'deleted') believed.delete(key);
    else believed.set(key, after as number);
  }
  return believed;
}

const sorted = <V>(map: Iterable<[string, V]>): [string, V][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

const someSteps = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), remove: fc.boolean() }), { maxLength: 30 });
/** For each write: at which moment its answer reaches us, in events of the watch; undefined: it was somebody else's write. */
const someDelays = fc.array(fc.option(fc.integer({ min: -5, max: 10 }), { nil: undefined }), { minLength: 30, maxLength: 30 });

describe('the content of a watch cache', () => {
  test('equals the server however late or early the answers to writes come, and the changes tell the same story', () => {
    fc.assert(
      fc.property(someSteps, someDelays, fc.nat({ max: 30 }), (steps, delays, listedAfter) => {
        const { history, content } = playServer(steps);
        const { store, changes } = newStore();
        const listed = Math.min(listedAfter, history.length);
        const answersAt = (moment: number): Happening[] =>
          history.filter(({ type }, i) => type === 'write' && delays[i] !== undefined && Math.max(-1, i + delays[i]) === moment);
        const answer = (moment: number): void => answersAt(moment).forEach(({ object }) => store.put(object, false));

        // The list shows the state after `listed` happenings; answers up to then may come before it.
        for (let moment = -1; moment < listed; moment += 1) answer(moment);
        const snapshot = playServer(steps).history.slice(0, listed);
        const live = new Map<string, KubernetesObject>();
        for (const { type, key, object } of snapshot) {
          if (type === 'write') live.set(key, object);
          else live.delete(key);
        }
        const version = String(10 + listed);
        const replacement = store.beginReplace();
        replacement.page([...live.values()], version, false);
        replacement.finish(version);
        for (let moment = listed; moment < history.length; moment += 1) {
          const { type, object } = history[moment] as Happening;
          if (type === 'write') store.upsertFromWatch(object);
          else store.deleteFromWatch(object);
          answer(moment);
        }
        for (let moment = history.length; moment < history.length + 11; moment += 1) answer(moment);

        expect(sorted(store.entries())).toEqual(sorted(content));
        expect(sorted(replay(changes))).toEqual(sorted(content));
      }),
      { numRuns: 500 },
    );
  });

  test('never shows an older version of an object after a newer one', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ version: fc.integer({ min: 1, max: 40 }), own: fc.boolean() }), { maxLength: 40 }), (arrivals) => {
        const { store } = newStore();
        let newest = 0;
        for (const { version, own } of arrivals) {
          const object = {
            apiVersion: 'v1',
            kind: 'Gadget',
            metadata: { name: 'a', uid: 'u', resourceVersion: String(version) },
            value: version,
          };
          if (own) store.put(object, false);
          else store.upsertFromWatch(object);
          const shown = store.get('a') ?? 0;
          expect(shown).toBeGreaterThanOrEqual(newest);
          newest = shown;
        }
      }),
    );
  });

  test('a write that is newer than the list survives it, an older one that the list lacks does not', () => {
    const { store, changes } = newStore();
    const at = (name: string, version: number): KubernetesObject => ({
      apiVersion: 'v1',
      kind: 'Gadget',
      metadata: { name, uid: name, resourceVersion: String(version) },
      value: version,
    });
    store.put(at('older', 5), false);
    store.put(at('newer', 15), false);
    const replacement = store.beginReplace();
    replacement.page([at('listed', 7)], '10', false);
    replacement.finish('10');
    expect(sorted(store.entries())).toEqual([
      ['listed', 7],
      ['newer', 15],
    ]);
    expect(changes.map(({ type, key }) => `${type} ${key}`)).toEqual(['added older', 'added newer', 'added listed', 'deleted older']);
  });

  test('a deletion that is older than what we wrote does not take our object away', () => {
    const { store, changes } = newStore();
    const at = (uid: string, version: string): KubernetesObject => ({
      apiVersion: 'v1',
      kind: 'Gadget',
      metadata: { name: 'a', uid, resourceVersion: version },
      value: Number(version),
    });
    store.upsertFromWatch(at('first', '5'));
    store.put(at('second', '8'), false);
    store.deleteFromWatch(at('first', '7'));
    expect(store.get('a')).toBe(8);
    store.deleteFromWatch(at('second', '9'));
    expect(changes.map(({ type, before, after }) => [type, before, after])).toEqual([
      ['added', undefined, 5],
      ['deleted', 5, undefined],
      ['added', undefined, 8],
      ['deleted', 8, undefined],
    ]);
  });

  test('versions that are not numbers are believed in the order of their arrival', () => {
    const { store } = newStore();
    const at = (version: string, value: number): KubernetesObject => ({
      apiVersion: 'v1',
      kind: 'Gadget',
      metadata: { name: 'a', uid: 'u', resourceVersion: version },
      value,
    });
    store.upsertFromWatch(at('etag-b', 1));
    store.upsertFromWatch(at('etag-a', 2));
    expect(store.get('a')).toBe(2);
    store.deleteFromWatch(at('etag-0', 2));
    expect(store.has('a')).toBe(false);
  });
});

describe('the order of resource versions', () => {
  test('is that of the numbers, of any length', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 1n << 80n }), fc.bigInt({ min: 0n, max: 1n << 80n }), (a, b) => {
        expect(Math.sign(compareResourceVersions(String(a), String(b)) ?? NaN)).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });

  test.each([
    ['', '1'],
    ['1', 'abc'],
    ['01', '1'],
    ['-1', '1'],
  ])('of %j and %j cannot be told', (a, b) => expect(compareResourceVersions(a, b)).toBeUndefined());
});
