import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import type { SigningPair } from '../../../src/signer/signing-pair.js';

export const openssl = (...args: string[]): Buffer => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A folder of its own, until the tests of the file are through. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kmodflow-signer-'));
  folders.push(folder);
  return folder;
}

export type KeyKind = 'rsa:2048' | 'rsa:4096' | 'P-256' | 'P-384';

export interface KeyFiles extends SigningPair {
  /** PKCS#8, PEM. */
  readonly keyFile: string;
  /** PEM. */
  readonly certFile: string;
}

/** A fresh key with its self-signed certificate, made by openssl. */
export function newPair(kind: KeyKind, subject = '/O=Example/CN=kmod signer'): KeyFiles {
  const folder = newFolder();
  const [keyFile, certFile] = [join(folder, 'key'), join(folder, 'cert')];
  const options = kind.startsWith('rsa') ? ['-newkey', kind] : ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${kind}`];
  openssl('req', '-x509', ...options, '-nodes', '-utf8', '-keyout', keyFile, '-out', certFile, '-subj', subject, '-days', '2');
  return { keyFile, certFile, key: createPrivateKey(readFileSync(keyFile)), certificate: new X509Certificate(readFileSync(certFile)) };
}

/** Throws with openssl's own words unless the signature is a good one by this certificate. */
export function verifyWithOpenssl(content: Buffer, cms: Buffer, certFile: string): void {
  const folder = newFolder();
  const [contentFile, cmsFile] = [join(folder, 'content'), join(folder, 'cms')];
  writeFileSync(contentFile, content);
  writeFileSync(cmsFile, cms);
  const files = ['-inform', 'DER', '-in', cmsFile, '-content', contentFile, '-certfile', certFile];
  openssl('cms', '-verify', '-binary', '-noverify', '-nointern', ...files, '-out', join(folder, 'out'));
}
