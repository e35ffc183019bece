import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export type KeyReading = { readonly ok: true; readonly key: KeyObject } | { readonly ok: false; readonly defect: string };

const bad = (defect: string): KeyReading => ({ ok: false, defect });

const ENCRYPTED =
  'is encrypted. There is nobody to ask for a passphrase: put the key into the Secret without one (openssl pkey -in key.pem -out plain.pem)';
const UNREADABLE = 'is not a private key that can be read. Put an RSA or EC key there, PEM or DER, as PKCS#8, PKCS#1 or SEC1';

/**
 * Reads a private key: PEM or DER; PKCS#8, PKCS#1 or SEC1. Blank lines, CRLF, spaces at the end, and other blocks of the same PEM file (a certificate, EC
 * parameters) do no harm.
 * @returns The key, or a clause about the file that says what is wrong with it. No message of OpenSSL is passed on, and no byte of the file.
 */
export function readPrivateKey(bytes: Buffer): KeyReading {
  if (bytes.length === 0) return bad('is empty. Put the private key there, PEM or DER');
  const text = bytes.toString('latin1');
  return text.includes('-----BEGIN ') ? readPem(text) : readDer(bytes);
}

const BEGIN = '-----BEGIN ';
const END = '-----END ';
const DASHES = '-----';

interface PemBlock {
  readonly label: string;
  readonly text: string;
}

function readPem(text: string): KeyReading {
  const blocks = pemBlocks(text);
  const keys = blocks.filter(({ label }) => label.endsWith('PRIVATE KEY'));
  const [block] = keys;
  if (block === undefined) return bad(withoutKey(blocks));
  if (keys.length > 1) return bad('holds more than one private key. Leave the one that signs');
  if (block.label.startsWith('ENCRYPTED') || block.text.includes('Proc-Type: 4,ENCRYPTED')) return bad(ENCRYPTED);
  if (block.label.startsWith('OPENSSH')) return bad('is in the format of OpenSSH. Convert it to PKCS#8 (ssh-keygen -p -m PKCS8 -f key)');
  return tryKey(() => createPrivateKey(block.text)) ?? bad(UNREADABLE);
}

function withoutKey(blocks: readonly PemBlock[]): string {
  const label = blocks[0]?.label;
  return label === undefined
    ? UNREADABLE
    : `holds no private key but a ${label.toLowerCase()}. Put the private key there that belongs to the certificate`;
}

/** The blocks of a PEM file with plain line ends, each line without blanks around it. What stands between the blocks is left out. */
function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  let lines: string[] | undefined;
  for (const line of text.split(/\r\n|\r|\n/).map((raw) => raw.trim())) {
    if (line.startsWith(BEGIN) && line.endsWith(DASHES)) lines = [line];
    else if (lines !== undefined) lines.push(line);
    if (lines === undefined || !line.startsWith(END)) continue;
    blocks.push({ label: (lines[0] ?? '').slice(BEGIN.length, -DASHES.length), text: `${lines.join('\n')}\n` });
    lines = undefined;
  }
  return blocks;
}

const SEQUENCE = 0x30;
const INTEGER = 0x02;

function readDer(bytes: Buffer): KeyReading {
  const der = outermostElement(bytes);
  if (der === undefined) return bad(UNREADABLE);
  // All three formats begin with a version. PKCS#8 that is encrypted begins with its algorithm, and so does a public key.
  if (der.content[0] === INTEGER) {
    for (const type of ['pkcs8', 'pkcs1', 'sec1'] as const) {
      const reading = tryKey(() => createPrivateKey({ key: der.bytes, format: 'der', type }));
      if (reading !== undefined) return reading;
    }
  }
  return bad(isEncrypted(der.content) ? ENCRYPTED : UNREADABLE);
}

/** EncryptedPrivateKeyInfo (RFC 5958): an algorithm of PKCS#5 or PKCS#12, then an octet string. */
function isEncrypted(content: Buffer): boolean {
  const PKCS5_OID = '2a864886f70d0105';
  const PKCS12_OID = '2a864886f70d010c01';
  const start = content.subarray(0, 24).toString('hex');
  return content[0] === SEQUENCE && (start.includes(PKCS5_OID) || start.includes(PKCS12_OID));
}

/** The first element of a DER text, without what follows it: a line end that an editor or `echo` put there. */
function outermostElement(bytes: Buffer): { readonly bytes: Buffer; readonly content: Buffer } | undefined {
  if (bytes[0] !== SEQUENCE || bytes.length < 4) return undefined;
  const first = bytes[1] ?? 0;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (lengthBytes > 3 || bytes.length < 2 + lengthBytes) return undefined;
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(2, lengthBytes);
  const end = 2 + lengthBytes + length;
  return end > bytes.length ? undefined : { bytes: bytes.subarray(0, end), content: bytes.subarray(2 + lengthBytes, end) };
}

function tryKey(read: () => KeyObject): KeyReading | undefined {
  try {
    return { ok: true, key: read() };
  } catch {
    return undefined; // OpenSSL's message helps nobody here
  }
}
