import { promisify } from 'node:util';
import { constants, gzip, zstdCompress } from 'node:zlib';
import { isFault } from '../domain/fault.js';
import { compressionOf, DecompressionError, decompressModule } from '../kmod/compression.js';
import type { Compression } from '../kmod/compression.js';
import { readModinfo } from '../kmod/elf.js';
import { signModule } from '../kmod/sign.js';
import type { SignatureHash } from '../kmod/sign.js';
import { splitSignatures, verifySignature } from '../kmod/signature.js';
import { NotAModule, SigningFailure } from './failure.js';
import type { SigningPair } from './signing-pair.js';
import { xz } from './xz.js';

/** The largest modules of distributions (graphics drivers with debug information) stay below 100 MB. */
export const MAX_MODULE_BYTES = 134_217_728; // 128 MiB, as the hub's inspection takes: a larger one would be signed, pushed and then rejected

/**
 * The signed form of a module file, stored as it was: the content of `.ko.gz`, `.ko.xz` and `.ko.zst` is signed, and compressed again.
 * @param path Where the file stands in the image: says how it is compressed, and is named in messages.
 * @param file As it lies in the image. A file that has this very signature already comes back unchanged.
 * @throws NotAModule when there is nothing in the file that a kernel could load; SigningFailure when it is too large or cannot be signed.
 */
export async function signFile(path: string, file: Buffer, pair: SigningPair, hash: SignatureHash): Promise<Buffer> {
  const compression = compressionOf(path);
  const module = await unpacked(path, file, compression);
  const modinfo = readModinfo(module);
  if (!modinfo.ok) throw new NotAModule('Sign', cannot(path, `is not a kernel module: it ${modinfo.defect}`));
  const signed = signOne(path, module, pair, hash);
  checkSigned(path, signed, pair);
  if (signed.equals(module)) return file;
  const packed = await repack(path, signed, compression);
  const readBack = compression === 'none' ? packed : await unpacked(path, packed, compression);
  if (!readBack.equals(signed)) throw refused(path, `does not come out of its .${compression} form as it went in`);
  return packed;
}

const cannot = (path: string, clause: string): string => `${path} cannot be signed: the file ${clause}.`;
const refused = (path: string, clause: string): SigningFailure => new SigningFailure('Sign', cannot(path, clause));

async function unpacked(path: string, file: Buffer, compression: Compression): Promise<Buffer> {
  try {
    return await decompressModule(file, compression, MAX_MODULE_BYTES);
  } catch (error) {
    if (!(error instanceof DecompressionError)) throw error;
    if (error.kind === 'Broken') throw new NotAModule('Sign', cannot(path, error.message));
    throw refused(path, error.message);
  }
}

function signOne(path: string, module: Buffer, { key, certificate }: SigningPair, hash: SignatureHash): Buffer {
  try {
    return signModule(module, key, certificate, hash);
  } catch (error) {
    if (isFault(error)) throw new SigningFailure('Sign', `${path} cannot be signed. ${error.message}`);
    throw error;
  }
}

/** What is made is read again as the kernel will read it: one signature, of this certificate, over all that is before it. */
function checkSigned(path: string, signed: Buffer, { certificate }: SigningPair): void {
  const { content, signatures } = splitSignatures(signed);
  const [signature] = signatures;
  if (signature === undefined || signatures.length !== 1)
    throw refused(path, `has ${signatures.length} signatures after signing instead of one`);
  const verdict = verifySignature(content, signature, certificate);
  if (!verdict.ok) throw refused(path, `${verdict.defect}, after it was signed`);
}

/**
 * As the kernel's `make modules_install` compresses, since the kernel may have to decompress it: it knows gzip, zstd, and xz without a check or with CRC32.
 * The same content gives the same bytes.
 */
async function repack(path: string, module: Buffer, compression: Compression): Promise<Buffer> {
  switch (compression) {
    case 'none':
      return module;
    case 'gz':
      return promisify(gzip)(module, { level: constants.Z_BEST_COMPRESSION });
    case 'zst':
      return promisify(zstdCompress)(module, { params: { [constants.ZSTD_c_checksumFlag]: 1 }, pledgedSrcSize: module.length });
    case 'xz': {
      const result = await xz(module);
      if (!result.ok) throw refused(path, `cannot be compressed again: ${result.defect}`);
      return result.bytes;
    }
  }
}
