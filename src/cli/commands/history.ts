import type { Command } from 'commander';
import type { ModuleHistory, RolloutRecord } from '../../client/index.js';
import { handle, type Shell } from '../command.js';
import { paintState, type Output } from '../output.js';
import { page, table } from '../table.js';
import { ago, took } from '../times.js';

interface HistoryOptions {
  readonly cluster?: string;
}

export function addHistory(program: Command, shell: Shell): void {
  const command = program
    .command('history')
    .description('the last rollouts of a module, or what happened to one cluster')
    .argument('<name>', 'the module')
    .option('--cluster <cluster>', 'this cluster: when it was published, and how that ended');
  handle<HistoryOptions>(command, shell, async ({ options, output, session }, name = '') => {
    const history = await session().client.history(name, { cluster: options.cluster });
    output.show(history, () => historyPage(output, history));
  });
}

export function historyPage(output: Output, history: ModuleHistory): string {
  const { cluster, rollouts, notes } = history;
  return page(cluster === undefined ? rolloutTable(output, rollouts) : clusterTable(output, history), ...notes);
}

function rolloutTable(output: Output, rollouts: readonly RolloutRecord[]): string {
  if (rollouts.length === 0) return 'No rollout has ended yet.';
  const rows = rollouts.map((r) => [
    String(r.number),
    r.revision,
    paintState(output.paint, r.outcome),
    ago(r.startedAt, output.nowMs),
    took(r.startedAt, r.finishedAt),
    r.message,
  ]);
  return table(output, ['ROLLOUT', 'REVISION', 'OUTCOME', 'STARTED', 'TOOK', 'MESSAGE'], rows);
}

const SAYS: Readonly<Record<string, string>> = {
  published: 'The ManifestWork was written.',
  unchanged: 'The ManifestWork held this content already.',
  behind: 'The ManifestWork no longer held what it should: it is published again.',
  Loaded: 'Loading is proven.',
  NoNodes: 'No node matches the selector; there was nothing to load.',
};

function clusterTable(output: Output, { cluster = '', events }: ModuleHistory): string {
  if (events.length === 0) return `Temporal knows of nothing that happened to cluster ${cluster}.`;
  const rows = events.map((e) => [
    ago(e.at, output.nowMs),
    paintState(output.paint, e.what),
    `${e.kind} ${e.number}`,
    e.revision,
    e.message ?? SAYS[e.what] ?? '',
  ]);
  return table(output, ['WHEN', 'WHAT', 'IN', 'REVISION', 'MESSAGE'], rows);
}
