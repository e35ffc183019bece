import { describe, expect, test } from '@jest/globals';
import type { Assessment } from '../../../src/domain/assess-cluster.js';
import type { ClusterState } from '../../../src/domain/cluster-state.js';
import { emptyFleet, EXCEPTIONS_SHOWN, isMassRemoval, summarizeFleet, type Exception } from '../../../src/domain/fleet-summary.js';

const assessed = (cluster: string, state: ClusterState, more: Partial<Assessment> = {}): Assessment => ({
  cluster,
  state,
  behind: false,
  final: true,
  problem: undefined,
  ...more,
});
const trouble = (reason: Exception['reason']) => ({ problem: { reason, message: `${reason}.` } });

describe('a removal of many clusters at once', () => {
  test.each([
    [4, 4, false],
    [5, 5, true],
    [5, 24, true],
    [5, 25, false],
    [6, 25, true],
    [20, 100, false],
    [21, 100, true],
    [1_000, 5_000, false],
    [1_001, 5_000, true],
    [0, 0, false],
  ])('%i of %i: needs a person is %s', (count, published, expected) => {
    expect(isMassRemoval(count, published)).toBe(expected);
  });
});

describe('the fleet in numbers', () => {
  test('counts each cluster in its state, and those that the hub should write', () => {
    const fleet = summarizeFleet(
      [assessed('a', 'Loaded'), assessed('b', 'Pending', { behind: true }), assessed('c', 'Offline', trouble('ClusterUnavailable'))],
      2,
    );
    expect(fleet).toEqual({
      ...emptyFleet(),
      selected: 3,
      published: 2,
      behind: 1,
      states: { ...emptyFleet().states, Loaded: 1, Pending: 1, Offline: 1 },
      exceptions: [{ cluster: 'c', state: 'Offline', reason: 'ClusterUnavailable', message: 'ClusterUnavailable.' }],
      exceptionCount: 1,
    });
  });

  test('shows what concerns everybody first, then failures, exclusions, offline clusters and the rest, each by name', () => {
    const fleet = summarizeFleet(
      [
        assessed('z', 'Loaded', trouble('NodeFailed')),
        assessed('o', 'Offline', trouble('ClusterUnavailable')),
        assessed('e2', 'Excluded', trouble('NoKernelClaim')),
        assessed('e1', 'Excluded', trouble('NoMatchingMapping')),
        assessed('f', 'Failed', trouble('LoadTimeout')),
      ],
      5,
      [{ kernel: '6.1', reason: 'ImageMissing', message: 'No image.' }],
    );
    expect(fleet.exceptions.map((e) => e.cluster ?? e.kernel)).toEqual(['6.1', 'f', 'e1', 'e2', 'o', 'z']);
  });

  test('shows a bounded sample and the number of all, whatever the size of the fleet', () => {
    const fleet = summarizeFleet(
      Array.from({ length: 5_000 }, (_, i) => assessed(`c${String(i).padStart(4, '0')}`, 'Offline', trouble('ClusterUnavailable'))),
      5_000,
    );
    expect(fleet.exceptions).toHaveLength(EXCEPTIONS_SHOWN);
    expect(fleet.exceptions.at(-1)?.cluster).toBe('c0019');
    expect(fleet).toMatchObject({ exceptionCount: 5_000, selected: 5_000 });
  });
});
