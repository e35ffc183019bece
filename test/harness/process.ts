import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RunOptions {
  readonly program: string;
  readonly args: readonly string[];
  /** Receives standard output and error. Appended to. */
  readonly logFile: string;
  /** Asked every 50 ms. Resolves to true, or to what is still missing; a throw counts as what is missing. */
  readonly ready: () => Promise<true | string>;
  /** Default 60,000. */
  readonly readyTimeoutMs?: number;
  /** How long SIGTERM may take before SIGKILL. Default 10,000. */
  readonly stopTimeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Running {
  readonly pid: number;
  /** SIGTERM, then SIGKILL after the stop timeout. Resolves when the process is gone; a second call is harmless. */
  readonly stop: () => Promise<void>;
}

const READY_POLL_MS = 50;
const LOG_LINES_IN_ERRORS = 20;

/** A new folder for one part's data and logs. `removeTempDir` takes it away. */
export const makeTempDir = (what: string): string => mkdtempSync(join(tmpdir(), `kmodflow-${what}-`));

/** Some parts still write for a moment after they were told to stop, hence the retries. */
export const removeTempDir = (folder: string): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });

/**
 * Starts a program and waits until it is ready.
 * The child gets its own process group, so that Ctrl-C reaches this process alone and parts stop in their order. It never outlives this process:
 * see {@link guard}.
 * @throws Error when it ends before it is ready, or is not ready in time: what was missing, and the last 20 lines of its log. Nothing is left running then.
 */
export async function run(options: RunOptions): Promise<Running> {
  const name = basename(options.program);
  const log = openSync(options.logFile, 'a');
  const child = spawn(options.program, options.args, {
    stdio: ['ignore', log, log],
    detached: true,
    env: { ...process.env, ...options.env },
  });
  closeSync(log);
  const spawned = await new Promise<Error | undefined>((resolve) => child.once('spawn', () => resolve(undefined)).once('error', resolve));
  if (spawned !== undefined || child.pid === undefined) throw new Error(`${name} did not start: ${spawned?.message ?? 'no process id'}.`);
  child.unref();
  const release = guard(child.pid);
  const stop = async (): Promise<void> => {
    await end(child, options.stopTimeoutMs ?? 10_000);
    release();
  };
  try {
    await waitUntilReady(child, name, options);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid, stop };
}

async function waitUntilReady(child: ChildProcess, name: string, { ready, readyTimeoutMs = 60_000, logFile }: RunOptions): Promise<void> {
  const deadline = Date.now() + readyTimeoutMs;
  for (;;) {
    const answer = await ready().catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    if (hasEnded(child)) {
      throw new Error(`${name} ended with ${child.signalCode ?? `code ${child.exitCode}`} before it was ready. ${lastLines(logFile)}`);
    }
    if (answer === true) return;
    if (Date.now() > deadline) throw new Error(`${name} was not ready after ${readyTimeoutMs} ms: ${answer}. ${lastLines(logFile)}`);
    await sleep(READY_POLL_MS);
  }
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function end(child: ChildProcess, timeoutMs: number): Promise<void> {
  if (hasEnded(child)) return;
  child.kill('SIGTERM');
  const deadline = Date.now() + timeoutMs;
  while (!hasEnded(child)) {
    if (Date.now() > deadline) child.kill('SIGKILL');
    await sleep(20);
  }
}

/** Waits, at most `timeoutMs`, for a condition that some other party brings about. */
export async function waitFor(what: string, condition: () => Promise<boolean> | boolean, timeoutMs = 30_000, everyMs = 50): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Waited ${timeoutMs} ms for this: ${what}.`);
    await sleep(everyMs);
  }
}

export function lastLines(logFile: string): string {
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LOG_LINES_IN_ERRORS);
  return `The last ${lines.length} lines of its log:\n${lines.join('\n')}`;
}

/**
 * Ends a child when this process ends in any way, SIGKILL included. A shell waits on a pipe that only this process holds: the pipe closes with us,
 * and the shell kills the child. Handlers of 'exit' and of signals are not enough: they do not run on SIGKILL, and under jest they are registered on a copy
 * of `process` that never emits. The shell ignores the signals of a terminal, which would otherwise end it before it could act.
 * @returns a function that dismisses the shell without a kill, for a child that has ended: its process id may belong to somebody else by now.
 */
function guard(pid: number): () => void {
  const script = 'trap "" INT TERM HUP; read -r word; [ "$word" = ended ] || kill -KILL "$0"';
  const shell = spawn('/bin/sh', ['-c', script, String(pid)], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  shell.unref();
  // The pipe must not keep this process alive, and an error on it (the shell is gone) must not end it.
  (shell.stdin as unknown as { unref(): void }).unref();
  shell.stdin.on('error', () => undefined);
  return () => shell.stdin.end('ended\n');
}
