import { isNewer, compareResourceVersions } from './resource-version.js';
import { keyOf } from './resources.js';
import type { KubernetesObject, ObjectMeta } from './types.js';

export interface CacheChange<V> {
  readonly type: 'added' | 'modified' | 'deleted';
  /** `namespace/name`, or `name` for a cluster-scoped kind, unless the cache was given its own `key`. */
  readonly key: string;
  readonly before?: V;
  readonly after?: V;
}

export interface CacheStoreOptions<V> {
  readonly transform: (object: KubernetesObject) => V;
  readonly key?: ((object: KubernetesObject) => string) | undefined;
  readonly same?: ((a: V, b: V) => boolean) | undefined;
  readonly emit: (change: CacheChange<V>) => void;
  /** An object that `transform`, `key` or `same` threw on; it is left as it was in the cache. */
  readonly onBadObject: (object: KubernetesObject, error: unknown) => void;
}

interface Entry<V> {
  readonly uid: string | undefined;
  readonly resourceVersion: string;
  readonly view: V;
}

/** True when an object of this metadata is to take the place of the entry. `force`: unless it is the very same version. */
function supersedes({ uid, resourceVersion = '' }: ObjectMeta, entry: Entry<unknown>, force: boolean): boolean {
  if (entry.uid === uid && entry.resourceVersion === resourceVersion) return false;
  return force || isNewer(resourceVersion, entry.resourceVersion);
}

const defaultKey = ({ metadata }: KubernetesObject): string => keyOf(metadata.name, metadata.namespace);

/**
 * The content of a watch cache: what the newest word on each object is, whichever way it came (list, watch, or the answer to a write of ours).
 * Versions decide, never the order of arrival. Knows nothing of connections or time.
 */
export class CacheStore<V> {
  readonly #entries = new Map<string, Entry<V>>();
  readonly #options: CacheStoreOptions<V>;
  /** Everything up to this version has been seen from the list and the watch. Empty before the first list. */
  #watermark = '';

  constructor(options: CacheStoreOptions<V>) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The version that a watch continues from. */
  get watermark(): string {
    return this.#watermark;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)?.view;
  }

  *values(): IterableIterator<V> {
    for (const { view } of this.#entries.values()) yield view;
  }

  *entries(): IterableIterator<[string, V]> {
    for (const [key, { view }] of this.#entries) yield [key, view];
  }

  /** An object from a watch event of type ADDED or MODIFIED. */
  upsertFromWatch(object: KubernetesObject): void {
    this.#upsert(object, this.#options.emit);
    this.advance(object.metadata.resourceVersion ?? '');
  }

  /** An object from a watch event of type DELETED; its version is that of the deletion. */
  deleteFromWatch(object: KubernetesObject): void {
    const key = this.#keyOf(object);
    const entry = key === undefined ? undefined : this.#entries.get(key);
    const { resourceVersion = '' } = object.metadata;
    // An older deletion is that of an earlier incarnation, or of an earlier departure from the selection.
    const older = entry !== undefined && (compareResourceVersions(resourceVersion, entry.resourceVersion) ?? 0) < 0;
    if (key !== undefined && entry !== undefined && !older) this.#remove(key, entry);
    this.advance(resourceVersion);
  }

  /** A bookmark: nothing of ours changed up to this version. */
  advance(resourceVersion: string): void {
    if (resourceVersion !== '' && (this.#watermark === '' || isNewer(resourceVersion, this.#watermark))) this.#watermark = resourceVersion;
  }

  /**
   * The answer to a write of ours. An object that is not in the cache although the watch has passed its version was deleted since: it stays out.
   */
  put(object: KubernetesObject, silent: boolean): void {
    const key = this.#keyOf(object);
    if (key === undefined) return;
    const order = compareResourceVersions(object.metadata.resourceVersion ?? '', this.#watermark);
    const passed = this.#watermark !== '' && order !== undefined && order <= 0;
    const current = this.#entries.get(key);
    if (passed && (current === undefined || current.uid !== object.metadata.uid)) return;
    this.#upsert(object, silent ? () => undefined : this.#options.emit);
  }

  forget(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#remove(key, entry);
  }

  /** Takes in a list, page by page. Nothing is missing in between: what the list lacks goes only at the end. */
  beginReplace(): Replacement {
    let seen = new Set<string>();
    let rewound: boolean | undefined;
    return {
      page: (items, resourceVersion, restarted) => {
        if (restarted) seen = new Set();
        // A server that went back in time (restored from a backup) is right all the same: versions of the old history mean nothing then.
        rewound ??= (compareResourceVersions(resourceVersion, this.#watermark) ?? 0) < 0;
        for (const item of items) {
          const key = this.#keyOf(item);
          if (key === undefined) continue;
          seen.add(key);
          this.#upsert(item, this.#options.emit, rewound);
        }
      },
      finish: (resourceVersion) => {
        for (const [key, entry] of this.#entries) {
          const writtenSince = !rewound && (compareResourceVersions(entry.resourceVersion, resourceVersion) ?? -1) > 0;
          if (!seen.has(key) && !writtenSince) this.#remove(key, entry);
        }
        this.#watermark = resourceVersion;
      },
    };
  }

  #upsert(object: KubernetesObject, emit: (change: CacheChange<V>) => void, force = false): void {
    const key = this.#keyOf(object);
    if (key === undefined) return;
    const { uid, resourceVersion = '' } = object.metadata;
    const before = this.#entries.get(key);
    if (before !== undefined && !supersedes(object.metadata, before, force)) return;
    const sameObject = before !== undefined && before.uid === uid;
    const made = this.#view(object, sameObject ? before : undefined);
    if (made === undefined) return;
    const { view, unchanged } = made;
    this.#entries.set(key, { uid, resourceVersion, view });
    if (unchanged) return;
    if (sameObject) return emit({ type: 'modified', key, before: before.view, after: view });
    if (before !== undefined) emit({ type: 'deleted', key, before: before.view });
    emit({ type: 'added', key, after: view });
  }

  /** An unchanged view keeps its identity, so that holders of it share one. Undefined when it cannot be made. */
  #view(object: KubernetesObject, before: Entry<V> | undefined): { view: V; unchanged: boolean } | undefined {
    const { transform, same, onBadObject } = this.#options;
    try {
      const view = transform(object);
      return before !== undefined && same?.(before.view, view) ? { view: before.view, unchanged: true } : { view, unchanged: false };
    } catch (error) {
      onBadObject(object, error);
      return undefined;
    }
  }

  #remove(key: string, entry: Entry<V>): void {
    this.#entries.delete(key);
    this.#options.emit({ type: 'deleted', key, before: entry.view });
  }

  #keyOf(object: KubernetesObject): string | undefined {
    try {
      return (this.#options.key ?? defaultKey)(object);
    } catch (error) {
      this.#options.onBadObject(object, error);
      return undefined;
    }
  }
}

export interface Replacement {
  page(items: readonly KubernetesObject[], resourceVersion: string, restarted: boolean): void;
  finish(resourceVersion: string): void;
}
