import { setTimeout as sleep } from 'node:timers/promises';
import { startAgents } from '../test/harness/agent.js';
import { eventually } from '../test/harness/eventually.js';
import { createModule, isHubWrite, say, setScene, untilLoaded, type Scene, type SceneOptions } from './scene.js';

export interface SteadyFigures {
  readonly clusters: number;
  /** ManifestWork writes in the 15 seconds after a restart with everything published. */
  readonly restartWrites: number;
  /** ManifestWork writes after one cluster's kernel has changed, */
  readonly changeWrites: number;
  /** and the time from the change to the write, by the API server's clock. */
  readonly changeSeconds: number;
}

const MINUTE = 60_000;
const QUIET_MS = 15_000;

export async function benchSteady(options: SceneOptions): Promise<SteadyFigures> {
  const scene = await setScene({ ...options, kernels: Math.max(2, options.kernels) });
  try {
    const agents = await startAgents(scene.api, { feedbackDelayMs: [0, 0], loadDelayMs: [0, 0] });
    const hub = await scene.startHub();
    await createModule(scene);
    await untilLoaded(scene, 15 * MINUTE);
    await hub.stop();
    say('Everything is loaded. Restarting the hub …');
    const before = writes(scene).length;
    const restarted = await scene.startHub();
    try {
      await sleep(QUIET_MS);
      const restartWrites = writes(scene).length - before;
      say(`${restartWrites} ManifestWork writes after the restart. Changing one kernel …`);
      const change = await changeOneKernel(scene);
      return { clusters: options.clusters, restartWrites, ...change };
    } finally {
      await restarted.stop();
      await agents.stop();
    }
  } finally {
    await scene.stop();
  }
}

const writes = ({ control }: Scene) => control.auditEvents().filter((e) => isHubWrite(e) && e.code < 300);

async function changeOneKernel(scene: Scene): Promise<{ changeWrites: number; changeSeconds: number }> {
  const [cluster] = scene.fleet.clusters;
  if (cluster === undefined) throw new Error('The fleet has no clusters.');
  const other = scene.kernels.find((k) => !cluster.kernels?.includes(k)) ?? '';
  const before = writes(scene).length;
  await scene.fleet.setKernels(cluster.name, [other]);
  const changedAt = scene.control.auditEvents().findLast((e) => e.resource === 'managedclusters' && e.name === cluster.name)?.at ?? '';
  await eventually('the write for the changed kernel', () => (writes(scene).length > before ? true : undefined), {
    timeoutMs: MINUTE,
    everyMs: 100,
  });
  await sleep(5_000); // further writes would come now
  const after = writes(scene).slice(before);
  const first = after.find((e) => e.namespace === cluster.name);
  return { changeWrites: after.length, changeSeconds: Math.round(Date.parse(first?.at ?? '') - Date.parse(changedAt)) / 1000 };
}
