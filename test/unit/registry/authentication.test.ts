import { describe, expect, test } from '@jest/globals';
import type { RegistryCredentials } from '../../../src/registry/index.js';
import { basic, imageManifest, logins, sendJson, sendManifest, sha256, unauthorized, type FakeServer } from './fake-registry.js';
import { faultOf, INSECURE, newClient, start } from './setup.js';

const tls = INSECURE;
const digest = sha256(imageManifest());

/** A registry that wants a token of a service at the same address. `grant` answers `/token`. */
function tokenRegistry(
  grant: (authorization: string | undefined, body: string, number: number) => { status?: number; json: unknown },
  accepts = /^Bearer good/,
): Promise<FakeServer> {
  let tokens = 0;
  return start((seen, response) => {
    if (seen.url.startsWith('/token')) {
      const { status = 200, json } = grant(seen.authorization, seen.body, (tokens += 1));
      return sendJson(response, status, json);
    }
    if (accepts.test(seen.authorization ?? '')) return sendManifest(response);
    const repository = /^\/v2\/(.+)\/manifests/.exec(seen.url)?.[1] ?? '';
    const host = `127.0.0.1:${response.socket?.localPort ?? 0}`;
    unauthorized(response, `Bearer realm="http://${host}/token?keep=1",service="kmods",scope="repository:${repository}:pull"`);
  });
}

const urls = ({ seen }: FakeServer): string[] => seen.map(({ method, url }) => `${method} ${url}`);
const someLogin = (host: string, extra: object = {}): RegistryCredentials =>
  logins({ [host]: { username: 'u', password: 'hunter2', ...extra } });

describe('Basic', () => {
  test('credentials are sent after the registry asked, and at once the next time', async () => {
    const wanted = basic('u', 'hunter2');
    const registry = await start((seen, response) =>
      seen.authorization === wanted ? sendManifest(response) : unauthorized(response, 'Basic realm="kmods"'),
    );
    const { client } = newClient();
    const options = { tls, credentials: someLogin(registry.host) };
    expect((await client.resolve(`${registry.host}/a/b:1`, options)).digest).toBe(digest);
    expect((await client.resolve(`${registry.host}/a/b:2`, options)).digest).toBe(digest);
    expect(registry.seen.map(({ authorization }) => authorization)).toEqual([undefined, wanted, wanted]);
  });

  test('without credentials the message says where they belong', async () => {
    const registry = await start((_seen, response) => unauthorized(response, 'Basic realm="kmods"'));
    const image = `${registry.host}/a/b:1`;
    const fault = await faultOf(
      newClient().client.resolve(image, { tls, credentials: logins({ 'elsewhere.io': { username: 'u', password: 'p' } }) }),
    );
    expect([fault.kind, fault.reason]).toEqual(['Missing', 'RegistryDenied']);
    expect(fault.message).toBe(
      `Registry ${registry.host} asks for credentials for image ${image}, and there are none for it (HTTP 401). Add an entry for ${registry.host} to the Secret that imageRepoSecret names; if the image is public, check that the repository exists.`,
    );
  });
});

