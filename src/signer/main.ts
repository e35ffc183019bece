#!/usr/bin/env node
import { writeFileSync } from 'node:fs';
import { fail, run } from './command.js';

const surroundings = {
  print: (line: string): void => console.log(line),
  warn: (line: string): void => console.error(line),
  leaveMessage: (message: string): void => {
    try {
      writeFileSync(process.env['TERMINATION_LOG'] ?? '/dev/termination-log', message);
    } catch {
      // Outside of a pod there is no such file, and stderr has the sentence.
    }
  },
  now: (): Date => new Date(),
};

try {
  process.exitCode = await run(process.argv.slice(2), surroundings);
} catch (error) {
  // A bug. The stack has names of files and functions; the key is in none of them.
  fail(
    process.argv[2] === 'check' ? 'Check' : 'Sign',
    'The signing tool failed in a way that it was not made for. Its log has the details.',
    surroundings,
  );
  surroundings.warn(error instanceof Error ? (error.stack ?? error.message) : 'Something was thrown that is no error.');
  process.exitCode = 1;
}
