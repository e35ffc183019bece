import { randomUUID } from 'node:crypto';
import type { Manifest } from './manifest-work.js';

/** An object on a simulated spoke. */
export interface SpokeObject extends Manifest {
  readonly metadata: Manifest['metadata'] & { readonly uid: string; readonly generation: number; readonly creationTimestamp: string };
  readonly status?: Readonly<Record<string, unknown>>;
}

/** One write to the spoke: what a person would find in its audit log. */
export interface SpokeWrite {
  readonly name: string;
  /** Generation of the ManifestWork that it came from. */
  readonly workGeneration: number;
  readonly annotations: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** What is wrong with a cluster's nodes, read anew whenever counters are made. */
export interface NodeHealth {
  readonly nodes: number;
  /** Nodes on which the module does not load. */
  readonly failing: number;
  /** Report a 0 instead of leaving it out, which KMM does not do. */
  readonly showZeros: boolean;
}

/**
 * Where KMM stands with a Module: `untouched` since it was written (the counters still tell of the one before, or there are none),
 * `started`: desired is known and nothing is loaded, `loaded`: as far as the nodes allow.
 */
type LoadPhase = 'untouched' | 'started' | 'loaded';

interface Held {
  manifest: Manifest;
  readonly uid: string;
  readonly created: string;
  generation: number;
  phase: LoadPhase;
  status: Record<string, unknown>;
}

/** The Kubernetes of one simulated spoke: objects in memory, with KMM's counters on the Modules. Has no clock of its own: the agent advances it. */
export class Spoke {
  readonly #objects = new Map<string, Held>();
  readonly #health: () => NodeHealth;
  readonly writes: SpokeWrite[] = [];

  constructor(health: () => NodeHealth) {
    this.#health = health;
  }

  /** Creates or updates. @returns true when its spec is new, so that KMM has something to load. */
  apply(manifest: Manifest, workGeneration: number): boolean {
    const key = keyOf(manifest);
    const held = this.#objects.get(key);
    const specChanged = held === undefined || JSON.stringify(held.manifest.spec) !== JSON.stringify(manifest.spec);
    const changed =
      specChanged || JSON.stringify(held.manifest.metadata) !== JSON.stringify(mergeMetadata(held.manifest, manifest).metadata);
    if (changed)
      this.writes.push({ name: manifest.metadata.name, workGeneration, annotations: { ...manifest.metadata.annotations }, at: Date.now() });
    if (held === undefined) {
      const created = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
      this.#objects.set(key, { manifest, uid: randomUUID(), created, generation: 1, phase: 'untouched', status: {} });
    } else {
      held.manifest = mergeMetadata(held.manifest, manifest);
      if (specChanged) {
        held.generation++;
        held.phase = 'untouched';
      }
    }
    return specChanged;
  }

  remove(manifest: Manifest): void {
    this.#objects.delete(keyOf(manifest));
  }

  get(manifest: Manifest): SpokeObject | undefined {
    const held = this.#objects.get(keyOf(manifest));
    return held && present(held);
  }

  /** All objects of the kind Module. */
  get modules(): SpokeObject[] {
    return [...this.#objects.values()].filter(({ manifest }) => manifest.kind === 'Module').map(present);
  }

  /** KMM gets on with a Module. Does nothing to an object of another kind, or one that is gone. @returns true when its status changed. */
  advance(manifest: Manifest, phase: 'started' | 'loaded'): boolean {
    const held = this.#objects.get(keyOf(manifest));
    if (held === undefined || manifest.kind !== 'Module') return false;
    held.phase = phase;
    return this.#recount(held);
  }

  /** Counts again after the nodes changed. @returns true when some status changed. */
  recount(): boolean {
    const changed = [...this.#objects.values()].filter((held) => held.phase !== 'untouched').map((held) => this.#recount(held));
    return changed.includes(true);
  }

  #recount(held: Held): boolean {
    const before = JSON.stringify(held.status);
    held.status = countersOf(held, this.#health());
    return JSON.stringify(held.status) !== before;
  }
}

const keyOf = ({ apiVersion, kind, metadata }: Manifest): string => `${apiVersion} ${kind} ${metadata.namespace ?? ''}/${metadata.name}`;

/** As the real agent updates: what the manifest no longer carries among labels and annotations stays on the spoke. */
const mergeMetadata = (before: Manifest, manifest: Manifest): Manifest => ({
  ...manifest,
  metadata: {
    ...manifest.metadata,
    ...(before.metadata.labels && { labels: { ...before.metadata.labels, ...manifest.metadata.labels } }),
    ...(before.metadata.annotations && { annotations: { ...before.metadata.annotations, ...manifest.metadata.annotations } }),
  },
});

const present = ({ manifest, uid, created, generation, status }: Held): SpokeObject => ({
  ...manifest,
  metadata: { ...manifest.metadata, uid, generation, creationTimestamp: created },
  ...(manifest.kind === 'Module' && { status }),
});

function countersOf({ manifest, phase }: Held, { nodes, failing, showZeros }: NodeHealth): Record<string, unknown> {
  const available = phase === 'loaded' ? Math.max(0, nodes - failing) : 0;
  const counters = { nodesMatchingSelectorNumber: nodes, desiredNumber: nodes, availableNumber: available };
  const shown = Object.fromEntries(Object.entries(counters).filter(([, count]) => showZeros || count > 0));
  const parts = ['moduleLoader', 'devicePlugin', 'dra'].filter((part) => manifest.spec?.[part] != null);
  const trigger = manifest.spec?.['imageRebuildTriggerGeneration'];
  return {
    ...Object.fromEntries(parts.map((part) => [part, { ...shown }])),
    ...(trigger !== undefined && { imageRebuildTriggerGeneration: trigger }),
  };
}
