import type { Command } from 'commander';
import type { FoundModule, ImageRow, ModuleImages } from '../../client/index.js';
import { shortDigest } from '../../domain/details.js';
import { printable } from '../../domain/log-tail.js';
import { kernelsText } from '../../domain/mcm-image-wording.js';
import { count, sentence } from '../../domain/wording.js';
import { handle, type Shell } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { paintState, type Output } from '../output.js';
import { page, table } from '../table.js';
import { span } from '../times.js';

export function addImages(program: Command, shell: Shell): void {
  const command = program
    .command('images')
    .description('the image of each kernel of a module: how far it is, who made it, what is in it')
    .argument('<name>', 'the module');
  handle<object>(command, shell, async ({ output, session }, name = '') => {
    const images = await session().client.images(name);
    output.show(images, () => imagesPage(output, images));
    return images.images.some((i) => i.state === 'Failed') ? EXIT.failed : EXIT.done;
  });
}

export function imagesPage(output: Output, { module, images, notes }: ModuleImages): string {
  if (images.length === 0) return page(`Module ${module} needs no image, or nobody has looked yet which ones it needs.`, ...notes);
  return page(imageTable(output, images), moduleTable(output, images), ...troubles(module, images), footer(images), ...notes);
}

function imageTable(output: Output, images: readonly ImageRow[]): string {
  const rows = images.map((i) => [
    i.kernel,
    paintState(output.paint, i.state),
    i.digest === undefined ? (i.reason ?? '-') : shortDigest(i.digest),
    madeBy(i),
    i.attempt > 0 ? String(i.attempt) : '-',
    nextTry(i, output.nowMs),
    i.image,
  ]);
  return table(output, ['KERNEL', 'STATE', 'DIGEST', 'MADE BY', 'ATTEMPT', 'NEXT TRY', 'IMAGE'], rows);
}

const madeBy = ({ origin }: ImageRow): string => (origin === 'Made' ? 'kmodflow' : origin === 'Foreign' ? 'somebody else' : '-');

/** `in 9m`; of one that waits for a person that it does. */
function nextTry({ state, attempt, nextTryAt }: ImageRow, nowMs: number): string {
  if (state !== 'Failed') return '-';
  if (nextTryAt === undefined) return attempt > 0 ? 'when asked' : '-';
  const inMs = Date.parse(nextTryAt) - nowMs;
  return Number.isNaN(inMs) ? nextTryAt : inMs > 0 ? `in ${span(inMs)}` : 'now';
}

/** What the inspection found; images that were pinned before anybody looked inside have nothing. */
function moduleTable(output: Output, images: readonly ImageRow[]): string {
  const rows = images.flatMap(({ kernel, modules }) =>
    modules.map((m: FoundModule) => [
      kernel,
      m.name,
      m.version ?? '-',
      `${Math.max(1, Math.round(m.sizeBytes / 1_024))} KiB`,
      m.signer ?? 'not signed',
    ]),
  );
  return rows.length === 0 ? '' : table(output, ['KERNEL', 'MODULE', 'VERSION', 'SIZE', 'SIGNED BY'], rows);
}

/** One for each image that failed, whatever number of kernels it is for. */
function troubles(module: string, images: readonly ImageRow[]): string[] {
  const byImage = new Map<string, ImageRow & { readonly kernels: string[] }>();
  for (const row of images) {
    if (row.message === undefined) continue;
    const key = JSON.stringify([row.image, row.workflow, row.message]);
    const known = byImage.get(key);
    if (known === undefined) byImage.set(key, { ...row, kernels: [row.kernel] });
    else known.kernels.push(row.kernel);
  }
  return [...byImage.values()].map((row) => trouble(module, row));
}

function trouble(
  module: string,
  { image, kernels, reason, message = '', workflow, attempt, log }: ImageRow & { readonly kernels: string[] },
): string {
  const tail = log.map((line) => `  ${printable(line)}`.trimEnd());
  return [
    `${reason ?? 'Failed'}: ${image} for ${kernelsText(kernels)}`,
    sentence(message),
    ...(tail.length === 0 ? [] : ['The last lines of the log:', ...tail]),
    ...(attempt > 0 ? [`The whole log: kmodflow logs ${module} --kernel ${kernels[0] ?? ''}`] : []),
    ...(workflow === undefined ? [] : [`Its workflow: ${workflow}`]),
  ].join('\n');
}

function footer(images: readonly ImageRow[]): string {
  const states = (['Failed', 'Building', 'Queued', 'Resolving', 'Pinned'] as const).flatMap((state) => {
    const n = images.filter((i) => i.state === state).length;
    return n > 0 ? [`${n} ${state}`] : [];
  });
  return `${count(images.length, 'kernel')}: ${states.join(', ')}.`;
}
