import type { PlanWaveInput, WavePlan } from '../src/domain/process.js';
import { SYNC_TIMEOUT_MS } from './observe.js';
import { lookAtWave, type WaveLookDeps } from './wave-look.js';

/** One page of names, so that a plan fits a payload whatever the size of the fleet (Temporal warns at 512 KiB). */
export const PAGE_BYTES = 160 * 1024;

/**
 * The clusters that a rollout has to bring to its revision, in order of their names: those that lack its content, and those that have it but have not proven it.
 * Clusters that are loaded, offline or excluded are not part of it.
 */
export const createPlanWave =
  (deps: WaveLookDeps) =>
  async (input: PlanWaveInput): Promise<WavePlan> => {
    await deps.fleet.whenSynced(SYNC_TIMEOUT_MS);
    const look = await lookAtWave(deps, input);
    if (look === undefined) return { clusters: [] };
    const clusters: string[] = [];
    let bytes = 0;
    for (const cluster of look.selected()) {
      if (input.after !== undefined && cluster.name <= input.after) continue;
      const { behind, final } = look.spoke(cluster).assessment;
      if (!behind && final) continue;
      bytes += cluster.name.length + 3;
      if (bytes > PAGE_BYTES) return { clusters, next: clusters.at(-1) };
      clusters.push(cluster.name);
    }
    return { clusters };
  };
