import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  emptyQueue,
  enqueue,
  hold,
  inTurn,
  isEmpty,
  leave,
  nextGrants,
  viewQueue,
  type QueueRequest,
  type QueueState,
} from '../../../src/domain/build-queue.js';

const NOW = '2026-01-02T03:04:05.000Z';
const request = (id: string, ...modules: string[]): QueueRequest => ({ workflowId: id, modules, key: `key-${id}`, title: `image ${id}` });
const ask = (state: QueueState, id: string, modules: readonly string[], capacity: number): QueueState =>
  enqueue(state, { ...request(id, ...modules), capacity }, NOW);
const queueOf = (capacity: number, entries: readonly (readonly [id: string, ...modules: string[]])[]): QueueState =>
  entries.reduce((state, [id, ...modules]) => ask(state, id, modules, capacity), emptyQueue());
const grantAll = (state: QueueState): QueueState => nextGrants(state).reduce((s, id) => hold(s, id, NOW), state);
const runningIds = (state: QueueState): string[] => state.running.map((e) => e.workflowId);

describe('who gets a slot', () => {
  test('is who came first, within a module', () => {
    expect(
      nextGrants(
        queueOf(2, [
          ['a1', 'a'],
          ['a2', 'a'],
          ['a3', 'a'],
        ]),
      ),
    ).toEqual(['a1', 'a2']);
  });

  test('is the module with the fewest slots, across modules', () => {
    expect(
      nextGrants(
        queueOf(2, [
          ['a1', 'a'],
          ['a2', 'a'],
          ['b1', 'b'],
        ]),
      ),
    ).toEqual(['a1', 'b1']);
  });

  test('is, of modules with as many slots, the one that was served longest ago', () => {
    let state = grantAll(
      queueOf(1, [
        ['a1', 'a'],
        ['b1', 'b'],
        ['a2', 'a'],
        ['b2', 'b'],
        ['c1', 'c'],
      ]),
    );
    const order = [];
    while (!isEmpty(state)) {
      const [id = ''] = runningIds(state);
      order.push(id);
      state = grantAll(leave(state, id));
    }
    expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2']);
  });

  test('is, for an image that two modules share, decided by the better place of the two', () => {
    const state = queueOf(1, [
      ['a1', 'a'],
      ['a2', 'a'],
      ['shared', 'a', 'b'],
    ]);
    expect(nextGrants(leave(grantAll(state), 'a1'))).toEqual(['shared']);
    expect(grantAll(leave(grantAll(state), 'a1')).running[0]?.chargedTo).toBe('b');
  });

  test('is nobody while no slot is free, also when a Job that ran already took more than there are', () => {
    const state = hold(
      grantAll(
        queueOf(1, [
          ['a1', 'a'],
          ['b1', 'b'],
          ['c1', 'c'],
        ]),
      ),
      'b1',
      NOW,
    );
    expect(runningIds(state)).toEqual(['a1', 'b1']);
    expect(nextGrants(state)).toEqual([]);
    expect(nextGrants(leave(state, 'a1'))).toEqual([]);
    expect(nextGrants(leave(leave(state, 'a1'), 'b1'))).toEqual(['c1']);
  });
});

describe('an entry', () => {
  test('that is told again is brought up to date and keeps its place', () => {
    const state = ask(
      queueOf(1, [
        ['a1', 'a'],
        ['b1', 'b'],
        ['c1', 'c'],
      ]),
      'b1',
      ['b', 'd'],
      3,
    );
    expect(state.capacity).toBe(3);
    expect(state.waiting.map((e) => [e.workflowId, e.arrival, e.modules])).toEqual([
      ['a1', 1, ['a']],
      ['b1', 2, ['b', 'd']],
      ['c1', 3, ['c']],
    ]);
  });

  test('that runs and is told again does not wait once more', () => {
    const state = ask(grantAll(queueOf(1, [['a1', 'a']])), 'a1', ['a'], 1);
    expect(state.waiting).toEqual([]);
    expect(runningIds(state)).toEqual(['a1']);
  });

  test('that is not in the queue can neither leave nor hold', () => {
    const state = queueOf(1, [['a1', 'a']]);
    expect(leave(state, 'other')).toEqual(state);
    expect(hold(state, 'other', NOW)).toBe(state);
  });

  test.each([
    [0, 1],
    [-3, 1],
    [2.7, 2],
    [Number.NaN, 1],
  ])('that tells a capacity of %d leaves %d slots', (told, slots) => {
    expect(ask(emptyQueue(), 'a1', ['a'], told).capacity).toBe(slots);
  });
});

test('people see the waiting in the order in which they get a slot', () => {
  const state = grantAll(
    queueOf(1, [
      ['a1', 'a'],
      ['a2', 'a'],
      ['a3', 'a'],
      ['b1', 'b'],
    ]),
  );
  expect(viewQueue(state)).toEqual({
    capacity: 1,
    running: [{ ...request('a1', 'a'), since: NOW }],
    waiting: [
      { ...request('b1', 'b'), since: NOW, position: 1 },
      { ...request('a2', 'a'), since: NOW, position: 2 },
      { ...request('a3', 'a'), since: NOW, position: 3 },
    ],
  });
});

