import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { repositoryRoot } from '../../test/harness/parts.js';
import { accessVariables, type Access } from './access.js';

export interface WorkspaceAccess extends Access {
  /** Whether the module is built here, and so has a Dockerfile to change. */
  readonly build: boolean;
}

/** The folder `.demo`: there while a demo is up, so that another terminal can talk to it. */
export interface Workspace {
  /** Writes `env`, `kubeconfig` and the commands under `bin`. @returns The path of `env`, as one would type it at the top of the repository. */
  readonly writeAccess: (access: WorkspaceAccess) => string;
  /** @returns The path as one would type it at the top of the repository. */
  readonly writeFile: (name: string, text: string) => string;
  /** Takes it away, except for the logs in it. */
  readonly remove: () => void;
}

const FOLDER = join(repositoryRoot, '.demo');

/**
 * Claims the folder for this process.
 * @throws Error when another demo of this clone is up.
 */
export function openWorkspace(): Workspace {
  const pidFile = join(FOLDER, 'pid');
  const other = runningDemo(pidFile);
  if (other !== undefined)
    throw new Error(
      `A demo of this clone is up already (process ${other}). Stop it with Ctrl-C in its terminal, or add --once, which needs no folder of its own.`,
    );
  mkdirSync(join(FOLDER, 'bin'), { recursive: true });
  writeFileSync(pidFile, `${process.pid}\n`);
  const inFolder = (name: string): string => join(FOLDER, name);
  const written: string[] = [];
  return {
    writeFile(name, text) {
      writeFileSync(inFolder(name), text);
      written.push(name);
      return relative(repositoryRoot, inFolder(name));
    },
    writeAccess(access) {
      const kubeconfig = inFolder('kubeconfig');
      copyFileSync(access.kubeconfigPath, kubeconfig); // keeps its mode: there is a token in it
      const variables = accessVariables({ ...access, kubeconfigPath: kubeconfig });
      writeFileSync(inFolder('env'), environment(variables, inFolder('bin')));
      writeCommand(inFolder('bin/kmodflow'), variables, 'dist/src/cli/main.js');
      writeCommand(inFolder('bin/spoke'), variables, 'dist/tools/demo-spoke.js');
      if (access.build) writeCommand(inFolder('bin/put-dockerfile'), variables, 'dist/tools/demo/build/put-dockerfile.js');
      return relative(repositoryRoot, inFolder('env'));
    },
    remove() {
      for (const name of [...written, 'pid', 'env', 'kubeconfig', 'bin']) rmSync(inFolder(name), { recursive: true, force: true });
    },
  };
}

/** Keeps a log beyond the life of its process. @returns The path as one would type it at the top of the repository. */
export function keepLog(name: string, text: string): string {
  mkdirSync(FOLDER, { recursive: true });
  const path = join(FOLDER, `${name}.log`);
  writeFileSync(path, text);
  return relative(repositoryRoot, path);
}

function runningDemo(pidFile: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    // A process id that was left behind may belong to somebody else by now.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('demo.js') && pid !== process.pid ? pid : undefined;
  } catch {
    return undefined;
  }
}

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
const exports = (variables: Readonly<Record<string, string>>): string[] =>
  Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}`);

/** For `source`, in bash, zsh and plain sh; a second time does not lengthen PATH. */
const environment = (variables: Readonly<Record<string, string>>, bin: string): string =>
  [...exports(variables), `case ":$PATH:" in *:${quoted(bin)}:*) ;; *) export PATH=${quoted(bin)}:"$PATH" ;; esac`, ''].join('\n');

function writeCommand(path: string, variables: Readonly<Record<string, string>>, script: string): void {
  const lines = [
    '#!/bin/sh',
    ...exports(variables),
    `exec ${quoted(process.execPath)} --no-warnings ${quoted(join(repositoryRoot, script))} "$@"`,
    '',
  ];
  writeFileSync(path, lines.join('\n'), { mode: 0o755 });
}
