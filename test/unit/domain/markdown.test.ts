import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { code, list, page, plain, shorten, timeText } from '../../../src/domain/markdown.js';
import { utf8Bytes } from '../../../src/domain/utf8.js';
import { count, nameSome, sentence } from '../../../src/domain/wording.js';

describe('Markdown', () => {
  test('shortens by characters and never cuts one in two', () => {
    expect(shorten('abc', 3)).toBe('abc');
    expect(shorten('abcd', 3)).toBe('ab…');
    expect(shorten('🚀🚀🚀', 2)).toBe('🚀…');
  });

  test('puts any text on one line', () => {
    expect(plain(' a\r\n\tb\u2028c\u0000 ')).toBe('a b c');
  });

  test('escapes what would be markup, after cutting, so that no escape is cut', () => {
    expect(plain('<<<<', 3)).toBe('&lt;&lt;…');
  });

  test('keeps the Temporal UI from reading a formula into the variables of a Dockerfile', () => {
    expect(plain('RUN make A=${A} B=${B}')).toBe(String.raw`RUN make A=\${A} B=\${B}`);
    expect(code('RUN make A=${A} B=${B}')).toBe('`RUN make A=${A} B=${B}`');
  });

  test('leaves names with underscores and brackets readable', () => {
    expect(plain('kernelMappings[0] for 5.14.0-427.el9.x86_64')).toBe('kernelMappings[0] for 5.14.0-427.el9.x86_64');
  });

  test('keeps a code span whole, and shows an empty one as a dash', () => {
    expect(code('a`b|c\nd')).toBe('`a b c d`');
    expect(code(' ')).toBe('–');
  });

  test('has no list without items, and keeps the items close to the title', () => {
    expect(list('Stuck', [])).toBe('');
    expect(list('Stuck', ['a', 'b'])).toBe('**Stuck**\n• a\n• b');
  });

  test('leaves out whole sections from the end until a page fits, and never the first', () => {
    expect(page(['aaaa', '', 'bbbb', 'cccc'], 12)).toBe('aaaa\n\nbbbb');
    expect(page(['aaaa', 'bbbb'], 2)).toBe('aaaa');
  });

  test('counts bytes as an encoder does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(utf8Bytes(text)).toBe(Buffer.byteLength(text));
      }),
    );
  });

  test('shows a time as people write it, and what is no time as it is', () => {
    expect(timeText('2026-11-22T17:00:03.123Z')).toBe('2026-11-22 17:00:03 UTC');
    expect(timeText('yesterday')).toBe('yesterday');
  });
});

describe('wording', () => {
  test.each([
    [[], 0, ''],
    [['a'], 1, 'a'],
    [['a', 'b'], 2, 'a and b'],
    [['a', 'b', 'c'], 3, 'a, b and c'],
    [['a', 'b', 'c', 'd'], 4, 'a, b, c and 1 more'],
    [['a'], 20, 'a and 19 more'],
  ])('names %j of %i as "%s"', (names, total, expected) => {
    expect(nameSome(names, total)).toBe(expected);
  });

  test('counts and ends sentences', () => {
    expect([count(0, 'cluster'), count(1, 'cluster'), count(2, 'cluster')]).toEqual(['0 clusters', '1 cluster', '2 clusters']);
    expect(['a', 'a.', 'a?', 'a…', ''].map(sentence)).toEqual(['a.', 'a.', 'a?', 'a…', '']);
  });
});
