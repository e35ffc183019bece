import Table from 'cli-table3';
import { stripVTControlCharacters } from 'node:util';
import type { Output } from './output.js';

const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
} as const;

/** Between two columns. */
const GAP = 2;
/** A last column that is narrower than this is not readable: then lines run over the edge instead. */
const LEAST_LAST = 24;

/** The time that the layout takes grows with the square of its rows: 5,000 at once take ten times as long as in hundreds. */
const ROWS_AT_ONCE = 100;

const widthOf = (text: string): number => stripVTControlCharacters(text).length;

/** Columns without borders, as wide as their cells; the last one wraps at the edge of the terminal. Cells may be painted. */
export function table(
  { width, paint }: Pick<Output, 'width' | 'paint'>,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = head.map((title, i) => Math.max(widthOf(title), ...rows.map((row) => widthOf(row[i] ?? ''))) + GAP);
  const last = widths.length - 1;
  const before = widths.slice(0, last).reduce((sum, w) => sum + w, 0);
  const room = width === undefined ? undefined : width - before;
  if (room !== undefined && room >= LEAST_LAST) widths[last] = Math.min(widths[last] ?? 0, room + GAP);
  const lines = [head.map((title) => paint('bold', title)), ...rows];
  const parts: string[] = [];
  for (let i = 0; i < lines.length; i += ROWS_AT_ONCE) parts.push(draw(widths, lines.slice(i, i + ROWS_AT_ONCE)));
  return parts.join('\n');
}

function draw(colWidths: number[], rows: readonly (readonly string[])[]): string {
  const drawn = new Table({
    chars: NO_BORDERS,
    style: { 'padding-left': 0, 'padding-right': GAP, head: [], border: [], compact: true },
    colWidths,
    wordWrap: true,
    wrapOnWordBoundary: true,
  });
  drawn.push(...rows.map((row) => [...row]));
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Names and values under each other; a value that is undefined or empty has no line. */
export function facts({ paint }: Pick<Output, 'paint'>, lines: readonly (readonly [name: string, value: string | undefined])[]): string {
  const shown = lines.filter((line): line is [string, string] => line[1] !== undefined && line[1] !== '');
  const width = Math.max(...shown.map(([name]) => name.length)) + GAP;
  return shown.map(([name, value]) => `${paint('bold', name.padEnd(width))}${value}`).join('\n');
}

/** Parts of a page, an empty line between them; empty parts are left out. */
export const page = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('\n\n');
