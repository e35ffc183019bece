import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { pack } from 'tar-stream';
import type { Inspection, RegistryClient, ResolveOptions } from '../../../src/registry/index.js';
import { fakeKmod } from '../../harness/kmod.js';
import { tar } from '../../harness/tar.js';
import { basic, DOCKER_MANIFEST, logins, OCI_INDEX, OCI_MANIFEST, sendManifest, unauthorized, type Handler } from './fake-registry.js';
import { faultOf, INSECURE, newClient, start } from './setup.js';

const KERNEL = '6.1.0-13-amd64';
const digestOf = (bytes: Buffer | string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const module = fakeKmod({ kernel: KERNEL, name: 'one' });
const archive = tar({ [`/opt/lib/modules/${KERNEL}/one.ko`]: module });
const config = Buffer.from(JSON.stringify({ architecture: 'amd64' }));

interface FakeImage {
  readonly manifest: string;
  readonly type: string;
  readonly blobs: ReadonlyMap<string, Buffer>;
}

function image(
  layers: readonly Buffer[],
  { type = OCI_MANIFEST, layerType = 'application/vnd.oci.image.layer.v1.tar+gzip' } = {},
): FakeImage {
  const descriptor = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: type,
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: layers.map((layer) => descriptor(layerType, layer)),
  });
  return { manifest, type, blobs: new Map([config, ...layers].map((bytes) => [digestOf(bytes), bytes])) };
}

/** Answers as a registry does that holds these images and nothing else. */
const serving =
  (images: readonly FakeImage[], top = images[0]): Handler =>
  ({ url }, response) => {
    const reference = url.split('/').at(-1) ?? '';
    const found = url.includes('/manifests/') ? (images.find(({ manifest }) => digestOf(manifest) === reference) ?? top) : undefined;
    if (found !== undefined) return sendManifest(response, found.manifest, found.type);
    const blob = images.map(({ blobs }) => blobs.get(reference)).find((bytes) => bytes !== undefined);
    sendBlob(response, blob);
  };

const sendBlob = (response: ServerResponse, blob: Buffer | undefined): void =>
  void response.writeHead(blob === undefined ? 404 : 200, { 'content-length': blob?.length ?? 0 }).end(blob);

async function inspect(client: RegistryClient, reference: string, options: ResolveOptions = {}): Promise<Inspection> {
  const all = { tls: INSECURE, ...options };
  const read = await client.read(reference, all);
  return client.inspect(read, { kernels: [KERNEL], expect: { dirName: '/opt' } }, all);
}

test('read gives the annotations of the manifest, those alone that are texts', async () => {
  const body = JSON.stringify({ ...(JSON.parse(image([]).manifest) as object), annotations: { 'kmodflow.io/image-key': 'abc', odd: 7 } });
  const registry = await start((_seen, response) => sendManifest(response, body));
  const read = await newClient().client.read(`${registry.host}/a/b:1`, { tls: INSECURE });
  expect([read.annotations, read.digest]).toEqual([{ 'kmodflow.io/image-key': 'abc' }, digestOf(body)]);
});

