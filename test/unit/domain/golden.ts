import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Text that people read, as a file whose changes are reviewed. `UPDATE_GOLDEN=1` writes it anew. */
export function golden(name: string, text: string): string {
  const file = fileURLToPath(new URL(`golden/${name}.golden`, import.meta.url));
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, `${text}\n`);
  return readFileSync(file, 'utf8').replace(/\n$/, '');
}
