import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { appendPins, revisionHash, revisionName, revisionsToPrune, type Pin, type Pins } from '../../../src/domain/revision.js';
import { aDigest, aModuleSpec, KERNELS, sha256, somePins } from './builders.js';

const aPin = (kernel: string, digit: string): Pin => ({ kernel, image: `registry.example.com/kmod:${kernel}`, digest: aDigest(digit) });

describe('pins', () => {
  test('of a new kernel are added to those that stand', () => {
    expect(appendPins(somePins([KERNELS[0]]), [aPin(KERNELS[1], '2')])).toEqual({ pins: somePins([KERNELS[0], KERNELS[1]]), refused: [] });
  });

  test('never change: a tag that was pushed again is refused, and said to be', () => {
    const again = aPin(KERNELS[0], 'f');
    expect(appendPins(somePins([KERNELS[0]]), [again])).toEqual({ pins: somePins([KERNELS[0]]), refused: [again] });
  });

  test('that say the same again are neither added nor refused', () => {
    expect(appendPins(somePins([KERNELS[0]]), [aPin(KERNELS[0], '1')])).toEqual({ pins: somePins([KERNELS[0]]), refused: [] });
  });

  test('only ever grow, whatever is appended in whatever order', () => {
    const pins = fc.array(fc.record({ kernel: fc.constantFrom(...KERNELS), digit: fc.constantFrom('1', '2', '3') }), { maxLength: 5 });
    fc.assert(
      fc.property(fc.array(pins, { maxLength: 6 }), (batches) => {
        let standing: Pins = {};
        for (const batch of batches) {
          const { pins: next } = appendPins(
            standing,
            batch.map(({ kernel, digit }) => aPin(kernel, digit)),
          );
          for (const [kernel, pin] of Object.entries(standing)) expect(next[kernel]).toEqual(pin);
          expect(Object.keys(next).sort()).toEqual([...new Set([...Object.keys(standing), ...batch.map((p) => p.kernel)])].sort());
          standing = next;
        }
      }),
    );
  });
});

describe('a revision', () => {
  const inputs = { spokeNamespace: 'kmm', moduleSpec: aModuleSpec() };

  test('is named by ten hex digits over what it freezes', () => {
    const hash = revisionHash(inputs, sha256);
    expect(hash).toMatch(/^[0-9a-f]{10}$/);
    expect(revisionName('kmod', hash)).toBe(`kmod-${hash}`);
  });

  test('is the same for the same inputs, whatever the order of their keys and whatever is null', () => {
    const moduleSpec = Object.fromEntries(Object.entries({ ...aModuleSpec(), dra: null }).reverse()) as never;
    expect(revisionHash({ moduleSpec, spokeNamespace: 'kmm' }, sha256)).toBe(revisionHash(inputs, sha256));
  });

  test.each([
    ['the spoke namespace', { ...inputs, spokeNamespace: 'other' }],
    ['the node selector', { ...inputs, moduleSpec: aModuleSpec({ selector: {} }) }],
    ['the generation of a rebuild', { ...inputs, moduleSpec: aModuleSpec({ imageRebuildTriggerGeneration: 1 }) }],
  ])('is another when %s changes', (_what, changed) => {
    expect(revisionHash(changed, sha256)).not.toBe(revisionHash(inputs, sha256));
  });
});

describe('pruning', () => {
  const all = Array.from({ length: 13 }, (_, i) => ({ name: `r${i + 1}`, number: i + 1 }));
  const names = (revisions: readonly { name: string }[]) => revisions.map((r) => r.name);

  test('keeps the ten newest', () => {
    expect(names(revisionsToPrune([...all].reverse(), new Set()))).toEqual(['r3', 'r2', 'r1']);
    expect(revisionsToPrune(all.slice(0, 10), new Set())).toEqual([]);
  });

  test('keeps what a ManifestWork still names, however old', () => {
    expect(names(revisionsToPrune(all, new Set(['r2', 'r13'])))).toEqual(['r3', 'r1']);
  });
});
