import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hasGlob, pathParts, shellGlob, shellGlobParts } from '../../../src/domain/shell-glob.js';

describe('a pattern matches', () => {
  test.each([
    ['itself', '/opt/lib/a.ko', '/opt/lib/a.ko'],
    ['any text with a star', '/opt/*.ko', '/opt/a.ko'],
    ['no text with a star', '/opt/a*.ko', '/opt/a.ko'],
    ['with several stars', '/opt/*m*d*.ko*', '/opt/my_mod.ko.xz'],
    ['a star that has to give back', '/*ab', '/aab'],
    ['one character with a question mark', '/a?.ko', '/ab.ko'],
    ['a character of the whole of Unicode with a question mark', '/a?.ko', '/a😀.ko'],
    ['one of a set', '/[abc].ko', '/b.ko'],
    ['one of a range', '/[a-cx].ko', '/b.ko'],
    ['one of a class', '/v[[:digit:]].ko', '/v7.ko'],
    ['one that is not in a set', '/[!a].ko', '/b.ko'],
    ['one that is not in a set, as other shells write it', '/[^a-b].ko', '/c.ko'],
    ['a closing bracket in the first place', '/[]x].ko', '/].ko'],
    ['a hyphen in the last place', '/[a-].ko', '/-.ko'],
    ['a bracket without end as itself', '/[a.ko', '/[a.ko'],
    ['a bracket that a slash cuts', '/[a/b]', '/[a/b]'],
    ['a quoted star as itself', '/\\*.ko', '/*.ko'],
    ['a quoted bracket in a set', '/[\\]a].ko', '/].ko'],
    ['a quoted hyphen in a set', '/[a\\-c].ko', '/-.ko'],
    ['a backslash at the end as itself', '/a\\', '/a\\'],
    ['a quoted slash as a slash', '/a\\/b', '/a/b'],
    ['a leading dot that is written out', '/.*.ko', '/.a.ko'],
    ['a dot inside with a star', '/a*', '/a.ko'],
    ['braces as themselves', '/{a,b}.ko', '/{a,b}.ko'],
    ['characters that mean something elsewhere as themselves', '/a+(b)|c$^.ko', '/a+(b)|c$^.ko'],
    ['a folder with a star', '/lib/modules/*/extra/a.ko', '/lib/modules/6.1.0-18-amd64/extra/a.ko'],
    ['two stars as one', '/opt/**', '/opt/a.ko'],
    ['with dots and doubled slashes resolved on both sides', 'opt//./x/../*.ko', '/opt/y/..//a.ko'],
  ])('%s: %s', (_, pattern, path) => {
    expect(shellGlob(pattern)(path)).toBe(true);
  });
});

describe('a pattern does not match', () => {
  test.each([
    ['a slash with a star', '/opt/*.ko', '/opt/x/a.ko'],
    ['folders below with two stars', '/opt/**', '/opt/x/a.ko'],
    ['a slash with a question mark', '/a?b', '/a/b'],
    ['a slash with a set', '/a[!x]b', '/a/b'],
    ['a leading dot with a star', '/opt/*', '/opt/.a.ko'],
    ['a leading dot with a question mark', '/?a.ko', '/.a.ko'],
    ['a leading dot with a set', '/[.]a.ko', '/.a.ko'],
    ['a leading dot with what is not in a set', '/[!x]a.ko', '/.a.ko'],
    ['a hidden folder with a star', '/*/a.ko', '/.git/a.ko'],
    ['braces as a choice', '/{a,b}.ko', '/a.ko'],
    ['a part of a path', '/opt', '/opt/a.ko'],
    ['a longer path', '/opt/a.ko', '/opt'],
    ['no character with a question mark', '/a?', '/a'],
    ['two characters with a question mark', '/a?', '/abc'],
    ['one of a set where none is right', '/[!a-z].ko', '/b.ko'],
    ['a range the wrong way round', '/[c-a].ko', '/b.ko'],
    ['an unknown class', '/[[:word:]].ko', '/a.ko'],
    ['another case', '/A.ko', '/a.ko'],
    ['the quoted star as a star', '/\\*.ko', '/a.ko'],
  ])('%s: %s', (_, pattern, path) => {
    expect(shellGlob(pattern)(path)).toBe(false);
  });
});

test('hasGlob says what a shell would look for', () => {
  expect(['/a*', '/a?', '/[ab]', '/x/[!a]/y'].map(hasGlob)).toEqual([true, true, true, true]);
  expect(['/a', '/a\\*', '/[a', '/{a,b}', '/[a/b]', ''].map(hasGlob)).toEqual([false, false, false, false, false, false]);
});

