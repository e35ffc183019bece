import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHubApi, loadKubeConfig, resources, type HubApi, type HubApiOptions, type KubeFault } from '../../../src/kube/index.js';
import { FakeApiServer, answerStatus, gadgets, neverAnswer, resetConnection, type Answer } from './fake-api-server.js';
import { eventually, failureOf } from './helpers.js';

let server: FakeApiServer;
const apis: HubApi[] = [];
const connect = (options: Partial<HubApiOptions> = {}): HubApi => {
  const api = createHubApi({ kubeConfig: server.kubeConfig(), ...options });
  apis.push(api);
  return api;
};

beforeEach(async () => {
  server = await FakeApiServer.start();
});
afterEach(async () => {
  await Promise.all(apis.splice(0).map((api) => api.close()));
  await server.stop();
});

const last = (): FakeApiServer['requests'][number] => {
  const request = server.requests.at(-1);
  if (request === undefined) throw new Error('no request came');
  return request;
};
const work = { metadata: { name: 'kmod-a', namespace: 'spoke-1' }, spec: { workload: {} } };

describe('requests', () => {
  test('an apply is a server-side apply with our field manager, forced, as JSON', async () => {
    await connect().apply(resources.manifestWorks, work);
    const { method, url, headers, body } = last();
    expect(`${method} ${url.pathname}`).toBe('PATCH /apis/work.open-cluster-management.io/v1/namespaces/spoke-1/manifestworks/kmod-a');
    expect(Object.fromEntries(url.searchParams)).toEqual({ fieldManager: 'kmodflow', force: 'true' });
    expect(headers['content-type']).toBe('application/apply-patch+yaml');
    expect(headers.authorization).toBe('Bearer sesame-token');
    expect(JSON.parse(body)).toEqual({ ...work, apiVersion: 'work.open-cluster-management.io/v1', kind: 'ManifestWork' });
    expect(work).not.toHaveProperty('kind');
  });

  test.each<[string, (api: HubApi) => Promise<unknown>, string, string, object | undefined]>([
    ['get', (api) => api.get(resources.namespaces, 'a b').catch(() => undefined), 'GET /api/v1/namespaces/a%20b', '', undefined],
    [
      'create',
      (api) => api.create(resources.jobs, { metadata: { name: 'j', namespace: 'n' } }),
      'POST /apis/batch/v1/namespaces/n/jobs',
      'fieldManager=kmodflow',
      { metadata: { name: 'j', namespace: 'n' }, apiVersion: 'batch/v1', kind: 'Job' },
    ],
    [
      'apply of a status',
      (api) => api.apply(gadgets, { metadata: { name: 'g' } }, { subresource: 'status', force: false }),
      'PATCH /apis/example.com/v1/gadgets/g/status',
      'fieldManager=kmodflow&force=false',
      { metadata: { name: 'g' }, apiVersion: 'example.com/v1', kind: 'Gadget' },
    ],
    [
      'merge patch',
      (api) => api.mergePatch(gadgets, 'g', undefined, { spec: { a: null } }),
      'PATCH /apis/example.com/v1/gadgets/g',
      'fieldManager=kmodflow',
      { spec: { a: null } },
    ],
    [
      'status update',
      (api) => api.updateStatus(gadgets, { metadata: { name: 'g', resourceVersion: '7' }, status: {} }),
      'PUT /apis/example.com/v1/gadgets/g/status',
      'fieldManager=kmodflow',
      { metadata: { name: 'g', resourceVersion: '7' }, status: {}, apiVersion: 'example.com/v1', kind: 'Gadget' },
    ],
    [
      'delete',
      (api) => api.delete(gadgets, 'g', undefined, { uid: 'u-1', propagationPolicy: 'Background' }),
      'DELETE /apis/example.com/v1/gadgets/g',
      '',
      { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: 'u-1' }, propagationPolicy: 'Background' },
    ],
  ])('a %s goes to the right place', async (_what, call, target, query, body) => {
    await call(connect());
    const { method, url, body: sent } = last();
    expect(`${method} ${url.pathname}`).toBe(target);
    expect(url.searchParams.toString()).toBe(query);
    expect(sent === '' ? undefined : JSON.parse(sent)).toEqual(body);
  });

  test('a list or watch of metadata alone asks for nothing else, and a plain one for the objects', async () => {
    server.put('a', 1);
    const api = connect();
    await api.listAll(gadgets, { metadataOnly: true });
    const watching = api.watch(gadgets, { metadataOnly: true, resourceVersion: '0', timeoutSeconds: 5 }, () => undefined);
    expect(await eventually(() => server.openWatches === 1)).toBe(true);
    expect(server.requests.map(({ verb, headers }) => `${verb} ${headers.accept}`)).toEqual([
      'list application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
      'watch application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
    ]);
    server.endWatches();
    await watching.catch(() => undefined);
    await api.listAll(gadgets);
    expect(last().headers.accept).toBe('application/json');
  });

  test('a namespaced object without a namespace is a bug of the caller and is not sent', async () => {
    await expect(connect().get(resources.secrets, 's')).rejects.toThrow('get Secret s: a namespace is needed');
    expect(server.requests).toEqual([]);
  });

  test('a path in the server URL is kept', async () => {
    const kubeConfig = server.kubeConfig();
    kubeConfig.clusters = [{ name: 'fake', server: `${server.url}/k8s/clusters/c-1/`, skipTLSVerify: true }];
    await failureOf(connect({ kubeConfig }).get(gadgets, 'g'));
    expect(last().url.pathname).toBe('/k8s/clusters/c-1/apis/example.com/v1/gadgets/g');
  });

  test('all requests share a few connections, no more run at once than allowed, and each is counted', async () => {
    let open = 0;
    let most = 0;
    server.always('write', (response) => {
      open += 1;
      most = Math.max(most, open);
      setTimeout(() => {
        open -= 1;
        response.end('{"metadata":{}}');
      }, 2);
    });
    const api = connect({ maxInFlight: 6, connections: 4 });
    await Promise.all(Array.from({ length: 60 }, () => api.apply(resources.manifestWorks, work)));
    expect(server.connections).toBeLessThanOrEqual(4);
    expect(most).toBeLessThanOrEqual(4);
    expect(api.requests).toEqual({ total: 60, byVerb: { apply: 60 }, byVerbAndKind: { 'apply ManifestWork': 60 } });

    const narrow = connect({ maxInFlight: 2, connections: 8 });
    most = 0;
    await Promise.all(Array.from({ length: 20 }, () => narrow.apply(resources.manifestWorks, work)));
    expect(most).toBe(2);
  });

  test('watches do not take the place of requests', async () => {
    const api = connect({ maxInFlight: 1, connections: 1 });
    const stop = new AbortController();
    const watches = [1, 2, 3].map(() => api.watch(gadgets, { signal: stop.signal }, () => undefined));
    await eventually(() => server.openWatches === 3);
    server.put('g', 1);
    expect(await api.get(gadgets, 'g')).toMatchObject({ value: 1 });
    stop.abort();
    await Promise.all(watches);
  });

  test('closing ends watches and leaves nothing open', async () => {
    const api = connect();
    const watch = api.watch(gadgets, {}, () => undefined);
    await eventually(() => server.openWatches === 1);
    await api.close();
    await watch;
    expect(await eventually(() => server.openWatches === 0)).toBe(true);
  });
});

