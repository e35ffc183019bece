import { describe, expect, test } from '@jest/globals';
import type { Assessment, Clock } from '../../../src/domain/assess-cluster.js';
import { changesInMs } from '../../../src/domain/next-change.js';
import { aClock, aWork, MINUTE, PATIENCE, PUBLISHED_MS } from './builders.js';

const assessed = (state: Assessment['state'], final = false): Assessment => ({
  cluster: 'spoke-1',
  state,
  behind: false,
  final,
  problem: undefined,
});

describe('when time alone changes where a cluster stands', () => {
  test.each<[string, Assessment, Partial<Clock>, number | undefined]>([
    ['an unproven cluster: its deadline', assessed('Publishing'), { heldSinceMs: undefined }, 20 * MINUTE],
    ['a cluster that settles: the end of the settle time', assessed('Loading'), { heldSinceMs: PUBLISHED_MS + 9 * MINUTE }, MINUTE],
    [
      'a cluster that came back: its own deadline',
      assessed('Applied'),
      { heldSinceMs: undefined, availableSinceMs: PUBLISHED_MS + 5 * MINUTE },
      25 * MINUTE,
    ],
    ['a failed apply that may still pass: its deadline', assessed('Failed'), { heldSinceMs: undefined }, 20 * MINUTE],
    ['a failure that is final', assessed('Failed', true), { heldSinceMs: undefined }, undefined],
    ['a loaded cluster', assessed('Loaded', true), {}, undefined],
    ['an offline cluster', assessed('Offline', true), {}, undefined],
    ['a deadline that has passed', assessed('Loading'), { nowMs: PUBLISHED_MS + 31 * MINUTE, heldSinceMs: undefined }, undefined],
  ])('%s', (_what, assessment, clock, expected) => {
    expect(changesInMs(aWork(), assessment, PATIENCE, aClock(clock))).toBe(expected);
  });

  test('never without a ManifestWork', () => {
    expect(changesInMs(undefined, assessed('Publishing'), PATIENCE, aClock())).toBeUndefined();
  });
});
