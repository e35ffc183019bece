import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  appendSignature,
  certificateFingerprint,
  lastSignature,
  readCertificate,
  signerOf,
  splitSignatures,
  verifySignature,
} from '../../../src/kmod/index.js';
import { fakeKmod } from '../../harness/kmod.js';
import { opensslKey, opensslSign, opensslSigned, type OpensslKey } from '../../harness/openssl-sign.js';

const content = fakeKmod({ kernel: '6.1.0', name: 'one' });
const MAGIC = '~Module signature appended~\n';
const KERNEL_FORM = ['-noattr', '-nocerts'];

let rsa: OpensslKey;
let ec: OpensslKey;
beforeAll(() => {
  rsa = opensslKey('rsa:2048', '/O=Example/CN=RSA modules');
  ec = opensslKey('P-384', '/O=Example/CN=EC modules');
});

describe('a signature by openssl', () => {
  test.each([
    ['rsa', 'sha256', KERNEL_FORM],
    ['rsa', 'sha384', KERNEL_FORM],
    ['rsa', 'sha512', KERNEL_FORM],
    ['rsa', 'sha256', []],
    ['rsa', 'sha512', ['-keyid', '-noattr']],
    ['rsa', 'sha256', ['-noattr', '-keyopt', 'rsa_padding_mode:pss']],
    ['rsa', 'sha512', ['-keyopt', 'rsa_padding_mode:pss']],
    ['ec', 'sha256', KERNEL_FORM],
    ['ec', 'sha384', []],
    ['ec', 'sha512', ['-keyid']],
  ] as const)('with %s and %s and %j verifies, and with nothing else', (kind, hash, options) => {
    const [mine, other] = kind === 'rsa' ? [rsa, ec] : [ec, rsa];
    const cms = opensslSign(content, mine, ['-md', hash, ...options]);
    expect(verifySignature(content, cms, readCertificate(mine.certificate))).toEqual({ ok: true });
    const altered = Buffer.from(content);
    altered[100] = (altered[100] ?? 0) ^ 1;
    expect(verifySignature(altered, cms, readCertificate(mine.certificate))).toEqual({
      ok: false,
      defect: 'was changed after it was signed, or its signature is damaged: it does not verify',
    });
    expect(verifySignature(content, cms, readCertificate(other.certificate))).toMatchObject({ ok: false });
  });

  test('by another key of the same name is told apart by its number', () => {
    const replaced = opensslKey('rsa:2048', '/O=Example/CN=RSA modules');
    const [theirs, ours] = [new X509Certificate(replaced.certificate), new X509Certificate(rsa.certificate)];
    expect(verifySignature(content, opensslSign(content, replaced), ours)).toEqual({
      ok: false,
      defect: `is signed by RSA modules (serial number ${theirs.serialNumber.toLowerCase()}), not with the key of RSA modules (serial number ${ours.serialNumber.toLowerCase()})`,
    });
  });

  test('that brings its own content, or with a weak digest, is refused', () => {
    const certificate = readCertificate(rsa.certificate);
    expect(verifySignature(content, opensslSign(content, rsa, ['-nodetach']), certificate)).toEqual({
      ok: false,
      defect: 'has a signature that brings its own content instead of being detached',
    });
    expect(verifySignature(content, opensslSign(content, rsa, [...KERNEL_FORM, '-md', 'sha1']), certificate)).toEqual({
      ok: false,
      defect: 'has a signature with the digest algorithm 1.3.14.3.2.26; SHA-256, 384 and 512 are accepted',
    });
  });

  test('names its signer as modinfo does', () => {
    expect(signerOf(opensslSign(content, rsa))).toBe('RSA modules');
    expect(signerOf(opensslSign(content, opensslKey('P-256', '/O=Example/OU=Nameless')))).toBe('Example, Nameless');
    expect(signerOf(opensslSign(content, rsa, ['-keyid']))).toMatch(/^[0-9a-f]{40}$/);
    expect(signerOf(Buffer.from('no signature'))).toBeUndefined();
  });

  test('that was damaged anywhere never verifies and never throws', () => {
    const certificate = readCertificate(rsa.certificate);
    for (const cms of [opensslSign(content, rsa), opensslSign(content, rsa, [])]) {
      const good = signerOf(cms);
      const flip = fc.record({ at: fc.nat(cms.length - 1), bits: fc.integer({ min: 1, max: 255 }) });
      fc.assert(
        fc.property(flip, fc.nat(3), ({ at, bits }, cut) => {
          const damaged = Buffer.from(cms.subarray(0, cms.length - cut));
          if (at < damaged.length) damaged[at] = (damaged[at] ?? 0) ^ bits;
          const verdict = verifySignature(content, damaged, certificate);
          // Parts that say nothing of the signature (such as the version) may be anything; the content is proven then all the same.
          if (verdict.ok) expect(signerOf(damaged)).toBe(good);
          else expect(verdict.defect).toMatch(/^(?:has|is|was) /);
        }),
        { numRuns: 400 },
      );
    }
  });

  test('followed by more bytes is refused', () => {
    const cms = Buffer.concat([opensslSign(content, rsa), Buffer.from([0])]);
    expect(verifySignature(content, cms, readCertificate(rsa.certificate))).toEqual({
      ok: false,
      defect: 'has a signature that is not a DER structure of the stated length',
    });
  });
});

