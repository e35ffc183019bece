import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../domain/fault.js';
import { backoffMs, type BackoffOptions } from './backoff.js';
import { CacheStore, type CacheChange } from './cache-store.js';
import { KubeFault, messageOf } from './faults.js';
import { Notifier } from './notifier.js';
import { keyOf } from './resources.js';
import type { HubApi, KubeLogger, KubernetesObject, ResourceType, Selection, WatchEvent } from './types.js';

export interface WatchCacheOptions<V> extends Selection {
  readonly api: HubApi;
  readonly resource: ResourceType;
  /** Makes the compact view that is kept; the object itself is dropped at once. An object it throws on is logged and skipped. */
  readonly transform: (object: KubernetesObject) => V;
  /** Default: `namespace/name`, or `name` for a cluster-scoped kind. */
  readonly key?: ((object: KubernetesObject) => string) | undefined;
  /** Views for which this is true are not announced as modified. */
  readonly same?: ((a: V, b: V) => boolean) | undefined;
  readonly logger: KubeLogger;
  readonly backoff?: BackoffOptions | undefined;
  /** How long the watch may be down before the cache counts as out of sync, default 10,000 ms. */
  readonly graceMs?: number | undefined;
  /** Objects a page of the list, default 500. */
  readonly pageSize?: number | undefined;
  /** A watch without a byte for this long is opened anew, default 300,000 ms. */
  readonly idleTimeoutMs?: number | undefined;
}

export interface WatchCacheState {
  readonly synced: boolean;
  /** Epoch milliseconds of the last event or bookmark. */
  readonly lastEventAt?: number | undefined;
  /** Times that a watch was opened again. */
  readonly restarts: number;
  readonly listCount: number;
  /** Message of the newest failure; gone once the watch works again. */
  readonly lastError?: string | undefined;
}

/** The server's objects of one kind as compact views. Reading costs nothing and stays possible, with old content, while the server is away. */
export interface WatchCache<V> {
  start(): void;
  /** Nothing is announced after it. The content stays readable. */
  stop(): Promise<void>;
  /**
   * @param timeoutMs How long to wait.
   * @param reason What it is needed for; ends the sentence of the fault: "needed to plan rollout 3".
   * @throws Fault `Unavailable` after that time, or when the cache is stopped.
   */
  whenSynced(timeoutMs: number, reason: string): Promise<void>;
  readonly synced: boolean;
  readonly state: WatchCacheState;
  get(key: string): V | undefined;
  has(key: string): boolean;
  values(): IterableIterator<V>;
  entries(): IterableIterator<[string, V]>;
  readonly size: number;
  /** Listeners are called synchronously, in the order of the changes; the first list announces each object as added. @returns Takes the listener off. */
  onChange(listener: (change: CacheChange<V>) => void): () => void;
  /** Called whenever a list is complete, and when the cache comes back into sync after an outage. @returns Takes the listener off. */
  onSync(listener: () => void): () => void;
  /** Read your own writes: takes in the answer to a write if it is newer. Only for objects that the cache's selection matches. */
  put(object: KubernetesObject, options?: { silent?: boolean }): void;
  /** Takes out what we deleted and know to be gone. */
  forget(key: string): void;
}

/** A drop that is over within this time (10 s) goes unnoticed by `synced`. */
const DEFAULT_GRACE_MS = 10_000;
/** A watch that has lived this long without a byte (1 s) counts as working: on a quiet cluster the first bookmark takes a minute. */
const PROVEN_MS = 1_000;
/** After so many refusals or unreadable answers in a row without progress the version may be what is wrong: list again. */
const FAILURES_BEFORE_RELIST = 3;

/** A watch cache. Nothing happens before `start()`. */
export function createWatchCache<V>(options: WatchCacheOptions<V>): WatchCache<V> {
  return new ListWatchCache(options);
}

