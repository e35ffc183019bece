import { MAX_LOG_LINES } from '../api/managed-cluster-module-status.js';
import { shorten } from './markdown.js';

export interface TailLimits {
  readonly lines: number;
  /** Characters of all lines together, line breaks counted. */
  readonly chars: number;
}

/** What a status keeps of the log of one of the first failing images, and what a workflow tells of it. */
export const FULL_TAIL: TailLimits = { lines: MAX_LOG_LINES, chars: 4_000 };

/**
 * The last lines that fit. What went wrong stands at a log's end, so the end is what is kept: whole lines, only a last line that is too long by itself is cut. Colours,
 * other control characters, and what a progress bar has overwritten are left out; so are empty lines at the end.
 */
export function logTail(log: readonly string[], { lines: mostLines, chars: mostChars }: TailLimits): string[] {
  const lines = log.map(printable);
  while (lines.at(-1) === '') lines.pop();
  const kept: string[] = [];
  let room = mostChars;
  for (const line of lines.reverse()) {
    const chars = Array.from(line).length + (kept.length === 0 ? 0 : 1); // the line break between two lines
    if (kept.length >= mostLines || (chars > room && kept.length > 0)) break;
    kept.push(shorten(line, room));
    room -= chars;
  }
  return kept.reverse();
}

/** One line as it can be shown anywhere: without escape sequences, control characters, and what a carriage return overwrote. */
export function printable(line: string): string {
  const overwritten = line.replace(/\r+$/, '').split('\r');
  return (overwritten.at(-1) ?? '')
    .replaceAll('\t', '  ')
    .replace(/\p{Cc}\[[0-?]*[ -/]*[@-~]/gu, '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, '')
    .trimEnd();
}
