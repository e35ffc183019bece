import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTempDir, removeTempDir } from './process.js';

export interface SigningPair {
  /** Common name of the certificate: what modinfo shows as the signer. */
  readonly subject: string;
  /** PKCS#8, PEM. */
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
}

/** A fresh RSA-2048 key with a self-signed certificate, as people make them for module signing. Takes some tenths of a second. */
export function makeSigningPair(subject: string): SigningPair {
  const folder = makeTempDir('signing-pair');
  try {
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const args = [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '30',
      '-subj',
      `/CN=${subject}`,
      '-keyout',
      key,
      '-out',
      certificate,
    ];
    execFileSync('openssl', args, { stdio: 'pipe' });
    return { subject, key: readFileSync(key, 'utf8'), certificate: readFileSync(certificate, 'utf8') };
  } finally {
    removeTempDir(folder);
  }
}

/** Forms in which a key may lie about somewhere: a stretch from the middle of each, long enough to be its own. */
export function tracesOf({ key }: SigningPair): Buffer[] {
  const body = key.replace(/-----[^-]+-----/g, '').replaceAll('\n', '');
  const der = Buffer.from(body, 'base64');
  const lines = key.split('\n').filter((line) => line.length === 64);
  const inSecret = Buffer.from(key).toString('base64');
  const middle = (text: string): Buffer => Buffer.from(text.slice(text.length / 2, text.length / 2 + 48));
  return [Buffer.from(lines[Math.floor(lines.length / 2)] ?? ''), middle(inSecret), der.subarray(der.length / 2, der.length / 2 + 32)];
}