describe('after close', () => {
  test('requests fail and open nothing', async () => {
    const api = connect();
    await api.close();
    expect((await failureOf(api.get(gadgets, 'g'))).message).toBe('The connection to the API server has been closed.');
    expect(server.connections).toBe(0);
  });
});

describe('lists', () => {
  test('come in pages from one snapshot', async () => {
    for (let i = 0; i < 5; i += 1) server.put(`g${i}`, i);
    const pages: string[][] = [];
    for await (const { items, resourceVersion, restarted } of connect().list(gadgets, { pageSize: 2, labelSelector: 'a=b' })) {
      pages.push(items.map(({ metadata }) => metadata.name));
      expect(resourceVersion).toBe('105');
      expect(restarted).toBe(false);
      server.put('later', 1);
    }
    expect(pages).toEqual([['g0', 'g1'], ['g2', 'g3'], ['g4']]);
    expect(server.requests.map(({ url }) => url.searchParams.get('labelSelector'))).toEqual(['a=b', 'a=b', 'a=b']);
  });

  test('begin again once when their snapshot has expired, and say so', async () => {
    for (let i = 0; i < 3; i += 1) server.put(`g${i}`, i);
    const pages: [boolean, string[]][] = [];
    for await (const { items, restarted } of connect().list(gadgets, { pageSize: 2 })) {
      pages.push([restarted, items.map(({ metadata }) => metadata.name)]);
      if (pages.length === 1) server.compact();
    }
    expect(pages).toEqual([
      [false, ['g0', 'g1']],
      [true, ['g0', 'g1']],
      [false, ['g2']],
    ]);
  });

  test('give up when it expires twice', async () => {
    for (let i = 0; i < 3; i += 1) server.put(`g${i}`, i);
    const all = async (): Promise<void> => {
      for await (const { items } of connect().list(gadgets, { pageSize: 2 })) if (items.length > 0) server.compact();
    };
    expect(await failureOf(all())).toMatchObject({
      kind: 'Unavailable',
      message:
        'Failed to list Gadget: the API server answered 410 Expired: The provided resource version is too old. (the list expired twice while it was read)',
    });
  });

  test('all together drop what came before the restart', async () => {
    for (let i = 0; i < 3; i += 1) server.put(`g${i}`, i);
    const api = connect();
    server.next('list', (response, request) => {
      server.recover();
      const items = [{ metadata: { name: 'stale' } }];
      void request;
      response.end(JSON.stringify({ metadata: { resourceVersion: '1', continue: 'lost:1' }, items }));
    });
    expect((await api.listAll(gadgets)).items.map(({ metadata }) => metadata.name)).toEqual(['g0', 'g1', 'g2']);
  });

  test('fill in what items of built-in kinds lack', async () => {
    server.next('list', (response) => response.end('{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"j"}}]}'));
    expect((await connect().listAll(resources.jobs)).items).toMatchObject([{ apiVersion: 'batch/v1', kind: 'Job' }]);
  });
});

