import { describe, expect, test } from '@jest/globals';
import {
  basic,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  imageIndex,
  imageManifest,
  logins,
  OCI_INDEX,
  OCI_MANIFEST,
  sendManifest,
  sha256,
  unauthorized,
} from './fake-registry.js';
import { faultOf, INSECURE, newClient, start } from './setup.js';

const tls = INSECURE;

describe('a healthy image', () => {
  test.each([
    ['an OCI manifest', imageManifest(), OCI_MANIFEST],
    ['a Docker manifest', imageManifest('d', DOCKER_MANIFEST), DOCKER_MANIFEST],
    ['an OCI index, by its own digest', imageIndex(), OCI_INDEX],
    ['a Docker manifest list, by its own digest', imageIndex(DOCKER_LIST), DOCKER_LIST],
  ])('%s is pinned with one request', async (_, body, mediaType) => {
    const registry = await start((_seen, response) => sendManifest(response, body, mediaType));
    const { client } = newClient();
    const image = `${registry.host}/team/kmod:5.14.0-70`;
    expect(await client.resolve(image, { tls })).toEqual({
      image,
      digest: sha256(body),
      pinned: `${registry.host}/team/kmod@${sha256(body)}`,
      mediaType,
      sizeBytes: body.length,
    });
    expect(registry.seen.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /v2/team/kmod/manifests/5.14.0-70']);
    expect(client.requests).toEqual({ manifests: 1, tokens: 0, total: 1 });
  });

  test('a content type that says nothing leaves it to the document', async () => {
    const body = imageManifest();
    const registry = await start((_seen, response) => sendManifest(response, body, 'application/json; charset=utf-8'));
    expect((await newClient().client.resolve(`${registry.host}/a/b:1`, { tls })).mediaType).toBe(OCI_MANIFEST);
  });

  test('a digest in the reference decides over its tag, and may be sha512', async () => {
    const registry = await start((_seen, response) => sendManifest(response));
    const { client } = newClient();
    const digest = sha256(imageManifest());
    expect((await client.resolve(`${registry.host}/a/b:1@${digest}`, { tls })).digest).toBe(digest);
    expect(registry.seen[0]?.url).toBe(`/v2/a/b/manifests/${digest}`);
    const { createHash } = await import('node:crypto');
    const long = `sha512:${createHash('sha512').update(imageManifest()).digest('hex')}`;
    expect((await client.resolve(`${registry.host}/a/b@${long}`, { tls })).pinned).toBe(`${registry.host}/a/b@${long}`);
  });
});

describe('single flight', () => {
  test('concurrent calls for one reference share a request, and each gets the reference as it asked', async () => {
    const registry = await start((_seen, response) => void setTimeout(() => sendManifest(response), 50));
    const { client } = newClient();
    const credentials = () => logins({ [registry.host]: { username: 'u', password: 'p' } });
    const digest = sha256(imageManifest());
    const spellings = [`${registry.host}/a/b@${digest}`, `${registry.host}/a/b:1@${digest}`];
    const found = await Promise.all(
      [...spellings, ...spellings].map((image) => client.resolve(image, { tls, credentials: credentials() })),
    );
    expect(found.map(({ image }) => image)).toEqual([...spellings, ...spellings]);
    expect(registry.seen).toHaveLength(1);
    await client.resolve(spellings[0] ?? '', { tls });
    expect(registry.seen).toHaveLength(2); // nothing is kept after the flight
  });

  test.each([
    ['another tag', 'a/b:2', 'u'],
    ['another repository', 'a/c:1', 'u'],
    ['other credentials', 'a/b:1', 'somebody else'],
  ])('%s is another request', async (_, path, username) => {
    const registry = await start((_seen, response) => void setTimeout(() => sendManifest(response), 30));
    const { client } = newClient();
    const options = (user: string) => ({ tls, credentials: logins({ [registry.host]: { username: user, password: 'p' } }) });
    await Promise.all([
      client.resolve(`${registry.host}/a/b:1`, options('u')),
      client.resolve(`${registry.host}/${path}`, options(username)),
    ]);
    expect(registry.seen).toHaveLength(2);
  });

  test('a failure is shared and not kept', async () => {
    const registry = await start((_seen, response, number) => (number === 1 ? response.writeHead(404).end() : sendManifest(response)));
    const { client } = newClient();
    const image = `${registry.host}/a/b:1`;
    const [one, two] = await Promise.all([faultOf(client.resolve(image, { tls })), faultOf(client.resolve(image, { tls }))]);
    expect([one.reason, two.reason]).toEqual(['ImageMissing', 'ImageMissing']);
    expect((await client.resolve(image, { tls })).digest).toBe(sha256(imageManifest()));
  });
});

describe('an image that must not be shipped', () => {
  const other = sha256('other');
  test.each([
    [
      'a digest other than the registry names',
      imageManifest(),
      OCI_MANIFEST,
      other,
      `has a manifest with digest ${sha256(imageManifest())}, which is not the digest that the registry names ("${other}")`,
    ],
    [
      'schema 1 by content type',
      '{"schemaVersion":1}',
      'application/vnd.docker.distribution.manifest.v1+prettyjws',
      other,
      'is stored in the obsolete Docker schema 1 format, which has no stable digest; push it again with a current tool',
    ],
    [
      'schema 1 by version',
      '{"schemaVersion":1}',
      'application/json',
      undefined,
      'is stored in the obsolete Docker schema 1 format, which has no stable digest; push it again with a current tool',
    ],
    [
      'a web page',
      '{}',
      'text/html',
      undefined,
      'is served as "text/html", which is neither an image manifest nor an image index of OCI or Docker',
    ],
    [
      'no JSON',
      'hello',
      OCI_MANIFEST,
      undefined,
      `has a manifest that is not a JSON object of the expected form (content type "${OCI_MANIFEST}")`,
    ],
    [
      'two media types',
      imageManifest('a', DOCKER_MANIFEST),
      OCI_MANIFEST,
      undefined,
      `is served as ${OCI_MANIFEST}, while its manifest says "${DOCKER_MANIFEST}"`,
    ],
    [
      'an index that is an image too',
      JSON.stringify({ schemaVersion: 2, manifests: [{}], config: {}, layers: [] }),
      OCI_INDEX,
      undefined,
      'is served as an index, but its manifest does not have the form of one',
    ],
    [
      'an empty index',
      JSON.stringify({ schemaVersion: 2, manifests: [] }),
      OCI_INDEX,
      undefined,
      'is served as an index, but its manifest does not have the form of one',
    ],
    [
      'an image without layers',
      JSON.stringify({ schemaVersion: 2, config: {} }),
      OCI_MANIFEST,
      undefined,
      'is served as an image manifest, but its manifest does not have the form of one',
    ],
  ])('%s', async (_, body, contentType, digest, defect) => {
    const registry = await start((_seen, response) => sendManifest(response, body, contentType, digest));
    const image = `${registry.host}/a/b:1`;
    const fault = await faultOf(newClient().client.resolve(image, { tls }));
    expect([fault.kind, fault.reason]).toEqual(['Invalid', 'ImageRejected']);
    expect(fault.message).toBe(`Image ${image} at registry ${registry.host} ${defect}. Push a correct image, or correct the reference.`);
  });

  test('a body that is not what the digest in the reference says', async () => {
    const registry = await start((_seen, response) => sendManifest(response));
    const image = `${registry.host}/a/b@${sha256('wanted')}`;
    const fault = await faultOf(newClient().client.resolve(image, { tls }));
    expect([fault.kind, fault.reason]).toEqual(['Invalid', 'ImageRejected']);
    expect(fault.message).toContain(`which is not the digest in the reference ("${sha256('wanted')}")`);
  });

  test.each([
    ['announced', true],
    ['not announced', false],
  ])('a manifest over the limit, %s', async (_, announced) => {
    const registry = await start((_seen, response) => {
      response.writeHead(200, { 'content-type': OCI_MANIFEST, ...(announced ? { 'content-length': 5_000 } : {}) });
      response.end('x'.repeat(5_000));
    });
    const fault = await faultOf(newClient({ maxManifestBytes: 1_000 }).client.resolve(`${registry.host}/a/b:1`, { tls }));
    expect([fault.kind, fault.reason]).toEqual(['Invalid', 'ImageRejected']);
    expect(fault.message).toContain('has a manifest that is too large: the answer is larger than 1000 bytes.');
    expect(registry.seen).toHaveLength(1);
  });
});

describe('an image that cannot be had', () => {
  test('404 is missing, and may appear later', async () => {
    const registry = await start((_seen, response) => response.writeHead(404).end());
    const image = `${registry.host}/a/b:1`;
    const fault = await faultOf(newClient().client.resolve(image, { tls }));
    expect([fault.kind, fault.reason]).toEqual(['Missing', 'ImageMissing']);
    expect(fault.message).toBe(
      `Image ${image} does not exist at registry ${registry.host} (HTTP 404). Push it, or correct the repository and tag.`,
    );
  });

  test('403 is denied at once', async () => {
    const registry = await start((_seen, response) => response.writeHead(403).end());
    const fault = await faultOf(newClient().client.resolve(`${registry.host}/a/b:1`, { tls }));
    expect([fault.kind, fault.reason]).toEqual(['Missing', 'RegistryDenied']);
    expect(registry.seen).toHaveLength(1);
  });

  test('credentials that are refused are denied, and the message does not show them', async () => {
    const registry = await start((_seen, response) => unauthorized(response, 'Basic realm="x"'));
    const credentials = logins({ [registry.host]: { username: 'somebody', password: 'hunter2' } });
    const image = `${registry.host}/a/b:1`;
    const fault = await faultOf(newClient().client.resolve(image, { tls, credentials }));
    expect([fault.kind, fault.reason]).toEqual(['Missing', 'RegistryDenied']);
    expect(fault.message).toBe(
      `Registry ${registry.host} denies image ${image} to the given credentials (HTTP 401). Check the entry for ${registry.host} in the Secret that imageRepoSecret names, and that its user may pull this repository.`,
    );
    expect(registry.seen.map(({ authorization }) => authorization)).toEqual([undefined, basic('somebody', 'hunter2')]);
  });

  test.each([
    ['no tag', 'r.io/a/b', 'has neither tag nor digest'],
    ['a pasted URL with a password and a query', 'https://u:hunter2@r.io/a/b:1?token=abc', 'Image reference'],
    ['a port that does not exist', 'r.io:99999/a/b:1', 'whose port is not between 1 and 65535'],
  ])('a reference with %s is invalid and costs no request', async (_, image, part) => {
    const { client } = newClient();
    const fault = await faultOf(client.resolve(image));
    expect([fault.kind, fault.reason]).toEqual(['Invalid', 'InvalidSpec']);
    expect(fault.message).toContain(part);
    expect(fault.message).not.toMatch(/hunter2|token=/);
    expect(client.requests.total).toBe(0);
  });

  test('an answer that no registry gives', async () => {
    const registry = await start((_seen, response) => response.writeHead(418).end());
    const fault = await faultOf(newClient().client.resolve(`${registry.host}/a/b:1`, { tls }));
    expect([fault.kind, fault.reason]).toEqual(['Unavailable', 'RegistryUnavailable']);
    expect(fault.message).toContain('answered HTTP 418');
  });
});
