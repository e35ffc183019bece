import type { KeyObject, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { readCertificate } from '../kmod/certificate.js';
import { keyDefect } from '../kmod/sign.js';
import { fileDefect, SigningFailure } from './failure.js';
import { readPrivateKey } from './private-key.js';

/** A private key and the certificate that it belongs to. */
export interface SigningPair {
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
}

/** A Secret holds at most 1 MiB. */
const MAX_BYTES = 1_048_576;

/**
 * Reads the two files that the signing container mounts and makes sure that they belong together.
 * @throws SigningFailure of the stage `Check`, with a sentence that names the file.
 */
export async function readSigningPair(keyFile: string, certFile: string): Promise<SigningPair> {
  const certificate = parseCertificate(await readInput('certificate', certFile), certFile);
  const reading = readPrivateKey(await readInput('private key', keyFile));
  if (!reading.ok) throw refused(`The private key ${keyFile} ${reading.defect}.`);
  const { key } = reading;
  const defect = keyDefect(key);
  if (defect !== undefined) throw refused(`Kernel modules cannot be signed with the private key ${keyFile}: ${defect}.`);
  if (!certificate.checkPrivateKey(key)) {
    throw refused(
      `The private key ${keyFile} does not belong to the certificate ${certFile} (${wholeSubject(certificate)}): ` +
        'their public keys differ, and no kernel would accept the signature. Put the key and the certificate of one pair into the two Secrets.',
    );
  }
  return { key, certificate };
}

/** A sentence for a certificate that is not valid at this time, or undefined. The kernel looks at no dates: nothing is refused for it. */
export function validityWarning(certificate: X509Certificate, now: Date): string | undefined {
  const subject = wholeSubject(certificate);
  if (certificate.validToDate < now) {
    return `The certificate (${subject}) expired on ${certificate.validToDate.toISOString()}. Kernels take its signatures all the same.`;
  }
  if (certificate.validFromDate > now) {
    return `The certificate (${subject}) is not valid before ${certificate.validFromDate.toISOString()}. Kernels take its signatures all the same.`;
  }
  return undefined;
}

/** The subject on one line: `O=Example, CN=kmod signer`. */
export const wholeSubject = (certificate: X509Certificate): string => certificate.subject.split('\n').join(', ') || 'without a subject';

const refused = (message: string): SigningFailure => new SigningFailure('Check', message);

async function readInput(what: string, file: string): Promise<Buffer> {
  try {
    const { size } = await stat(file);
    if (size > MAX_BYTES) throw refused(`The ${what} ${file} has ${size} bytes, and no Secret holds more than ${MAX_BYTES}.`);
    return await readFile(file);
  } catch (error) {
    if (error instanceof SigningFailure) throw error;
    throw refused(`The ${what} ${file} ${fileDefect(error)}. It comes from a Secret that the signing container mounts.`);
  }
}

function parseCertificate(bytes: Buffer, file: string): X509Certificate {
  try {
    return readCertificate(bytes);
  } catch (error) {
    throw refused(`${file}: ${error instanceof Error ? error.message : 'The certificate cannot be read.'}`);
  }
}