class ListWatchCache<V> implements WatchCache<V> {
  readonly #options: WatchCacheOptions<V>;
  readonly #store: CacheStore<V>;
  readonly #changes: Notifier<CacheChange<V>>;
  readonly #syncs: Notifier<void>;
  readonly #stopping = new AbortController();
  /** Of `whenSynced`: true when synced, false when stopped. */
  readonly #waiters = new Set<(synced: boolean) => void>();
  readonly #name: string;
  #loop: Promise<void> | undefined;
  #synced = false;
  #needsList = true;
  /** Failures since the watch last worked. */
  #attempt = 0;
  #graceTimer: NodeJS.Timeout | undefined;
  #lastEventAt: number | undefined;
  #lastError: string | undefined;
  #restarts = 0;
  #listCount = 0;

  constructor(options: WatchCacheOptions<V>) {
    this.#options = options;
    const { logger, resource, namespace } = options;
    this.#name = `${resource.kind}s${namespace === undefined ? '' : ` in ${namespace}`}`;
    const onListenerError = (error: unknown): void =>
      logger.error({ err: error, kind: resource.kind }, 'A listener of a watch cache threw; the cache goes on');
    this.#changes = new Notifier(onListenerError);
    this.#syncs = new Notifier(onListenerError);
    this.#store = new CacheStore({
      transform: options.transform,
      key: options.key,
      same: options.same,
      emit: (change) => {
        if (!this.#stopping.signal.aborted) this.#changes.notify(change);
      },
      onBadObject: ({ metadata }, error) =>
        logger.error(
          { err: error, kind: resource.kind, object: keyOf(metadata?.name, metadata?.namespace) },
          'An object was skipped: its view could not be made',
        ),
    });
  }

  get synced(): boolean {
    return this.#synced;
  }

  get state(): WatchCacheState {
    return {
      synced: this.#synced,
      lastEventAt: this.#lastEventAt,
      restarts: this.#restarts,
      listCount: this.#listCount,
      lastError: this.#lastError,
    };
  }

  get size(): number {
    return this.#store.size;
  }

  get = (key: string): V | undefined => this.#store.get(key);
  has = (key: string): boolean => this.#store.has(key);
  values = (): IterableIterator<V> => this.#store.values();
  entries = (): IterableIterator<[string, V]> => this.#store.entries();
  onChange = (listener: (change: CacheChange<V>) => void): (() => void) => this.#changes.add(listener);
  onSync = (listener: () => void): (() => void) => this.#syncs.add(listener);
  put = (object: KubernetesObject, { silent = false }: { silent?: boolean } = {}): void => this.#store.put(object, silent);
  forget = (key: string): void => this.#store.forget(key);

  start(): void {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#graceTimer);
    for (const settle of [...this.#waiters]) settle(false);
    await this.#loop;
    this.#synced = false;
  }

  async whenSynced(timeoutMs: number, reason: string): Promise<void> {
    if (this.#synced) return;
    const stopped = this.#stopping.signal.aborted;
    const outcome = stopped ? false : await this.#waitForSync(timeoutMs);
    if (outcome === true) return;
    const why = outcome === false ? 'was stopped' : `was not in sync with the API server within ${timeoutMs / 1_000} s`;
    const last = this.#lastError === undefined ? '' : `. Last failure: ${this.#lastError}`;
    throw new Fault('Unavailable', `The cache of ${this.#name} ${why} (needed ${reason})${last}`);
  }

  #waitForSync(timeoutMs: number): Promise<boolean | 'timeout'> {
    return new Promise((resolve) => {
      const settle = (outcome: boolean | 'timeout'): void => {
        clearTimeout(timer);
        this.#waiters.delete(settle);
        resolve(outcome);
      };
      const timer = setTimeout(() => settle('timeout'), timeoutMs);
      this.#waiters.add(settle);
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        if (this.#needsList) await this.#list();
        await this.#watch();
      } catch (error) {
        if (signal.aborted) return;
        await this.#afterFailure(error);
      }
    }
  }

  async #list(): Promise<void> {
    const { api, resource, namespace, labelSelector, fieldSelector, metadataOnly, pageSize } = this.#options;
    const { signal } = this.#stopping;
    this.#listCount += 1;
    const replacement = this.#store.beginReplace();
    let version = '';
    for await (const page of api.list(resource, { namespace, labelSelector, fieldSelector, metadataOnly, pageSize, signal })) {
      if (signal.aborted) return;
      replacement.page(page.items, page.resourceVersion, page.restarted);
      version = page.resourceVersion;
    }
    replacement.finish(version);
    this.#needsList = false;
    // The failures are forgotten only when the watch works too: lists that succeed between watches that fail must not come faster and faster.
    this.#synced = false;
    this.#current();
  }

  async #watch(): Promise<void> {
    const { api, resource, namespace, labelSelector, fieldSelector, metadataOnly, idleTimeoutMs } = this.#options;
    const { signal } = this.#stopping;
    if (signal.aborted) return;
    let provenTimer: NodeJS.Timeout | undefined;
    let openedAt = performance.now();
    const onOpen = (): void => {
      openedAt = performance.now();
      provenTimer = setTimeout(() => this.#works(), PROVEN_MS);
    };
    const resourceVersion = this.#store.watermark;
    try {
      await api.watch(
        resource,
        { namespace, labelSelector, fieldSelector, metadataOnly, resourceVersion, idleTimeoutMs, signal, onOpen },
        (event) => this.#take(event),
      );
    } finally {
      clearTimeout(provenTimer);
      this.#restarts += 1;
    }
    // Ended in good order: go on at once, unless watches end as soon as they begin.
    if (!signal.aborted && performance.now() - openedAt < PROVEN_MS) {
      throw new KubeFault('Unavailable', `The API server ended the watch of ${this.#name} as soon as it began.`, { code: 'WatchEnded' });
    }
  }

  #take({ type, object }: WatchEvent): void {
    if (this.#stopping.signal.aborted) return;
    this.#lastEventAt = Date.now();
    if (type === 'BOOKMARK') this.#store.advance(object.metadata.resourceVersion ?? '');
    else if (type === 'DELETED') this.#store.deleteFromWatch(object);
    else this.#store.upsertFromWatch(object);
    if (!this.#synced || this.#attempt > 0) this.#works();
  }

  /** The watch works. */
  #works(): void {
    this.#attempt = 0;
    this.#lastError = undefined;
    this.#current();
  }

  /** The content is what the server has. */
  #current(): void {
    clearTimeout(this.#graceTimer);
    this.#graceTimer = undefined;
    if (this.#synced || this.#stopping.signal.aborted) return;
    this.#synced = true;
    for (const settle of [...this.#waiters]) settle(true);
    this.#syncs.notify();
  }

  async #afterFailure(error: unknown): Promise<void> {
    const { backoff, graceMs = DEFAULT_GRACE_MS } = this.#options;
    this.#attempt += 1;
    this.#lastError = messageOf(error);
    const { expired, answered, retryAfterMs } = judge(error);
    if (expired || (answered && this.#attempt >= FAILURES_BEFORE_RELIST)) this.#needsList = true;
    this.#graceTimer ??= setTimeout(() => {
      this.#synced = false;
    }, graceMs);
    // Expired is the server's way to say "list again": at once, the first time.
    const waitMs = expired && this.#attempt === 1 ? 0 : backoffMs(this.#attempt, Math.random(), backoff, retryAfterMs);
    this.#log(error, waitMs);
    await sleep(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }

  #log(error: unknown, waitMs: number): void {
    const { logger, resource } = this.#options;
    const fields = { kind: resource.kind, attempt: this.#attempt, waitMs: Math.round(waitMs), error: this.#lastError };
    if (!(error instanceof Fault)) logger.error({ ...fields, err: error }, 'A watch cache met an unexpected error; it goes on');
    else if (this.#attempt === 1) logger.debug(fields, 'A watch broke; it is opened again');
    else logger.warn(fields, 'A watch is down; it is tried again');
  }
}

/** What a failure says about the next attempt. `answered`: the server, or our own code, had something to say to this request. */
function judge(error: unknown): { expired: boolean; answered: boolean; retryAfterMs: number | undefined } {
  if (!(error instanceof KubeFault)) return { expired: false, answered: !(error instanceof Fault), retryAfterMs: undefined };
  const { expired, code, retryAfterMs } = error;
  return { expired, answered: code !== 'ConnectionError' && code !== 'NoAnswer', retryAfterMs };
}
