import type { ServerResponse } from 'node:http';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { basic, imageManifest, logins, sendJson, sendManifest, sha256, unauthorized } from './fake-registry.js';
import { faultOf, newClient, start } from './setup.js';

const digest = sha256(imageManifest());
const skip = { insecureSkipTLSVerify: true };
const insecure = { insecure: true };

describe('registryTLS', () => {
  test('plain HTTP is never tried unless insecure is set', async () => {
    const registry = await start((_seen, response) => sendManifest(response));
    for (const tls of [undefined, {}, skip]) {
      const { client } = newClient();
      const fault = await faultOf(client.resolve(`${registry.host}/a/b:1`, { tls }));
      expect([fault.kind, fault.reason]).toEqual(['Unavailable', 'RegistryUnavailable']);
      expect(fault.message).toMatch(
        new RegExp(`^No TLS connection to registry ${registry.host} .*set registryTLS\\.insecure for this image\\.$`),
      );
    }
    expect(registry.seen).toEqual([]);
  });

  test('a certificate that does not verify is refused unless insecureSkipTLSVerify is set, and insecure does not change that', async () => {
    const registry = await start((_seen, response) => sendManifest(response), { tls: true });
    for (const tls of [undefined, {}, insecure]) {
      const { client, sleeps } = newClient();
      const fault = await faultOf(client.resolve(`${registry.host}/a/b:1`, { tls }));
      expect([fault.kind, fault.reason]).toEqual(['Unavailable', 'RegistryUnavailable']);
      expect(fault.message).toBe(
        `The certificate of registry ${registry.host} does not verify (DEPTH_ZERO_SELF_SIGNED_CERT), so image ${registry.host}/a/b:1 could not be resolved. Give the hub the authority that signed it (NODE_EXTRA_CA_CERTS), or set registryTLS.insecureSkipTLSVerify for this image.`,
      );
      expect(sleeps).toEqual([]);
    }
    expect(registry.seen).toEqual([]);
  });

  test('a certificate of an authority that the hub trusts needs no setting', async () => {
    const registry = await start((_seen, response) => sendManifest(response), { tls: true });
    const before = getCACertificates('default');
    try {
      setDefaultCACertificates([...before, registry.certificate]);
      expect((await newClient().client.resolve(`${registry.host}/a/b:1`)).digest).toBe(digest);
    } finally {
      setDefaultCACertificates(before);
    }
  });

  test('insecureSkipTLSVerify of one call does not help another', async () => {
    const registry = await start((_seen, response) => sendManifest(response), { tls: true });
    const { client } = newClient();
    expect((await client.resolve(`${registry.host}/a/b:1`, { tls: skip })).digest).toBe(digest);
    expect((await faultOf(client.resolve(`${registry.host}/a/b:1`))).message).toContain('does not verify');
    const [good, bad] = await Promise.allSettled([
      client.resolve(`${registry.host}/a/b:1`, { tls: skip }),
      client.resolve(`${registry.host}/a/b:1`),
    ]);
    expect([good.status, bad.status]).toEqual(['fulfilled', 'rejected']);
  });

  test('insecure prefers HTTPS, and stays with it when the port shuts', async () => {
    const registry = await start((_seen, response) => sendManifest(response), { tls: true });
    const { client } = newClient();
    const tls = { ...skip, ...insecure };
    expect((await client.resolve(`${registry.host}/a/b:1`, { tls })).digest).toBe(digest);
    await registry.close();
    expect((await faultOf(client.resolve(`${registry.host}/a/b:1`, { tls }))).message).toContain('ECONNREFUSED');
  });

  test('insecure remembers that only HTTP worked, for ten minutes', async () => {
    let now = 0;
    const registry = await start((_seen, response) => sendManifest(response));
    const { client } = newClient({ clock: () => now });
    for (const at of [0, 1_000, 700_000]) {
      now = at;
      expect((await client.resolve(`${registry.host}/a/b:1`, { tls: insecure })).digest).toBe(digest);
    }
    expect(client.requests).toEqual({ manifests: 3, tokens: 0, total: 3 });
  });
});

