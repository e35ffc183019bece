import { compareResourceVersions } from '../../src/kube/index.js';
import type { ApplyOutcome, Observation } from './agent-status.js';
import type { Manifest, ManifestWork } from './manifest-work.js';

/** What the simulated agent remembers of one ManifestWork. */
export interface Work {
  readonly key: string;
  readonly cluster: string;
  object: ManifestWork;
  /** Generation and labels that were last acted upon, see {@link triggerOf}: a change of either is acted upon at once. */
  trigger: string | undefined;
  applyAt: number | undefined;
  observeAt: number | undefined;
  attempts: number;
  outcomes: ApplyOutcome[];
  observations: Observation[];
  /** What this ManifestWork put onto the spoke. */
  applied: Manifest[];
  alarm: NodeJS.Timeout | undefined;
  loading: NodeJS.Timeout[];
}

export const newWork = (key: string, object: ManifestWork): Work => ({
  key,
  cluster: object.metadata.namespace ?? '',
  object,
  trigger: undefined,
  applyAt: undefined,
  observeAt: undefined,
  attempts: 0,
  outcomes: [],
  observations: [],
  applied: [],
  alarm: undefined,
  loading: [],
});

/** Keeps the newer of the two. @returns false when it was known already. */
export function remember(work: Work, object: ManifestWork): boolean {
  const [known, seen] = [work.object.metadata.resourceVersion ?? '0', object.metadata.resourceVersion ?? '0'];
  if ((compareResourceVersions(seen, known) ?? 1) <= 0) return false;
  work.object = object;
  return true;
}

export function disarm(work: Work): void {
  clearTimeout(work.alarm);
  work.loading.splice(0).forEach(clearTimeout);
}

export const triggerOf = ({ metadata }: ManifestWork): string =>
  JSON.stringify([metadata.generation, metadata.labels, metadata.deletionTimestamp]);

export const isDue = (at: number | undefined): boolean => at !== undefined && at <= Date.now();
