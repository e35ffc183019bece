import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { REASONS } from '../../../src/domain/reasons.js';

test('docs/reasons.md has a heading for every reason, since the CLI links to it', () => {
  const headings = new Set([...readFileSync('docs/reasons.md', 'utf8').matchAll(/^#+ `?(\w+)`?\s*$/gm)].map((m) => m[1]));
  expect(REASONS.filter((reason) => !headings.has(reason))).toEqual([]);
});