describe('redirects', () => {
  const credentials = (host: string) => logins({ [host]: { username: 'u', password: 'hunter2' } });
  const protect =
    (host: string, redirect: (response: ServerResponse) => void) =>
    (seen: { authorization: string | undefined }, response: ServerResponse) =>
      seen.authorization === undefined ? unauthorized(response, `Basic realm="${host}"`) : redirect(response);

  test('a redirect within the registry keeps the credentials', async () => {
    const registry = await start((seen, response) => {
      if (seen.authorization === undefined) return unauthorized(response, 'Basic realm="x"');
      if (seen.url.startsWith('/v2/')) return response.writeHead(307, { location: '/moved?signature=secret' }).end();
      sendManifest(response);
    });
    expect(
      (await newClient().client.resolve(`${registry.host}/a/b:1`, { tls: insecure, credentials: credentials(registry.host) })).digest,
    ).toBe(digest);
    expect(registry.seen.at(-1)).toMatchObject({ url: '/moved?signature=secret', authorization: basic('u', 'hunter2') });
  });

  test('no credential goes to another port, nor comes back when the chain returns', async () => {
    const home = { host: '' };
    const other = await start((_seen, response) => response.writeHead(302, { location: `http://${home.host}/back` }).end());
    const registry = await start((seen, response) => {
      if (seen.url === '/back') return sendManifest(response);
      protect('x', (out) => out.writeHead(307, { location: `http://u:inline@${other.host}/away` }).end())(seen, response);
    });
    home.host = registry.host;
    const { client } = newClient();
    expect((await client.resolve(`${registry.host}/a/b:1`, { tls: insecure, credentials: credentials(registry.host) })).digest).toBe(
      digest,
    );
    expect(other.seen).toMatchObject([{ url: '/away', authorization: undefined }]);
    expect(registry.seen.at(-1)).toMatchObject({ url: '/back', authorization: undefined });
    expect(client.requests).toEqual({ manifests: 2, tokens: 0, total: 4 });
  });

  test('a host behind a redirect gets no credentials when it asks for them', async () => {
    const other = await start((_seen, response) => unauthorized(response, 'Basic realm="give me"'));
    const registry = await start((_seen, response) => response.writeHead(307, { location: `http://${other.host}/trap` }).end());
    const fault = await faultOf(
      newClient().client.resolve(`${registry.host}/a/b:1`, { tls: insecure, credentials: credentials(registry.host) }),
    );
    expect(fault.reason).toBe('RegistryDenied');
    expect(fault.message).toContain(`HTTP 401 of ${other.host}, where it redirects to`);
    expect([...other.seen, ...registry.seen].map(({ authorization }) => authorization)).toEqual([undefined, undefined]);
  });

  test('HTTPS to plain HTTP is refused where insecure is not set, and without credentials where it is', async () => {
    const plain = await start((_seen, response) => sendManifest(response));
    const registry = await start(
      protect('x', (response) => response.writeHead(301, { location: `http://${plain.host}/a?token=secret` }).end()),
      { tls: true },
    );
    const options = { tls: skip, credentials: credentials(registry.host) };
    const fault = await faultOf(newClient().client.resolve(`${registry.host}/a/b:1`, options));
    expect([fault.kind, fault.reason]).toEqual(['Unavailable', 'RegistryUnavailable']);
    expect(fault.message).toContain('it redirects to plain HTTP, which registryTLS.insecure does not allow');
    expect(fault.message).not.toContain('secret');
    expect(plain.seen).toEqual([]);
    await newClient().client.resolve(`${registry.host}/a/b:1`, { ...options, tls: { ...skip, ...insecure } });
    expect(plain.seen.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  test('insecureSkipTLSVerify does not reach the host behind a redirect', async () => {
    const other = await start((_seen, response) => sendManifest(response), { tls: true });
    const registry = await start((_seen, response) => response.writeHead(307, { location: `https://${other.host}/a` }).end(), {
      tls: true,
    });
    const fault = await faultOf(newClient().client.resolve(`${registry.host}/a/b:1`, { tls: skip }));
    expect(fault.message).toContain(`The certificate of server ${other.host} (for registry ${registry.host}) does not verify`);
    expect(other.seen).toEqual([]);
  });

  test.each([
    ['without end', '/again', 'it redirects more than 5 times', 6],
    ['to nowhere', '', 'it redirects without saying where to', 1],
    ['to a file', 'file:///etc/passwd', 'it redirects to something that is not HTTP', 1],
  ])('%s ends', async (_, location, part, requests) => {
    const registry = await start((_seen, response) => response.writeHead(302, location === '' ? {} : { location }).end());
    const fault = await faultOf(newClient().client.resolve(`${registry.host}/a/b:1`, { tls: insecure }));
    expect(fault.message).toContain(part);
    expect(registry.seen).toHaveLength(requests);
  });
});

describe('the realm of a token service', () => {
  test('a plain HTTP realm gets nothing unless insecure is set', async () => {
    const service = await start((_seen, response) => sendJson(response, 200, { token: 'good' }));
    const registry = await start(
      (seen, response) =>
        seen.authorization === 'Bearer good'
          ? sendManifest(response)
          : unauthorized(response, `Bearer realm="http://${service.host}/token?a=secret"`),
      { tls: true },
    );
    const credentials = logins({ [registry.host]: { username: 'u', password: 'hunter2' } });
    const fault = await faultOf(newClient().client.resolve(`${registry.host}/a/b:1`, { tls: skip, credentials }));
    expect([fault.kind, fault.reason]).toEqual(['Missing', 'RegistryDenied']);
    expect(fault.message).toBe(
      `Image ${registry.host}/a/b:1 could not be resolved, since registry ${registry.host} names the token service ${service.host} at plain HTTP. Set registryTLS.insecure if that network is trusted, or give the token service HTTPS.`,
    );
    expect(service.seen).toEqual([]);
    expect((await newClient().client.resolve(`${registry.host}/a/b:1`, { tls: { ...skip, ...insecure }, credentials })).digest).toBe(
      digest,
    );
  });

  test('a redirect of the token service to another host loses the credentials, and an identity token is not sent there at all', async () => {
    const other = await start((_seen, response) => sendJson(response, 200, { token: 'good' }));
    const registry = await start((seen, response) => {
      if (seen.url.startsWith('/token')) return response.writeHead(307, { location: `http://${other.host}/token` }).end();
      return seen.authorization === 'Bearer good'
        ? sendManifest(response)
        : unauthorized(response, `Bearer realm="http://127.0.0.1:${response.socket?.localPort ?? 0}/token"`);
    });
    const login = { username: 'u', password: 'hunter2' };
    await newClient().client.resolve(`${registry.host}/a/b:1`, { tls: insecure, credentials: logins({ [registry.host]: login }) });
    expect(other.seen.map(({ authorization }) => authorization)).toEqual([undefined]);
    const withIdentity = logins({ [registry.host]: { ...login, identitytoken: 'refresh' } });
    const fault = await faultOf(newClient().client.resolve(`${registry.host}/a/b:1`, { tls: insecure, credentials: withIdentity }));
    expect(fault.message).toContain('it redirects a request that carries an identity token');
    expect(other.seen).toHaveLength(1);
  });
});
