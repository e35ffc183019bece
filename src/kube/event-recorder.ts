import { createHash } from 'node:crypto';
import { isFault } from '../domain/fault.js';
import { isAlreadyExists } from './faults.js';
import { resources } from './resources.js';
import type { HubApi, KubeLogger } from './types.js';

/** The object that an event is about. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

export interface EventContent {
  readonly type: 'Normal' | 'Warning';
  /** One word in UpperCamelCase. */
  readonly reason: string;
  /** A sentence; cut to 1,024 characters. */
  readonly message: string;
}

export interface EventRecorder {
  /** Writes an event. Never rejects: a failure is logged, since no event is worth failing the work that it tells of. */
  record(about: ObjectReference, content: EventContent): Promise<void>;
}

export interface EventRecorderOptions {
  /** Who reports: `kmodflow-controller`. */
  readonly component: string;
  /** Which replica: a pod's name. */
  readonly instance: string;
  readonly logger?: KubeLogger | undefined;
  /** Epoch milliseconds, for tests. */
  readonly now?: (() => number) | undefined;
}

/** The API server refuses longer messages. */
const MAX_MESSAGE = 1_024;
/** The same event again within this time (10 minutes) raises the count of the first. */
const REPEAT_MS = 600_000;
/** Events remembered for counting, and events waiting to be written. */
const MAX_REMEMBERED = 1_000;
const MAX_PENDING = 500;

interface Written {
  readonly name: string;
  count: number;
  lastMs: number;
}

/** Cluster-scoped objects have their events in `default`, as everywhere in Kubernetes. */
const namespaceOf = ({ namespace }: ObjectReference): string => namespace ?? 'default';

/** Records core/v1 Events, one at a time. */
export function createEventRecorder(api: HubApi, options: EventRecorderOptions): EventRecorder {
  const { component, instance, logger, now = Date.now } = options;
  // In order of last use: the first key is the one to forget.
  const written = new Map<string, Written>();
  let tail: Promise<void> = Promise.resolve();
  let pending = 0;

  const remember = (id: string, entry: Written): void => {
    written.delete(id);
    written.set(id, entry);
    const oldest = written.keys().next();
    if (written.size > MAX_REMEMBERED && !oldest.done) written.delete(oldest.value);
  };

  /** @returns False when the event is gone: the server forgets events after an hour. */
  const raiseCount = async (name: string, namespace: string, count: number, time: string): Promise<boolean> => {
    try {
      await api.mergePatch(resources.events, name, namespace, { count, lastTimestamp: time });
      return true;
    } catch (error) {
      if (isFault(error, 'Missing')) return false;
      throw error;
    }
  };

  const write = async (about: ObjectReference, { type, reason, message }: EventContent): Promise<void> => {
    const namespace = namespaceOf(about);
    const text = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : message;
    const id = createHash('sha256')
      .update(JSON.stringify([about.kind, namespace, about.name, about.uid, type, reason, text, component]))
      .digest('hex')
      .slice(0, 16);
    const nowMs = now();
    const time = new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z');
    const known = written.get(id);
    if (known !== undefined && nowMs - known.lastMs < REPEAT_MS && (await raiseCount(known.name, namespace, known.count + 1, time))) {
      remember(id, { name: known.name, count: known.count + 1, lastMs: nowMs });
      return;
    }
    // The same name from every replica within ten minutes: the second to create it finds it and counts up.
    const name = `${about.name.slice(0, 200)}.${id}${Math.floor(nowMs / REPEAT_MS).toString(36)}`;
    const event = {
      metadata: { name, namespace },
      involvedObject: { ...about },
      type,
      reason,
      message: text,
      source: { component, host: instance },
      reportingComponent: component,
      reportingInstance: instance,
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    };
    try {
      await api.create(resources.events, event);
      remember(id, { name, count: 1, lastMs: nowMs });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const existing = await api.get<{ count?: number }>(resources.events, name, namespace);
      const count = (existing.count ?? 1) + 1;
      await raiseCount(name, namespace, count, time);
      remember(id, { name, count, lastMs: nowMs });
    }
  };

  return {
    record(about, content) {
      const fields = { kind: about.kind, object: about.name, reason: content.reason };
      if (pending >= MAX_PENDING) {
        logger?.warn(fields, 'An event was dropped: too many are waiting to be written');
        return Promise.resolve();
      }
      pending += 1;
      tail = tail
        .then(() => write(about, content))
        .catch((error: unknown) => logger?.warn({ ...fields, err: error }, 'An event could not be written'))
        .finally(() => {
          pending -= 1;
        });
      return tail;
    },
  };
}