test("Docker's media types are read as OCI's", async () => {
  const docker = { type: DOCKER_MANIFEST, layerType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' };
  const registry = await start(serving([image([gzipSync(archive)], docker)]));
  expect((await inspect(newClient().client, `${registry.host}/a/b:1`)).accepted).toEqual([KERNEL]);
});

describe('where the registry keeps its blobs elsewhere', () => {
  test('credentials do not go there', async () => {
    const content = image([archive]);
    const storage = await start(serving([content]));
    const registry = await start((seen, response, number) => {
      if (seen.authorization !== basic('user', 'password')) return unauthorized(response, 'Basic realm="r"');
      if (seen.url.includes('/manifests/')) return serving([content])(seen, response, number);
      response.writeHead(307, { location: `http://${storage.host}/signed/${seen.url.split('/').at(-1)}` }).end();
    });
    const credentials = logins({ [registry.host]: { username: 'user', password: 'password' } });
    expect((await inspect(newClient().client, `${registry.host}/a/b:1`, { credentials })).accepted).toEqual([KERNEL]);
    expect(storage.seen.map(({ authorization }) => authorization)).toEqual([undefined, undefined]);
  });

  test('a token that runs out between two layers is replaced', async () => {
    const layers = [archive, tar({ '/etc/motd': 'hello' })];
    let served = 0;
    const registry = await start((seen, response, number) => {
      if (seen.url.startsWith('/token')) return void response.end(JSON.stringify({ token: `t${number}` }));
      const isFresh =
        served < 3 ? seen.authorization === 'Bearer t2' : seen.authorization !== 'Bearer t2' && seen.authorization !== undefined;
      if (!isFresh) return unauthorized(response, `Bearer realm="http://${registry.host}/token"`);
      served += 1;
      serving([image(layers)])(seen, response, number);
    });
    expect((await inspect(newClient().client, `${registry.host}/a/b:1`)).accepted).toEqual([KERNEL]);
    expect(served).toBe(4);
    expect(registry.seen.filter(({ url }) => url.startsWith('/token'))).toHaveLength(2);
  });
});

describe('a connection that breaks within a layer', () => {
  const layer = tar({ [`/opt/lib/modules/${KERNEL}/one.ko`]: module, '/noise': Buffer.alloc(300_000, 'noise') });

  test.each(['a registry that sends parts', 'a registry that always sends the whole'])('goes on at %s', async (which) => {
    let attempts = 0;
    const ranges: (string | undefined)[] = [];
    const content = image([layer]);
    const registry = await start((seen, response, number) => {
      if (!seen.url.endsWith(digestOf(layer))) return serving([content])(seen, response, number);
      attempts += 1;
      const range = response.req.headers.range;
      ranges.push(range);
      const from = which.endsWith('parts') ? Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0) : 0;
      response.writeHead(from > 0 ? 206 : 200, {
        'content-length': layer.length - from,
        ...(from > 0 && { 'content-range': `bytes ${from}-${layer.length - 1}/${layer.length}` }),
      });
      if (attempts === 3) return void response.end(layer.subarray(from));
      response.write(layer.subarray(from, from + 100_000), () => setTimeout(() => response.destroy(), 30));
    });
    const { client, sleeps } = newClient();
    expect((await inspect(client, `${registry.host}/a/b:1`)).accepted).toEqual([KERNEL]);
    expect([attempts, ranges[0], sleeps]).toEqual([3, undefined, [500, 1000]]);
    expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? ''))).toBe(true);
  });

  test('is not followed to another part than was asked for', async () => {
    const content = image([layer]);
    const registry = await start((seen, response, number) => {
      if (!seen.url.endsWith(digestOf(layer))) return serving([content])(seen, response, number);
      const isPart = response.req.headers.range !== undefined;
      response.writeHead(isPart ? 206 : 200, { 'content-length': layer.length, ...(isPart && { 'content-range': 'bytes 0-9/10' }) });
      response.write(layer.subarray(0, 1_000), () => setTimeout(() => response.destroy(), 30));
    });
    expect((await faultOf(inspect(newClient().client, `${registry.host}/a/b:1`))).message).toContain('it sent another part of the blob');
  });
});

describe('an image that is rejected as a whole', () => {
  const rejection = async (handler: Handler): Promise<string> => {
    const registry = await start(handler);
    const fault = await faultOf(inspect(newClient().client, `${registry.host}/a/b:1`));
    expect([fault.kind, fault.reason]).toEqual(['Invalid', 'ImageRejected']);
    return fault.message.replaceAll(registry.host, 'host');
  };
  const end = 'Push a correct image, or correct the reference.';

  test('has a blob that is longer than its manifest says', async () => {
    const content = image([archive]);
    const longer = new Map([...content.blobs, [digestOf(archive), Buffer.concat([archive, Buffer.alloc(10)])]]);
    expect(await rejection(serving([{ ...content, blobs: longer }]))).toBe(
      `Image host/a/b:1 at registry host has the blob ${digestOf(archive)}, which is larger than the ${archive.length} bytes that its manifest says. ${end}`,
    );
  });

  test.each([
    ['no layers', { layers: undefined }, 'manifest'],
    ['a digest of another kind', { layers: [{ digest: 'md5:1', size: 1 }] }, 'an unusable manifest: "layers.0.digest" is wrong'],
    ['a size that is no number', { layers: [{ digest: digestOf('x'), size: -1 }] }, 'an unusable manifest: "layers.0.size" is wrong'],
  ])('has a manifest with %s', async (_, change, text) => {
    const body = JSON.stringify({ ...(JSON.parse(image([]).manifest) as object), ...change });
    expect(await rejection((_seen, response) => sendManifest(response, body))).toContain(text);
  });

  test('has a config that names no architecture', async () => {
    const text = Buffer.from('{"os":"linux"}');
    const manifest = image([])
      .manifest.replace(digestOf(config), digestOf(text))
      .replace(`"size":${config.length}`, `"size":${text.length}`);
    expect(await rejection(serving([{ manifest, type: OCI_MANIFEST, blobs: new Map([[digestOf(text), text]]) }]))).toContain(
      `has the config ${digestOf(text)}, which names no architecture`,
    );
  });

  test('has extended headers without end', async () => {
    const huge = pack();
    huge.entry({ name: 'a', pax: { comment: 'x'.repeat(5_000_000) } } as { name: string }, 'content');
    huge.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of huge as unknown as AsyncIterable<Buffer>) chunks.push(chunk);
    expect(await rejection(serving([image([Buffer.concat(chunks)])]))).toContain('which is no complete tar archive');
  });
});