describe('appended signatures', () => {
  test('are written as the kernel reads them', () => {
    const cms = opensslSign(content, rsa);
    expect(appendSignature(content, cms).equals(opensslSigned(content, rsa, KERNEL_FORM))).toBe(true);
  });

  test('are taken off one by one, the outermost first', () => {
    const [first, second] = [Buffer.from('first'), Buffer.from('the second')];
    const once = appendSignature(content, first);
    const twice = appendSignature(once, second);
    expect(splitSignatures(content)).toEqual({ content, signatures: [] });
    expect(splitSignatures(twice)).toEqual({ content, signatures: [second, first] });
    expect(lastSignature(twice)).toEqual({ kind: 'found', content: once, cms: second });
  });

  const trailer = (fields: readonly number[], length: number): Buffer => {
    const bytes = Buffer.alloc(12);
    bytes.set(fields);
    bytes.writeUInt32BE(length, 8);
    return Buffer.concat([Buffer.from('xxxxxxxx'), bytes, Buffer.from(MAGIC)]);
  };
  test.each([
    [Buffer.from(MAGIC), 'ends like a signed module and is too short to be one'],
    [trailer([0, 0, 1], 4), 'has an appended signature of type 1, where 2 (PKCS#7) is right'],
    [trailer([0, 4, 2], 4), 'has an appended signature whose description is not the one of PKCS#7: fields that must be zero are not'],
    [trailer([0, 0, 2], 0), 'has an appended signature of 0 bytes by its own account, in a file of 48'],
    [trailer([0, 0, 2], 9), 'has an appended signature of 9 bytes by its own account, in a file of 48'],
  ])('that the kernel refuses are named: %#', (file, defect) => {
    expect(lastSignature(file)).toEqual({ kind: 'broken', defect });
    expect(splitSignatures(file)).toEqual({ content: file, signatures: [], defect });
  });

  test('are counted up to a limit', () => {
    let file = content;
    for (let count = 0; count < 20; count += 1) file = appendSignature(file, Buffer.from([1]));
    const { signatures, defect } = splitSignatures(file);
    expect([signatures.length, defect]).toEqual([16, 'has more than 16 appended signatures']);
  });

  test('come off again, whatever was signed', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(bytes, { maxLength: 5 }), (array, signatures) => {
        const signed = signatures.reduce<Buffer>((file, cms) => appendSignature(file, cms), Buffer.from(array));
        expect(splitSignatures(signed)).toEqual({ content: Buffer.from(array), signatures: [...signatures].reverse() });
      }),
    );
  });
});

describe('a certificate', () => {
  test('is read from PEM and DER, and has one fingerprint', () => {
    const pem = readCertificate(rsa.certificate);
    const der = readCertificate(Buffer.from(pem.raw));
    expect(certificateFingerprint(der)).toBe(certificateFingerprint(pem));
    expect(certificateFingerprint(pem)).toBe(pem.fingerprint256.replaceAll(':', '').toLowerCase());
  });

  test('that is none is refused without quoting it', () => {
    const sentence =
      'The certificate is neither PEM nor DER of an X.509 certificate. Put the certificate there that belongs to the signing key.';
    for (const bytes of [Buffer.from(rsa.key), Buffer.from('secret words'), rsa.certificate.subarray(0, 100)])
      expect(() => readCertificate(bytes)).toThrow(new Error(sentence));
    expect(() => readCertificate(Buffer.alloc(0))).toThrow('The certificate is empty. Put an X.509 certificate there, PEM or DER.');
  });
});
