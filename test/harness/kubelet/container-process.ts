import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, closeSync, mkdirSync, openSync, readSync, fstatSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { ContainerLog } from './container-log.js';
import { openPipe } from './output-pipe.js';
import { outerScript, sandboxScript, type SandboxPlan } from './sandbox.js';

export interface ContainerExit {
  /** 128 and the signal's number when a signal ended it; 128 when it never began. */
  readonly exitCode: number;
  readonly finishedAt: Date;
  /** Why it never began. */
  readonly startError?: string;
  /** What the program left in its termination log, at most 4,096 bytes from its end. */
  readonly terminationMessage: string;
}

export interface ContainerProcess {
  /** Resolves when the program runs, or when it is certain that it never will. */
  readonly started: Promise<void>;
  readonly finished: Promise<ContainerExit>;
  /** SIGTERM to the program, SIGKILL to everything in the container after the grace. A later call may shorten the grace, never lengthen it. */
  readonly terminate: (graceMs: number) => void;
}

export interface ContainerStart {
  /** Private to this container; it is removed by the caller. */
  readonly folder: string;
  readonly plan: Omit<SandboxPlan, 'root'>;
  readonly terminationMessagePath: string;
  readonly log: ContainerLog;
}

const MESSAGE_BYTES = 4096;

/** Program and arguments that run a script in new namespaces. */
export const containerCommand = (scriptFile: string): [string, ...string[]] => [
  'setpriv',
  '--pdeathsig',
  'KILL',
  'unshare',
  '--mount',
  '--pid',
  '/bin/sh',
  '-c',
  outerScript(scriptFile),
];

/**
 * Starts a container. It dies with this process, however that ends: the kernel kills the shell around it with its parent, and the container's first
 * process with that shell; when the first process of a PID namespace dies, all of the namespace do.
 */
export function startContainer({ folder, plan, terminationMessagePath, log }: ContainerStart): ContainerProcess {
  const root = join(folder, 'root');
  const messageFile = join(folder, 'termination-log');
  const scriptFile = join(folder, 'start.sh');
  mkdirSync(root, { recursive: true });
  writeFileSync(messageFile, '');
  chmodSync(messageFile, 0o666);
  const messageMount = { source: messageFile, target: terminationMessagePath, kind: 'file', readOnly: false } as const;
  writeFileSync(scriptFile, sandboxScript({ ...plan, root, mounts: [...plan.mounts, messageMount] }), { mode: 0o600 });
  const output = openPipe(join(folder, 'stdout'), (chunk) => log.write('stdout', chunk));
  const errors = openPipe(join(folder, 'stderr'), (chunk) => log.write('stderr', chunk));
  const [program, ...args] = containerCommand(scriptFile);
  const child = spawn(program, args, {
    cwd: '/',
    detached: true,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    stdio: ['ignore', output.descriptor, errors.descriptor, 'pipe', 'pipe'],
  });
  output.closeDescriptor();
  errors.closeDescriptor();
  const progress = new Text(child, 3);
  const complaints = new Text(child, 4);
  const hasStarted = (): boolean => progress.text.includes('started\n');
  const ended = new Promise<number>((resolve) => {
    child.once('error', (error) => {
      complaints.text += error.message;
      resolve(128);
    });
    child.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
  });
  let isOver = false;
  const finished = ended.then(async (code): Promise<ContainerExit> => {
    isOver = true;
    await Promise.all([output.drained, errors.drained]);
    log.close();
    rmSync(scriptFile, { force: true });
    const terminationMessage = lastBytes(messageFile, MESSAGE_BYTES);
    if (hasStarted()) return { exitCode: code, finishedAt: new Date(), terminationMessage };
    const startError = complaints.text.trim().slice(-1024) || 'the container was ended while it was being prepared';
    return { exitCode: 128, finishedAt: new Date(), terminationMessage, startError };
  });
  const started = Promise.race([progress.until(hasStarted), finished.then(() => undefined)]);
  void started.then(() => rmSync(scriptFile, { force: true }));
  const signal = (name: 'SIGTERM' | 'SIGKILL'): void => {
    if (isOver || child.exitCode !== null || child.signalCode !== null) return;
    const inner = /^pid (\d+)$/m.exec(progress.text)?.[1];
    if (inner === undefined) child.kill('SIGKILL');
    else killIfThere(Number(inner), name);
  };
  return { started, finished, terminate: terminator(signal, finished) };
}

/** Collects what arrives on one of the child's further descriptors. */
class Text {
  text = '';
  readonly #stream: NodeJS.ReadableStream;

  constructor(child: ChildProcess, descriptor: number) {
    this.#stream = child.stdio[descriptor] as NodeJS.ReadableStream;
    this.#stream.on('data', (chunk: Buffer) => (this.text += chunk.toString('utf8')));
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => this.#stream.on('data', () => condition() && resolve()));
  }
}

function terminator(signal: (name: 'SIGTERM' | 'SIGKILL') => void, finished: Promise<unknown>): (graceMs: number) => void {
  let timer: NodeJS.Timeout | undefined;
  let killAt = Infinity;
  void finished.then(() => clearTimeout(timer));
  return (graceMs) => {
    if (killAt === Infinity && graceMs > 0) signal('SIGTERM');
    killAt = Math.min(killAt, Date.now() + graceMs);
    clearTimeout(timer);
    timer = setTimeout(() => signal('SIGKILL'), Math.max(0, killAt - Date.now()));
  };
}

function killIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function lastBytes(file: string, most: number): string {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const buffer = Buffer.alloc(Math.min(size, most));
    readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8');
  } finally {
    closeSync(descriptor);
  }
}
