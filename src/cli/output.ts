import { stringify } from 'yaml';
import { styleText } from 'node:util';
import type { Screen } from './io.js';

export const FORMATS = ['table', 'json', 'yaml'] as const;
export type Format = (typeof FORMATS)[number];

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
export type Paint = (style: Style, text: string) => string;

/** How a command shows what it found. */
export interface Output {
  readonly format: Format;
  /** Columns of the terminal; undefined where lines may be as long as they like. */
  readonly width: number | undefined;
  readonly paint: Paint;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** Data in the chosen format: for programs as it is, for people as `table` draws it. */
  show(data: unknown, table: () => string): void;
}

export interface OutputOptions {
  readonly format: Format;
  readonly stdout: Screen;
  readonly color: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly nowMs: number;
}

export function createOutput({ format, stdout, color, env, nowMs }: OutputOptions): Output {
  const painted = color && stdout.isTTY === true && (env['NO_COLOR'] ?? '') === '';
  return {
    format,
    width: widthOf(stdout, env),
    paint: (style, text) => (painted ? styleText(style, text, { validateStream: false }) : text),
    nowMs,
    show(data, table) {
      stdout.write(
        format === 'json' ? `${JSON.stringify(data, undefined, 2)}\n` : format === 'yaml' ? stringify(data) : withNewline(table()),
      );
    },
  };
}

/** A terminal's own width. What goes into a file or a pipe is not cut, unless COLUMNS says so. */
function widthOf(stdout: Screen, env: OutputOptions['env']): number | undefined {
  const asked = Number(env['COLUMNS']);
  if (stdout.isTTY !== true) return Number.isInteger(asked) && asked > 0 ? asked : undefined;
  return stdout.columns ?? 100;
}

const withNewline = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`);

/** What a state or phase looks like: green is good, yellow moves or waits, red needs a person. */
export function paintState(paint: Paint, state: string): string {
  if (['Ready', 'Loaded', 'NoNodes', 'Completed', 'pinned', 'Pinned'].includes(state)) return paint('green', state);
  if (['Failed', 'Degraded', 'Invalid', 'Excluded', 'missing', 'excluded', 'remove'].includes(state)) return paint('red', state);
  if (['Offline', 'Paused', 'Held', 'offline', 'unchanged', 'Superseded'].includes(state)) return paint('dim', state);
  return paint('yellow', state);
}
