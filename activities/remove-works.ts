import { isFault } from '../src/domain/fault.js';
import type { RemoveInput, RemoveResult } from '../src/domain/process.js';
import { matchesLabels } from '../src/domain/selector.js';
import { resources } from '../src/kube/index.js';
import type { Deps } from './deps.js';
import { readModuleSource } from './module-source.js';
import { deselected, removals, SYNC_TIMEOUT_MS } from './observe.js';

const AT_ONCE = 16;
const SAMPLE = 10;

type RemoveDeps = Pick<Deps, 'api' | 'fleet' | 'sha256' | 'operatorNamespace'>;

/**
 * Deletes ManifestWorks: those of clusters that are not selected any more, or all when the module is gone, with its recorded revisions once the last one is gone.
 * The spoke's work agent then removes the Module; until it has, the ManifestWork stays with a deletion time and counts as remaining.
 */
export const createRemoveWorks =
  (deps: RemoveDeps) =>
  async (input: RemoveInput): Promise<RemoveResult> => {
    await deps.fleet.whenSynced(SYNC_TIMEOUT_MS);
    const clusters = input.scope === 'all' ? await everything(deps, input) : await confirmed(deps, input, input.scope.token);
    if (clusters === undefined) return { deleted: 0, remaining: deps.fleet.worksOf(input.name).size, sample: [], exists: true };
    let deleted = 0;
    const queue = [...clusters];
    const work = async (): Promise<void> => {
      for (let cluster = queue.shift(); cluster !== undefined; cluster = queue.shift()) {
        deleted += (await deleteWork(deps, input.name, cluster)) ? 1 : 0;
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, queue.length) }, work));
    const remaining = [...deps.fleet.worksOf(input.name).keys()].sort();
    if (input.scope === 'all' && remaining.length === 0) await deleteRevisions(deps, input.name);
    return { deleted, remaining: remaining.length, sample: remaining.slice(0, SAMPLE) };
  };

/** Deleting everything is only right while the module is really gone. @returns undefined when it has been made anew since the workflow looked. */
async function everything(deps: RemoveDeps, { name, headless }: RemoveInput): Promise<string[] | undefined> {
  if ((await readModuleSource(deps, { name, headless })) !== undefined) return undefined;
  return [...deps.fleet.worksOf(name).values()].flatMap((w) => (w.deleting ? [] : [w.cluster])).sort();
}

async function confirmed(deps: RemoveDeps, input: RemoveInput, token: string): Promise<string[]> {
  const source = await readModuleSource(deps, input);
  if (source === undefined) return [];
  const selected = new Set(
    [...deps.fleet.clusters.values()].flatMap((c) => (matchesLabels(source.spec.selector, c.labels) ? [c.name] : [])),
  );
  if (removals(deps, input.name, selected).token !== token) return []; // the set has changed since: the workflow looks again
  return deselected(deps.fleet.worksOf(input.name), selected);
}

async function deleteWork({ api, fleet }: RemoveDeps, module: string, cluster: string): Promise<boolean> {
  const uid = fleet.worksOf(module).get(cluster)?.uid;
  try {
    const held = await api.delete(resources.manifestWorks, module, cluster, uid === undefined ? {} : { uid });
    if (held === undefined) fleet.works.forget(`${cluster}/${module}`);
    else fleet.works.put(held);
    return true;
  } catch (error) {
    if (isFault(error, 'Missing') || isFault(error, 'Conflict')) return false; // gone already, or another one by now
    throw error;
  }
}

async function deleteRevisions({ api, fleet, operatorNamespace }: RemoveDeps, module: string): Promise<void> {
  for (const { name } of fleet.revisionsOf(module)) {
    await api.delete(resources.controllerRevisions, name, operatorNamespace).catch((error: unknown) => {
      if (!isFault(error, 'Missing')) throw error;
    });
  }
}
