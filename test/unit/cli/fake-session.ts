import type { KmodflowClient } from '../../../src/client/index.js';
import { run } from '../../../src/cli/program.js';
import type { OpenSession } from '../../../src/cli/session.js';
import { loadConfig } from '../../../src/config.js';
import { fakeIo, type FakeIo, type FakeIoOptions } from './fake-io.js';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Sessions that were opened, and closed again. */
  readonly opened: number;
  readonly closed: number;
}

/** Runs a command against a client of which only these methods exist. */
export async function cli(
  argv: readonly string[],
  client: Partial<KmodflowClient> = {},
  options: FakeIoOptions | FakeIo = {},
): Promise<Ran> {
  const io =
    'out' in options ? options : fakeIo({ columns: 100, env: { COLUMNS: '100' }, nowMs: Date.parse('2026-01-01T01:00:00Z'), ...options });
  let opened = 0;
  let closed = 0;
  const open: OpenSession = () => {
    opened += 1;
    return {
      config: loadConfig({}),
      client: client as KmodflowClient,
      temporal: () => Promise.reject(new Error('no test connects')),
      close: () => {
        closed += 1;
        return Promise.resolve();
      },
    };
  };
  const code = await run(argv, io, open);
  return { code, out: io.out(), err: io.err(), opened, closed };
}
