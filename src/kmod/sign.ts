import { sign } from 'node:crypto';
import type { KeyObject, X509Certificate } from 'node:crypto';
import {
  CMSVersion,
  ContentInfo,
  DigestAlgorithmIdentifier,
  EncapsulatedContentInfo,
  id_data,
  id_signedData,
  IssuerAndSerialNumber,
  SignatureAlgorithmIdentifier,
  SignedData,
  SignerIdentifier,
  SignerInfo,
} from '@peculiar/asn1-cms';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { Certificate } from '@peculiar/asn1-x509';
import { Fault } from '../domain/fault.js';
import { appendSignature, splitSignatures } from './signature.js';

/** Digests that every kernel with module signing knows. */
export const SIGNATURE_HASHES = ['sha256', 'sha384', 'sha512'] as const;
export type SignatureHash = (typeof SIGNATURE_HASHES)[number];

/** Object identifiers of NIST and ANSI X9.62; the parameters of all but RSA are absent (RFC 5754). */
const DIGEST_OID: Readonly<Record<SignatureHash, string>> = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
};
const ECDSA_OID: Readonly<Record<SignatureHash, string>> = {
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
  sha512: '1.2.840.10045.4.3.4',
};
const RSA_OID = '1.2.840.113549.1.1.1';
const ASN_NULL = new Uint8Array([0x05, 0x00]).buffer;

/** Curves of the kernel's own ECDSA, by OpenSSL's names: P-256, P-384 and (since Linux 6.10) P-521. */
const KERNEL_CURVES: readonly (string | undefined)[] = ['prime256v1', 'secp384r1', 'secp521r1'];

/**
 * Why the kernel could not check a signature made with this key, or undefined. The kernel knows RSA with PKCS#1 v1.5 padding and ECDSA on the NIST curves
 * (crypto/asymmetric_keys/public_key.c).
 */
export function keyDefect({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): string | undefined {
  if (type === 'rsa') return undefined;
  if (type === 'ec') {
    const curve = details?.namedCurve;
    return KERNEL_CURVES.includes(curve)
      ? undefined
      : `it is on the curve ${curve ?? 'without a name'}, and the kernel knows P-256, P-384 and P-521`;
  }
  return `it is of the type ${type ?? 'unknown'}, and the kernel checks signatures by RSA and EC keys`;
}

/**
 * The signature of a kernel module as the kernel's own `scripts/sign-file` makes it: a detached CMS SignedData (RFC 5652) in DER that names the signer by
 * issuer and serial number and carries no certificates and no signed attributes. With an RSA key the same input gives the same bytes.
 * @param content The module without any signature. What is signed is this and nothing else.
 * @param key Private key, RSA (PKCS#1 v1.5) or EC. Whether it belongs to the certificate is the caller's to check.
 * @param hash Digest of the content, default `sha256`.
 * @throws Fault `Invalid` for a key that the kernel cannot check.
 */
export function createModuleSignature(
  content: Buffer,
  key: KeyObject,
  certificate: X509Certificate,
  hash: SignatureHash = 'sha256',
): Buffer {
  const defect = keyDefect(key);
  if (defect !== undefined)
    throw new Fault('Invalid', `Kernel modules cannot be signed with this key: ${defect}.`, { reason: 'SignFailed' });
  const { tbsCertificate } = AsnConvert.parse(certificate.raw, Certificate);
  const digestAlgorithm = new DigestAlgorithmIdentifier({ algorithm: DIGEST_OID[hash] });
  const signer = new SignerInfo({
    version: CMSVersion.v1,
    sid: new SignerIdentifier({
      issuerAndSerialNumber: new IssuerAndSerialNumber({ issuer: tbsCertificate.issuer, serialNumber: tbsCertificate.serialNumber }),
    }),
    digestAlgorithm,
    signatureAlgorithm: new SignatureAlgorithmIdentifier(
      key.asymmetricKeyType === 'rsa' ? { algorithm: RSA_OID, parameters: ASN_NULL } : { algorithm: ECDSA_OID[hash] },
    ),
    signature: new OctetString(sign(hash, content, key)),
  });
  const signedData = new SignedData({
    version: CMSVersion.v1,
    encapContentInfo: new EncapsulatedContentInfo({ eContentType: id_data }),
  });
  signedData.digestAlgorithms.push(digestAlgorithm);
  signedData.signerInfos.push(signer);
  return Buffer.from(AsnConvert.serialize(new ContentInfo({ contentType: id_signedData, content: AsnConvert.serialize(signedData) })));
}

/**
 * A module with exactly one signature at its end, whoever signed it before and however often.
 * @param file The module as it lies on disk, not compressed.
 * @throws Fault `Invalid` for a key that the kernel cannot check, and for a signature at the end that is damaged: where the module ends is not known then.
 */
export function signModule(file: Buffer, key: KeyObject, certificate: X509Certificate, hash: SignatureHash = 'sha256'): Buffer {
  const { content, defect } = splitSignatures(file);
  if (defect !== undefined)
    throw new Fault('Invalid', `The signature that is there already cannot be taken off: the file ${defect}.`, { reason: 'SignFailed' });
  return appendSignature(content, createModuleSignature(content, key, certificate, hash));
}
