import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';

export interface OutputPipe {
  /** For the program; to be closed here once the program has it. */
  readonly descriptor: number;
  readonly closeDescriptor: () => void;
  /** Resolves when everybody who could write has ended, and everything has arrived. */
  readonly drained: Promise<void>;
}

/**
 * A pipe as a container runtime gives it to a program. What Node calls a pipe is a socket, on which `/dev/stdout` cannot be opened, and through which
 * buildah loses the last output of a RUN step now and then (seen in 4 of 60 builds, and in none of 60 with pipes).
 * @param path where the pipe may have a name for a moment.
 */
export function openPipe(path: string, onData: (chunk: Buffer) => void): OutputPipe {
  execFileSync('mkfifo', ['--mode=600', path]);
  // The reading end first and without waiting, since opening a FIFO waits for the other end.
  const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const descriptor = openSync(path, 'w');
  rmSync(path);
  const reader = new Socket({ fd: reading, readable: true, writable: false });
  reader.on('data', onData);
  reader.on('error', () => reader.destroy());
  const drained = new Promise<void>((resolve) => reader.once('close', () => resolve()));
  return { descriptor, closeDescriptor: () => closeSync(descriptor), drained };
}
