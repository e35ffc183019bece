import { expect, test } from '@jest/globals';
import { retryAfterMs } from '../../../src/registry/retry.js';

const now = Date.parse('2026-03-01T12:00:00Z');

test.each([
  ['seconds', '7', 7_000],
  ['a date', 'Sun, 01 Mar 2026 12:00:30 GMT', 30_000],
  ['a date that has passed', 'Sun, 01 Mar 2026 11:00:00 GMT', 0],
  ['more than an hour, which is cut to one', '999999', 3_600_000],
  ['rubbish', 'soon', undefined],
  ['nothing', undefined, undefined],
])('Retry-After with %s', (_, header, expected) => {
  expect(retryAfterMs(header, now)).toBe(expected);
});
