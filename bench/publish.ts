import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { resources } from '../src/kube/index.js';
import { startAgents } from '../test/harness/agent.js';
import { eventually } from '../test/harness/eventually.js';
import { rest } from '../test/harness/rest.js';
import { mappingsIn, worksOf } from '../test/harness/mcm.js';
import { measureFloor } from './floor.js';
import { measureHistories } from './histories.js';
import { createModule, isHubWrite, MODULE, say, setScene, SETTLE_SECONDS, untilLoaded, type Scene, type SceneOptions } from './scene.js';

export interface PublishFigures {
  readonly clusters: number;
  readonly kernels: number;
  /** Mean of two bare loops, one before and one after, since the machine is not the same all the time. */
  readonly floorSeconds: number;
  readonly floorBeforeSeconds: number;
  readonly floorAfterSeconds: number;
  /** From the MCM's creation to the last ManifestWork written, by the API server's clock. */
  readonly publishSeconds: number;
  readonly ratio: number;
  readonly worksCorrect: number;
  readonly writesPerCluster: number;
  readonly registryRequests: number;
  readonly distinctImages: number;
  readonly hubPods: number;
  readonly loadedSeconds: number;
  readonly maxHistoryEvents: number;
  readonly maxPayloadBytes: number;
  readonly workerRssMiB: number;
}

const MINUTE = 60_000;
const round = (value: number): number => Math.round(value * 100) / 100;

export async function benchPublish(options: SceneOptions): Promise<PublishFigures> {
  const scene = await setScene(options);
  try {
    say('Measuring the floor …');
    const floorBeforeSeconds = await measureFloor(scene);
    say(`Floor: ${floorBeforeSeconds.toFixed(2)} s for ${options.clusters} writes. Starting the hub …`);
    const hub = await scene.startHub();
    const memory = watchMemory(hub.rssMiB);
    try {
      const published = await publish(scene);
      say(`Published in ${published.publishSeconds.toFixed(2)} s. Starting the agents …`);
      const loadedSeconds = await load(scene);
      const histories = await measureHistories(scene.temporal.address);
      await hub.stop();
      const workerRssMiB = memory.stop();
      say('Measuring the floor again …');
      const floorAfterSeconds = await measureFloor(scene);
      const floorSeconds = (floorBeforeSeconds + floorAfterSeconds) / 2;
      return {
        clusters: options.clusters,
        kernels: options.kernels,
        floorSeconds: round(floorSeconds),
        floorBeforeSeconds: round(floorBeforeSeconds),
        floorAfterSeconds: round(floorAfterSeconds),
        publishSeconds: round(published.publishSeconds),
        ratio: round(published.publishSeconds / floorSeconds),
        worksCorrect: published.worksCorrect,
        writesPerCluster: round(published.writes / options.clusters),
        registryRequests: scene.registry.requests().manifestTotal,
        distinctImages: options.kernels,
        hubPods: (await scene.api.listAll({ group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true })).items.length,
        loadedSeconds: round(loadedSeconds),
        ...histories,
        workerRssMiB,
      };
    } finally {
      memory.stop();
      await hub.stop();
    }
  } finally {
    await scene.stop();
  }
}

async function publish(scene: Scene): Promise<{ publishSeconds: number; writes: number; worksCorrect: number }> {
  const clusters = scene.fleet.clusters.length;
  await createModule(scene);
  // One small question a second, so that measuring costs the measured little; the audit log is read when it is over.
  await eventually('every ManifestWork to be written', async () => ((await countWorks(scene)) >= clusters ? true : undefined), {
    timeoutMs: 10 * MINUTE,
    everyMs: 1_000,
    seen: () => countWorks(scene),
  });
  await sleep(3_000); // a second write of the same work would come now
  const writes = hubWrites(scene);
  const created = scene.control.auditEvents().find((e) => e.resource === 'managedclustermodules' && e.subresource === undefined);
  const last = Math.max(...writes.map((e) => Date.parse(e.at)));
  return {
    publishSeconds: (last - Date.parse(created?.at ?? '')) / 1000,
    writes: writes.length,
    worksCorrect: await countCorrect(scene),
  };
}

/** How many ManifestWorks there are, without listing them: the server tells how many a page of one leaves. */
async function countWorks({ control }: Scene): Promise<number> {
  const ca = readFileSync(control.caFile, 'utf8');
  const path = '/apis/work.open-cluster-management.io/v1/manifestworks?limit=1';
  const { body } = await rest({ url: control.url, token: control.token, ca }, 'GET', path);
  const { items, metadata } = JSON.parse(body) as { items: unknown[]; metadata: { remainingItemCount?: number } };
  return items.length + (metadata.remainingItemCount ?? 0);
}

const hubWrites = ({ control }: Scene) => control.auditEvents().filter((e) => isHubWrite(e) && e.code < 300);

async function countCorrect({ api, fleet, registry, digests }: Scene): Promise<number> {
  const works = await worksOf(api, MODULE);
  return fleet.clusters.filter(({ name, kernels = [] }) => {
    const wanted = Object.fromEntries(kernels.map((k) => [k, `${registry.host}/kmods/${MODULE}@${digests.get(k)}`]));
    return JSON.stringify(mappingsIn(works.get(name))) === JSON.stringify(wanted);
  }).length;
}

async function load(scene: Scene): Promise<number> {
  const began = performance.now();
  const agents = await startAgents(scene.api, { feedbackDelayMs: [0, 0], loadDelayMs: [0, 0] });
  try {
    await untilLoaded(scene, 15 * MINUTE);
    return (performance.now() - began) / 1000 - SETTLE_SECONDS;
  } finally {
    await agents.stop();
    // Their finalizers would hold the ManifestWorks of the second floor's clean-up no longer than these stand.
    const works = await worksOf(scene.api, MODULE);
    if (works.size === 0) throw new Error(`No ${resources.manifestWorks.kind} is left.`);
  }
}

function watchMemory(rssMiB: () => number | undefined): { stop: () => number } {
  let peak = 0;
  const timer = setInterval(() => (peak = Math.max(peak, rssMiB() ?? 0)), 200);
  return {
    stop: () => {
      clearInterval(timer);
      return peak;
    },
  };
}
