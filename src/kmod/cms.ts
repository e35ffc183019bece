import { constants, createHash, verify, type X509Certificate } from 'node:crypto';
import { ContentInfo, id_data, id_signedData, SignedData, type Attribute, type SignerInfo } from '@peculiar/asn1-cms';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { Certificate, id_ce_subjectKeyIdentifier, SubjectKeyIdentifier, type Name } from '@peculiar/asn1-x509';

export type SignatureVerdict =
  | { readonly ok: true }
  /** A clause for a sentence about the file: "the file …". */
  | { readonly ok: false; readonly defect: string };

type Hash = 'sha256' | 'sha384' | 'sha512';

const HASHES: Readonly<Record<string, Hash>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

interface Algorithm {
  readonly keys: readonly string[];
  /** Where the algorithm's own name says it; otherwise it is the digest algorithm's. */
  readonly hash?: Hash;
  readonly isPss?: boolean;
}

const RSA = { keys: ['rsa'] };
const EC = { keys: ['ec'] };
const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  '1.2.840.113549.1.1.1': RSA,
  '1.2.840.113549.1.1.11': { ...RSA, hash: 'sha256' },
  '1.2.840.113549.1.1.12': { ...RSA, hash: 'sha384' },
  '1.2.840.113549.1.1.13': { ...RSA, hash: 'sha512' },
  '1.2.840.113549.1.1.10': { keys: ['rsa', 'rsa-pss'], isPss: true },
  '1.2.840.10045.2.1': EC,
  '1.2.840.10045.4.3.2': { ...EC, hash: 'sha256' },
  '1.2.840.10045.4.3.3': { ...EC, hash: 'sha384' },
  '1.2.840.10045.4.3.4': { ...EC, hash: 'sha512' },
};

const CONTENT_TYPE = '1.2.840.113549.1.9.3';
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4';
const COMMON_NAME = '2.5.4.3';
const SET = 0x31;
/** One with certificates and a long chain has a few kilobytes. */
const MAX_CMS_BYTES = 1_048_576; // 1 MiB
const MAX_NAME_LENGTH = 200;

/** Thrown inside this file alone. */
class Defect extends Error {}

/**
 * Whether a detached CMS signature over `content` was made with the key of `certificate`: RSA (PKCS#1 v1.5 or PSS) or ECDSA over SHA-256, 384 or 512, with or
 * without signed attributes, the signer named by issuer and serial number or by key identifier. Of several signers one is enough.
 * The certificate's dates and its own issuer are not looked at, as the kernel does not look at them for module signatures. Source: RFC 5652, 5.
 */
export function verifySignature(content: Buffer, cms: Buffer, certificate: X509Certificate): SignatureVerdict {
  try {
    const { encapContentInfo, signerInfos } = parse(cms);
    if (encapContentInfo.eContentType !== id_data)
      throw new Defect(`has a signature over content of type ${encapContentInfo.eContentType}, where ${id_data} (data) is right`);
    if (encapContentInfo.eContent !== undefined) throw new Defect('has a signature that brings its own content instead of being detached');
    const ours = signersBy(signerInfos, certificate);
    if (ours.length === 0)
      throw new Defect(`is signed by ${describeSigners(signerInfos)}, not with the key of ${describeKey(certificate)}`);
    const verdicts = ours.map((signer) => judge(signer, content, certificate));
    return verdicts.find(({ ok }) => ok) ?? verdicts[0] ?? { ok: true };
  } catch (error) {
    if (error instanceof Defect) return { ok: false, defect: error.message };
    throw error;
  }
}

/** Runs what reads parts that the parser took as they were: whatever it throws, the structure is what is wrong. */
function reading<Value>(read: () => Value): Value {
  try {
    return read();
  } catch {
    throw new Defect('has a signature that cannot be read as CMS signed data'); // the parser's messages speak of its own classes
  }
}

/**
 * Who signed, as `modinfo` shows it: the common name of the certificate's issuer (the subject itself where it is self-signed), else the whole of that name,
 * else the key identifier or serial number as hex. Undefined when the structure cannot be read or names nobody.
 */
export function signerOf(cms: Buffer): string | undefined {
  try {
    const sid = parse(cms).signerInfos[0]?.sid;
    if (sid?.subjectKeyIdentifier !== undefined) return hex(sid.subjectKeyIdentifier.buffer);
    if (sid?.issuerAndSerialNumber === undefined) return undefined;
    const { issuer, serialNumber } = sid.issuerAndSerialNumber;
    return nameOf(issuer) ?? hex(serialNumber);
  } catch (error) {
    if (error instanceof Defect) return undefined;
    throw error;
  }
}

/** Names alone do not tell a key from the one that it replaced. */
function describeSigners(signers: readonly SignerInfo[]): string {
  const [first] = signers;
  if (first === undefined) return 'nobody';
  const { subjectKeyIdentifier, issuerAndSerialNumber } = first.sid;
  if (subjectKeyIdentifier !== undefined) return `the key ${hex(subjectKeyIdentifier.buffer)}`;
  if (issuerAndSerialNumber === undefined) return 'nobody who is named';
  const { issuer, serialNumber } = issuerAndSerialNumber;
  return `${nameOf(issuer) ?? 'a nameless issuer'} (serial number ${hex(serialNumber).replace(/^(?:00)+/, '')})`;
}

const describeKey = (certificate: X509Certificate): string =>
  `${subjectOf(certificate)} (serial number ${certificate.serialNumber.toLowerCase()})`;

const hex = (bytes: ArrayBuffer): string => Buffer.from(bytes).toString('hex');

