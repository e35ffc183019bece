import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createHubApi, type HubApi } from '../../../src/kube/index.js';
import { answerStatus, FakeApiServer } from './fake-api-server.js';

let server: FakeApiServer;
let api: HubApi;

beforeEach(async () => {
  server = await FakeApiServer.start();
  api = createHubApi({ kubeConfig: server.kubeConfig() });
});
afterEach(async () => {
  await api.close();
  await server.stop();
});

const options = { container: 'build', tailLines: 50, limitBytes: 1_000 };

test('a log comes as the text that it is, from one container and limited', async () => {
  server.always('get', (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end('{"not": "parsed"\nä\n'));
  expect(await api.podLog('pod-1', 'ns', options)).toBe('{"not": "parsed"\nä\n');
  const request = server.requests.at(-1);
  expect(`${request?.method} ${request?.url.pathname}`).toBe('GET /api/v1/namespaces/ns/pods/pod-1/log');
  expect(Object.fromEntries(request?.url.searchParams ?? [])).toEqual({ container: 'build', tailLines: '50', limitBytes: '1000' });
  expect(request?.headers.accept).toBe('text/plain, application/json');
});

test('a log that cannot be had is a fault that names the pod', async () => {
  server.always('get', answerStatus(404, { reason: 'NotFound', message: 'pods "pod-1" not found' }));
  await expect(api.podLog('pod-1', 'ns', options)).rejects.toMatchObject({
    kind: 'Missing',
    message: 'Failed to get log of Pod ns/pod-1: the API server answered 404 NotFound: pods "pod-1" not found',
  });
});
