import { parseAllDocuments } from 'yaml';
import { Fault } from '../client/index.js';
import type { Io } from './io.js';

/** Reads one manifest, YAML or JSON. @throws Fault `Invalid` that says what is wrong with the file, with the line where there is one. */
export async function readManifest(io: Pick<Io, 'readText'>, file: string): Promise<unknown> {
  const name = file === '-' ? 'Standard input' : file;
  let text: string;
  try {
    text = await io.readText(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why =
      { ENOENT: 'there is no such file', EISDIR: 'it is a folder', EACCES: 'reading it is not permitted' }[code ?? ''] ??
      code ??
      String(error);
    throw new Fault('Invalid', `Cannot read ${name}: ${why}.`);
  }
  return parseManifest(name, text);
}

export function parseManifest(name: string, text: string): unknown {
  const documents = [...parseAllDocuments(text)];
  const [broken] = documents.flatMap((d) => d.errors);
  if (broken !== undefined) throw new Fault('Invalid', `${name} is not valid YAML: ${broken.message.trim().split('\n')[0] ?? ''}`);
  // A closing "---" begins an empty document, which nobody means.
  const filled = documents.map((d): unknown => d.toJS()).filter((value) => value !== null);
  if (filled.length !== 1) {
    const held = filled.length === 0 ? 'is empty' : `holds ${filled.length} YAML documents`;
    throw new Fault('Invalid', `${name} ${held}; exactly one ManagedClusterModule is expected.`);
  }
  const manifest = filled[0];
  const kind = typeof manifest === 'object' && manifest !== null && 'kind' in manifest ? manifest.kind : undefined;
  if (kind !== undefined && kind !== 'ManagedClusterModule')
    throw new Fault('Invalid', `${name} holds a ${String(kind)}; a ManagedClusterModule is expected.`);
  return manifest;
}
