import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FULL_TAIL, logTail, printable } from '../../../src/domain/log-tail.js';

describe('the end of a log', () => {
  test('is the whole log where that fits', () => {
    expect(logTail(['one', 'two'], FULL_TAIL)).toEqual(['one', 'two']);
    expect(logTail([], FULL_TAIL)).toEqual([]);
  });

  test('has the last fifty lines of a long one', () => {
    const log = Array.from({ length: 200 }, (_, i) => `line ${i}`);
    expect(logTail(log, FULL_TAIL)).toEqual(log.slice(150));
  });

  test('keeps whole lines, and line breaks count', () => {
    expect(logTail(['aaaa', 'bbbb', 'cccc'], { lines: 50, chars: 9 })).toEqual(['bbbb', 'cccc']);
    expect(logTail(['aaaa', 'bbbb', 'cccc'], { lines: 50, chars: 8 })).toEqual(['cccc']);
  });

  test('cuts a last line that is too long by itself at its end: a compiler says first where', () => {
    expect(logTail(['before', 'kmod.c:3:1: error: something long'], { lines: 50, chars: 12 })).toEqual(['kmod.c:3:1:…']);
  });

  test('leaves out empty lines at the end, colours, control characters and what a progress bar overwrote', () => {
    const log = ['\u001b[1;31merror:\u001b[0m no such file', '10%\r50%\r100%\r', 'tab\there\u0007', '', '  ', ''];
    expect(logTail(log, FULL_TAIL)).toEqual(['error: no such file', '100%', 'tab  here']);
  });

  test('never has more lines or characters than asked for, and is what the log ends with', () => {
    const logs = fc.array(fc.string({ unit: fc.constantFrom('a', 'ä', '🚀', ' ', '\t'), maxLength: 60 }), { maxLength: 80 });
    fc.assert(
      fc.property(logs, fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 600 }), (log, lines, chars) => {
        const tail = logTail(log, { lines, chars });
        expect(tail.length).toBeLessThanOrEqual(lines);
        expect(Array.from(tail.join('\n')).length).toBeLessThanOrEqual(chars);
        const shown = log.map(printable).join('\n').trimEnd();
        if (tail.length > 1) expect(shown.endsWith(tail.join('\n'))).toBe(true);
        expect(tail.length === 0).toBe(shown === '');
      }),
    );
  });
});
