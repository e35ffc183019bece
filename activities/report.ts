import { ManagedClusterModuleStatus } from '../src/api/index.js';
import { canonicalJson } from '../src/domain/canonical-json.js';
import { isFault } from '../src/domain/fault.js';
import { eventsBetween } from '../src/domain/mcm-events.js';
import { buildStatus } from '../src/domain/mcm-status.js';
import type { Report } from '../src/domain/process.js';
import { apiVersionOf, resources } from '../src/kube/index.js';
import type { Deps } from './deps.js';

type ReportDeps = Pick<Deps, 'api' | 'events' | 'now' | 'logger'>;

interface StoredModule {
  readonly metadata: { readonly uid?: string; readonly generation?: number; readonly deletionTimestamp?: string };
  readonly spec?: { readonly moduleSpec?: { readonly imageRebuildTriggerGeneration?: number } };
  readonly status?: unknown;
}

const identity = { apiVersion: apiVersionOf(resources.managedClusterModules), kind: resources.managedClusterModules.kind };

/**
 * Writes what the workflow reports into the MCM's status, and an Event for each transition that a person wants to hear of. Costs one GET, and a PATCH when something
 * changed. Safe to run twice: the second time finds the status as it should be, and neither writes nor tells anything. An MCM that is gone needs no status.
 */
export const createReport =
  ({ api, events, now, logger }: ReportDeps) =>
  async (report: Report): Promise<void> => {
    const stored = await unlessMissing(api.get<StoredModule>(resources.managedClusterModules, report.name));
    if (stored === undefined || stored.metadata.deletionTimestamp !== undefined) return;
    const previous = readStatus(stored.status);
    const status = buildStatus(withRebuild(report, stored), previous, new Date(now()).toISOString());
    // Times of conditions move only with their status, so equal but for times is equal.
    if (previous !== undefined && canonicalJson(previous) === canonicalJson(status)) return;
    const object = { ...identity, metadata: { name: report.name }, status };
    if ((await unlessMissing(api.apply(resources.managedClusterModules, object, { subresource: 'status' }))) === undefined) return;
    logger.debug({ module: report.name, phase: status.phase, generation: report.generation }, 'the status has been written');
    // After the status: an Event that is lost is lost, and one that is told twice would be worse.
    for (const event of eventsBetween(previous, status))
      await events.record({ ...identity, name: report.name, uid: stored.metadata.uid }, event);
  };

async function unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (isFault(error, 'Missing')) return undefined;
    throw error;
  }
}

/** A status that cannot be read (a hand, an older version) is written anew. */
function readStatus(status: unknown): ManagedClusterModuleStatus | undefined {
  const read = ManagedClusterModuleStatus.safeParse(status);
  return read.success ? read.data : undefined;
}

/** The report speaks of one generation of the spec; of another one nothing is known. */
const withRebuild = (report: Report, { metadata, spec }: StoredModule): Report =>
  metadata.generation === report.generation ? { ...report, rebuildGeneration: spec?.moduleSpec?.imageRebuildTriggerGeneration } : report;
