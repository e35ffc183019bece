import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { describeMachine, ELF_MACHINES, readModinfo, vermagicKernel } from '../../../src/kmod/index.js';
import { fakeKmod, MACHINES } from '../../harness/kmod.js';

const module = (architecture = 'amd64'): Buffer =>
  fakeKmod({ kernel: '6.1.0-13', name: 'one', extra: { version: '1.2', alias: 'pci:a' }, architecture });
/** A copy with a number written over it, little endian. */
const patched = (at: number, value: number, bytes = 4): Buffer => {
  const file = Buffer.from(module());
  file.writeUIntLE(value, at, bytes);
  return file;
};
const sectionsAt = Number(module().readBigUInt64LE(40));
const modinfoHeader = sectionsAt + 64;

describe('readModinfo', () => {
  test.each(Object.keys(MACHINES))('reads a module for %s, whatever its word size and byte order', (architecture) => {
    const info = readModinfo(module(architecture));
    if (!info.ok) throw new Error(info.defect);
    expect(info.machine).toBe(MACHINES[architecture]?.number);
    expect(info.machine).toBe(ELF_MACHINES[architecture]);
    expect(Object.fromEntries(info.fields)).toEqual({
      license: ['GPL'],
      name: ['one'],
      version: ['1.2'],
      alias: ['pci:a'],
      vermagic: ['6.1.0-13 SMP preempt mod_unload modversions '],
    });
  });

  test('keeps every value of a field that occurs more than once', () => {
    const file = Buffer.from(module().toString('latin1').replace('version=1.2', 'alias=pci:b'), 'latin1');
    const info = readModinfo(file);
    expect(info.ok && info.fields.get('alias')).toEqual(['pci:b', 'pci:a']);
  });

  test('does not mind what is appended', () => {
    expect(readModinfo(Buffer.concat([module(), Buffer.alloc(1_000, 1)]))).toEqual(readModinfo(module()));
  });

  test('finds the sections of a file that has too many of them for its header', () => {
    const file = patched(60, 0, 2);
    file.writeUInt16LE(0xffff, 62);
    file.writeBigUInt64LE(3n, sectionsAt + 32);
    file.writeUInt32LE(2, sectionsAt + 40);
    expect(readModinfo(file)).toEqual(readModinfo(module()));
  });

  test.each([
    ['nothing', Buffer.alloc(0), 'is not an ELF file'],
    ['a script', Buffer.from('#!/bin/sh\necho no module at all\n'), 'is not an ELF file'],
    ['a program', patched(16, 2, 2), 'is an ELF file of type 2, while a kernel module is relocatable (type 1)'],
    ['class 3', patched(4, 3, 1), 'is an ELF file of the unknown class 3'],
    ['byte order 0', patched(5, 0, 1), 'is an ELF file of the unknown byte order 0'],
    ['odd headers', patched(58, 60, 2), 'has section headers of 60 bytes, where 64 are right'],
    ['half a file', module().subarray(0, 200), 'is cut off before the end of its section headers'],
    ['the beginning of a file', module().subarray(0, 50), 'is cut off within its ELF headers'],
    ['no section with names', patched(62, 9, 2), 'has no section with the names of its sections'],
    ['a section outside of the file', patched(modinfoHeader + 32, 100_000), 'is cut off within a section'],
    ['a huge offset', patched(modinfoHeader + 28, 0xffffffff), 'is cut off within a section'],
    ['another section', patched(modinfoHeader, 0), 'has no section .modinfo, so it is not a kernel module'],
    ['two of them', patched(sectionsAt + 128, 1), 'has more than one section .modinfo'],
    ['no content', patched(modinfoHeader + 4, 8), 'has a section .modinfo without content'],
    ['compression', patched(modinfoHeader + 8, 0x802), 'has a compressed section .modinfo, which no kernel reads'],
  ])('says what is wrong with %s', (_, file, defect) => {
    expect(readModinfo(file)).toEqual({ ok: false, defect });
  });

  test('refuses a section that is larger than any honest one', () => {
    const file = Buffer.concat([module(), Buffer.alloc(2_000_000)]);
    file.writeBigUInt64LE(1_048_577n, modinfoHeader + 32);
    expect(readModinfo(file)).toEqual({ ok: false, defect: 'has a section .modinfo of 1048577 bytes, where at most 1048576 are read' });
  });

  test('never throws, whatever is written over a module', () => {
    const change = fc.record({ at: fc.nat(module().length - 1), byte: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(MACHINES)), fc.array(change, { maxLength: 12 }), fc.nat(600), (machine, changes, cut) => {
        const file = Buffer.from(module(machine));
        for (const { at, byte } of changes) if (at < file.length) file[at] = byte;
        const info = readModinfo(file.subarray(0, file.length - Math.max(0, cut - 300)));
        expect(info.ok ? typeof info.machine : info.defect).toMatch(/^(?:number$|is |has )/);
      }),
      { numRuns: 2_000 },
    );
  });
});

test('vermagicKernel is the first word', () => {
  expect(['6.1.0-13-amd64 SMP mod_unload ', '5.15.0+ SMP', '', '  x  y'].map(vermagicKernel)).toEqual([
    '6.1.0-13-amd64',
    '5.15.0+',
    '',
    'x',
  ]);
});

test('describeMachine names every architecture that a machine stands for', () => {
  expect([62, 21, 9999].map(describeMachine)).toEqual(['amd64 (ELF machine 62)', 'ppc64 or ppc64le (ELF machine 21)', 'ELF machine 9999']);
});
