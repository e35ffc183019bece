import { PINS_ANNOTATION } from '../src/api/names.js';
import { isFault } from '../src/domain/fault.js';
import type { RecordedRevision, RecordRevisionInput } from '../src/domain/process.js';
import { appendPins, revisionName, revisionsToPrune, type RevisionInputs } from '../src/domain/revision.js';
import { encodePins, readRevision, resources, writeRevision, type StoredRevision } from '../src/kube/index.js';
import type { Deps } from './deps.js';
import { readModuleSource, type SourceModule } from './module-source.js';
import { SYNC_TIMEOUT_MS } from './observe.js';
import { wantedRevision } from './wanted-revision.js';

type RecordDeps = Pick<Deps, 'api' | 'fleet' | 'inputs' | 'sha256' | 'operatorNamespace' | 'logger'>;

/**
 * Writes the revision that the spec asks for, or appends pins to it, and prunes revisions that nobody can go back to any more. Safe to run twice.
 * @returns undefined when the spec has changed since the workflow looked: it looks again.
 */
export const createRecordRevision =
  (deps: RecordDeps) =>
  async (input: RecordRevisionInput): Promise<RecordedRevision | undefined> => {
    await deps.fleet.whenSynced(SYNC_TIMEOUT_MS);
    const source = await readModuleSource(deps, input);
    if (source === undefined) return undefined;
    const { hash, frozen } = await wantedRevision(deps, source);
    if (hash !== input.hash) return undefined;
    const name = revisionName(source.name, input.hash);
    const standing = await readStored(deps, name);
    const recorded = standing === undefined ? await create(deps, source, frozen, input) : await append(deps, source, standing, input);
    await prune(deps, source.name, recorded.name);
    return { name: recorded.name, number: recorded.number };
  };

async function readStored({ api, operatorNamespace }: RecordDeps, name: string): Promise<StoredRevision | undefined> {
  try {
    return readRevision(await api.get(resources.controllerRevisions, name, operatorNamespace));
  } catch (error) {
    if (isFault(error, 'Missing')) return undefined;
    throw error;
  }
}

const nextNumber = ({ fleet }: RecordDeps, module: string): number => Math.max(0, ...fleet.revisionsOf(module).map((r) => r.number)) + 1;

async function create(deps: RecordDeps, source: SourceModule, frozen: RevisionInputs, input: RecordRevisionInput): Promise<StoredRevision> {
  const written = await deps.api.create(
    resources.controllerRevisions,
    writeRevision({
      module: source.name,
      namespace: deps.operatorNamespace,
      hash: input.hash,
      number: nextNumber(deps, source.name),
      ...frozen,
      pins: appendPins({}, input.pins).pins,
      ownerUid: source.uid,
    }),
  );
  deps.fleet.revisions.put(written);
  return readRevision(written);
}

/** A revision that comes back after another one gets the next number, as StatefulSets do, and keeps its pins. */
async function append(
  deps: RecordDeps,
  source: SourceModule,
  standing: StoredRevision,
  input: RecordRevisionInput,
): Promise<StoredRevision> {
  const { pins, refused } = appendPins(standing.pins, input.pins);
  for (const pin of refused) deps.logger.warn({ revision: standing.name, ...pin }, 'a revision keeps the digest it has');
  const newest = Math.max(0, ...deps.fleet.revisionsOf(source.name).map((r) => r.number));
  const number = standing.number < newest ? newest + 1 : standing.number;
  if (number === standing.number && Object.keys(pins).length === Object.keys(standing.pins).length) return standing;
  const written = await deps.api.mergePatch(resources.controllerRevisions, standing.name, deps.operatorNamespace, {
    metadata: { resourceVersion: standing.resourceVersion, annotations: { [PINS_ANNOTATION]: encodePins(pins) } },
    revision: number,
  });
  deps.fleet.revisions.put(written);
  return readRevision(written);
}

async function prune({ api, fleet, operatorNamespace }: RecordDeps, module: string, current: string): Promise<void> {
  const inUse = new Set([current, ...[...fleet.worksOf(module).values()].flatMap((w) => w.revision ?? [])]);
  for (const { name } of revisionsToPrune(fleet.revisionsOf(module), inUse))
    await api.delete(resources.controllerRevisions, name, operatorNamespace);
}