test('pathParts resolves in the text and stays below the root', () => {
  expect(pathParts('/a/./b//../../../c/')).toEqual(['c']);
  expect(pathParts('/')).toEqual([]);
});

describe('for every pattern and path', () => {
  const letters = fc.constantFrom('a', 'b', '.', '-', '*', '?', '[', ']', '!', '\\', '/', ':', '😀');
  const texts = fc.string({ unit: letters, maxLength: 12 });
  const names = fc.string({ unit: fc.constantFrom('a', 'b', '.', '-', ']', '😀'), minLength: 1, maxLength: 5 });

  test('a path whose special characters are quoted matches itself and nothing else', () => {
    fc.assert(
      fc.property(texts, texts, (path, other) => {
        const matches = shellGlob(path.replace(/[*?[\]\\!-]/g, '\\$&'));
        const parts = (text: string): string => `/${pathParts(text).join('/')}`;
        expect(matches(path)).toBe(true);
        expect(matches(other)).toBe(parts(other) === parts(path));
      }),
    );
  });

  test('the parts agree with the whole', () => {
    fc.assert(
      fc.property(texts, texts, (pattern, path) => {
        const tests = shellGlobParts(pattern);
        const given = pathParts(path);
        expect(shellGlob(pattern)(path)).toBe(tests.length === given.length && given.every((name, index) => tests[index]?.(name) === true));
      }),
    );
  });

  // The other implementation: a matcher that tries everything, for patterns of plain characters, stars and question marks.
  const slow = (pattern: string, name: string): boolean => {
    if (pattern === '') return name === '';
    const [first, ...rest] = [...pattern];
    const [, ...tail] = [...name];
    if (first === '*') return slow(rest.join(''), name) || (name !== '' && slow(pattern, tail.join('')));
    return name !== '' && (first === '?' || first === [...name][0]) && slow(rest.join(''), tail.join(''));
  };

  test('stars and question marks find what trying everything finds', () => {
    const patterns = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), minLength: 1, maxLength: 8 });
    const plain = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 8 });
    fc.assert(fc.property(patterns, plain, (pattern, name) => expect(shellGlob(`/${pattern}`)(`/${name}`)).toBe(slow(pattern, name))));
  });

  test('the shell of this machine names the same files', () => {
    const folder = mkdtempSync(join(tmpdir(), 'kmodflow-glob-'));
    const files = ['a', 'b', 'ab', 'ba', 'a.b', '.a', '.ab', '-', 'a-b', ']', 'a]', '[a', 'bb', 'a*', '!'].sort();
    mkdirSync(join(folder, 'd'));
    for (const file of files) writeFileSync(join(folder, file), '');
    const patterns = fc.sample(
      fc.string({ unit: fc.constantFrom('a', 'b', '.', '-', '*', '?', '[', ']', '!', '\\'), minLength: 1, maxLength: 6 }),
      {
        numRuns: 150,
        seed: 7,
      },
    );
    // A pattern that matches nothing stands for itself: that is not a file then, unless it is one.
    const script = patterns.map((pattern) => `set -- $(cat <<'E'\n${pattern}\nE\n); printf '%s\\t' "$@"; echo`).join('\n');
    const lines = execFileSync('sh', ['-c', script], { cwd: folder, encoding: 'utf8' }).split('\n');
    rmSync(folder, { recursive: true });
    for (const [index, pattern] of patterns.entries()) {
      // What shells do with a backslash that came out of an expansion differs; so does a name that no pattern made.
      if (pattern.includes('\\') || pattern === '.' || pattern === '..' || !hasGlob(pattern)) continue;
      const named = (lines[index] ?? '').split('\t').filter((name) => files.includes(name));
      const matches = shellGlob(`/${pattern}`);
      expect({ pattern, files: files.filter((file) => matches(`/${file}`)) }).toEqual({ pattern, files: named.sort() });
    }
  });

  test('no pattern blows up', () => {
    const hostile = [
      '*a'.repeat(2000) + 'b',
      `${'*'.repeat(4000)}b`,
      `${'[[:'.repeat(3000)}`,
      `${'[!'.repeat(3000)}`,
      '*?'.repeat(2000) + 'b',
      '/..'.repeat(5000),
    ];
    const started = performance.now();
    for (const pattern of hostile) expect(shellGlob(pattern)('a'.repeat(4000))).toBe(false);
    expect(performance.now() - started).toBeLessThan(2000);
    fc.assert(fc.property(fc.string(), fc.string(), (pattern, path) => void shellGlob(pattern)(path)));
    fc.assert(fc.property(names, (name) => expect(shellGlob('/*')(`/${name}`)).toBe(!name.startsWith('.'))));
  });
});
