import { setTimeout as sleep } from 'node:timers/promises';
import type { HubApi, KubernetesObject, ResourceType } from '../../src/kube/index.js';

export interface Following {
  /** Resolves when the first list has been delivered. */
  readonly ready: Promise<void>;
  readonly stop: () => Promise<void>;
}

const AFTER_FAILURE_MS = 200;

/**
 * Delivers every object of a kind, and every change, until stopped: list, watch, and both again after any failure.
 * The harness does not use the product's watch cache, since it is part of what the harness tests.
 * @param onChange gets the object, or undefined when it is gone. After a failed watch it may get an object that it knows already.
 */
export function follow(
  api: HubApi,
  resource: ResourceType,
  onChange: (key: string, object: KubernetesObject | undefined) => void,
): Following {
  const stopping = new AbortController();
  const known = new Set<string>();
  const keyOf = ({ metadata }: KubernetesObject): string => `${metadata.namespace ?? ''}/${metadata.name}`;
  const isStopping = (): boolean => stopping.signal.aborted;
  const deliver = (object: KubernetesObject, gone: boolean): void => {
    if (isStopping()) return;
    const key = keyOf(object);
    if (gone) known.delete(key);
    else known.add(key);
    onChange(key, gone ? undefined : object);
  };
  const list = async (): Promise<string> => {
    const { items, resourceVersion } = await api.listAll(resource, { signal: stopping.signal });
    const present = new Set(items.map(keyOf));
    for (const key of [...known].filter((name) => !present.has(name))) {
      known.delete(key);
      onChange(key, undefined);
    }
    items.forEach((item) => deliver(item, false));
    return resourceVersion;
  };
  const watch = async (from: string): Promise<void> => {
    let resourceVersion = from;
    while (!isStopping()) {
      await api.watch(resource, { resourceVersion, signal: stopping.signal }, ({ type, object }) => {
        resourceVersion = object.metadata.resourceVersion ?? resourceVersion;
        if (type !== 'BOOKMARK') deliver(object, type === 'DELETED');
      });
    }
  };
  let listed = (): void => undefined;
  const ready = new Promise<void>((resolve) => (listed = resolve));
  const loop = async (): Promise<void> => {
    while (!isStopping()) {
      try {
        const resourceVersion = await list();
        listed();
        await watch(resourceVersion);
      } catch {
        // Whatever it was, the cure is the same: list again.
        if (!isStopping()) await sleep(AFTER_FAILURE_MS);
      }
    }
  };
  const ended = loop();
  return {
    ready,
    async stop() {
      stopping.abort();
      listed();
      await ended;
    },
  };
}
