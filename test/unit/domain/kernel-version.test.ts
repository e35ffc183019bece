import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { dnsSafeKernelVersion, kernelComponents, normalizeKernelVersion } from '../../../src/domain/kernel-version.js';

test.each([
  ['6.1.0-18-amd64', '6.1.0-18-amd64'],
  ['5.10.0+deb-1', '5.10.0_deb-1'],
  ['6.1.0~rc1,x/y z', '6.1.0_rc1_x_y_z'],
  ['6.1.0-é😀', '6.1.0-__'],
  ['', ''],
])('kernel %j is normalised to %j', (kernel, normalized) => {
  expect(normalizeKernelVersion(kernel)).toBe(normalized);
});

test('normalising twice changes nothing and keeps the number of characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (kernel) => {
      const once = normalizeKernelVersion(kernel);
      expect(normalizeKernelVersion(once)).toBe(once);
      expect(once).toMatch(/^[A-Za-z0-9._-]*$/);
      expect(once).toHaveLength(Array.from(kernel).length);
    }),
  );
});

test.each([
  ['5.14.0-427.13.1.el9_4.x86_64', '5', '14', '0'],
  ['5.10.0+deb-1', '5', '10', '0_deb'],
  ['6-1-0', '6', '1', '0'],
  ['6.1.0', '6', '1', '0'],
])('kernel %j has the components %s, %s and %s', (kernel, x, y, z) => {
  expect(kernelComponents(kernel)).toEqual({ ok: true, x, y, z });
});

test.each(['', 'linux', '6.1', '6..1', '.6.1', '6,1,0'])('kernel %j cannot be parsed', (kernel) => {
  expect(kernelComponents(kernel)).toEqual({
    ok: false,
    message: `Kernel "${kernel}" cannot be parsed; expected at least three components (major.minor.patch), such as 6.1.0-18-amd64.`,
  });
});

test.each(['../../etc-1.2.3', '6.1.0 x', '6.1.0\u0000'])('kernel %j names no directory and is refused', (kernel) => {
  expect(kernelComponents(kernel)).toEqual({
    ok: false,
    message: `Kernel ${JSON.stringify(kernel)} holds a slash, a blank or a control character; expected the output of uname -r, such as 6.1.0-18-amd64.`,
  });
});

test('a kernel that is a DNS label already stays as it is', () => {
  expect(dnsSafeKernelVersion('6-1-0-amd64')).toBe('6-1-0-amd64');
});

test('kernels that fold to one name keep two names (upstream lets them fight over one pod)', () => {
  const names = ['6.1.0-1_x', '6.1.0-1.x', '6.1.0-1-x', '6.1.0-1-X', '6-1-0-1-x'].map(dnsSafeKernelVersion);
  expect(new Set(names).size).toBe(5);
  expect(names.slice(0, 4).every((name) => /^6-1-0-1-x-[0-9a-f]{8}$/.test(name))).toBe(true);
});

test('a kernel that looks like the hashed name of another gets a hash of its own', () => {
  const hashed = dnsSafeKernelVersion('6.1.0');
  expect(dnsSafeKernelVersion(hashed)).not.toBe(hashed);
});

test('every kernel gives a DNS label of at most 63 characters', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 100 }), fc.stringMatching(/^[a-z0-9._+-]{0,100}$/)), (kernel) => {
      expect(dnsSafeKernelVersion(kernel)).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
    }),
  );
});

test('two kernels of a fleet never share a name', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.stringMatching(/^6[.-]1[.-]0[._-][ab]{1,3}$/)), (kernels) => {
      expect(new Set(kernels.map(dnsSafeKernelVersion)).size).toBe(kernels.length);
    }),
  );
});
