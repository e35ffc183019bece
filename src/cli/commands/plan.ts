import type { Command } from 'commander';
import { PLAN_ACTIONS, type ModulePreview, type PlannedCluster } from '../../client/index.js';
import { shortDigest } from '../../domain/details.js';
import { count } from '../../domain/wording.js';
import { handle, type Shell } from '../command.js';
import { readManifest } from '../manifest-file.js';
import { positiveInteger } from '../options.js';
import { paintState, type Output } from '../output.js';
import { page, table } from '../table.js';

interface PlanOptions {
  readonly file: string;
  readonly limit?: number;
}

export function addPlan(program: Command, shell: Shell): void {
  const command = program
    .command('plan')
    .description('what applying a manifest would change, cluster by cluster; changes nothing')
    .requiredOption('-f, --file <file>', 'the manifest, YAML or JSON; "-" reads standard input')
    .option('--limit <n>', 'list so many clusters at most', positiveInteger);
  handle<PlanOptions>(command, shell, async ({ io, options, output, session }) => {
    const preview = await session().client.plan(await readManifest(io, options.file));
    output.show(preview, () => planPage(output, preview, options.limit));
  });
}

export function planPage(output: Output, preview: ModulePreview, limit?: number): string {
  return page(clusterTable(output, preview.clusters.slice(0, limit)), imageTable(output, preview), conclusion(preview, limit));
}

function clusterTable(output: Output, clusters: readonly PlannedCluster[]): string {
  if (clusters.length === 0) return '';
  const rows = clusters.map((c) => [
    c.cluster,
    paintState(output.paint, c.action),
    c.kernels.map((k) => k.kernel).join(', ') || '-',
    why(c),
  ]);
  return table(output, ['CLUSTER', 'ACTION', 'KERNELS', 'WHY'], rows);
}

function why({ reason, message, kernelNotes }: PlannedCluster): string {
  const notes = kernelNotes.map((n) => `without kernel ${n.kernel}: ${n.message}`);
  const own = message === undefined ? [] : [reason === undefined ? message : `${reason}: ${message}`];
  return [...own, ...notes].join(' ');
}

function imageTable(output: Output, { images }: ModulePreview): string {
  if (images.length === 0) return '';
  const rows = images.map((i) => [
    i.image,
    paintState(output.paint, i.state),
    String(i.clusters),
    (i.digest === undefined ? undefined : shortDigest(i.digest)) ?? i.message ?? i.kernels.join(', '),
  ]);
  return table(output, ['IMAGE', 'STATE', 'CLUSTERS', 'DIGEST OR KERNELS'], rows);
}

function conclusion({ name, counts, clusters, revision, removalHeld }: ModulePreview, limit: number | undefined): string {
  if (clusters.length === 0) return `Module ${name} would touch no cluster: no ManagedCluster has the labels of spec.selector.`;
  const actions = PLAN_ACTIONS.flatMap((action) => (counts[action] > 0 ? [`${counts[action]} ${action}`] : []));
  return [
    `${changeOf(name, revision)} Of ${count(clusters.length, 'cluster')}: ${actions.join(', ')}.`,
    ...(limit !== undefined && limit < clusters.length ? [`The first ${limit} clusters are listed.`] : []),
    ...(removalHeld ? [`So many removals at once would wait for "kmodflow confirm-removal ${name}".`] : []),
  ].join('\n');
}

function changeOf(name: string, { name: next, current }: ModulePreview['revision']): string {
  if (current === undefined) return `Module ${name} is new, with revision ${next}.`;
  return current === next ? `Module ${name} keeps revision ${current}.` : `Module ${name} goes from revision ${current} to ${next}.`;
}
