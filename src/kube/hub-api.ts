import type { KubeConfig } from '@kubernetes/client-node';
import { FIELD_MANAGER } from '../api/names.js';
import { Fault } from '../domain/fault.js';
import { createCredentialSource } from './credentials.js';
import { listPages } from './list-pages.js';
import { Requester, type Call, type Verb } from './requester.js';
import { apiVersionOf, keyOf, pathOf, resources } from './resources.js';
import { Semaphore } from './semaphore.js';
import { createTransport } from './transport.js';
import type { HubApi, KubeLogger, KubernetesObject, ListPage, ResourceType, Selection, Writable } from './types.js';
import { readWatchStream } from './watch-stream.js';

export interface HubApiOptions {
  readonly kubeConfig: KubeConfig;
  /** For one request, body included, default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Requests under way at once, default 32. Watches do not count. */
  readonly maxInFlight?: number | undefined;
  /** Connections for requests, default 16. Each watch has one more. */
  readonly connections?: number | undefined;
  /** Default `kmodflow`. */
  readonly fieldManager?: string | undefined;
  readonly logger?: KubeLogger | undefined;
}

const DEFAULT_PAGE_SIZE = 500;
const DEFAULT_IDLE_TIMEOUT_MS = 300_000;
/** The server ends a watch after 240 to 290 s, spread out so that many watches do not come back together. */
const watchSeconds = (): number => 240 + Math.floor(Math.random() * 51);

/** Asks for metadata alone: the server leaves out everything else. Source: Kubernetes API concepts, "Metadata-only fetches". */
const METADATA_ONLY = {
  list: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
  watch: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
};

type Query = Readonly<Record<string, string | undefined>>;

function withQuery(path: string, query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') params.set(name, value);
  return params.size === 0 ? path : `${path}?${params.toString()}`;
}

const selectors = ({ labelSelector, fieldSelector }: Selection): Query => ({ labelSelector, fieldSelector });

const complete = (resource: ResourceType, object: Writable): string =>
  JSON.stringify({ ...object, apiVersion: object.apiVersion ?? apiVersionOf(resource), kind: object.kind ?? resource.kind });

/**
 * The hub's API server over one shared set of keep-alive connections. Nothing is contacted until the first call.
 * @throws Fault `Invalid` when the kubeconfig names no server, or one without TLS that it does not declare insecure.
 */
