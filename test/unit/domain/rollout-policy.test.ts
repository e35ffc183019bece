import { describe, expect, test } from '@jest/globals';
import { effectivePolicy } from '../../../src/domain/rollout-policy.js';
import { concurrencyOf, countOf } from '../../../src/domain/rollout-arithmetic.js';

describe('a rollout policy', () => {
  test('that says nothing serves all at once, bears no failure and waits half an hour', () => {
    expect(effectivePolicy(undefined, 120_000)).toEqual({
      maxConcurrent: undefined,
      maxFailures: 0,
      paused: false,
      settleMs: 120_000,
      progressDeadlineMs: 1_800_000,
    });
  });

  test('that says everything is taken at its word', () => {
    expect(
      effectivePolicy({ maxConcurrent: '25%', maxFailures: '5%', paused: true, settle: '3s', progressDeadline: '1h30m' }, 120_000),
    ).toEqual({ maxConcurrent: '25%', maxFailures: '5%', paused: true, settleMs: 3_000, progressDeadlineMs: 5_400_000 });
  });

  test.each([
    [0, 100, 0],
    [3, 2, 3],
    ['5%', 100, 5],
    ['5%', 19, 0],
    ['29%', 100, 29],
    ['100%', 7, 7],
    ['0%', 7, 0],
  ])('%s of %i clusters is %i: a share is rounded down, never more than asked for', (value, total, expected) => {
    expect(countOf(value, total)).toBe(expected);
  });

  test.each([
    [undefined, 500, 500],
    [undefined, 0, 1],
    ['1%', 5, 1],
    ['25%', 10, 2],
    [50, 10, 50],
  ])('maxConcurrent %s with %i clusters lets %i go at once, at least one', (value, total, expected) => {
    expect(concurrencyOf(value, total)).toBe(expected);
  });
});
