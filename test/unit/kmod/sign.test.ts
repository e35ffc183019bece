import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createModuleSignature, keyDefect, signModule } from '../../../src/kmod/sign.js';
import { appendSignature, splitSignatures, verifySignature } from '../../../src/kmod/signature.js';
import { fakeKmod } from '../../harness/kmod.js';
import { newFolder, newPair, openssl, verifyWithOpenssl } from '../signer/keys.js';
import type { KeyFiles } from '../signer/keys.js';

const MODULE = fakeKmod({ kernel: '6.1.0-18-amd64', name: 'kmod_a' });

let rsa: KeyFiles;
let ec: KeyFiles;
beforeAll(() => {
  rsa = newPair('rsa:2048');
  ec = newPair('P-256', '/CN=ec signer');
});

describe('a signature', () => {
  test.each(['rsa:2048', 'rsa:4096', 'P-256', 'P-384'] as const)(
    'by %s passes openssl with every digest, and fails for another content',
    (kind) => {
      const pair = newPair(kind);
      for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
        const cms = createModuleSignature(MODULE, pair.key, pair.certificate, hash);
        verifyWithOpenssl(MODULE, cms, pair.certFile);
        expect(verifySignature(MODULE, cms, pair.certificate)).toEqual({ ok: true });
        const changed = Buffer.from(MODULE);
        changed[100] = (changed[100] ?? 0) ^ 1;
        expect(() => verifyWithOpenssl(changed, cms, pair.certFile)).toThrow(/verification failure|Verification failure/i);
      }
    },
  );

  test.each([
    ['plain', '/O=Example/CN=kmod signer'],
    ['beyond ASCII', '/O=Bögelein & Söhne/CN=Ключ/emailAddress=a@example.org'],
    ['with several values in one part', '/C=DE/O=Example/CN=signer+UID=17'],
    ['that is empty', '/'],
  ])('names an issuer %s byte for byte as openssl does', (_, subject) => {
    const pair = newPair('rsa:2048', subject);
    const folder = newFolder();
    const file = join(folder, 'content');
    writeFileSync(file, MODULE);
    const options = ['-sign', '-binary', '-nocerts', '-noattr', '-nosmimecap', '-md', 'sha256', '-outform', 'DER'];
    const expected = openssl('cms', ...options, '-in', file, '-signer', pair.certFile, '-inkey', pair.keyFile);
    expect(createModuleSignature(MODULE, pair.key, pair.certificate).toString('hex')).toBe(expected.toString('hex'));
  });

  test('is the same for the same input and an RSA key', () => {
    expect(signModule(MODULE, rsa.key, rsa.certificate).equals(signModule(MODULE, rsa.key, rsa.certificate))).toBe(true);
  });
});

describe('a signed module', () => {
  test('has one signature, whoever signed it before', () => {
    const once = signModule(MODULE, ec.key, ec.certificate);
    const twice = appendSignature(once, createModuleSignature(once, ec.key, ec.certificate));
    for (const file of [MODULE, once, twice]) {
      const { content, signatures } = splitSignatures(signModule(file, rsa.key, rsa.certificate));
      expect(content.equals(MODULE)).toBe(true);
      expect(signatures).toHaveLength(1);
      verifyWithOpenssl(content, signatures[0] ?? Buffer.alloc(0), rsa.certFile);
    }
  });

  test('is the same after any number of earlier signatures, for any content', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 3 }), (bytes, earlier) => {
        const content = Buffer.from(bytes);
        const signed = signModule(content, rsa.key, rsa.certificate);
        let file: Buffer = content;
        for (let count = 0; count < earlier; count += 1) file = appendSignature(file, createModuleSignature(file, ec.key, ec.certificate));
        expect(signModule(file, rsa.key, rsa.certificate).equals(signed)).toBe(true);
        expect(splitSignatures(signed).content.equals(content)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test('shows its signer to modinfo', () => {
    const file = join(newFolder(), 'kmod_a.ko');
    writeFileSync(file, signModule(MODULE, rsa.key, rsa.certificate, 'sha512'));
    // Debian keeps modinfo where users have no PATH.
    const modinfo = ['/usr/sbin/modinfo', '/sbin/modinfo'].find((path) => existsSync(path)) ?? 'modinfo';
    const shown = execFileSync(modinfo, [file], { encoding: 'utf8' });
    expect(shown).toMatch(/^sig_id:\s+PKCS#7$/m);
    expect(shown).toMatch(/^signer:\s+kmod signer$/m);
    expect(shown).toMatch(/^sig_hashalgo:\s+sha512$/m);
  });

  test('is not made of one whose signature is damaged: where it ends is not known', () => {
    const damaged = signModule(MODULE, rsa.key, rsa.certificate);
    damaged.writeUInt32BE(0x7fffffff, damaged.length - 32);
    expect(() => signModule(damaged, rsa.key, rsa.certificate)).toThrow(
      /^The signature that is there already cannot be taken off: the file has an appended signature of 2147483647 bytes by its own account/,
    );
  });
});

describe('a key that no kernel can check', () => {
  test.each([
    [
      'Ed25519',
      (): unknown => generateKeyPairSync('ed25519'),
      'it is of the type ed25519, and the kernel checks signatures by RSA and EC keys',
    ],
    [
      'secp256k1',
      (): unknown => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
      'it is on the curve secp256k1, and the kernel knows P-256, P-384 and P-521',
    ],
    [
      'RSA-PSS',
      (): unknown => generateKeyPairSync('rsa-pss', { modulusLength: 2048 }),
      'it is of the type rsa-pss, and the kernel checks signatures by RSA and EC keys',
    ],
  ])('%s is refused', (_, generate, defect) => {
    const { privateKey } = generate() as ReturnType<typeof generateKeyPairSync>;
    const key = createPrivateKey((privateKey as unknown as ReturnType<typeof createPrivateKey>).export({ format: 'pem', type: 'pkcs8' }));
    expect(keyDefect(key)).toBe(defect);
    expect(() => createModuleSignature(MODULE, key, new X509Certificate(readFileSync(rsa.certFile)))).toThrow(
      `Kernel modules cannot be signed with this key: ${defect}.`,
    );
  });
});