describe('an index', () => {
  const index = (manifests: readonly object[]): FakeImage => ({
    manifest: JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }),
    type: OCI_INDEX,
    blobs: new Map(),
  });
  const entry = ({ manifest, type }: FakeImage, more: object = {}) => ({
    mediaType: type,
    digest: digestOf(manifest),
    size: manifest.length,
    platform: { os: 'linux', architecture: 'amd64' },
    ...more,
  });
  const right = image([archive]);
  const attestation = image([Buffer.from('not a layer')]);

  test('is inspected without its attestations', async () => {
    const both = index([
      entry(right),
      entry(attestation, { platform: { os: 'unknown', architecture: 'unknown' } }),
      entry(attestation, { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }),
    ]);
    const registry = await start(serving([both, right, attestation]));
    expect((await inspect(newClient().client, `${registry.host}/a/b:1`)).accepted).toEqual([KERNEL]);
    expect(registry.seen.filter(({ url }) => url.includes('/manifests/'))).toHaveLength(2);
  });

  test('that names another index, or an image that is not there, is rejected', async () => {
    const inner = index([entry(right)]);
    const outer = index([entry(inner)]);
    const registry = await start(serving([outer, inner, right]));
    expect((await faultOf(inspect(newClient().client, `${registry.host}/a/b:1`))).message).toContain(
      `is an index that names another index (${digestOf(inner.manifest)}), which is not followed`,
    );
    const broken = await start((seen, response, number) =>
      seen.url.endsWith(digestOf(right.manifest))
        ? sendBlob(response, undefined)
        : serving([index([entry(right)])])(seen, response, number),
    );
    expect((await faultOf(inspect(newClient().client, `${broken.host}/a/b:1`))).message).toContain(
      `is an index whose image ${digestOf(right.manifest)} is not in the registry`,
    );
  });
});

test('inspections beyond the limit wait in line, and one that gives up leaves it', async () => {
  const content = image([archive]);
  let open = 0;
  let most = 0;
  const registry = await start((seen, response, number) => {
    if (!seen.url.endsWith(digestOf(archive))) return serving([content])(seen, response, number);
    most = Math.max(most, (open += 1));
    setTimeout(() => {
      open -= 1;
      sendBlob(response, archive);
    }, 30);
  });
  const { client } = newClient({ maxInspections: 2 });
  const read = await client.read(`${registry.host}/a/b:1`, { tls: INSECURE });
  const controller = new AbortController();
  const ask = { kernels: [KERNEL], expect: { dirName: '/opt' } };
  const all = Array.from({ length: 6 }, (_, index) =>
    client.inspect(read, ask, { tls: INSECURE, ...(index === 5 && { signal: controller.signal }) }).then(
      ({ accepted }) => accepted.length,
      (error: unknown) => error,
    ),
  );
  controller.abort('gave up');
  expect(await Promise.all(all)).toEqual([1, 1, 1, 1, 1, 'gave up']);
  expect(most).toBe(2);
});

test('signatures without a certificate to compare them with are a mistake of the caller', async () => {
  const registry = await start(serving([image([archive])]));
  const { client } = newClient();
  const read = await client.read(`${registry.host}/a/b:1`, { tls: INSECURE });
  const sign = { certSecret: 'cert', certificate: 'x', files: ['/a'] };
  await expect(client.inspect(read, { kernels: [KERNEL], expect: { dirName: '/opt', sign } }, { tls: INSECURE })).rejects.toThrow(
    TypeError,
  );
});
