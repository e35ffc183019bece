import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isFault } from '../../src/domain/fault.js';
import { createRegistryClient, credentialsFromSecret, type RegistryClient } from '../../src/registry/index.js';
import { REGISTRY_PASSWORD, REGISTRY_USER, startRegistry, type Registry } from '../harness/registry.js';

const tls = { insecure: true };

describe.each(['none', 'basic'] as const)('the real registry with auth %s', (auth) => {
  let registry: Registry;
  let client: RegistryClient;

  beforeAll(async () => {
    registry = await startRegistry({ auth });
    client = createRegistryClient();
  }, 60_000);
  afterAll(async () => {
    await client.close();
    await registry.stop();
  });

  const credentials = () => {
    const config = { auths: { [`${registry.host}/team`]: { username: REGISTRY_USER, password: REGISTRY_PASSWORD } } };
    return auth === 'none'
      ? undefined
      : credentialsFromSecret({ data: { '.dockerconfigjson': Buffer.from(JSON.stringify(config)).toString('base64') } });
  };

  test('an image is pinned by the digest that was pushed, with one manifest request once the registry is known', async () => {
    const kernels = ['5.14.0-70', '5.14.0-284', '6.12.0-55'];
    const pushed = await Promise.all(
      kernels.map((kernel) => registry.pushImage({ repository: 'team/kmod', tag: kernel, kernels: [kernel] })),
    );
    const first = await client.resolve(pushed[0]?.reference ?? '', { tls, credentials: credentials() });
    expect(first).toEqual({
      image: pushed[0]?.reference,
      digest: pushed[0]?.digest,
      pinned: pushed[0]?.pinned,
      mediaType: pushed[0]?.mediaType,
      sizeBytes: first.sizeBytes,
    });
    const before = client.requests.manifests;
    expect(before).toBe(auth === 'none' ? 1 : 2);
    const rest = await Promise.all(pushed.slice(1).map(({ reference }) => client.resolve(reference, { tls, credentials: credentials() })));
    expect(rest.map(({ digest }) => digest)).toEqual(pushed.slice(1).map(({ digest }) => digest));
    expect(client.requests.manifests - before).toBe(2);
    expect(registry.requests().manifestTotal).toBe(client.requests.manifests);
  });

  test('an index is pinned by its own digest', async () => {
    const images = await Promise.all(
      ['amd64', 'arm64'].map((architecture) =>
        registry.pushImage({ repository: 'team/multi', tag: architecture, architecture, label: architecture }),
      ),
    );
    const index = await registry.pushIndex({ repository: 'team/multi', tag: 'both', images });
    const found = await client.resolve(index.reference, { tls, credentials: credentials() });
    expect([found.digest, found.mediaType]).toEqual([index.digest, index.mediaType]);
    expect((await client.resolve(index.pinned, { tls, credentials: credentials() })).pinned).toBe(index.pinned);
  });

  const reasonOf = (image: string, given: ReturnType<typeof credentials>): Promise<unknown> =>
    client.resolve(image, { tls, credentials: given }).then(
      () => 'resolved',
      (error: unknown) => (isFault(error) ? [error.kind, error.reason] : error),
    );

  test('a tag that does not exist is missing', async () => {
    expect(await reasonOf(`${registry.host}/team/nothing:1`, credentials())).toEqual(['Missing', 'ImageMissing']);
  });

  test('credentials for another repository do not help', async () => {
    const { reference } = await registry.pushImage({ repository: 'other/kmod', tag: '1' });
    expect(await reasonOf(reference, credentials())).toEqual(auth === 'none' ? 'resolved' : ['Missing', 'RegistryDenied']);
  });

  test('without insecure the plain HTTP registry is not asked', async () => {
    const before = client.requests.total;
    await expect(client.resolve(`${registry.host}/team/kmod:1`)).rejects.toMatchObject({
      kind: 'Unavailable',
      reason: 'RegistryUnavailable',
    });
    expect(client.requests.total).toBe(before);
  });
});
