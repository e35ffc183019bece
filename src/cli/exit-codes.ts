import { isFault, WaitTimedOut } from '../client/index.js';

/** How the command ended, for scripts. They stand in `kmodflow --help`. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  missing: 3,
  unreachable: 4,
  timedOut: 5,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT] | typeof INTERRUPTED;

/** Ended by Ctrl-C, as shells count it: 128 and the number of SIGINT. */
export const INTERRUPTED = 130;

export const EXIT_HELP = `Exit codes:
  0  done
  1  failed, refused, or the module is degraded or invalid
  2  wrong usage or invalid input
  3  no such module
  4  Temporal, a worker or Kubernetes does not answer
  5  timed out waiting`;

const isAbort = (error: unknown): boolean => typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError';

/** The exit code of an error that ended a command. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof WaitTimedOut) return EXIT.timedOut;
  if (isAbort(error)) return INTERRUPTED;
  if (!isFault(error)) return EXIT.failed;
  switch (error.kind) {
    case 'Invalid':
      return EXIT.usage;
    case 'Missing':
      return EXIT.missing;
    case 'Unavailable':
      return EXIT.unreachable;
    case 'Conflict':
      return EXIT.failed;
  }
}
