import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

/** A stream that text is written to; a terminal says how wide it is. */
export interface Screen {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Everything of the process that commands touch. Tests hand in their own. */
export interface Io {
  /** Data. */
  readonly stdout: Screen;
  /** Progress and errors. */
  readonly stderr: Screen;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Who asks: recorded with what people decide. */
  readonly user: () => string;
  /** `-` is standard input. @throws a system error. */
  readonly readText: (file: string) => Promise<string>;
  /** Aborts at SIGINT or SIGTERM. From the first call on they do not end the process by themselves; a second one does. */
  readonly interruption: () => AbortSignal;
}

export const readTextFile = async (file: string): Promise<string> => (file === '-' ? text(process.stdin) : readFileSync(file, 'utf8'));
