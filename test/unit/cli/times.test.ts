import { describe, expect, test } from '@jest/globals';
import { ago, span, took } from '../../../src/cli/times.js';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

test.each([
  [0, '0s'],
  [-5 * SECOND, '0s'],
  [499, '0s'],
  [59 * SECOND, '59s'],
  [60 * SECOND, '1m'],
  [179 * SECOND, '2m'],
  [HOUR, '1h'],
  [2 * HOUR + 10 * 60 * SECOND, '2h10m'],
  [11 * HOUR + 10 * 60 * SECOND, '11h'],
  [49 * HOUR, '2d'],
])('%d ms read as %s', (ms, text) => {
  expect(span(ms)).toBe(text);
});

describe('a moment', () => {
  const now = Date.parse('2026-01-01T01:00:00Z');

  test('is told by how long ago it was', () => {
    expect(ago('2026-01-01T00:57:00Z', now)).toBe('3m ago');
  });

  test('that is not known is an empty cell, and one that cannot be read is shown as it is', () => {
    expect([ago(undefined, now), ago('', now), ago('yesterday', now)]).toEqual(['', '', 'yesterday']);
  });
});

test('how long a rollout took is empty while one end is not known', () => {
  expect([took('2026-01-01T00:00:00Z', '2026-01-01T00:00:42Z'), took('', '2026-01-01T00:00:42Z')]).toEqual(['42s', '']);
});
