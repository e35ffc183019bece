import { describe, expect, test } from '@jest/globals';
import { addTotals, judgeRollout, noTotals } from '../../../src/domain/rollout-outcome.js';
import { someTotals } from './builders.js';

describe('the outcome of a rollout', () => {
  test.each([
    [{ total: 10, loaded: 10 }, 0, 'Completed'],
    [{ total: 10, loaded: 9, failed: 1 }, 0, 'Failed'],
    [{ total: 10, loaded: 9, failed: 1 }, 1, 'Completed'],
    [{ total: 100, loaded: 95, failed: 5 }, '5%', 'Completed'],
    [{ total: 100, loaded: 94, failed: 6 }, '5%', 'Failed'],
    [{ total: 10, loaded: 9, failed: 1 }, '5%', 'Failed'],
    [{ total: 10, offline: 9, excluded: 1 }, 0, 'Completed'],
    [{}, 0, 'Completed'],
  ] as const)('of %j with maxFailures %s is %s', (totals, maxFailures, expected) => {
    expect(judgeRollout(someTotals(totals), maxFailures)).toBe(expected);
  });

  test('adds up over its waves, every number', () => {
    const one = someTotals({ total: 3, loaded: 1, failed: 1, offline: 1, written: 3 });
    expect(addTotals(one, someTotals({ total: 2, pending: 1, inFlight: 1, noNodes: 0, excluded: 0, written: 1 }))).toEqual(
      someTotals({ total: 5, pending: 1, inFlight: 1, loaded: 1, failed: 1, offline: 1, written: 4 }),
    );
    expect(addTotals(one, noTotals())).toEqual(one);
  });
});