describe('Bearer', () => {
  test('an anonymous token is fetched once for a repository', async () => {
    const registry = await tokenRegistry(() => ({ json: { token: 'good', expires_in: 300 } }));
    const { client } = newClient();
    for (const tag of ['1', '2']) expect((await client.resolve(`${registry.host}/a/b:${tag}`, { tls })).digest).toBe(digest);
    expect(urls(registry)).toEqual([
      'GET /v2/a/b/manifests/1',
      'GET /token?keep=1&service=kmods&scope=repository%3Aa%2Fb%3Apull',
      'GET /v2/a/b/manifests/1',
      'GET /v2/a/b/manifests/2',
    ]);
    expect(client.requests).toEqual({ manifests: 3, tokens: 1, total: 4 });
    expect(registry.seen.every(({ authorization }) => authorization === undefined || authorization === 'Bearer good')).toBe(true);
  });

  test('credentials go to the token service, not to the registry', async () => {
    const registry = await tokenRegistry((authorization) => ({
      json: { access_token: authorization === basic('u', 'hunter2') ? 'good' : 'bad' },
    }));
    expect((await newClient().client.resolve(`${registry.host}/a/b:1`, { tls, credentials: someLogin(registry.host) })).digest).toBe(
      digest,
    );
    expect(registry.seen.map(({ authorization }) => authorization)).toEqual([undefined, basic('u', 'hunter2'), 'Bearer good']);
  });

  test('an identity token is posted as a form', async () => {
    const registry = await tokenRegistry((_, body) => ({
      json: { access_token: new URLSearchParams(body).get('refresh_token') === 'refresh me' ? 'good' : 'bad' },
    }));
    const credentials = someLogin(registry.host, { identitytoken: 'refresh me' });
    expect((await newClient().client.resolve(`${registry.host}/a/b:1`, { tls, credentials })).digest).toBe(digest);
    expect(registry.seen[1]).toMatchObject({
      method: 'POST',
      url: '/token?keep=1',
      authorization: undefined,
      body: 'grant_type=refresh_token&client_id=kmodflow&scope=repository%3Aa%2Fb%3Apull&refresh_token=refresh+me&service=kmods',
    });
  });

  test('a token is renewed shortly before it expires', async () => {
    let now = 1_000_000;
    const registry = await tokenRegistry((_authorization, _body, number) => ({ json: { token: `good${number}`, expires_in: 300 } }));
    const { client } = newClient({ clock: () => now });
    const sent: (string | undefined)[] = [];
    for (const step of [0, 269_000, 1_001]) {
      now += step;
      await client.resolve(`${registry.host}/a/b:1`, { tls });
      sent.push(registry.seen.at(-1)?.authorization);
    }
    expect(sent).toEqual(['Bearer good1', 'Bearer good1', 'Bearer good2']);
  });

  test('a token that is refused before its time is fetched anew, once', async () => {
    let accepted = 'Bearer good1';
    let number = 0;
    const registry = await start((seen, response) => {
      if (seen.url.startsWith('/token')) return sendJson(response, 200, { token: `good${(number += 1)}`, expires_in: 300 });
      if (seen.authorization === accepted) return sendManifest(response);
      unauthorized(response, `Bearer realm="http://127.0.0.1:${response.socket?.localPort ?? 0}/token"`);
    });
    const { client } = newClient();
    await client.resolve(`${registry.host}/a/b:1`, { tls });
    accepted = 'Bearer good2';
    expect((await client.resolve(`${registry.host}/a/b:1`, { tls })).digest).toBe(digest);
    accepted = 'nothing';
    expect((await faultOf(client.resolve(`${registry.host}/a/b:1`, { tls }))).reason).toBe('RegistryDenied');
    accepted = 'Bearer good4'; // the permission is granted: the refused token was not kept
    expect((await client.resolve(`${registry.host}/a/b:1`, { tls })).digest).toBe(digest);
  });

  test('concurrent images of one repository share the token request', async () => {
    const registry = await tokenRegistry(() => ({ json: { token: 'good' } }));
    const { client } = newClient();
    await Promise.all(['1', '2', '3', '4'].map((tag) => client.resolve(`${registry.host}/a/b:${tag}`, { tls })));
    expect(client.requests.tokens).toBe(1);
  });

  test('tokens of one login are not given to another', async () => {
    const registry = await tokenRegistry((authorization) => ({
      json: { token: authorization === basic('u', 'hunter2') ? 'good' : 'bad', expires_in: 300 },
    }));
    const { client } = newClient();
    await client.resolve(`${registry.host}/a/b:1`, { tls, credentials: someLogin(registry.host) });
    expect((await faultOf(client.resolve(`${registry.host}/a/b:1`, { tls }))).reason).toBe('RegistryDenied');
  });

  test.each([
    ['refuses', 401, {}, 'RegistryDenied', 'HTTP 401 of the token service'],
    ['refuses the identity token', 400, { error: 'invalid_grant' }, 'RegistryDenied', 'HTTP 400 of the token service'],
    ['is down', 500, {}, 'RegistryUnavailable', 'HTTP 500'],
    ['is not there', 404, {}, 'RegistryUnavailable', 'answered HTTP 404'],
    ['answers without a token', 200, { hello: 1 }, 'RegistryUnavailable', 'answered without a usable token'],
    ['answers with a token that no header can carry', 200, { token: 'a\nb' }, 'RegistryUnavailable', 'answered without a usable token'],
  ])('a token service that %s', async (_, status, json, reason, part) => {
    const registry = await tokenRegistry(() => ({ status, json }));
    const fault = await faultOf(newClient().client.resolve(`${registry.host}/a/b:1`, { tls, credentials: someLogin(registry.host) }));
    expect(fault.reason).toBe(reason);
    expect(fault.message).toContain(part);
    expect(fault.message).not.toMatch(/hunter2|keep=1|scope=/);
  });
});

test('a scheme that is neither Basic nor Bearer is denied', async () => {
  const registry = await start((_seen, response) => unauthorized(response, 'Negotiate'));
  const fault = await faultOf(newClient().client.resolve(`${registry.host}/a/b:1`, { tls, credentials: someLogin(registry.host) }));
  expect(fault.message).toContain('HTTP 401 that offers neither Basic nor Bearer');
  expect(registry.seen).toHaveLength(1);
});
