#!/usr/bin/env -S node --max-semi-space-size=4 --max-old-space-size=512
import { userInfo } from 'node:os';
import { readTextFile, type Io } from './io.js';
import { run } from './program.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

// The reader has gone, as "| head" does: that is no error.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

function interruption(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    controller.abort();
    for (const signal of SIGNALS) process.off(signal, stop); // the next one ends the process
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  return controller.signal;
}

/** A container may run as a user that no file names. */
function user(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env['USER'] ?? `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

const io: Io = {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  now: Date.now,
  user,
  readText: readTextFile,
  interruption,
};

process.exitCode = await run(process.argv.slice(2), io);
