export { signerOf, subjectOf, verifySignature, type SignatureVerdict } from './cms.js';

/**
 * A signed module is a file with this appended, as the kernel's `sign-file` does it: a CMS structure (DER, detached), twelve bytes that describe it, and a
 * line that marks the end. Source: the kernel's `module_signature.h` and `mod_check_sig`.
 */
const MAGIC = Buffer.from('~Module signature appended~\n', 'latin1');
const DESCRIPTION_BYTES = 12;
const TRAILER_BYTES = DESCRIPTION_BYTES + MAGIC.length;
const ID_TYPE_AT = 2;
const LENGTH_AT = 8;
/** `PKEY_ID_PKCS7`: the only kind that kernels take since 4.3. */
const PKCS7 = 2;
/** Signing tools append where they should replace, but not without end. */
const MAX_SIGNATURES = 16;

export type LastSignature =
  | { readonly kind: 'none' }
  /** `content` is what the signature is over: everything before it, earlier signatures included. */
  | { readonly kind: 'found'; readonly content: Buffer; readonly cms: Buffer }
  /** A clause for a sentence about the file: "the file …". */
  | { readonly kind: 'broken'; readonly defect: string };

/** The signature that the kernel looks at: the last one. It judges no other, and holds the trailer to the same rules as here. */
export function lastSignature(file: Buffer): LastSignature {
  const broken = (defect: string): LastSignature => ({ kind: 'broken', defect });
  if (!file.subarray(-MAGIC.length).equals(MAGIC)) return { kind: 'none' };
  if (file.length < TRAILER_BYTES) return broken('ends like a signed module and is too short to be one');
  const description = file.subarray(-TRAILER_BYTES, -MAGIC.length);
  const length = description.readUInt32BE(LENGTH_AT);
  const type = description[ID_TYPE_AT];
  if (type !== PKCS7) return broken(`has an appended signature of type ${type}, where ${PKCS7} (PKCS#7) is right`);
  if (description.subarray(0, LENGTH_AT).some((byte, at) => at !== ID_TYPE_AT && byte !== 0))
    return broken('has an appended signature whose description is not the one of PKCS#7: fields that must be zero are not');
  const cmsAt = file.length - TRAILER_BYTES - length;
  if (length === 0 || cmsAt < 0)
    return broken(`has an appended signature of ${length} bytes by its own account, in a file of ${file.length}`);
  return { kind: 'found', content: file.subarray(0, cmsAt), cms: file.subarray(cmsAt, cmsAt + length) };
}

export interface SplitModule {
  /** The module without any signature that could be taken off. */
  readonly content: Buffer;
  /** DER, the outermost first: that is the one that the kernel looks at. */
  readonly signatures: readonly Buffer[];
  /** Why the next one could not be taken off; a clause for a sentence about the file. */
  readonly defect?: string;
}

/** Takes all appended signatures off, at most 16. Buffers are views of `file`. */
export function splitSignatures(file: Buffer): SplitModule {
  const signatures: Buffer[] = [];
  let content = file;
  for (;;) {
    const last = lastSignature(content);
    if (last.kind === 'none') return { content, signatures };
    if (last.kind === 'broken') return { content, signatures, defect: last.defect };
    if (signatures.length === MAX_SIGNATURES) return { content, signatures, defect: `has more than ${MAX_SIGNATURES} appended signatures` };
    signatures.push(last.cms);
    content = last.content;
  }
}

/** The signed form of a module. `content` should be without earlier signatures: the new one would cover them, and they would stay in the file unread. */
export function appendSignature(content: Buffer, cms: Buffer): Buffer {
  const description = Buffer.alloc(DESCRIPTION_BYTES);
  description[ID_TYPE_AT] = PKCS7;
  description.writeUInt32BE(cms.length, LENGTH_AT);
  return Buffer.concat([content, cms, description, MAGIC]);
}
