import { createHash } from 'node:crypto';
import { renderManifestWork } from '../src/domain/manifest-work.js';
import { renderModule } from '../src/domain/render-module.js';
import { MCM_LABEL, ModuleSpec } from '../src/api/index.js';
import { resources } from '../src/kube/index.js';
import { forEachLimited } from '../test/harness/pool.js';
import { anMcm } from '../test/harness/mcm.js';
import type { Scene } from './scene.js';

const FLOOR = 'floor';
/** As many as the hub has under way. */
const WIDTH = 32;

/**
 * The least that publishing can cost: the same server-side applies of the same ManifestWorks through the same transport, and nothing else. Seconds.
 * A warm-up of 100 writes goes first, and everything is deleted again.
 */
export async function measureFloor(scene: Scene): Promise<number> {
  const { control, registry, fleet, digests } = scene;
  const api = control.connect();
  const { spec } = anMcm({ name: FLOOR, registryHost: registry.host });
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
  const works = fleet.clusters.map(({ name: cluster, kernels = [] }) => {
    const mappings = kernels.map((literal) => ({ literal, containerImage: `${registry.host}/kmods/bench@${digests.get(literal)}` }));
    const module = renderModule(
      { name: FLOOR, spokeNamespace: spec.spokeNamespace, moduleSpec: ModuleSpec.parse(spec.moduleSpec) },
      mappings,
      sha256,
    );
    const work = renderManifestWork(module, {
      cluster,
      revision: `${FLOOR}-0123456789`,
      workflow: `mcm/${FLOOR}/rollout/1/wave/1`,
      publishedAt: new Date().toISOString(),
      ownerUid: '00000000-0000-4000-8000-000000000000',
    });
    return work;
  });
  const write = (list: typeof works): Promise<void> =>
    forEachLimited(list, WIDTH, async (work) => void (await api.apply(resources.manifestWorks, work)));
  const remove = (list: typeof works): Promise<void> =>
    forEachLimited(list, WIDTH, async ({ metadata }) => void (await api.delete(resources.manifestWorks, FLOOR, metadata.namespace)));
  const warmUp = works.slice(0, 100);
  await write(warmUp);
  await remove(warmUp);
  const began = performance.now();
  await write(works);
  const seconds = (performance.now() - began) / 1000;
  await remove(works);
  const { items } = await api.listAll(resources.manifestWorks, { labelSelector: `${MCM_LABEL}=${FLOOR}` });
  if (items.length > 0) throw new Error(`${items.length} ManifestWorks of the floor were not deleted.`);
  return seconds;
}