describe('refusals', () => {
  test.each<[number, object, Record<string, string>, object]>([
    [
      404,
      { reason: 'NotFound', message: 'manifestworks "kmod-a" not found' },
      {},
      {
        kind: 'Missing',
        code: 'NotFound',
        message: 'Failed to apply ManifestWork spoke-1/kmod-a: the API server answered 404 NotFound: manifestworks "kmod-a" not found',
      },
    ],
    [409, { reason: 'Conflict', message: 'the object has been modified' }, {}, { kind: 'Conflict', code: 'Conflict' }],
    [409, { reason: 'AlreadyExists', message: 'it exists' }, {}, { kind: 'Conflict', code: 'AlreadyExists' }],
    [
      422,
      { reason: 'Invalid', message: 'spec.selector: Required value' },
      {},
      {
        kind: 'Invalid',
        message: 'Failed to apply ManifestWork spoke-1/kmod-a: the API server answered 422 Invalid: spec.selector: Required value',
      },
    ],
    [400, { reason: 'BadRequest', message: 'strict decoding error' }, {}, { kind: 'Invalid', code: 'BadRequest' }],
    [403, { reason: 'Forbidden', message: 'User "x" cannot patch' }, {}, { kind: 'Invalid', code: 'Forbidden' }],
    [401, { reason: 'Unauthorized', message: 'Unauthorized' }, {}, { kind: 'Unavailable', code: 'Unauthorized' }],
    [413, {}, {}, { kind: 'Invalid', code: '413' }],
    [429, { reason: 'TooManyRequests' }, { 'retry-after': '7' }, { kind: 'Unavailable', retryAfterMs: 7_000 }],
    [503, { details: { retryAfterSeconds: 3 } }, {}, { kind: 'Unavailable', retryAfterMs: 3_000 }],
    [500, { reason: 'InternalError', message: 'boom' }, {}, { kind: 'Unavailable', retryAfterMs: undefined }],
    [500, { message: 'etcdserver: request is too large' }, {}, { kind: 'Invalid' }],
    [500, { message: 'failed to create typed patch object: .spec.nope: field not declared in schema' }, {}, { kind: 'Invalid' }],
    [302, {}, { location: 'https://elsewhere.example' }, { kind: 'Unavailable', code: '302' }],
  ])('%i %j %j', async (code, status, headers, expected) => {
    server.always('write', answerStatus(code, status, headers));
    expect(await failureOf(connect().apply(resources.manifestWorks, work))).toMatchObject({ name: 'Fault', ...expected });
  });

  test('an HTML page of a proxy is not quoted', async () => {
    server.next('get', (response) => response.writeHead(502).end('<html>secret internal page</html>'));
    expect((await failureOf(connect().get(gadgets, 'g'))).message).toBe('Failed to get Gadget g: the API server answered 502.');
  });

  test('an answer that is not JSON is said to be that', async () => {
    server.next('get', (response) => response.end('<html>'));
    expect((await failureOf(connect().get(gadgets, 'g'))).message).toBe(
      'Failed to get Gadget g: the answer is not JSON. Is the server of the kubeconfig an API server?',
    );
  });

  test('neither token nor the content of a Secret ever stands in a message', async () => {
    const quoting = { reason: 'Invalid', message: 'data[key]: Invalid value: "hunter2"', details: { causes: [{ field: 'data[key]' }] } };
    const answers: Answer[] = [answerStatus(422, quoting), answerStatus(500, { message: 'cannot decode hunter2' }), resetConnection];
    for (const answer of answers) {
      server.next('write', answer);
      const failure = await failureOf(
        connect().apply(resources.secrets, { metadata: { name: 's', namespace: 'n' }, stringData: { key: 'hunter2' } }),
      );
      const everything = `${failure.message} ${failure.stack} ${JSON.stringify(failure)} ${String(failure.cause)}`;
      expect(everything).not.toMatch(/hunter2|sesame-token/);
      expect(failure.message).toMatch(/^Failed to apply Secret n\/s: /);
    }
    server.next('write', answerStatus(422, quoting));
    expect((await failureOf(connect().apply(resources.secrets, { metadata: { name: 's', namespace: 'n' } }))).message).toBe(
      'Failed to apply Secret n/s: the API server answered 422 Invalid: refused fields data[key]',
    );
  });
});