/** What happens to a queue: somebody comes for some modules, or the n-th of those that run ends, or the n-th that wait gives up. */
type Happening = { readonly comes: readonly string[] } | { readonly ends: number } | { readonly givesUp: number };
const aModule = fc.constantFrom('a', 'b', 'c', 'd');
const aHappening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ comes: fc.uniqueArray(aModule, { minLength: 1, maxLength: 3 }) }),
  fc.record({ ends: fc.nat(9) }),
  fc.record({ givesUp: fc.nat(30) }),
);
const aHistory = fc.array(aHappening, { maxLength: 60 });

/** Plays a history: after every happening what can be granted is granted. */
function play(happenings: readonly Happening[], capacity: number, see: (state: QueueState) => void = () => undefined): QueueState {
  let state = emptyQueue();
  happenings.forEach((happening, i) => {
    if ('comes' in happening) state = ask(state, `e${i}`, happening.comes, capacity);
    else {
      const [among, n] = 'ends' in happening ? [state.running, happening.ends] : [state.waiting, happening.givesUp];
      const entry = among[n % Math.max(1, among.length)];
      if (entry !== undefined) state = leave(state, entry.workflowId);
    }
    state = grantAll(state);
    see(state);
  });
  return state;
}

const someSlots = fc.integer({ min: 1, max: 5 });

describe('whatever happens', () => {
  test('never more run than there are slots, and no slot is free while somebody waits', () => {
    fc.assert(
      fc.property(aHistory, someSlots, (happenings, capacity) => {
        play(happenings, capacity, (state) => {
          expect(state.running.length).toBeLessThanOrEqual(capacity);
          if (state.waiting.length > 0) expect(state.running).toHaveLength(capacity);
          const ids = [...state.running, ...state.waiting].map((e) => e.workflowId);
          expect(new Set(ids).size).toBe(ids.length);
        });
      }),
    );
  });

  test('everybody who waits is served, after no more ends than there are entries', () => {
    fc.assert(
      fc.property(aHistory, someSlots, fc.array(fc.nat(9)), (happenings, capacity, picks) => {
        let state = play(happenings, capacity);
        let left = state.running.length + state.waiting.length;
        for (let i = 0; left > 0; i += 1, left -= 1) {
          const ended = state.running[(picks[i] ?? 0) % state.running.length];
          state = grantAll(leave(state, ended?.workflowId ?? ''));
        }
        expect(isEmpty(state)).toBe(true);
      }),
    );
  });

  test('a newcomer is served before any module that waits too is served twice', () => {
    // Bound: with m other modules that wait, at most m builds end before the one whose slot it gets.
    fc.assert(
      fc.property(aHistory, someSlots, fc.array(fc.nat(9), { minLength: 20, maxLength: 20 }), (happenings, capacity, picks) => {
        let state = ask(play(happenings, capacity), 'late', ['late'], capacity);
        const others = new Set(state.waiting.flatMap((e) => e.modules));
        const before = state.turns;
        let ends = 0;
        state = grantAll(state);
        while (!runningIds(state).includes('late')) {
          const ended = state.running[(picks[ends] ?? 0) % state.running.length];
          state = grantAll(leave(state, ended?.workflowId ?? ''));
          ends += 1;
          expect(ends).toBeLessThanOrEqual(others.size);
        }
        expect(state.turns - before).toBeLessThanOrEqual(others.size);
      }),
    );
  });

  test('one image of a module waits for at most one build to end, whatever forty of one other module ask for', () => {
    fc.assert(
      fc.property(someSlots, fc.nat(60), fc.array(fc.nat(9), { minLength: 60, maxLength: 60 }), (capacity, endsBefore, picks) => {
        let state = grantAll(
          queueOf(
            capacity,
            Array.from({ length: 40 }, (_, i) => [`many-${i}`, 'many'] as const),
          ),
        );
        for (let i = 0; i < Math.min(endsBefore, 40 - capacity - 1); i += 1)
          state = grantAll(leave(state, state.running[(picks[i] ?? 0) % state.running.length]?.workflowId ?? ''));
        expect(state.waiting.length).toBeGreaterThan(0);
        state = grantAll(ask(state, 'single', ['few'], capacity));
        expect(runningIds(state)).not.toContain('single');
        state = grantAll(leave(state, state.running[(picks[59] ?? 0) % state.running.length]?.workflowId ?? ''));
        expect(runningIds(state)).toContain('single');
      }),
    );
  });

  test('nobody overtakes an entry of the same modules', () => {
    fc.assert(
      fc.property(aHistory, someSlots, (happenings, capacity) => {
        play(happenings, capacity, (state) => {
          for (const entry of state.waiting) {
            const later = state.running.filter((r) => r.arrival > entry.arrival && r.modules.join() === entry.modules.join());
            expect(later).toEqual([]);
          }
        });
      }),
    );
  });

  test('the order that people see is the order in which slots are given when nobody else comes', () => {
    fc.assert(
      fc.property(aHistory, (happenings) => {
        const state = play(happenings, 1);
        const [next] = inTurn({ ...state, running: [] });
        const [running] = state.running;
        if (running !== undefined) expect(nextGrants(leave(state, running.workflowId))[0]).toBe(next);
      }),
    );
  });
});
