import type { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { ensureSearchAttributes } from '../../temporal/search-attributes.js';
import { handle, type Shell } from '../command.js';

export function addSetup(program: Command, shell: Shell): void {
  handle<object>(
    program.command('setup').description('register the search attributes in the Temporal namespace'),
    shell,
    async ({ output, session }) => {
      const { config, temporal } = session();
      const registered = await ensureSearchAttributes((await temporal()).connection, config.temporalNamespace);
      const where = `Temporal namespace ${config.temporalNamespace}`;
      output.show({ namespace: config.temporalNamespace, registered }, () =>
        registered.length === 0 ? `${where} has all search attributes already.` : `Registered in ${where}: ${registered.join(', ')}.`,
      );
    },
  );
  handle<object>(program.command('version').description('the version of kmodflow and of Node'), shell, async ({ output }) => {
    const versions = { kmodflow: version(), node: process.versions.node };
    output.show(versions, () => `kmodflow ${versions.kmodflow} (Node ${versions.node})`);
    return Promise.resolve();
  });
}

/** From the package's own package.json, which is one folder higher for the compiled command than for the sources. */
export function version(): string {
  for (const path of ['../../../package.json', '../../../../package.json']) {
    try {
      const parsed = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as {
        readonly name?: string;
        readonly version?: string;
      };
      if (parsed.name === 'kmodflow' && parsed.version !== undefined) return parsed.version;
    } catch {
      // not here
    }
  }
  return 'unknown';
}