describe('what is tried again', () => {
  const reads = (): number => server.requests.filter(({ verb }) => verb === 'get').length;
  const writes = (): number => server.requests.filter(({ verb }) => verb === 'write').length;

  test('a read whose connection broke, twice', async () => {
    server.put('g', 1);
    server.next('get', resetConnection, resetConnection);
    expect(await connect().get(gadgets, 'g')).toMatchObject({ value: 1 });
    server.next('get', resetConnection, resetConnection, resetConnection);
    expect(await failureOf(connect().get(gadgets, 'g'))).toMatchObject({ kind: 'Unavailable', code: 'ConnectionError' });
    expect(reads()).toBe(6);
  });

  test('a write whose connection broke is not: nobody knows whether it was done', async () => {
    server.next('write', resetConnection);
    expect(await failureOf(connect().apply(resources.manifestWorks, work))).toMatchObject({ kind: 'Unavailable', code: 'ConnectionError' });
    expect(writes()).toBe(1);
  });

  test('a throttled write after the time asked for, three times at most', async () => {
    const throttled = answerStatus(429, { reason: 'TooManyRequests' }, { 'retry-after': '0' });
    server.next('write', throttled, throttled, throttled);
    await connect().apply(resources.manifestWorks, work);
    expect(writes()).toBe(4);
    server.always('write', throttled);
    expect(await failureOf(connect().apply(resources.manifestWorks, work))).toMatchObject({ kind: 'Unavailable', retryAfterMs: 0 });
    expect(writes()).toBe(8);
  });

  test('one that should wait longer than 2 s is left to the caller', async () => {
    server.next('write', answerStatus(429, {}, { 'retry-after': '3' }));
    expect(await failureOf(connect().apply(resources.manifestWorks, work))).toMatchObject({ retryAfterMs: 3_000 });
    expect(writes()).toBe(1);
  });

  test('nothing that was refused for good', async () => {
    server.next('write', answerStatus(422));
    await failureOf(connect().apply(resources.manifestWorks, work));
    server.next('write', answerStatus(500));
    await failureOf(connect().apply(resources.manifestWorks, work));
    expect(writes()).toBe(2);
  });

  test('a request refused with 401 once, with fresh credentials', async () => {
    const kubeConfig = server.kubeConfig();
    server.next('write', (response, request) => {
      kubeConfig.users = [{ name: 'tester', token: 'new-token' }];
      answerStatus(401)(response, request);
    });
    await connect({ kubeConfig }).apply(resources.manifestWorks, work);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer sesame-token', 'Bearer new-token']);
  });
});

