import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { removals } from '../../../activities/observe.js';
import { recentRemovals } from '../../../src/domain/fleet-summary.js';
import type { Fleet } from '../../../src/kube/index.js';
import type { WorkView } from '../../../src/domain/views.js';
import { aWork } from '../domain/builders.js';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `c${String(i).padStart(2, '0')}`);

/** A fleet of `published` ManifestWorks, of which the last `gone` stand on clusters that are not selected. */
function removing(published: number, gone: number, past: { recentlyRemoved?: number; heldRemoval?: string } = {}) {
  const clusters = names(published);
  const works = new Map<string, WorkView>(clusters.map((cluster) => [cluster, { ...aWork(), cluster }]));
  const fleet = { worksOf: () => works } as unknown as Fleet;
  return removals({ fleet, sha256 }, 'kmod', new Set(clusters.slice(0, published - gone)), past);
}

describe('removing many clusters', () => {
  test('at once is held from five on, when it is more than a fifth of the fleet', () => {
    expect(removing(22, 4).held).toBe(false);
    expect(removing(22, 5).held).toBe(true);
    expect(removing(25, 5).held).toBe(false);
    expect(removing(4, 4).held).toBe(false);
  });

  test('one after another is held all the same: what was removed within the hour counts', () => {
    expect(removing(18, 1, { recentlyRemoved: 4 })).toMatchObject({ count: 1, recent: 4, held: true });
    expect(removing(19, 1, { recentlyRemoved: 3 }).held).toBe(false);
  });

  test('is never held where nothing is to be removed', () => {
    expect(removing(10, 0, { recentlyRemoved: 9 }).held).toBe(false);
  });

  test('stays held when the hour is over and nobody has answered', () => {
    const { token } = removing(18, 1, { recentlyRemoved: 4 });
    expect(removing(18, 1, { recentlyRemoved: 0, heldRemoval: token }).held).toBe(true);
    expect(removing(18, 2, { recentlyRemoved: 0, heldRemoval: token }).held).toBe(false); // another set: judged anew
  });

  test('counts for an hour', () => {
    const past = [
      { atMs: 0, count: 3 },
      { atMs: 1_000, count: 2 },
    ];
    expect(recentRemovals(past, 60 * 60_000)).toEqual([{ atMs: 1_000, count: 2 }]);
  });
});