/** For messages: the common name of a certificate's subject, else the whole subject. */
export const subjectOf = (certificate: X509Certificate): string =>
  /(?:^|\n)CN=([^\n]+)/.exec(certificate.subject)?.[1] ?? (certificate.subject.replaceAll('\n', ', ') || 'no name');

function parse(cms: Buffer): SignedData {
  if (cms.length > MAX_CMS_BYTES) throw new Defect(`has a signature of ${cms.length} bytes, where at most ${MAX_CMS_BYTES} are read`);
  if (!isWholeElement(cms)) throw new Defect('has a signature that is not a DER structure of the stated length');
  const info = reading(() => AsnConvert.parse(cms, ContentInfo));
  if (info.contentType !== id_signedData)
    throw new Defect(`has a signature of CMS type ${info.contentType}, where ${id_signedData} (signed data) is right`);
  return reading(() => AsnConvert.parse(info.content, SignedData));
}

/** The parser would not mind bytes behind the structure; the kernel does. */
function isWholeElement(der: Buffer): boolean {
  const first = der[1] ?? 0x80;
  const lengthBytes = first > 0x80 ? first - 0x80 : 0;
  if (der[0] !== 0x30 || first === 0x80 || lengthBytes > 4 || der.length < 2 + lengthBytes) return false;
  return der.length === 2 + lengthBytes + (lengthBytes === 0 ? first : der.readUIntBE(2, lengthBytes));
}

function signersBy(signers: readonly SignerInfo[], certificate: X509Certificate): readonly SignerInfo[] {
  const { issuer, serialNumber, extensions = [] } = AsnConvert.parse(certificate.raw, Certificate).tbsCertificate;
  const issuerDer = nameDer(issuer);
  const keyId = extensions.find(({ extnID }) => extnID === id_ce_subjectKeyIdentifier)?.extnValue;
  const keyIdBytes = keyId && Buffer.from(AsnConvert.parse(keyId.buffer, SubjectKeyIdentifier).buffer);
  return signers.filter(({ sid }) => {
    const named = sid.issuerAndSerialNumber;
    if (named !== undefined)
      return nameDer(named.issuer).equals(issuerDer) && Buffer.from(named.serialNumber).equals(Buffer.from(serialNumber));
    return (
      keyIdBytes !== undefined && sid.subjectKeyIdentifier !== undefined && keyIdBytes.equals(Buffer.from(sid.subjectKeyIdentifier.buffer))
    );
  });
}

const nameDer = (name: Name): Buffer => reading(() => Buffer.from(AsnConvert.serialize(name)));

function judge(signer: SignerInfo, content: Buffer, certificate: X509Certificate): SignatureVerdict {
  const defect = (text: string): SignatureVerdict => ({ ok: false, defect: text });
  const hash = HASHES[signer.digestAlgorithm.algorithm];
  if (hash === undefined)
    return defect(`has a signature with the digest algorithm ${signer.digestAlgorithm.algorithm}; SHA-256, 384 and 512 are accepted`);
  const algorithm = ALGORITHMS[signer.signatureAlgorithm.algorithm];
  if (algorithm === undefined || (algorithm.hash ?? hash) !== hash)
    return defect(`has a signature with the algorithm ${signer.signatureAlgorithm.algorithm} over ${hash}; RSA and ECDSA are accepted`);
  const key = certificate.publicKey;
  if (!algorithm.keys.includes(key.asymmetricKeyType ?? ''))
    return defect(
      `has a signature with the algorithm ${signer.signatureAlgorithm.algorithm}, which the certificate's key (${key.asymmetricKeyType}) cannot make`,
    );
  const signed = signer.signedAttrs === undefined ? content : signedAttributes(signer.signedAttrs, content, hash);
  if (signed === undefined) return defect(ALTERED);
  const options = algorithm.isPss ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO } : {};
  const isRight = reading(() => verify(hash, signed, { key, ...options }, Buffer.from(signer.signature.buffer)));
  return isRight ? { ok: true } : defect(ALTERED);
}

const ALTERED = 'was changed after it was signed, or its signature is damaged: it does not verify';

/** What was signed in the content's place: the attributes, one of which is the content's digest. Undefined when that is of another content. */
function signedAttributes(attributes: readonly Attribute[], content: Buffer, hash: Hash): Buffer | undefined {
  const only = (type: string): ArrayBuffer | undefined => {
    const found = attributes.filter(({ attrType }) => attrType === type);
    return found.length === 1 && found[0]?.attrValues.length === 1 ? found[0].attrValues[0] : undefined;
  };
  const [digest, type] = [only(MESSAGE_DIGEST), only(CONTENT_TYPE)];
  if (digest === undefined || type === undefined) return undefined;
  const stated = reading(() => Buffer.from(AsnConvert.parse(digest, OctetString).buffer));
  if (!stated.equals(createHash(hash).update(content).digest())) return undefined;
  // They are signed as a SET of their own, not under the tag that they have in the structure (RFC 5652, 5.4).
  return derElement(
    SET,
    reading(() => Buffer.concat(attributes.map((attribute) => Buffer.from(AsnConvert.serialize(attribute))))),
  );
}

function derElement(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length > 0xffff) throw new Defect('has a signature with more than 64 KiB of signed attributes');
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function nameOf(name: Name): string | undefined {
  const parts = [...name].flatMap((part) => [...part]);
  const common = parts.findLast(({ type }) => type === COMMON_NAME);
  const text = (common === undefined ? parts : [common]).map(({ value }) => value.toString()).join(', ');
  const shown = [...text].filter((character) => character >= ' ' && character !== '\x7f').join('');
  return shown === '' ? undefined : shown.slice(0, MAX_NAME_LENGTH);
}
