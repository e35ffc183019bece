import { describe, expect, test } from '@jest/globals';
import type { Assessment } from '../../../src/domain/assess-cluster.js';
import { changesInMs } from '../../../src/domain/next-change.js';
import { aClock, aWork, MINUTE, PATIENCE, PUBLISHED_MS } from './builders.js';

const assessment = (state: Assessment['state'], final = false): Assessment => ({
  cluster: 'spoke-1',
  state,
  behind: false,
  final,
  problem: undefined,
});
/** Published ten minutes ago; settles for two, and may take thirty. */
const look = (state: Assessment['state'], clock = {}, final = false) =>
  changesInMs(aWork(), assessment(state, final), PATIENCE, aClock({ heldSinceMs: undefined, ...clock }));

describe('when time alone changes where a cluster stands', () => {
  test('a cluster whose loading holds settles before its deadline', () => {
    expect(look('Loading', { heldSinceMs: PUBLISHED_MS + 9 * MINUTE })).toBe(MINUTE);
  });

  test.each(['Publishing', 'Applied', 'Loading', 'Failed'] as const)(
    'a cluster that is %s and may still load waits for its deadline',
    (state) => {
      expect(look(state)).toBe(20 * MINUTE);
    },
  );

  test('the deadline counts from the return of a cluster that was offline', () => {
    expect(look('Loading', { availableSinceMs: PUBLISHED_MS + 8 * MINUTE })).toBe(28 * MINUTE);
  });

  test('nothing changes once it has an outcome, has nothing published, or its deadline has passed', () => {
    expect(look('Loaded')).toBeUndefined();
    expect(look('Failed', {}, true)).toBeUndefined();
    expect(look('Loading', { nowMs: PUBLISHED_MS + 31 * MINUTE })).toBeUndefined();
    expect(changesInMs(undefined, assessment('Pending'), PATIENCE, aClock())).toBeUndefined();
  });
});
