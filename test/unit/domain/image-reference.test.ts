import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatPinned, parseImageReference } from '../../../src/domain/image-reference.js';

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

test.each([
  ['kmod:v1', { registry: 'docker.io', repository: 'library/kmod', tag: 'v1' }],
  ['acme/kmod:v1', { registry: 'docker.io', repository: 'acme/kmod', tag: 'v1' }],
  ['docker.io/kmod:v1', { registry: 'docker.io', repository: 'library/kmod', tag: 'v1' }],
  ['index.docker.io/acme/kmod:v1', { registry: 'docker.io', repository: 'acme/kmod', tag: 'v1' }],
  ['localhost/kmod:v1', { registry: 'localhost', repository: 'kmod', tag: 'v1' }],
  ['host:5000/a/b/kmod:6.1.0_x', { registry: 'host:5000', repository: 'a/b/kmod', tag: '6.1.0_x' }],
  ['127.0.0.1:5000/kmod:v1', { registry: '127.0.0.1:5000', repository: 'kmod', tag: 'v1' }],
  ['[::1]:5000/kmod:v1', { registry: '[::1]:5000', repository: 'kmod', tag: 'v1' }],
  [`quay.io/acme/kmod@${DIGEST}`, { registry: 'quay.io', repository: 'acme/kmod', digest: DIGEST }],
  [`quay.io/acme/kmod:v1@${DIGEST}`, { registry: 'quay.io', repository: 'acme/kmod', tag: 'v1', digest: DIGEST }],
  ['quay.io/a_b/c__d/e--f.g:v1', { registry: 'quay.io', repository: 'a_b/c__d/e--f.g', tag: 'v1' }],
])('%s is read', (text, value) => {
  expect(parseImageReference(text)).toEqual({ ok: true, value });
});

test.each([
  ['', 'Image reference "" is empty; expected registry/repository:tag or registry/repository@sha256:<64 hex digits>.'],
  [
    'quay.io/kmod',
    'Image reference "quay.io/kmod" has neither tag nor digest; write one, such as quay.io/kmod:v1, since "latest" is never assumed.',
  ],
  [
    'host:5000/kmod',
    'Image reference "host:5000/kmod" has neither tag nor digest; write one, such as host:5000/kmod:v1, since "latest" is never assumed.',
  ],
  [
    'quay.io/kmod:6.1.0+x',
    'Image reference "quay.io/kmod:6.1.0+x" has the tag "6.1.0+x"; expected 1 to 128 characters out of letters, digits, _ . and -, not beginning with . or -.',
  ],
  [
    'quay.io/kmod:',
    'Image reference "quay.io/kmod:" has the tag ""; expected 1 to 128 characters out of letters, digits, _ . and -, not beginning with . or -.',
  ],
  [
    'quay.io/Kmod:v1',
    'Image reference "quay.io/Kmod:v1" names the repository "Kmod"; expected lower-case letters and digits, with single . or _ or dashes between them and / between parts.',
  ],
  [
    'quay.io//kmod:v1',
    'Image reference "quay.io//kmod:v1" names the repository "/kmod"; expected lower-case letters and digits, with single . or _ or dashes between them and / between parts.',
  ],
  [
    'qu?ay.io/kmod:v1',
    'Image reference "qu?ay.io/kmod:v1" names the registry "qu?ay.io"; expected a host name with an optional port, such as registry.example.com:5000.',
  ],
  [
    'quay.io/kmod@sha256:abc',
    'Image reference "quay.io/kmod@sha256:abc" has the digest "sha256:abc"; expected sha256: and 64 lower-case hex digits.',
  ],
  [
    `quay.io/${'a'.repeat(256)}:v1`,
    `Image reference "quay.io/${'a'.repeat(256)}:v1" has a repository of 256 characters; at most 255 are allowed.`,
  ],
])('%j is refused', (text, message) => {
  expect(parseImageReference(text)).toEqual({ ok: false, message });
});

test('a pinned reference has the digest in place of tag and older digest, and every default written out', () => {
  const pinned = (text: string) => {
    const parsed = parseImageReference(text);
    return parsed.ok ? formatPinned(parsed.value, DIGEST) : parsed.message;
  };
  expect(pinned('kmod:v1')).toBe(`docker.io/library/kmod@${DIGEST}`);
  expect(pinned(`host:5000/a/kmod:v1@sha256:${'f'.repeat(64)}`)).toBe(`host:5000/a/kmod@${DIGEST}`);
});

test('a pinned reference reads back as the same registry and repository', () => {
  const aName = fc.tuple(
    fc.constantFrom('', 'quay.io/', 'host:5000/', 'localhost/'),
    fc.array(fc.stringMatching(/^[a-z0-9]{1,5}$/), { minLength: 1, maxLength: 4 }),
  );
  fc.assert(
    fc.property(aName, ([host, parts]) => {
      const parsed = parseImageReference(`${host}${parts.join('/')}:v1`);
      if (!parsed.ok) throw new Error(parsed.message);
      const { registry, repository } = parsed.value;
      expect(parseImageReference(formatPinned(parsed.value, DIGEST))).toEqual({
        ok: true,
        value: { registry, repository, digest: DIGEST },
      });
    }),
  );
});
