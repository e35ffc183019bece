import type { StatusAnswer } from '../../client/index.js';
import { adviceFor } from '../../domain/advice.js';
import { shortDigest } from '../../domain/details.js';
import { imageProgress, imageTrouble } from '../../domain/mcm-images.js';
import { count } from '../../domain/wording.js';
import { paintState, type Output } from '../output.js';
import { facts, page, table } from '../table.js';
import { ago } from '../times.js';

/** One module on one screen: where it stands, what it does, what is stuck and what to do. */
export function statusPage(output: Output, status: StatusAnswer): string {
  return page(status.note ?? '', summary(output, status), images(output, status), exceptions(output, status), hints(status));
}

function summary(output: Output, status: StatusAnswer): string {
  const { name, phase, doing, trouble, rollout, paused, removals, problems, workflow, headless } = status;
  const last = status.history[0];
  return facts(output, [
    ['Module', `${name}${headless ? ' (headless)' : ''}`],
    ['Phase', paintState(output.paint, phase)],
    ['Doing', doing],
    ['Trouble', trouble],
    ['Problems', problems.map((p) => p.message).join('\n          ')],
    ['Paused', paused === undefined ? undefined : `by ${paused.by}${paused.reason === '' ? '' : `: ${paused.reason}`}`],
    ['Clusters', clusterCounts(status)],
    ['Revision', revisions(status)],
    ['Rollout', rollout === undefined ? undefined : `${rollout.number}, ${rollout.phase}, began ${ago(rollout.startedAt, output.nowMs)}`],
    ['Last', last === undefined ? undefined : `rollout ${last.number}, ${ago(last.finishedAt, output.nowMs)}: ${last.message}`],
    ['Removal', removals === undefined || removals.count === 0 ? undefined : removalText(removals)],
    ['Workflow', workflow.id],
  ]);
}

function clusterCounts({ fleet: { selected, states } }: StatusAnswer): string {
  const counts = Object.entries(states).flatMap(([state, n]) => (n > 0 ? [`${n} ${state}`] : []));
  return `${selected} selected${counts.length === 0 ? '' : `: ${counts.join(', ')}`}`;
}

function revisions({ currentRevision, updateRevision }: StatusAnswer): string {
  if (updateRevision === undefined || updateRevision === currentRevision) return currentRevision ?? 'none yet';
  return currentRevision === undefined ? `${updateRevision} (first)` : `${currentRevision} → ${updateRevision}`;
}

const removalText = ({ count: n, published, token, held, sample }: NonNullable<StatusAnswer['removals']>): string =>
  `${n} of ${count(published, 'cluster')} ${held ? `wait for a person (token ${token})` : 'are being removed'}: ${sample.join(', ')}${n > sample.length ? ' …' : ''}`;

/** Of an image without a digest: what is done about it, else why there is none. */
const DOING = { Pinned: 'pinned', Building: 'building', Queued: 'queued', Resolving: 'missing', Failed: 'missing' } as const;

function images(output: Output, { images: all }: StatusAnswer): string {
  if (all.length === 0) return '';
  const rows = all.map((image) => [
    paintState(output.paint, DOING[imageProgress(image)]),
    image.kernels.length > 2 ? `${image.kernels[0]} +${image.kernels.length - 1}` : image.kernels.join(', '),
    image.image,
    image.digest === undefined ? withoutDigest(image) : shortDigest(image.digest),
  ]);
  return table(output, ['STATE', 'KERNELS', 'IMAGE', 'DIGEST'], rows);
}

function withoutDigest(image: StatusAnswer['images'][number]): string {
  const { run } = image;
  const attempt = run !== undefined && run.attempt > 0 ? `attempt ${run.attempt}` : '';
  const words = [imageTrouble(image)?.reason, attempt].filter((w) => w !== undefined && w !== '');
  return words.length > 0 ? words.join(', ') : imageProgress(image) === 'Resolving' ? 'being looked up' : '-';
}

function exceptions(output: Output, { fleet, images: all }: StatusAnswer): string {
  const missing = all.flatMap((image) => {
    const trouble = imageTrouble(image);
    return trouble === undefined ? [] : [['', '', trouble.reason, trouble.message]];
  });
  const rows = [
    ...missing,
    ...fleet.exceptions.map((e) => [e.cluster ?? e.kernel ?? '', paintState(output.paint, e.state ?? ''), e.reason, e.message]),
  ];
  if (rows.length === 0) return '';
  const more = fleet.exceptionCount - fleet.exceptions.length;
  return [table(output, ['CLUSTER', 'STATE', 'REASON', 'MESSAGE'], rows), ...(more > 0 ? [`… and ${more} more.`] : [])].join('\n');
}

/** What to do next, in the words that the other faces use. */
const hints = (status: StatusAnswer): string =>
  adviceFor(status)
    .map(({ text, commands }) => [text, ...commands.map((command) => `  ${command}`)].join('\n'))
    .join('\n');
