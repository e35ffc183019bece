import { createHash, X509Certificate } from 'node:crypto';

/**
 * Reads a certificate, PEM or DER; of a PEM file with several the first.
 * @throws Error with a sentence for a person. It never quotes the bytes: somebody may have put the private key there.
 */
export function readCertificate(bytes: Buffer): X509Certificate {
  if (bytes.length === 0) throw new Error('The certificate is empty. Put an X.509 certificate there, PEM or DER.');
  try {
    return new X509Certificate(bytes);
  } catch {
    // OpenSSL's own message is dropped: it names functions, and depends on the version.
    throw new Error(
      'The certificate is neither PEM nor DER of an X.509 certificate. Put the certificate there that belongs to the signing key.',
    );
  }
}

/** SHA-256 of the certificate's DER form, lower-case hex without colons. */
export const certificateFingerprint = (certificate: X509Certificate): string => createHash('sha256').update(certificate.raw).digest('hex');
