export { certificateFingerprint, readCertificate } from './certificate.js';
export { compressionOf, DecompressionError, decompressModule, moduleNameOf, sameModule, type Compression } from './compression.js';
export { describeMachine, ELF_MACHINES, readModinfo, vermagicKernel, type Modinfo } from './elf.js';
export {
  appendSignature,
  lastSignature,
  signerOf,
  splitSignatures,
  subjectOf,
  verifySignature,
  type LastSignature,
  type SignatureVerdict,
  type SplitModule,
} from './signature.js';
export { through } from './streams.js';
export { createUnzstd } from './zstd.js';
