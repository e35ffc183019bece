import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mergeBuild, mergeBuildArgs, mergeSign } from '../../../src/domain/merge-build-sign.js';

const args = (...pairs: string[]) => pairs.map((pair) => ({ name: pair.split('=')[0] ?? '', value: pair.split('=')[1] ?? '' }));

test.each([
  { name: 'overrides replace in place', base: args('B=1', 'A=1'), overrides: args('A=2'), merged: args('B=1', 'A=2') },
  {
    name: 'all duplicates of the base are overridden',
    base: args('A=1', 'B=1', 'A=3'),
    overrides: args('A=2'),
    merged: args('A=2', 'B=1', 'A=2'),
  },
  {
    name: 'unused overrides follow in byte order',
    base: args('X=1'),
    overrides: args('b=1', 'C=1', 'a=1'),
    merged: args('X=1', 'C=1', 'a=1', 'b=1'),
  },
  { name: 'of two overrides the last counts', base: [], overrides: args('A=1', 'A=2'), merged: args('A=2') },
  { name: 'an empty value overrides', base: args('A=1'), overrides: args('A='), merged: args('A=') },
])('$name', ({ base, overrides, merged }) => {
  expect(mergeBuildArgs(base, overrides)).toEqual(merged);
});

test('base arguments keep their places, every override is in force, and nothing else appears', () => {
  const someArgs = fc.array(fc.record({ name: fc.constantFrom('A', 'B', 'C', 'D', 'a'), value: fc.constantFrom('1', '2', '') }));
  fc.assert(
    fc.property(someArgs, someArgs, (base, overrides) => {
      const merged = mergeBuildArgs(base, overrides);
      expect(merged.slice(0, base.length).map(({ name }) => name)).toEqual(base.map(({ name }) => name));
      const added = merged.slice(base.length).map(({ name }) => name);
      expect(added).toEqual([...new Set(added)].sort());
      for (const { name, value } of merged) {
        const last = overrides.findLast((override) => override.name === name);
        expect(last === undefined ? base.some((arg) => arg.name === name && arg.value === value) : last.value === value).toBe(true);
      }
      expect(overrides.every(({ name }) => merged.some((arg) => arg.name === name))).toBe(true);
      expect(mergeBuildArgs(merged, overrides)).toEqual(merged);
    }),
  );
});

test('with neither level set there is no build and no sign', () => {
  expect(mergeBuild(undefined, undefined)).toBeUndefined();
  expect(mergeSign(undefined, undefined)).toBeUndefined();
});
