import type { ServerResponse } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { imageManifest, OCI_MANIFEST, sendManifest, sha256 } from './fake-registry.js';
import { faultOf, INSECURE, newClient, start } from './setup.js';

const tls = INSECURE;
const unavailable = ['Unavailable', 'RegistryUnavailable'];

describe('a busy registry', () => {
  test('429 with Retry-After in seconds is waited for, to the millisecond', async () => {
    const registry = await start((_seen, response, number) =>
      number === 1 ? response.writeHead(429, { 'retry-after': '2' }).end() : sendManifest(response),
    );
    const { client, sleeps } = newClient();
    expect((await client.resolve(`${registry.host}/a/b:1`, { tls })).digest).toBe(sha256(imageManifest()));
    expect(sleeps).toEqual([2_000]);
  });

  test('Retry-After as a date is waited for by the given clock', async () => {
    const now = Date.parse('2026-03-01T12:00:00Z');
    const registry = await start((_seen, response, number) =>
      number === 1 ? response.writeHead(503, { 'retry-after': 'Sun, 01 Mar 2026 12:00:03 GMT' }).end() : sendManifest(response),
    );
    const { client, sleeps } = newClient({ clock: () => now });
    await client.resolve(`${registry.host}/a/b:1`, { tls });
    expect(sleeps).toEqual([3_000]);
  });

  test('a wait that is longer than the call is handed on, not slept', async () => {
    const registry = await start((_seen, response) => response.writeHead(429, { 'retry-after': '120' }).end());
    const { client, sleeps } = newClient();
    const image = `${registry.host}/a/b:1`;
    const fault = await faultOf(client.resolve(image, { tls }));
    expect([fault.kind, fault.reason]).toEqual(unavailable);
    expect(fault.retryAfterMs).toBe(120_000);
    expect(fault.message).toBe(
      `Registry ${registry.host} limits requests (HTTP 429), so image ${image} could not be resolved. It is asked again after 120 s, as it demands. Credentials in the Secret that imageRepoSecret names often raise the limit.`,
    );
    expect(sleeps).toEqual([]);
    expect(registry.seen).toHaveLength(1);
  });

  test('5xx is asked three times with growing pauses', async () => {
    const registry = await start((_seen, response) => response.writeHead(502).end());
    const { client, sleeps } = newClient();
    const fault = await faultOf(client.resolve(`${registry.host}/a/b:1`, { tls }));
    expect([fault.kind, fault.reason, fault.retryAfterMs]).toEqual([...unavailable, undefined]);
    expect(fault.message).toContain('has a fault of its own (HTTP 502)');
    expect(sleeps).toEqual([500, 1_000]);
    expect(client.requests).toEqual({ manifests: 3, tokens: 0, total: 3 });
  });
});

describe('a registry that does not answer', () => {
  const timeoutMs = 600;

  test.each([
    ['takes the request and says nothing', () => undefined],
    [
      'sends headers and then nothing',
      (response: ServerResponse) => response.writeHead(200, { 'content-type': OCI_MANIFEST }).flushHeaders(),
    ],
    [
      'sends a byte now and then',
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-type': OCI_MANIFEST });
        const timer = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(timer));
      },
    ],
  ])('%s', async (_, behave) => {
    const registry = await start((_seen, response) => void behave(response));
    const startedAt = Date.now();
    const fault = await faultOf(newClient({ timeoutMs }).client.resolve(`${registry.host}/a/b:1`, { tls }));
    expect(Date.now() - startedAt).toBeLessThan(timeoutMs + 500);
    expect([fault.kind, fault.reason]).toEqual(unavailable);
    expect(fault.message).toContain(`No complete answer in time from registry ${registry.host}`);
  });

  test('a connection that is cut in the middle of the body is tried again', async () => {
    const registry = await start((_seen, response, number) => {
      if (number > 1) return sendManifest(response);
      response.writeHead(200, { 'content-type': OCI_MANIFEST, 'content-length': 1_000 }).write('{');
      setTimeout(() => response.destroy(), 20);
    });
    const { client } = newClient();
    expect((await client.resolve(`${registry.host}/a/b:1`, { tls })).digest).toBe(sha256(imageManifest()));
    expect(registry.seen).toHaveLength(2);
  });

  test('a closed port', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    await new Promise((resolve) => server.close(resolve));
    const { client } = newClient();
    const fault = await faultOf(client.resolve(`${host}/a/b:1`));
    expect([fault.kind, fault.reason]).toEqual(unavailable);
    expect(fault.message).toBe(
      `No connection to registry ${host} (ECONNREFUSED), so image ${host}/a/b:1 could not be resolved. Check that the host name is right and that the hub reaches it.`,
    );
    expect(client.requests.total).toBe(0);
  });

  test('a host that has no address', async () => {
    const fault = await faultOf(newClient().client.resolve('registry.invalid/a/b:1'));
    expect([fault.kind, fault.reason]).toEqual(unavailable);
    expect(fault.message).toMatch(/^No connection to registry registry\.invalid \((ENOTFOUND|EAI_AGAIN)\)/);
  });
});

describe('closing', () => {
  test('ends calls in flight and later ones, and may be done twice', async () => {
    const registry = await start(() => undefined);
    const { client } = newClient();
    const pending = faultOf(client.resolve(`${registry.host}/a/b:1`, { tls }));
    while (registry.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await client.close();
    await client.close();
    expect((await pending).reason).toBe('RegistryUnavailable');
    expect((await faultOf(client.resolve(`${registry.host}/a/b:2`, { tls }))).message).toContain('The registry client was closed');
  });
});