export function createHubApi(options: HubApiOptions): HubApi {
  const { kubeConfig, requestTimeoutMs = 30_000, maxInFlight = 32, connections = 16, fieldManager = FIELD_MANAGER } = options;
  const cluster = kubeConfig.getCurrentCluster();
  if (!cluster?.server) throw new Fault('Invalid', 'The kubeconfig names no server: set a current-context, or choose one of its contexts.');
  if (cluster.server.startsWith('http:') && !cluster.skipTLSVerify) {
    throw new Fault(
      'Invalid',
      `The kubeconfig's server ${cluster.server} has no TLS: use https://, or set insecure-skip-tls-verify to accept that.`,
    );
  }
  const transport = createTransport({ server: cluster.server, credentials: createCredentialSource(kubeConfig), connections });
  const closing = new AbortController();
  const counters = { total: 0, byVerb: {} as Record<string, number>, byVerbAndKind: {} as Record<string, number> };
  const count = (verb: Verb, kind: string): void => {
    counters.total += 1;
    counters.byVerb[verb] = (counters.byVerb[verb] ?? 0) + 1;
    const both = `${verb} ${kind}`;
    counters.byVerbAndKind[both] = (counters.byVerbAndKind[both] ?? 0) + 1;
  };
  const requester = new Requester({ transport, inFlight: new Semaphore(maxInFlight), timeoutMs: requestTimeoutMs, count });

  interface Target {
    readonly name?: string | undefined;
    readonly namespace?: string | undefined;
    readonly subresource?: string | undefined;
    readonly query?: Query;
  }
  type Payload = Pick<Call, 'body' | 'contentType' | 'accept' | 'signal'>;
  const send = <T>(verb: Verb, method: Call['method'], resource: ResourceType, target: Target, payload: Payload = {}): Promise<T> => {
    const { name, namespace, subresource, query = {} } = target;
    const key = name === undefined ? (namespace ?? '') : keyOf(name, resource.namespaced ? namespace : undefined);
    if (name !== undefined && resource.namespaced && (namespace === undefined || namespace === '')) {
      throw new TypeError(`${verb} ${resource.kind} ${name}: a namespace is needed`);
    }
    const collection = verb === 'create' ? undefined : name;
    const path = withQuery(pathOf(resource, namespace, collection, subresource), query);
    return requester.json<T>({ verb, method, kind: resource.kind, key, path, ...payload });
  };
  const json = (body: string, contentType = 'application/json'): Payload => ({ body, contentType });
  const put = (resource: ResourceType, object: Writable, subresource?: 'status'): Promise<KubernetesObject> =>
    send('update', 'PUT', resource, { ...object.metadata, subresource, query: { fieldManager } }, json(complete(resource, object)));

  const api: HubApi = {
    get: async (resource, name, namespace) => send('get', 'GET', resource, { name, namespace }),

    list: (resource, { namespace, pageSize = DEFAULT_PAGE_SIZE, signal, ...selection } = {}): AsyncGenerator<ListPage> =>
      listPages(resource, (token) =>
        send(
          'list',
          'GET',
          resource,
          { namespace, query: { ...selectors(selection), limit: String(pageSize), continue: token } },
          { signal, accept: selection.metadataOnly === true ? METADATA_ONLY.list : undefined },
        ),
      ),

    async listAll(resource, listOptions) {
      let items: KubernetesObject[] = [];
      let resourceVersion = '';
      for await (const page of api.list(resource, listOptions)) {
        items = page.restarted ? page.items : items.concat(page.items);
        resourceVersion = page.resourceVersion;
      }
      return { items, resourceVersion };
    },

    create: async (resource, object) =>
      send('create', 'POST', resource, { ...object.metadata, query: { fieldManager } }, json(complete(resource, object))),

    apply: async (resource, object, { force = true, subresource } = {}) =>
      send(
        'apply',
        'PATCH',
        resource,
        { ...object.metadata, subresource, query: { fieldManager, force: String(force) } },
        // JSON is YAML: the content type is what makes the patch a server-side apply.
        json(complete(resource, object), 'application/apply-patch+yaml'),
      ),

    mergePatch: async (resource, name, namespace, patch, { subresource } = {}) =>
      send(
        'patch',
        'PATCH',
        resource,
        { name, namespace, subresource, query: { fieldManager } },
        json(JSON.stringify(patch), 'application/merge-patch+json'),
      ),

    updateStatus: async (resource, object) => put(resource, object, 'status'),
    update: async (resource, object) => put(resource, object),

    async delete(resource, name, namespace, { uid, resourceVersion, propagationPolicy } = {}) {
      const preconditions = uid === undefined && resourceVersion === undefined ? undefined : { uid, resourceVersion };
      const body = JSON.stringify({ apiVersion: 'v1', kind: 'DeleteOptions', preconditions, propagationPolicy });
      const answer = await send<KubernetesObject>('delete', 'DELETE', resource, { name, namespace }, json(body));
      // Gone at once: a Status, or (for some built-in kinds) the last state. Held by finalizers: the object with its deletion time.
      return answer.kind !== 'Status' && answer.metadata.deletionTimestamp !== undefined && (answer.metadata.finalizers ?? []).length > 0
        ? answer
        : undefined;
    },

    podLog: async (name, namespace, { container, tailLines, limitBytes }) =>
      requester.text({
        verb: 'get',
        method: 'GET',
        kind: 'log of Pod',
        key: keyOf(name, namespace),
        path: withQuery(pathOf(resources.pods, namespace, name, 'log'), {
          container,
          tailLines: String(tailLines),
          limitBytes: String(limitBytes),
        }),
        // Logs are text, errors are JSON.
        accept: 'text/plain, application/json',
      }),

    async watch(resource, watchOptions, onEvent) {
      const {
        namespace,
        resourceVersion,
        timeoutSeconds = watchSeconds(),
        idleTimeoutMs = DEFAULT_IDLE_TIMEOUT_MS,
        signal,
        onOpen,
      } = watchOptions;
      const query = {
        ...selectors(watchOptions),
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion,
        timeoutSeconds: String(timeoutSeconds),
      };
      count('watch', resource.kind);
      await readWatchStream({
        transport,
        attempt: { verb: 'watch', kind: resource.kind, key: namespace ?? '' },
        path: withQuery(pathOf(resource, namespace), query),
        accept: watchOptions.metadataOnly === true ? METADATA_ONLY.watch : undefined,
        openTimeoutMs: requestTimeoutMs,
        idleTimeoutMs,
        signal: signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]),
        onOpen,
        onEvent,
      });
    },

    requests: counters,

    async close() {
      closing.abort();
      await transport.close();
    },
  };
  return api;
}
