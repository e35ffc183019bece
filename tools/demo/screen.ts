import { ChangeLog, progressBlock, type Snapshot } from './progress.js';

/** Where the demo talks to people. */
export interface Screen {
  /** One line, or several. */
  readonly say: (text: string) => void;
  /** A new state of the rollout: the block on a terminal is drawn anew; elsewhere a line tells the change. */
  readonly show: (snapshot: Snapshot) => void;
  /** A line that stands above the block, which goes on below it. */
  readonly note: (text: string) => void;
  /** The last state stays as it is, and what is said next stands below it. */
  readonly settle: () => void;
}

interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const DEFAULT_COLUMNS = 100;
const ERASE_BELOW = '\x1b[J';
const up = (lines: number): string => (lines === 0 ? '' : `\x1b[${lines}A`);

export const createScreen = (output: Output): Screen => (output.isTTY === true ? terminal(output) : log(output));

function terminal(output: Output): Screen {
  let drawn = 0;
  const settle = (): void => {
    drawn = 0;
  };
  return {
    settle,
    say(text) {
      settle();
      output.write(`${text}\n`);
    },
    show(snapshot) {
      const lines = progressBlock(snapshot, output.columns ?? DEFAULT_COLUMNS);
      output.write(`${up(drawn)}\r${ERASE_BELOW}${lines.join('\n')}\n`);
      drawn = lines.length;
    },
    note(text) {
      output.write(`${up(drawn)}\r${ERASE_BELOW}${text}\n`);
      drawn = 0;
    },
  };
}

function log(output: Output): Screen {
  let changes = new ChangeLog();
  const write = (lines: readonly string[]): void => {
    if (lines.length > 0) output.write(`${lines.join('\n')}\n`);
  };
  const settle = (): void => {
    write(changes.rest());
    changes = new ChangeLog();
  };
  return {
    settle,
    say(text) {
      settle();
      output.write(`${text}\n`);
    },
    show: (snapshot) => write(changes.next(snapshot)),
    note: (text) => write([text]),
  };
}
