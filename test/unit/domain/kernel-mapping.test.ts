import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { KernelMapping } from '../../../src/api/index.js';
import { findMapping, regexpError } from '../../../src/domain/kernel-mapping.js';

const literal = (text: string): KernelMapping => ({ literal: text });
const regexp = (text: string): KernelMapping => ({ regexp: text });
const indexFor = (mappings: KernelMapping[], kernel: string): unknown => {
  const search = findMapping(mappings, kernel);
  return 'index' in search ? search.index : 'none';
};

test.each([
  { name: 'a literal matches the whole kernel only', mappings: [literal('6.1.0')], kernel: '6.1.0-18', index: 'none' },
  { name: 'a regexp is searched anywhere', mappings: [regexp('1.0')], kernel: '6.1.0-18', index: 0 },
  { name: 'an anchored regexp is anchored', mappings: [regexp('^1.0')], kernel: '6.1.0-18', index: 'none' },
  {
    name: 'the first match in list order wins, regexp before literal',
    mappings: [regexp('.'), literal('6.1.0')],
    kernel: '6.1.0',
    index: 0,
  },
  {
    name: 'the first match in list order wins, literal before regexp',
    mappings: [literal('6.1.0'), regexp('.')],
    kernel: '6.1.0',
    index: 0,
  },
  { name: 'empty strings mean not set', mappings: [{ literal: '', regexp: '' }, regexp('6')], kernel: '6.1.0', index: 1 },
  { name: 'dots of a literal are not wildcards', mappings: [literal('6.1.0'), regexp('6.1.0')], kernel: '6x1x0', index: 1 },
  { name: 'an empty list matches nothing', mappings: [], kernel: '6.1.0', index: 'none' },
  { name: 'an invalid regexp after the hit is never reached', mappings: [literal('6.1.0'), regexp('(')], kernel: '6.1.0', index: 0 },
])('$name', ({ mappings, kernel, index }) => {
  expect(indexFor(mappings, kernel)).toBe(index);
});

test('an invalid regexp that is reached is an error, even if a later mapping matches', () => {
  expect(findMapping([literal('5.10.0'), regexp('(?=6)'), literal('6.1.0')], '6.1.0')).toEqual({
    error: 'error parsing regexp: invalid or unsupported Perl syntax: `(?=`',
    index: 1,
  });
});

test('a list that was changed after a search is searched as it is now', () => {
  const mappings = [regexp('^5')];
  expect(indexFor(mappings, '6.1.0')).toBe('none');
  mappings[0] = regexp('^6');
  expect(indexFor(mappings, '6.1.0')).toBe(0);
});

test('the first mapping that matches by itself is the one that is found', () => {
  const aMapping = fc.oneof(
    fc.constantFrom('6.1.0', '6.1.1', '5.14.0').map(literal),
    fc.constantFrom('^6', '0$', '14', '\\.1\\.', '(?i)X').map(regexp),
  );
  fc.assert(
    fc.property(fc.array(aMapping), fc.constantFrom('6.1.0', '6.1.1', '5.14.0', '4.4.4x'), (mappings, kernel) => {
      const alone = mappings.findIndex((mapping) => 'found' in findMapping([mapping], kernel));
      expect(indexFor(mappings, kernel)).toBe(alone === -1 ? 'none' : alone);
    }),
  );
});

describe('regexps are RE2', () => {
  test.each([
    ['(?P<n>el)8', 'el8', true],
    ['(?<n>el)8', 'el8', true],
    ['\\Q6.1\\E', '6.1.0', true],
    ['\\Q6.1\\E', '6x1.0', false],
    ['(?i)EL8', '4.18.0.el8', true],
    ['0\\z', '6.1.0', true],
    ['[[:alpha:]]+_64', 'x_64', true],
    ['^\\pL', 'é', true],
    ['(?U)^a+$', 'aaa', true],
    ['(?s)^.$', '\n', true],
    ['^.$', '😀', true],
    ['^(a+)+$', `${'a'.repeat(5_000)}!`, false],
  ])('%j on %j finds: %s', (pattern, kernel, found) => {
    expect(indexFor([regexp(pattern)], kernel)).toBe(found ? 0 : 'none');
  });

  test.each([
    ['(?=a)', 'invalid or unsupported Perl syntax: `(?=`'],
    ['(?<=a)b', 'invalid named capture: `(?<=a)b`'],
    ['(a)\\1', 'invalid escape sequence: `\\1`'],
    ['(?>a)', 'invalid or unsupported Perl syntax: `(?>`'],
    ['a++', 'invalid nested repetition operator: `++`'],
    ['x{2}{2}', 'invalid nested repetition operator: `{2}{2}`'],
    ['a{1001}', 'invalid repeat count: `{1001}`'],
    ['(a{1000}){1000}', 'invalid repeat count: `{1000}`'],
    ['\\Z', 'invalid escape sequence: `\\Z`'],
    ['\\u0041', 'invalid escape sequence: `\\u`'],
    ['\\cA', 'invalid escape sequence: `\\c`'],
    ['[z-a]', 'invalid character class range: `z-a`'],
    ['[a', 'missing closing ]: `[a`'],
    ['(', 'missing closing ): `(`'],
    ['*', 'missing argument to repetition operator: `*`'],
  ])('%j is rejected with the words of RE2', (pattern, message) => {
    expect(regexpError(pattern)).toBe(`error parsing regexp: ${message}`);
  });

  test('a valid pattern has no error', () => {
    expect(regexpError('^.+\\.el[89]')).toBeUndefined();
  });
});
