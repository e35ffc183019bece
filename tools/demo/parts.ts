import { createServer } from 'node:net';
import { startAgents, type Agents } from '../../test/harness/agent.js';
import { follow } from '../../test/harness/follow.js';
import { createFleet, type Fleet } from '../../test/harness/fleet.js';
import { freePorts } from '../../test/harness/ports.js';
import { startStack, type Stack } from '../../test/harness/stack.js';
import { readCluster } from '../../src/domain/read-views.js';
import { resources, type HubApi } from '../../src/kube/index.js';
import type { DemoOptions } from './options.js';

/** Where Temporal's own development server has its UI: the address that people know. */
const USUAL_UI_PORT = 8233;

/** Control plane, registry, and Temporal with its UI, on the usual port of the UI when nobody else has it. Jobs need the controller manager. */
export async function startParts({ build }: Pick<DemoOptions, 'build'>): Promise<Stack> {
  const [otherPort] = await freePorts(1);
  const uiPort = (await isFree(USUAL_UI_PORT)) ? USUAL_UI_PORT : otherPort;
  return startStack({ temporal: uiPort === undefined ? {} : { uiPort }, controlPlane: { controllerManager: build } });
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

export interface SimulatedFleet {
  readonly fleet: Fleet;
  readonly agents: Agents;
  readonly stop: () => Promise<void>;
}

type FleetShape = Pick<DemoOptions, 'clusters' | 'offline' | 'withoutClaim' | 'fast'>;

/** Milliseconds. A real agent reports after 10 to 19 seconds; nobody wants to watch that. */
const HUMAN_PACE = { feedbackDelayMs: [300, 1_500], loadDelayMs: [500, 3_000] } as const;

/** ManagedClusters and the agents behind them. An agent is silent while its ManagedCluster is not available, whoever wrote that. */
export async function startFleet(
  api: HubApi,
  shape: FleetShape,
  kernels: readonly string[],
  labels: Readonly<Record<string, string>>,
): Promise<SimulatedFleet> {
  const { clusters, offline, withoutClaim, fast } = shape;
  const fleet = await createFleet(api, { clusters, kernels, offline, withoutClaim, labels });
  const silent = Object.fromEntries(fleet.clusters.filter((c) => c.offline).map(({ name }) => [name, { offline: true }]));
  const agents = await startAgents(api, { ...(fast ? {} : HUMAN_PACE), faults: silent });
  const following = follow(api, resources.managedClusters, (_key, object) => {
    if (object === undefined) return;
    const { name, available } = readCluster(object);
    if ((agents.faults.of(name).offline ?? false) === available) agents.faults.offline(name, !available);
  });
  return {
    fleet,
    agents,
    async stop() {
      await following.stop();
      await agents.stop();
    },
  };
}
