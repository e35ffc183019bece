import type { X509Certificate } from 'node:crypto';
import {
  compressionOf,
  DecompressionError,
  decompressModule,
  lastSignature,
  moduleNameOf,
  readModinfo,
  signerOf,
  verifySignature,
} from '../kmod/index.js';

/** What is kept of a file once its bytes are gone. Defects are clauses about it: "the file …". */
export interface FileReport {
  /** As it stands in the image. */
  readonly sizeBytes: number;
  /** Only of files that are named like a module. */
  readonly module?: ModuleFacts | { readonly defect: string };
  readonly signer?: string | undefined;
  /** Why it does not count as signed by the expected certificate; undefined when it does, or when none is expected. */
  readonly signatureDefect?: string | undefined;
}

export interface ModuleFacts {
  readonly machine: number;
  readonly vermagic: string;
  readonly version: string | undefined;
}

export interface ReportOptions {
  readonly maxModuleBytes: number;
  readonly certificate: X509Certificate | undefined;
}

/** Longer ones are nobody's: the kernel's own have about 60 characters. */
const MAX_FIELD_LENGTH = 200;

/** For a file that could not be read at all. */
export const unreadable = (sizeBytes: number, defect: string): FileReport => ({ sizeBytes, module: { defect }, signatureDefect: defect });

/** What a file says of itself, and who signed it. */
export async function reportOn(path: string, stored: Buffer, { maxModuleBytes, certificate }: ReportOptions): Promise<FileReport> {
  const sizeBytes = stored.length;
  let file: Buffer;
  try {
    file = await decompressModule(stored, compressionOf(path), maxModuleBytes);
  } catch (error) {
    if (error instanceof DecompressionError) return unreadable(sizeBytes, error.message);
    throw error;
  }
  return {
    sizeBytes,
    ...(moduleNameOf(path) === undefined ? {} : { module: moduleFacts(file) }),
    ...signatureFacts(file, certificate),
  };
}

function moduleFacts(file: Buffer): ModuleFacts | { readonly defect: string } {
  const info = readModinfo(file);
  if (!info.ok) return { defect: info.defect };
  const vermagic = info.fields.get('vermagic')?.[0];
  if (vermagic === undefined) return { defect: 'has no vermagic in its section .modinfo' };
  const version = info.fields.get('version')?.[0];
  return { machine: info.machine, vermagic: keep(vermagic), version: version === undefined ? undefined : keep(version) };
}

function signatureFacts(file: Buffer, certificate: X509Certificate | undefined): Pick<FileReport, 'signer' | 'signatureDefect'> {
  const last = lastSignature(file);
  if (last.kind !== 'found') {
    const defect = last.kind === 'none' ? 'carries no signature' : last.defect;
    return certificate === undefined ? {} : { signatureDefect: defect };
  }
  const signer = signerOf(last.cms);
  if (certificate === undefined) return { signer };
  const verdict = verifySignature(last.content, last.cms, certificate);
  return verdict.ok ? { signer } : { signer, signatureDefect: verdict.defect };
}

/** A copy: a part of a text would keep the whole of it in memory. */
const keep = (text: string): string => Buffer.from(text.slice(0, MAX_FIELD_LENGTH).trim()).toString();
