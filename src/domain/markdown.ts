import { utf8Bytes } from './utf8.js';

/** Markdown for pages that people read. Every text from outside goes through {@link plain}, so that no message can break a line or smuggle markup in. */

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '|': '\\|',
  '\\': '\\\\',
  '`': '\\`',
  '*': '\\*',
  // The Temporal UI takes what stands between two of them for a formula, code spans included; messages quote Dockerfiles with ${NAME}.
  $: '\\$',
};

/** `most` characters at the most, the last of them an ellipsis when something was cut. Never cuts a character in two. */
export function shorten(text: string, most: number): string {
  const chars = Array.from(text);
  return chars.length <= most ? text : `${chars.slice(0, most - 1).join('')}…`;
}

/** One line of plain text, cut to `most` characters before it is escaped, so that no escape is cut in two. */
export const plain = (text: string, most = 200): string =>
  shorten(text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim(), most)
    .replace(/[&<>|\\`*$]/g, (c) => ESCAPES[c] ?? c)
    .replaceAll('](', ']\\('); // a link would hide where it leads

/** A name or a command in a code span: nothing in it is markup, and a line break, a bar or a backtick would end the span or the cell. */
export function code(text: string, most = 120): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}|`]+/gu, ' ').trim();
  return line === '' ? '–' : `\`${shorten(line, most)}\``;
}

/**
 * A titled list of items that are Markdown already, a line each. No items, no list. Not a Markdown table, whose cells have no padding in the Temporal UI and break
 * names at every dash; nor a Markdown list, which stands far below its title there. The UI keeps line breaks, so that plain lines with a bullet look best.
 */
export const list = (title: string, items: readonly string[]): string =>
  items.length === 0 ? '' : [`**${title}**`, ...items.map((item) => `• ${item}`)].join('\n');

/** Joins sections with an empty line; whole sections are left out from the end until the page fits into `mostBytes`. Empty sections do not count. */
export function page(sections: readonly string[], mostBytes: number): string {
  const kept = sections.filter((s) => s !== '');
  const full = kept.join('\n\n');
  if (utf8Bytes(full) <= mostBytes || kept.length <= 1) return full;
  return page(kept.slice(0, -1), mostBytes);
}

/** `2026-11-22 17:00:03 UTC` out of RFC 3339, which is how the hub writes times. */
export const timeText = (rfc3339: string): string =>
  rfc3339.endsWith('Z') ? `${rfc3339.slice(0, 19).replace('T', ' ')} UTC` : plain(rfc3339, 40);
