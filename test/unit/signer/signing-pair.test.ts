import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { readPrivateKey } from '../../../src/signer/private-key.js';
import { readSigningPair, validityWarning } from '../../../src/signer/signing-pair.js';
import { newFolder, newPair, openssl } from './keys.js';
import type { KeyFiles } from './keys.js';

let rsa: KeyFiles;
let ec: KeyFiles;
beforeAll(() => {
  rsa = newPair('rsa:2048');
  ec = newPair('P-384', '/CN=ec');
});

const put = (content: Buffer | string): string => {
  const file = join(newFolder(), 'file');
  writeFileSync(file, content);
  return file;
};

const convert = (pair: KeyFiles, ...args: string[]): Buffer => openssl('pkey', '-in', pair.keyFile, ...args);

/** Every form in which a Secret may hold the two keys. */
const FORMS: readonly [string, (pair: KeyFiles) => Buffer | string][] = [
  ['PKCS#8 PEM', (pair) => convert(pair)],
  ['PKCS#8 DER', (pair) => convert(pair, '-outform', 'DER')],
  ['PKCS#1 or SEC1 PEM', (pair) => convert(pair, '-traditional')],
  [
    'PKCS#1 or SEC1 DER',
    (pair) => openssl(pair === rsa ? 'rsa' : 'ec', '-in', pair.keyFile, '-outform', 'DER', ...(pair === rsa ? ['-traditional'] : [])),
  ],
  ['PEM with CRLF and blanks around it', (pair) => `\r\n  ${convert(pair).toString().replaceAll('\n', '  \r\n')}\r\n \t\r\n`],
  ['PEM behind its certificate', (pair) => Buffer.concat([openssl('x509', '-in', pair.certFile), convert(pair)])],
  ['PEM without a line end', (pair) => convert(pair).toString().trimEnd()],
  ['DER with a line end behind it', (pair) => Buffer.concat([convert(pair, '-outform', 'DER'), Buffer.from('\r\n')])],
];

describe.each(FORMS)('a key as %s', (_, form) => {
  test.each(['RSA', 'EC'])('is read: %s', async (kind) => {
    const pair = kind === 'RSA' ? rsa : ec;
    const read = await readSigningPair(put(form(pair)), pair.certFile);
    expect(read.key.equals(pair.key)).toBe(true);
  });
});

test('EC parameters before the key do no harm', async () => {
  const key = put(Buffer.concat([openssl('ecparam', '-name', 'secp384r1'), convert(ec, '-traditional')]));
  expect((await readSigningPair(key, ec.certFile)).key.equals(ec.key)).toBe(true);
});

test.each([
  ['PEM', (): Buffer => openssl('x509', '-in', rsa.certFile)],
  ['DER', (): Buffer => openssl('x509', '-in', rsa.certFile, '-outform', 'DER')],
  ['PEM with CRLF', (): Buffer => Buffer.from(openssl('x509', '-in', rsa.certFile).toString().replaceAll('\n', '\r\n') + '\r\n\r\n')],
  [
    'DER with a line end behind it',
    (): Buffer => Buffer.concat([openssl('x509', '-in', rsa.certFile, '-outform', 'DER'), Buffer.from('\n')]),
  ],
])('a certificate as %s is read', async (_, form) => {
  expect((await readSigningPair(rsa.keyFile, put(form()))).certificate.fingerprint256).toBe(rsa.certificate.fingerprint256);
});

describe('a key is refused', () => {
  const ENCRYPTED = /^is encrypted\. There is nobody to ask for a passphrase/;
  test.each([
    ['that is encrypted, PKCS#8 PEM', (): Buffer => convert(rsa, '-aes256', '-passout', 'pass:x'), ENCRYPTED],
    [
      'that is encrypted, PKCS#8 DER',
      (): Buffer => openssl('pkcs8', '-topk8', '-in', rsa.keyFile, '-outform', 'DER', '-passout', 'pass:x'),
      ENCRYPTED,
    ],
    [
      'that is encrypted by PKCS#12 rules, DER',
      (): Buffer => openssl('pkcs8', '-topk8', '-in', rsa.keyFile, '-outform', 'DER', '-v1', 'PBE-SHA1-3DES', '-passout', 'pass:x'),
      ENCRYPTED,
    ],
    ['that is encrypted, PKCS#1 PEM', (): Buffer => convert(rsa, '-traditional', '-aes256', '-passout', 'pass:x'), ENCRYPTED],
    ['that is empty', (): Buffer => Buffer.alloc(0), /^is empty\./],
    ['that is a certificate, PEM', (): Buffer => openssl('x509', '-in', rsa.certFile), /^holds no private key but a certificate\./],
    [
      'that is a certificate, DER',
      (): Buffer => openssl('x509', '-in', rsa.certFile, '-outform', 'DER'),
      /^is not a private key that can be read\./,
    ],
    ['that is a public key', (): Buffer => convert(rsa, '-pubout'), /^holds no private key but a public key\./],
    ['that is cut off', (): Buffer => convert(rsa, '-outform', 'DER').subarray(0, 300), /^is not a private key that can be read\./],
    ['that is a word', (): Buffer => Buffer.from('secret'), /^is not a private key that can be read\./],
    ['that is two keys', (): Buffer => Buffer.concat([convert(rsa), convert(ec)]), /^holds more than one private key\./],
  ])('%s', (_, form, expected) => {
    const reading = readPrivateKey(form());
    expect(reading).toEqual({ ok: false, defect: expect.stringMatching(expected) });
  });

  test('of a type that no kernel checks', async () => {
    const key = put(openssl('genpkey', '-algorithm', 'ed25519'));
    await expect(readSigningPair(key, rsa.certFile)).rejects.toThrow(
      `Kernel modules cannot be signed with the private key ${key}: it is of the type ed25519, and the kernel checks signatures by RSA and EC keys.`,
    );
  });

  test('that belongs to another certificate, also of the same kind', async () => {
    const other = newPair('rsa:2048', '/CN=other');
    await expect(readSigningPair(other.keyFile, rsa.certFile)).rejects.toThrow(
      /does not belong to the certificate .* \(O=Example, CN=kmod signer\)/,
    );
    await expect(readSigningPair(ec.keyFile, rsa.certFile)).rejects.toThrow(/does not belong to the certificate/);
  });
});

test('a certificate that is none is named', async () => {
  const cert = put('nothing');
  await expect(readSigningPair(rsa.keyFile, cert)).rejects.toThrow(
    `${cert}: The certificate is neither PEM nor DER of an X.509 certificate. Put the certificate there that belongs to the signing key.`,
  );
});

test('a folder or a file too large for a Secret is named', async () => {
  await expect(readSigningPair('/tmp', rsa.certFile)).rejects.toThrow('The private key /tmp is a directory.');
  const large = put(Buffer.alloc(1_048_577));
  await expect(readSigningPair(large, rsa.certFile)).rejects.toThrow(
    `The private key ${large} has 1048577 bytes, and no Secret holds more than 1048576.`,
  );
});

test('a certificate outside of its time is a warning and no more', () => {
  const { validFromDate, validToDate } = rsa.certificate;
  expect(validityWarning(rsa.certificate, validToDate)).toBeUndefined();
  expect(validityWarning(rsa.certificate, new Date(validToDate.getTime() + 1000))).toBe(
    `The certificate (O=Example, CN=kmod signer) expired on ${validToDate.toISOString()}. Kernels take its signatures all the same.`,
  );
  expect(validityWarning(rsa.certificate, new Date(validFromDate.getTime() - 1000))).toMatch(/is not valid before/);
});
