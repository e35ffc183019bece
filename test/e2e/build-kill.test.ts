import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyDockerfile, imageJobs, startBuildScene, type BuildScene } from '../harness/build-scene.js';
import { eventually } from '../harness/eventually.js';
import type { HubProcess } from '../harness/hub-process.js';
import { readStoredImage } from '../harness/image-files.js';
import { anMcm, applyMcm, getMcm, mappingsIn, worksOf } from '../harness/mcm.js';
import { pushPrebuilt, QUICK_MODULE, quickDockerfile } from '../harness/quick-build.js';
import { seededRandom } from '../harness/seeded-random.js';

const MINUTE = 60_000;
const KERNEL = '6.1.0-56-amd64';
const NAME = 'killed-build';
const REPOSITORY = `kmods/${NAME}`;
const KILLS = 10;
/** From the change of the Dockerfile to the end of its build, about; a kill may fall before the Job, into each container, or after the push. Milliseconds. */
const SPAN_MS = 7_000;
/** KMODFLOW_KILL_SEED repeats the moments of a run. */
const seed = Number(process.env['KMODFLOW_KILL_SEED'] ?? Date.now() % 1_000_000);

let scene: BuildScene;
let hub: HubProcess;
let prebuilt: string;

beforeAll(async () => {
  console.log(`The moments of the kills are drawn with KMODFLOW_KILL_SEED=${seed}`);
  scene = await startBuildScene({ clusters: 2, kernels: [KERNEL] });
  prebuilt = await pushPrebuilt(scene.registry, [KERNEL]);
  await writeDockerfile('r0');
  hub = await scene.startHub();
  const build = { dockerfileConfigMap: { name: 'killed' }, baseImageRegistryTLS: { insecure: true } };
  await applyMcm(
    scene.api,
    anMcm({ name: NAME, registryHost: scene.registry.host, container: { modprobe: { moduleName: QUICK_MODULE }, build } }),
  );
  await untilShipped(undefined);
}, 3 * MINUTE);

afterAll(async () => {
  await scene?.stop();
}, MINUTE);

const writeDockerfile = (marker: string) =>
  applyDockerfile(scene.api, 'killed', quickDockerfile({ bases: scene.bases, prebuilt, marker, run: 'sleep 2' }));

const shipped = async (): Promise<string | undefined> => {
  const { status } = await getMcm(scene.api, NAME);
  if (status?.phase !== 'Ready' || status.clusters?.loaded !== 2) return undefined;
  const images = [...(await worksOf(scene.api, NAME)).values()].map((work) => mappingsIn(work)[KERNEL]);
  return new Set(images).size === 1 ? images[0] : undefined;
};

/** Waits until both clusters have loaded another image than `before`. */
const untilShipped = (before: string | undefined): Promise<string> =>
  eventually(
    'another image to be loaded on both clusters',
    async () => {
      const image = await shipped();
      return image !== undefined && image !== before ? image : undefined;
    },
    { timeoutMs: 90_000, everyMs: 250, seen: async () => (await getMcm(scene.api, NAME)).status },
  );

const draw = seededRandom(seed);
const moments = Array.from({ length: KILLS }, (_, index) => ({ round: index + 1, afterMs: Math.floor(draw() * SPAN_MS) }));

describe('a hub that is killed with SIGKILL in the middle of a build', () => {
  test.each(moments)(
    'round $round: one Job and one push, and the image arrives (killed $afterMs ms after the change)',
    async ({ round, afterMs }) => {
      const before = await shipped();
      const standing = await scene.client.workflow.getHandle(`mcm/${NAME}`).describe();
      expect(standing.status.name).toBe('RUNNING');
      await writeDockerfile(`r${round}`);
      await sleep(afterMs);
      await hub.kill();
      hub = await scene.startHub();
      const image = await untilShipped(before);

      const stored = await readStoredImage(scene.registry.host, REPOSITORY, image.slice(image.indexOf('@') + 1));
      expect(stored.layers.map((layer) => layer.get('/marker')?.toString().trim()).filter(Boolean)).toEqual([`r${round}`]);
      const key = stored.annotations['kmodflow.io/image-key'] ?? '';
      const jobs = (await imageJobs(scene.api)).filter((job) => job.metadata.labels?.['kmodflow.io/image-key'] === key);
      expect(jobs.map((job) => job.metadata.name)).toEqual([`kmod-${key}-1`]);
      const pushes = scene.registry.pushes().filter((p) => p.repository === REPOSITORY && p.status === 201);
      expect(pushes.filter((p) => p.reference === `kmodflow-${key}`)).toHaveLength(1);
      expect(pushes.filter((p) => p.reference === KERNEL)).toHaveLength(round + 1);
    },
    3 * MINUTE,
  );
});
