import type { ContainerLog } from './container-log.js';
import type { ContainerExit } from './container-process.js';
import { apiTime, type Container, type Terminated } from './pod.js';

/** Lines and bytes of the log that stand in for a termination message that is not there. */
const FALLBACK = { tailLines: 80, bytes: 2048 };

const firstBytes = (text: string, most: number): string => Buffer.from(text).subarray(0, most).toString('utf8');
const lastBytes = (text: string, most: number): string => Buffer.from(text).subarray(-most).toString('utf8');

/** How a container's end is reported: Completed, Error, OOMKilled, or StartError for one that never ran. */
export function terminatedState(
  spec: Container,
  exit: ContainerExit,
  log: ContainerLog,
  { oomKilled, messageLimitBytes }: { readonly oomKilled: boolean; readonly messageLimitBytes: number },
): Terminated {
  const message = firstBytes(messageOf(spec, exit, log), messageLimitBytes);
  return {
    exitCode: exit.exitCode,
    reason: reasonOf(exit, oomKilled),
    finishedAt: apiTime(exit.finishedAt),
    ...(message === '' ? {} : { message }),
  };
}

function reasonOf({ startError, exitCode }: ContainerExit, oomKilled: boolean): string {
  if (startError !== undefined) return 'StartError';
  if (exitCode === 0) return 'Completed';
  return oomKilled ? 'OOMKilled' : 'Error';
}

function messageOf(spec: Container, { startError, terminationMessage, exitCode }: ContainerExit, log: ContainerLog): string {
  if (startError !== undefined) return startError;
  const usesLog = spec.terminationMessagePolicy === 'FallbackToLogsOnError' && exitCode !== 0;
  return terminationMessage === '' && usesLog ? lastBytes(log.read({ tailLines: FALLBACK.tailLines }), FALLBACK.bytes) : terminationMessage;
}
