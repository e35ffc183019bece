import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { buildParts, type LayerFile } from './build-parts.js';

/** References of what `pushBaseImages` has pushed: `host/repository:tag`. */
export interface BaseImages {
  /** gcc, make, kmod and the headers of all kernels of {@link debianKernels}, each in `/usr/src/linux-headers-<release>`. */
  readonly kbuild: string;
  /** busybox: what a spoke needs in a kmod image to copy the modules out of it. */
  readonly runtime: string;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';

/**
 * Pushes the two base images of the cache to a registry that speaks plain HTTP, such as one of `startRegistry`. The layers go out as they lie on disk,
 * about 43 MB together: well under a second to a registry on this machine. Sends no GET and no HEAD, which tests count.
 * @param authorization value of the header, for a registry that asks for it.
 * @throws Error that names `make build-parts` when the images are not there, or the request that the registry refused.
 */
export async function pushBaseImages(registryHost: string, authorization?: string): Promise<BaseImages> {
  const { layers } = buildParts();
  const target: Target = { host: registryHost, headers: authorization === undefined ? {} : { authorization } };
  const [kbuild, runtime] = await Promise.all([
    pushLayer(target, 'base/kbuild', 'bookworm', layers.kbuild),
    pushLayer(target, 'base/runtime', '1', layers.runtime),
  ]);
  return { kbuild, runtime };
}

interface Target {
  readonly host: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function pushLayer(target: Target, repository: string, tag: string, layer: LayerFile): Promise<string> {
  const config = json({
    architecture: 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: [layer.diffId] },
  });
  const configDigest = `sha256:${createHash('sha256').update(config).digest('hex')}`;
  await Promise.all([
    pushBlob(target, repository, layer.digest, await openAsBlob(layer.file)),
    pushBlob(target, repository, configDigest, new Blob([config])),
  ]);
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, digest: configDigest, size: config.length },
    layers: [{ mediaType: layer.mediaType, digest: layer.digest, size: layer.size }],
  });
  await send(target, 'PUT', `http://${target.host}/v2/${repository}/manifests/${tag}`, new Blob([manifest], { type: MANIFEST }));
  return `${target.host}/${repository}:${tag}`;
}

const json = (value: unknown): Buffer<ArrayBuffer> => Buffer.from(JSON.stringify(value));

async function pushBlob(target: Target, repository: string, digest: string, bytes: Blob): Promise<void> {
  const upload = await send(target, 'POST', `http://${target.host}/v2/${repository}/blobs/uploads/`);
  const location = new URL(upload.headers.get('location') ?? '', `http://${target.host}`);
  location.searchParams.set('digest', digest);
  await send(target, 'PUT', location.href, bytes);
}

async function send(target: Target, method: string, url: string, body?: Blob): Promise<Response> {
  const type = body === undefined ? {} : { 'content-type': body.type || 'application/octet-stream' };
  const answer = await fetch(url, { method, headers: { ...target.headers, ...type }, ...(body && { body }) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url} answered ${answer.status}: ${text}`);
  return answer;
}
