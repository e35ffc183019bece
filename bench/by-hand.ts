import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { opensslSigned } from '../test/harness/openssl-sign.js';
import { makeTempDir, removeTempDir } from '../test/harness/process.js';
import type { SigningPair } from '../test/harness/signing-pair.js';
import type { HandTimes } from './build-times.js';

export interface HandBuild {
  readonly dockerfile: string;
  readonly args: Readonly<Record<string, string>>;
  /** Where the image is pushed to, on a registry that speaks plain HTTP. */
  readonly image: string;
  /** Modules of this folder in the image are signed with it. */
  readonly sign?: { readonly pair: SigningPair; readonly folder: string };
}

const LOCAL = 'localhost/bench:by-hand';
const CONTAINER = 'by-hand';
const MAX_OUTPUT = 64 * 1024 * 1024;
const run = promisify(execFile);

/**
 * `buildah build` and `buildah push` as a person would type them: with the builder's isolation and storage driver, and a storage that is empty at first, as that of a Job
 * is. What a signature needs is done between the two with openssl.
 * @throws Error with the command and the end of its output.
 */
export async function buildByHand({ dockerfile, args, image, sign }: HandBuild): Promise<HandTimes> {
  const folder = makeTempDir('by-hand');
  const env = { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder, TMPDIR: join(folder, 'tmp'), STORAGE_DRIVER: 'vfs' };
  const storage = ['--root', join(folder, 'storage/root'), '--runroot', join(folder, 'storage/run'), '--storage-driver', 'vfs'];
  const buildah = async (...words: string[]): Promise<string> => {
    const { stdout, stderr } = await run('buildah', [...storage, ...words], { env, maxBuffer: MAX_OUTPUT });
    return stdout + stderr;
  };
  try {
    mkdirSync(join(folder, 'tmp'));
    mkdirSync(join(folder, 'context'));
    writeFileSync(join(folder, 'Dockerfile'), dockerfile);
    const given = Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
    const where = ['--file', join(folder, 'Dockerfile'), '--tag', LOCAL, join(folder, 'context')];
    const [output, buildSeconds] = await timed(() =>
      buildah('build', '--isolation', 'chroot', '--network', 'host', '--tls-verify=false', ...given, ...where),
    );
    const [, signSeconds] = sign === undefined ? [undefined, 0] : await timed(() => signByHand(buildah, sign));
    const [, pushSeconds] = await timed(() => buildah('push', '--quiet', '--tls-verify=false', LOCAL, `docker://${image}`));
    return { buildSeconds, signSeconds, pushSeconds, workSeconds: workSecondsIn(output) };
  } finally {
    removeTempDir(folder);
  }
}

async function signByHand(
  buildah: (...words: string[]) => Promise<string>,
  { pair, folder }: NonNullable<HandBuild['sign']>,
): Promise<void> {
  await buildah('from', '--name', CONTAINER, LOCAL);
  const root = (await buildah('mount', CONTAINER)).trim();
  for (const file of readdirSync(join(root, folder)).filter((name) => name.endsWith('.ko'))) {
    const path = join(root, folder, file);
    writeFileSync(path, opensslSigned(readFileSync(path), { key: pair.key, certificate: Buffer.from(pair.certificate) }));
  }
  await buildah('umount', CONTAINER);
  // Squashed, since the base images of the tests have no history, with which buildah cannot add a layer to its own result. The image is small.
  await buildah('commit', '--quiet', '--squash', CONTAINER, LOCAL);
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const began = performance.now();
  const result = await work();
  return [result, (performance.now() - began) / 1000];
}

const WORK = 'bench-work-ms';

/** A shell command that does some work again and again, and prints how long that took by its own clock. */
export const timedLoop = (times: number, work: string): string =>
  `begin=$(date +%s%3N) && for i in $(seq ${times}); do ${work} || exit 1; done && echo ${WORK} $(( $(date +%s%3N) - begin ))`;

/** What {@link timedLoop} has printed into the output of a build, seconds. @throws Error when it is not there. */
export function workSecondsIn(output: string): number {
  const ms = new RegExp(`^${WORK} ([0-9]+)$`, 'm').exec(output)?.[1];
  if (ms === undefined) throw new Error(`The build has not printed how long its work took: there is no line "${WORK} <number>".`);
  return Number(ms) / 1000;
}
