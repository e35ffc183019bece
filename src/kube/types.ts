/** Metadata as the API server sends it: plain JSON, times stay strings. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  /** Opaque to everybody but `compareResourceVersions`. */
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  [field: string]: unknown;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** Any object of the API server as plain JSON. Parse with the schemas of `src/api` before trusting more than the metadata. */
// A type alias and not an interface: aliases of object types are assignable to index signatures.
export type KubernetesObject = { apiVersion: string; kind: string; metadata: ObjectMeta; [field: string]: unknown };

/** The least that an object must have to be written; `apiVersion` and `kind` are filled in from the resource when absent. */
export interface Writable {
  readonly apiVersion?: string | undefined;
  readonly kind?: string | undefined;
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
}

/** Where a kind lives in the API. `group` is empty for the core group. */
export interface ResourceType {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export interface Selection {
  /** Without it: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** The server sends metadata alone: what the objects hold never reaches this process. Default false. */
  readonly metadataOnly?: boolean | undefined;
}

export interface ListOptions extends Selection {
  /** Objects a page, default 500. */
  readonly pageSize?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ListPage {
  items: KubernetesObject[];
  /** The version of the whole list, the same on every page of one pass. A watch continues from it. */
  resourceVersion: string;
  /** True on the first page after the list had to begin again: whoever collects pages drops the earlier ones. */
  restarted: boolean;
}

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';

export interface WatchEvent {
  readonly type: WatchEventType;
  readonly object: KubernetesObject;
}

export interface WatchOptions extends Selection {
  readonly resourceVersion?: string | undefined;
  /** How long the server keeps the watch open; default a random 240 to 290 s. */
  readonly timeoutSeconds?: number | undefined;
  /** A stream without a byte for this long is given up, default 300,000 (5 minutes; the server sends a bookmark a minute). */
  readonly idleTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called once the server has accepted the watch. */
  readonly onOpen?: (() => void) | undefined;
}

export interface ApplyOptions {
  /** Take over fields that another manager owns, default true. */
  readonly force?: boolean | undefined;
  readonly subresource?: 'status' | undefined;
}

export interface PatchOptions {
  readonly subresource?: 'status' | undefined;
}

export interface DeleteOptions {
  /** Delete only this incarnation of the object; another one gives a Conflict. */
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan' | undefined;
}

export interface PodLogOptions {
  readonly container: string;
  readonly tailLines: number;
  /** The server stops after so many bytes: the end is what is lost, so leave room for long lines. */
  readonly limitBytes: number;
}

/** Requests sent so far, retries included. Keys of `byVerb`: get, list, watch, create, apply, patch, update, delete. */
export interface RequestCounters {
  readonly total: number;
  readonly byVerb: Readonly<Record<string, number>>;
  /** Keys are verb and kind: `apply ManifestWork`. */
  readonly byVerbAndKind: Readonly<Record<string, number>>;
}

/**
 * The hub's API server. Every method throws a `KubeFault` (`Missing`, `Conflict`, `Invalid`, `Unavailable`) whose message names verb, kind and object.
 * Objects go in and come out as plain JSON; nothing is mutated. `T` is not checked: parse what matters.
 */
export interface HubApi {
  get<T = KubernetesObject>(resource: ResourceType, name: string, namespace?: string): Promise<T>;
  /** Page by page. Begins again, once, when the server has compacted the list away in the middle; see `ListPage.restarted`. */
  list(resource: ResourceType, options?: ListOptions): AsyncIterable<ListPage>;
  /** All pages together. For small collections only. */
  listAll(resource: ResourceType, options?: ListOptions): Promise<{ items: KubernetesObject[]; resourceVersion: string }>;
  create<T extends Writable>(resource: ResourceType, object: T): Promise<KubernetesObject>;
  /** Server-side apply with the field manager of this API. Fields that an earlier apply set and this one lacks are removed. */
  apply<T extends Writable>(resource: ResourceType, object: T, options?: ApplyOptions): Promise<KubernetesObject>;
  /** JSON merge patch (RFC 7386): null removes a field. `namespace` is undefined for cluster-scoped kinds. */
  mergePatch(
    resource: ResourceType,
    name: string,
    namespace: string | undefined,
    patch: object,
    options?: PatchOptions,
  ): Promise<KubernetesObject>;
  /** PUT of the status subresource; `metadata.resourceVersion` guards against lost updates (Conflict). */
  updateStatus<T extends Writable>(resource: ResourceType, object: T): Promise<KubernetesObject>;
  /** PUT of the object; `metadata.resourceVersion` guards against lost updates (Conflict). */
  update<T extends Writable>(resource: ResourceType, object: T): Promise<KubernetesObject>;
  /** @returns The object while finalizers still hold it, undefined when it is gone. */
  delete(resource: ResourceType, name: string, namespace?: string, options?: DeleteOptions): Promise<KubernetesObject | undefined>;
  /** The last lines of one container's log, as they are: strip control characters before showing them. */
  podLog(name: string, namespace: string, options: PodLogOptions): Promise<string>;
  /**
   * One watch stream. Resolves when the server ends it in good order or `signal` aborts; throws a `KubeFault` otherwise
   * (`expired: true` for 410). Events are delivered in order and synchronously. The watch cache is what most callers want.
   */
  watch(resource: ResourceType, options: WatchOptions, onEvent: (event: WatchEvent) => void): Promise<void>;
  readonly requests: RequestCounters;
  /** Ends watches, lets running requests finish and closes the connections. */
  close(): Promise<void>;
}

/** What this layer needs of a logger; a pino logger fits. */
export interface KubeLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
