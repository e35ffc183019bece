import { execFile } from 'node:child_process';

/** Bytes on disk below a folder; undefined when it cannot be told now (a file vanished while it was counted, or it took more than 30 s). */
export const diskUsage = (folder: string): Promise<number | undefined> =>
  new Promise((resolve) => {
    execFile('du', ['--summarize', '--block-size=1', '--one-file-system', folder], { timeout: 30_000 }, (_error, stdout) => {
      // du exits with 1 when files vanish under its hands, and has counted the others.
      const bytes = Number.parseInt(stdout, 10);
      resolve(Number.isNaN(bytes) ? undefined : bytes);
    });
  });
