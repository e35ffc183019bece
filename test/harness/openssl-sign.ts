import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTempDir, removeTempDir } from './process.js';

/** A key with its self-signed certificate, both PEM. */
export interface OpensslKey {
  readonly key: string;
  readonly certificate: Buffer;
}

export type OpensslKeyKind = 'rsa:2048' | 'P-256' | 'P-384';

const openssl = (folder: string, args: readonly string[]): Buffer =>
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });

function inFolder<Value>(work: (folder: string) => Value): Value {
  const folder = makeTempDir('openssl');
  try {
    return work(folder);
  } finally {
    removeTempDir(folder);
  }
}

/** Made by openssl: what is read here was then written by somebody else's code. */
export function opensslKey(kind: OpensslKeyKind, subject = '/O=Example/CN=Module signing'): OpensslKey {
  return inFolder((folder) => {
    const options = kind.startsWith('rsa') ? ['-newkey', kind] : ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${kind}`];
    const files = ['-keyout', 'key', '-out', 'certificate'];
    openssl(folder, ['req', '-x509', ...options, '-nodes', '-utf8', '-days', '2', '-subj', subject, ...files]);
    return { key: readFileSync(join(folder, 'key'), 'utf8'), certificate: readFileSync(join(folder, 'certificate')) };
  });
}

/** A CMS signature, DER: detached and without attributes or certificates, as the kernel's `sign-file` makes it, unless `options` say otherwise. */
export function opensslSign(
  content: Buffer,
  { key, certificate }: OpensslKey,
  options: readonly string[] = ['-noattr', '-nocerts'],
): Buffer {
  return inFolder((folder) => {
    writeFileSync(join(folder, 'key'), key, { mode: 0o600 });
    writeFileSync(join(folder, 'certificate'), certificate);
    writeFileSync(join(folder, 'content'), content);
    const files = ['-in', 'content', '-signer', 'certificate', '-inkey', 'key', '-out', 'signature'];
    openssl(folder, ['cms', '-sign', '-binary', '-outform', 'DER', ...files, ...options]);
    return readFileSync(join(folder, 'signature'));
  });
}

/** A module with the signature appended, put together here again: the trailer of the kernel's `module_signature.h`. */
export function opensslSigned(content: Buffer, key: OpensslKey, options?: readonly string[]): Buffer {
  const cms = opensslSign(content, key, options);
  const trailer = Buffer.alloc(12);
  trailer[2] = 2; // PKCS#7
  trailer.writeUInt32BE(cms.length, 8);
  return Buffer.concat([content, cms, trailer, Buffer.from('~Module signature appended~\n')]);
}
