import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTempDir, removeTempDir } from './process.js';

interface Manifest {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly layers: readonly { readonly digest: string }[];
}

export interface StoredImage {
  readonly digest: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** Path (with a leading slash) to content, of every layer by itself, the lowest first: hidden files are there too. */
  readonly layers: readonly ReadonlyMap<string, Buffer>[];
}

const ACCEPT = 'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json';

/** Reads a whole image with this machine's own tar and gzip, so that what the product reads is checked against something else. */
export async function readStoredImage(host: string, repository: string, reference: string): Promise<StoredImage> {
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${reference}`, { headers: { accept: ACCEPT } });
  if (!answer.ok) throw new Error(`The registry has no ${repository}:${reference}: it answered ${answer.status}.`);
  const { annotations = {}, layers } = (await answer.json()) as Manifest;
  const files = await Promise.all(layers.map(({ digest }) => readLayer(host, repository, digest)));
  return { digest: answer.headers.get('docker-content-digest') ?? '', annotations, layers: files };
}

async function readLayer(host: string, repository: string, digest: string): Promise<ReadonlyMap<string, Buffer>> {
  const answer = await fetch(`http://${host}/v2/${repository}/blobs/${digest}`);
  const folder = makeTempDir('layer');
  try {
    const archive = join(folder, 'layer');
    const content = join(folder, 'content');
    writeFileSync(archive, Buffer.from(await answer.arrayBuffer()));
    mkdirSync(content);
    execFileSync('tar', ['-xf', archive, '-C', content, '--no-same-owner'], { stdio: 'pipe' });
    const names = execFileSync('find', ['.', '-type', 'f', '-print0'], { cwd: content, maxBuffer: 64 * 1024 * 1024 });
    const paths = names
      .toString('utf8')
      .split('\0')
      .filter((name) => name !== '');
    return new Map(paths.map((path) => [path.slice(1), readFileSync(join(content, path))]));
  } finally {
    removeTempDir(folder);
  }
}

/** The file as a container of the image would see it; whiteouts are not looked at. */
export const fileIn = ({ layers }: StoredImage, path: string): Buffer | undefined => layers.findLast((layer) => layer.has(path))?.get(path);
