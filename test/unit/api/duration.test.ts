import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Duration, Interval, parseDuration } from '../../../src/api/index.js';

describe('parseDuration', () => {
  test.each([
    ['90s', 90_000],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['500ms', 500],
    ['1m0.5s', 60_500],
    ['0s', 0],
  ])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each(['', '10', '10 m', '-1m', '1d', '1h 30m', 'm', '1.m', '.5s', '10M', 'PT10M'])(
    '"%s" is refused with what would be right',
    (text) => {
      expect(() => parseDuration(text)).toThrow(`"${text}" is not a duration. Write a number and a unit, such as "90s", "10m" or "1h30m".`);
    },
  );

  test('hours, minutes, seconds and milliseconds add up, whatever their order', () => {
    const units = fc.constantFrom(['h', 3_600_000] as const, ['m', 60_000] as const, ['s', 1_000] as const, ['ms', 1] as const);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(500), units), { minLength: 1, maxLength: 8 }), (parts) => {
        const text = parts.map(([amount, [unit]]) => `${amount}${unit}`).join('');
        expect(parseDuration(text)).toBe(parts.reduce((sum, [amount, [, ms]]) => sum + amount * ms, 0));
      }),
    );
  });

  test('a long run of digits is answered at once', () => {
    expect(() => parseDuration('1'.repeat(100_000))).toThrow(RangeError);
  });
});

test('a field takes a year at most, so that a slip cannot outlive everybody', () => {
  expect(Duration.safeParse('8760h').success).toBe(true);
  expect(Duration.safeParse('8761h').error?.issues.map((issue) => issue.message)).toEqual(['a duration of at most "8760h" (a year)']);
});

test('a text of many parts is refused and does not throw', () => {
  expect(Interval.safeParse('1h'.repeat(40)).error?.issues.map((issue) => issue.message)).toEqual([
    'a duration of at most "8760h" (a year)',
  ]);
});

test('an interval is at least a second, since a shorter one would be a busy loop', () => {
  expect(Interval.safeParse('1s').success).toBe(true);
  expect(Interval.safeParse('999ms').error?.issues.map((issue) => issue.message)).toEqual(['a duration of at least "1s"']);
  expect(Interval.safeParse('soon').error?.issues.map((issue) => issue.message)).toEqual(['a duration such as "90s", "10m" or "1h30m"']);
});
