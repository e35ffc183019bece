import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const CHUNK = 4 * 1024 * 1024;

/**
 * Looks for byte strings in everything that a process could leave in a core dump: its writable memory.
 * @param pid of a process that this one may trace; it goes on running, so what it moves meanwhile may be missed.
 * @returns Which of them were found, by index, and how many bytes were read.
 */
export function searchMemory(pid: number, needles: readonly Buffer[]): { readonly found: number[]; readonly bytes: number } {
  const overlap = Math.max(...needles.map((n) => n.length)) - 1;
  const found = new Set<number>();
  let bytes = 0;
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    const buffer = Buffer.alloc(CHUNK + overlap);
    for (const { start, end } of writableMappings(pid))
      for (let at = start; at < end; at += CHUNK) {
        const size = readSome(memory, buffer, Math.min(CHUNK + overlap, end - at), at);
        bytes += Math.min(size, CHUNK);
        needles.forEach((needle, index) => {
          if (buffer.subarray(0, size).includes(needle)) found.add(index);
        });
      }
  } finally {
    closeSync(memory);
  }
  return { found: [...found].sort(), bytes };
}

/** A page that was never touched, or that is gone by now, cannot be read. */
function readSome(file: number, buffer: Buffer, length: number, at: number): number {
  try {
    return readSync(file, buffer, 0, length, at);
  } catch {
    return 0;
  }
}

function writableMappings(pid: number): { start: number; end: number }[] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
    return start === undefined || end === undefined || line.includes('[v') ? [] : [{ start: parseInt(start, 16), end: parseInt(end, 16) }];
  });
}