describe('an API server that is not there', () => {
  test('never answers: the request ends after its time', async () => {
    server.next('get', neverAnswer);
    expect(await failureOf(connect({ requestTimeoutMs: 50 }).get(gadgets, 'g'))).toMatchObject({
      kind: 'Unavailable',
      code: 'NoAnswer',
      message: 'Failed to get Gadget g: the API server did not answer within 0.05 s.',
    });
  });

  test('stops in the middle of an answer: the same', async () => {
    server.next('get', (response) => void response.writeHead(200).write('{"meta'));
    expect(await failureOf(connect({ requestTimeoutMs: 50 }).get(gadgets, 'g'))).toMatchObject({ code: 'NoAnswer' });
  });

  test('refuses the connection', async () => {
    const closed: Server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.once('listening', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const kubeConfig = server.kubeConfig();
    kubeConfig.clusters = [{ name: 'fake', server: `http://127.0.0.1:${port}`, skipTLSVerify: true }];
    const failure = (await failureOf(connect({ kubeConfig }).get(gadgets, 'g'))) as KubeFault;
    expect(failure.message).toBe(`Failed to get Gadget g: no answer from the API server: connect ECONNREFUSED 127.0.0.1:${port}`);
    expect(failure.kind).toBe('Unavailable');
  });

  test('a list that is no longer wanted ends with the reason of its signal', async () => {
    server.next('list', neverAnswer);
    const stop = new AbortController();
    const listing = failureOf(connect().listAll(gadgets, { signal: stop.signal }));
    await eventually(() => server.requests.length === 1);
    stop.abort(new Error('shutting down'));
    expect((await listing).message).toBe('shutting down');
  });
});

describe('a kubeconfig that cannot work', () => {
  test('has no server', () => {
    const kubeConfig = server.kubeConfig();
    kubeConfig.clusters = [];
    expect(() => createHubApi({ kubeConfig })).toThrow(
      'The kubeconfig names no server: set a current-context, or choose one of its contexts.',
    );
  });

  test('has no TLS and does not say that this is meant', () => {
    const kubeConfig = server.kubeConfig();
    kubeConfig.clusters = [{ name: 'fake', server: 'http://hub.example', skipTLSVerify: false }];
    expect(() => createHubApi({ kubeConfig })).toThrow(
      "The kubeconfig's server http://hub.example has no TLS: use https://, or set insecure-skip-tls-verify to accept that.",
    );
  });

  test('is not there', () => {
    expect(() => loadKubeConfig({ path: '/nowhere/kubeconfig' })).toThrow('Cannot read the kubeconfig /nowhere/kubeconfig: ENOENT.');
  });
});
