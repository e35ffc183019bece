import { expect, test } from '@jest/globals';
import { EXIT, EXIT_HELP, exitCodeOf } from '../../../src/cli/exit-codes.js';
import { Fault, WaitTimedOut } from '../../../src/client/index.js';

test.each([
  [new Fault('Invalid', ''), 2],
  [new Fault('Missing', ''), 3],
  [new Fault('Conflict', ''), 1],
  [new Fault('Unavailable', ''), 4],
  [new WaitTimedOut('', undefined), 5],
  [new TypeError('a bug'), 1],
  [Object.assign(new Error('aborted'), { name: 'AbortError' }), 130],
])('%p ends with %d', (error, code) => {
  expect(exitCodeOf(error)).toBe(code);
});

test('the help explains every code', () => {
  const explained = [...EXIT_HELP.matchAll(/^ {2}(\d) /gm)].map((m) => Number(m[1]));
  expect(explained).toEqual(Object.values(EXIT));
});
