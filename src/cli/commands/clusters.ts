import { InvalidArgumentError, Option, type Command } from 'commander';
import type { ClusterRow, ClusterState } from '../../client/index.js';
import { CLUSTER_STATES } from '../../domain/cluster-state.js';
import { count } from '../../domain/wording.js';
import { handle, type Context, type Shell } from '../command.js';
import { positiveInteger } from '../options.js';
import { paintState, type Output } from '../output.js';
import { page, table } from '../table.js';
import { ago } from '../times.js';

interface ClustersOptions {
  readonly state?: readonly ClusterState[];
  readonly limit?: number;
}

/** Sentences under the table; all of them are in the JSON. */
const MESSAGES_SHOWN = 10;

export function addClusters(program: Command, shell: Shell): void {
  const command = program
    .command('clusters')
    .description('where each cluster of a module stands, read from the hub itself')
    .argument('<name>', 'the module')
    .addOption(
      new Option('--state <state>', `only clusters in this state; may be given again (${CLUSTER_STATES.join(', ')})`).argParser(
        oneMoreState,
      ),
    )
    .option('--limit <n>', 'show so many at most', positiveInteger);
  handle<ClustersOptions>(command, shell, showClusters);
}

function oneMoreState(text: string, before: readonly ClusterState[] = []): readonly ClusterState[] {
  const state = CLUSTER_STATES.find((s) => s.toLowerCase() === text.toLowerCase());
  if (state === undefined) throw new InvalidArgumentError(`"${text}" is not a state. States are ${CLUSTER_STATES.join(', ')}.`);
  return [...before, state];
}

async function showClusters({ options, output, session }: Context<ClustersOptions>, name = ''): Promise<void> {
  const all = await session().client.clusters(name);
  const wanted = options.state === undefined ? all : all.filter((row) => options.state?.includes(row.state));
  const shown = wanted.slice(0, options.limit);
  output.show(shown, () => clustersPage(output, { all: all.length, wanted, shown }));
}

export interface ClustersShown {
  readonly all: number;
  readonly wanted: readonly ClusterRow[];
  readonly shown: readonly ClusterRow[];
}

export function clustersPage(output: Output, { all, wanted, shown }: ClustersShown): string {
  const rows = shown.map((row) => [
    row.cluster,
    kernelsText(row.kernels),
    paintState(output.paint, row.state),
    row.reason ?? row.kernelNotes[0]?.reason ?? '',
    ago(row.since, output.nowMs),
    contentText(row),
  ]);
  const body = rows.length === 0 ? '' : table(output, ['CLUSTER', 'KERNELS', 'STATE', 'REASON', 'SINCE', 'CONTENT'], rows);
  return page(body, messages(shown), footer(all, wanted, shown));
}

const kernelsText = (kernels: readonly string[]): string =>
  (kernels.length > 2 ? `${kernels[0]} +${kernels.length - 1}` : kernels.join(', ')) || '-';

/** The content's hash, and that it is to be replaced. */
const contentText = ({ contentHash, behind }: ClusterRow): string =>
  contentHash === undefined ? '-' : `${contentHash.slice(0, 8)}${behind ? ' (behind)' : ''}`;

function messages(rows: readonly ClusterRow[]): string {
  const said = rows.flatMap((row) => [
    ...(row.message === undefined ? [] : [row.message]),
    ...row.kernelNotes.map((note) => `Cluster ${row.cluster} is served without kernel ${note.kernel}: ${note.message}`),
  ]);
  const more = said.length - MESSAGES_SHOWN;
  return [...said.slice(0, MESSAGES_SHOWN), ...(more > 0 ? [`… and ${more} more; "-o json" has them all.`] : [])].join('\n');
}

function footer(all: number, wanted: readonly ClusterRow[], shown: readonly ClusterRow[]): string {
  if (all === 0) return 'No ManagedCluster has the labels of spec.selector.';
  if (wanted.length === 0) return `None of ${count(all, 'cluster')} is in that state.`;
  const states = CLUSTER_STATES.flatMap((state) => {
    const n = wanted.filter((row) => row.state === state).length;
    return n > 0 ? [`${n} ${state}`] : [];
  });
  const cut = shown.length < wanted.length ? ` The first ${shown.length} are shown.` : '';
  return `${wanted.length === all ? count(all, 'cluster') : `${wanted.length} of ${count(all, 'cluster')}`}: ${states.join(', ')}.${cut}`;
}
