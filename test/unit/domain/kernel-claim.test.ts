import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compareBytewise, parseKernelClaim } from '../../../src/domain/kernel-claim.js';

test.each([
  { name: 'one kernel a line', value: '6.1.0-18\n5.14.0-427', kernels: ['5.14.0-427', '6.1.0-18'] },
  { name: 'an empty claim has no kernel', value: '', kernels: [] },
  {
    name: 'blank lines, carriage returns and space around are not kernels',
    value: '\n 6.1.0 \r\n\t\r\n\n5.10.0\r',
    kernels: ['5.10.0', '6.1.0'],
  },
  { name: 'duplicates count once', value: '6.1.0\n6.1.0\n6.1.0', kernels: ['6.1.0'] },
  { name: 'one trailing plus goes', value: '6.1.75+', kernels: ['6.1.75'] },
  { name: 'only one trailing plus goes', value: '6.1.75++', kernels: ['6.1.75+'] },
  { name: 'a plus inside stays', value: '5.10.0+deb-1', kernels: ['5.10.0+deb-1'] },
  { name: 'what becomes equal by trimming counts once', value: '6.1.75\n6.1.75+', kernels: ['6.1.75'] },
  { name: 'upper case sorts before lower case, as bytes do', value: 'b.1.1\nB.1.1\na.1.1', kernels: ['B.1.1', 'a.1.1', 'b.1.1'] },
  { name: 'a lone plus is no kernel', value: '+\n6.1.0', kernels: ['6.1.0'] },
])('$name', ({ value, kernels }) => {
  expect(parseKernelClaim(value)).toEqual(kernels);
});

const aLine = fc.oneof(fc.constantFrom('6.1.0', '6.1.0+', '5.14.0-427.el9', '', ' '), fc.stringMatching(/^[0-9a-z.+_-]{1,12}$/));

test('the order of the lines, repeats, carriage returns and blank lines change nothing', () => {
  fc.assert(
    fc.property(
      fc
        .array(aLine)
        .chain((lines) => fc.tuple(fc.constant(lines), fc.shuffledSubarray([...lines, ...lines], { minLength: lines.length * 2 }))),
      fc.constantFrom('\n', '\r\n', '\n\n', ' \n\t'),
      ([lines, shuffled], separator) => {
        expect(parseKernelClaim(shuffled.join(separator))).toEqual(parseKernelClaim(lines.join('\n')));
      },
    ),
  );
});

test('the result is sorted by bytes and holds nothing twice', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (lines) => {
      const kernels = parseKernelClaim(lines.join('\n'));
      expect(new Set(kernels).size).toBe(kernels.length);
      expect(kernels).toEqual([...kernels].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    }),
  );
});

test('strings compare as their UTF-8 bytes do', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      expect(Math.sign(compareBytewise(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
});
