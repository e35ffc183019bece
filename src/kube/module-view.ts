import type { ModuleSpec } from '../api/index.js';
import { watchedInputs } from '../domain/image-need.js';

/** An MCM as the controller and the clock need it; activities read the object itself. */
export interface ModuleView {
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly deleting: boolean;
  readonly selector: Readonly<Record<string, string>>;
  /** ConfigMaps and Secrets of the operator namespace that it names, as `Kind/name`. */
  readonly inputs: readonly string[];
  /** The revision that a rollout has completed, as the status says. */
  readonly currentRevision: string | undefined;
  /** When a rollout of the revision last ended, by revision, milliseconds since the epoch. Rollouts that were superseded are not among them. */
  readonly endedMs: Readonly<Record<string, number>>;
  /** Clusters that the status names as not all right. */
  readonly troubled: readonly string[];
}

interface LooseModule {
  readonly metadata: { readonly name: string; readonly uid?: string; readonly generation?: number; readonly deletionTimestamp?: string };
  readonly spec?: { readonly selector?: Readonly<Record<string, string>>; readonly moduleSpec?: ModuleSpec };
  readonly status?: LooseStatus;
}

interface LooseStatus {
  readonly currentRevision?: string;
  readonly history?: readonly { readonly revision?: string; readonly outcome?: string; readonly finishedAt?: string }[];
  readonly exceptions?: readonly { readonly cluster?: string }[];
}

export function readModule(object: unknown): ModuleView {
  const { metadata, spec, status } = object as LooseModule;
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    generation: metadata.generation ?? 0,
    deleting: metadata.deletionTimestamp !== undefined,
    selector: spec?.selector ?? {},
    inputs: watchedInputs(spec?.moduleSpec),
    currentRevision: status?.currentRevision,
    endedMs: endedMs(status),
    troubled: [...new Set((status?.exceptions ?? []).flatMap(({ cluster }) => cluster ?? []))],
  };
}

function endedMs({ history = [] }: LooseStatus = {}): Record<string, number> {
  const ended: Record<string, number> = {};
  for (const { revision, outcome, finishedAt } of history) {
    const ms = Date.parse(finishedAt ?? '');
    if (revision === undefined || Number.isNaN(ms) || (outcome !== 'Completed' && outcome !== 'Failed')) continue;
    ended[revision] = Math.max(ended[revision] ?? 0, ms);
  }
  return ended;
}
