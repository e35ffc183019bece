import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { systemCode } from './failure.js';

export type XzResult = { readonly ok: true; readonly bytes: Buffer } | { readonly ok: false; readonly defect: string };

/** The kernel's decoder refuses any other check; the dictionary is the one of `make modules_install`. One thread: the same input gives the same bytes. */
const ARGUMENTS = ['--compress', '--format=xz', '--check=crc32', '--lzma2=dict=1MiB', '--threads=1', '--stdout'];
const MAX_DEFECT = 200;

/** Compresses with the program `xz`, which has to be on the PATH: Node has no encoder for this format. Nothing touches the disk. */
export async function xz(content: Buffer): Promise<XzResult> {
  // XZ_DEFAULTS and XZ_OPT could add options, and nothing else of the environment is of use.
  const child = spawn('xz', ARGUMENTS, { env: { PATH: process.env['PATH'] }, stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  // When the program ends early its own words say more than the broken pipe.
  child.stdin.on('error', () => undefined);
  child.stdin.end(content);
  try {
    const [bytes, complaint, [code, signal]] = await Promise.all([collect(child.stdout), text(child.stderr), ended]);
    if (code === 0) return { ok: true, bytes };
    return { ok: false, defect: `xz ended with ${signal ?? `exit code ${code}`} (${complaint.trim().slice(0, MAX_DEFECT)})` };
  } catch (error) {
    const missing = systemCode(error) === 'ENOENT';
    return { ok: false, defect: missing ? 'the program xz is not installed' : 'the program xz could not be run' };
  }
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
