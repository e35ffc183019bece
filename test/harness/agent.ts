import { resources, type HubApi } from '../../src/kube/index.js';
import type { AgentFaults } from './agent-faults.js';
import { Simulation, type AgentOptions, type ModuleRejection } from './agent-simulation.js';
import { follow } from './follow.js';
import type { ManifestWork } from './manifest-work.js';
import type { SpokeObject, SpokeWrite } from './spoke.js';

export type { AgentOptions, DelayRange, ModuleRejection } from './agent-simulation.js';
export type { AgentFaults, ClusterFaults } from './agent-faults.js';

export interface SpokeView {
  /** The Modules that are on the spoke now, with KMM's counters. */
  readonly modules: readonly SpokeObject[];
  /** Every write to the spoke that changed something, in order. */
  readonly writes: readonly SpokeWrite[];
}

export interface Agents {
  readonly faults: AgentFaults;
  readonly spoke: (cluster: string) => SpokeView;
  /** Takes effect on the counters at once, as when nodes are labelled or go away. */
  readonly setNodes: (cluster: string, nodes: number) => void;
  readonly moduleRejections: readonly ModuleRejection[];
  readonly counters: { readonly statusWrites: number; readonly finalizerWrites: number; readonly failedWrites: number };
  readonly stop: () => Promise<void>;
}

/**
 * The work agent and KMM of every cluster of a hub, simulated in this process. Resolves when it has seen all ManifestWorks.
 *
 * As in the real agent two controllers write one status at their own times: applying stamps `Applied` at once, and what the spoke shows (`Available`,
 * feedback) follows after the feedback delay; until then the old feedback stands. With both delays at [0, 0] a new ManifestWork costs two writes: the finalizer, and one status.
 * Namespaces, service accounts and everything else that a Module may need on the spoke are taken to be there; set `applyFails` where they are not.
 * The spokes live in memory: agents that are started anew find empty spokes and apply everything again.
 */
export async function startAgents(api: HubApi, options: AgentOptions = {}): Promise<Agents> {
  const simulation = new Simulation(api, options);
  const following = follow(api, resources.manifestWorks, (key, object) => simulation.notice(key, object as ManifestWork | undefined));
  await following.ready;
  return {
    faults: simulation.faults,
    spoke: (cluster) => simulation.spoke(cluster),
    setNodes: (cluster, nodes) => simulation.setNodes(cluster, nodes),
    moduleRejections: simulation.rejections,
    counters: simulation.counters,
    async stop() {
      await following.stop();
      await simulation.stop();
    },
  };
}
