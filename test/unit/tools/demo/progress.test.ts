import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ClusterCounts, StatusException } from '../../../../src/api/index.js';
import { ChangeLog, progressBlock, progressLine, type Snapshot } from '../../../../tools/demo/progress.js';

const aSnapshot = (elapsedMs: number, clusters: ClusterCounts, exceptions: readonly StatusException[] = []): Snapshot => ({
  elapsedMs,
  expected: 21,
  status: { clusters: { selected: 24, ...clusters }, exceptions: [...exceptions] },
});

const UNSEEN: Snapshot = { elapsedMs: 0, expected: 21, status: undefined };
const OFFLINE: StatusException = { cluster: 'spoke-23', reason: 'ClusterUnavailable', message: 'Cluster spoke-23 has not been available.' };

describe('a line about the rollout', () => {
  test('says that the hub has not looked while there is no status', () => {
    expect(progressLine(UNSEEN)).toBe('The hub has not looked at the module yet.');
  });

  test('counts each cluster once, although the published of the status includes what came after', () => {
    const snapshot = aSnapshot(0, { published: 20, applied: 4, loading: 5, loaded: 8, pending: 1, offline: 2, excluded: 1 });
    expect(progressLine(snapshot)).toBe(
      '8 of 21 reachable clusters loaded; 5 loading, 4 applied, 3 published, 1 waiting, 2 offline, 1 excluded',
    );
  });

  test('tells clusters whose image is still being made from those that get nothing', () => {
    const missing = { reason: 'ImageMissing', message: 'kmodflow makes it.' };
    const snapshot = {
      ...aSnapshot(0, { offline: 2, excluded: 8, loaded: 14 }, [{ cluster: 'spoke-02', ...missing }, OFFLINE]),
      awaitingImage: 7,
    };
    expect(progressLine(snapshot)).toBe('14 of 21 reachable clusters loaded; 7 without an image, 2 offline, 1 excluded');
    expect(new ChangeLog().next(snapshot).join('\n')).not.toContain('ImageMissing');
    expect(new ChangeLog().next(snapshot).join('\n')).toContain('spoke-23');
  });

  test('names failed clusters and those without matching nodes', () => {
    expect(progressLine(aSnapshot(0, { published: 21, loaded: 19, failed: 1, noNodes: 1 }))).toBe(
      '19 of 21 reachable clusters loaded; 1 no matching nodes, 1 failed',
    );
  });
});

describe('the block of a terminal', () => {
  test('has a bar for the whole, a row for each state on the way, and the exceptions', () => {
    const snapshot = aSnapshot(7_900, { published: 21, loading: 11, loaded: 10, offline: 2 }, [OFFLINE]);
    expect(progressBlock(snapshot, 70)).toEqual([
      '  ███████████░░░░░░░░░░░░░  10 of 21 reachable clusters loaded, 7 s',
      '  waiting               0',
      '  published             0',
      '  applied               0',
      '  loading              11  ███████████',
      '  loaded               10  ██████████',
      '  offline               2  ██',
      '  spoke-23  ClusterUnavailable: Cluster spoke-23 has not been availa…',
    ]);
  });

  test('is full only when every cluster is loaded', () => {
    expect(progressBlock(aSnapshot(0, { loaded: 20, published: 20 }), 100)[0]).toContain('░');
    expect(progressBlock(aSnapshot(0, { loaded: 21, published: 21 }), 100)[0]).not.toContain('░');
  });

  test('names six exceptions and counts the rest', () => {
    const exceptions = Array.from({ length: 9 }, () => OFFLINE);
    expect(progressBlock(aSnapshot(0, {}, exceptions), 100).at(-1)).toBe('  and 3 more');
  });

  test('never has a line wider than the terminal, which would break the redrawing', () => {
    const state = fc.integer({ min: 0, max: 5_000 });
    const counts = fc.record({ selected: state, published: state, applied: state, loading: state, loaded: state, offline: state });
    const exception = fc.record({ cluster: fc.string(), reason: fc.string(), message: fc.string({ maxLength: 300 }) });
    fc.assert(
      fc.property(counts, fc.array(exception, { maxLength: 8 }), fc.integer({ min: 21, max: 250 }), (clusters, exceptions, columns) => {
        for (const line of progressBlock(aSnapshot(0, clusters, exceptions), columns)) expect(line.length).toBeLessThan(columns);
      }),
    );
  });
});

describe('the log of a pipe', () => {
  test('has one line per change, and each exception once', () => {
    const log = new ChangeLog();
    expect(log.next(UNSEEN)).toEqual(['    0 s  The hub has not looked at the module yet.']);
    expect(log.next(aSnapshot(1_200, { pending: 21 }, [OFFLINE]))).toEqual([
      '    1 s  0 of 21 reachable clusters loaded; 21 waiting',
      '         spoke-23  ClusterUnavailable: Cluster spoke-23 has not been available.',
    ]);
    expect(log.next(aSnapshot(2_400, { pending: 21 }, [OFFLINE]))).toEqual([]);
    expect(log.next(aSnapshot(3_600, { loading: 21, published: 21 }, [OFFLINE]))).toEqual([
      '    3 s  0 of 21 reachable clusters loaded; 21 loading',
    ]);
  });

  test('tells at most one change a second, the latest one, and the last one at the end', () => {
    const log = new ChangeLog();
    log.next(aSnapshot(0, { pending: 21 }));
    expect(log.next(aSnapshot(400, { pending: 11, loading: 10, published: 10 }))).toEqual([]);
    expect(log.next(aSnapshot(800, { pending: 1, loading: 20, published: 20 }))).toEqual([]);
    expect(log.next(aSnapshot(1_200, { loading: 21, published: 21 }))).toEqual(['    1 s  0 of 21 reachable clusters loaded; 21 loading']);
    expect(log.next(aSnapshot(1_600, { loaded: 21, published: 21 }))).toEqual([]);
    expect(log.rest()).toEqual(['    1 s  21 of 21 reachable clusters loaded']);
    expect(log.rest()).toEqual([]);
  });
});
