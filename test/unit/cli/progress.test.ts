import { expect, jest, test } from '@jest/globals';
import { createProgress, progressLine } from '../../../src/cli/progress.js';
import type { StatusAnswer } from '../../../src/client/index.js';
import { aFleet, aStatus } from '../domain/builders.js';
import { fakeIo } from './fake-io.js';

const answer = (change: Partial<StatusAnswer> = {}): StatusAnswer => ({
  ...aStatus(),
  source: 'workflow',
  note: undefined,
  desiredGeneration: 1,
  ...change,
});
const busy = answer({
  phase: 'Progressing',
  doing: 'Rollout 1 is under way.',
  fleet: aFleet({ Loaded: 12, Loading: 5, Applied: 2, Publishing: 1, Pending: 1, Failed: 1, Offline: 2 }),
});

test('one line says how far the module is and what it does', () => {
  expect(progressLine(busy)).toBe('Progressing: 12 of 24 loaded, 1 waiting, 8 loading, 1 failed, 2 offline. Rollout 1 is under way.');
  expect(progressLine(answer({ trouble: 'The registry does not answer.' }))).toBe('Ready: 3 of 3 loaded. The registry does not answer.');
  expect(progressLine(answer({ doing: '', note: 'No worker answers.' }))).toBe('Ready: 3 of 3 loaded. No worker answers.');
});

test('a file or pipe gets a line for each change', () => {
  const io = fakeIo({ nowMs: 0 });
  const progress = createProgress(io);
  progress.update(busy);
  progress.update(answer());
  progress.end();
  expect(io.err().split('\n')).toEqual([
    expect.stringMatching(/^\[ {2}0s\] Progressing: /),
    '[  0s] Ready: 3 of 3 loaded. Everything is as it should be.',
    '',
  ]);
  expect(io.out()).toBe('');
});

test('a terminal gets one line that is drawn again, also while nothing changes, and never longer than it is wide', () => {
  jest.useFakeTimers();
  try {
    const io = fakeIo({ tty: true, columns: 40, nowMs: 0 });
    const progress = createProgress(io);
    progress.update(busy);
    jest.advanceTimersByTime(2_000);
    progress.end();
    jest.advanceTimersByTime(5_000);
    const drawn = io.err().split('\r\u001b[2K').slice(1);
    expect(drawn).toHaveLength(3);
    expect(drawn[0]).toBe('[  0s] Progressing: 12 of 24 loaded, 1 '.slice(0, 39));
    expect(io.err().endsWith('\n')).toBe(true);
  } finally {
    jest.useRealTimers();
  }
});
