import type { Io, Screen } from '../../../src/cli/io.js';

export interface FakeIoOptions {
  readonly tty?: boolean;
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Text by file name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch; default: the real clock. */
  readonly nowMs?: number;
}

export interface FakeIo extends Io {
  readonly out: () => string;
  readonly err: () => string;
  readonly interrupt: () => void;
}

/** A process's streams and surroundings, kept in memory. */
export function fakeIo({ tty = false, columns, env = {}, files = {}, nowMs }: FakeIoOptions = {}): FakeIo {
  const screen = (): { screen: Screen; text: () => string } => {
    let text = '';
    return {
      screen: { write: (t: string) => void (text += t), isTTY: tty, columns },
      text: () => text,
    };
  };
  const [out, err] = [screen(), screen()];
  const controller = new AbortController();
  return {
    stdout: out.screen,
    stderr: err.screen,
    env,
    now: () => nowMs ?? Date.now(),
    user: () => 'ada',
    readText: (file) => {
      const text = files[file];
      return text === undefined ? Promise.reject(Object.assign(new Error('no such file'), { code: 'ENOENT' })) : Promise.resolve(text);
    },
    interruption: () => controller.signal,
    out: out.text,
    err: err.text,
    interrupt: () => controller.abort(),
  };
}
