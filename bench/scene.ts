import { eventually } from '../test/harness/eventually.js';
import { createFleet, type Fleet } from '../test/harness/fleet.js';
import { startHubProcess, type HubProcess } from '../test/harness/hub-process.js';
import { anMcm, applyMcm, getMcm, MODULE as KERNEL_MODULE } from '../test/harness/mcm.js';
import { startStack, type Stack } from '../test/harness/stack.js';
import type { AuditEvent } from '../test/harness/audit.js';

export interface SceneOptions {
  readonly clusters: number;
  readonly kernels: number;
}

export interface Scene extends Stack {
  readonly fleet: Fleet;
  readonly kernels: readonly string[];
  /** Digest by kernel. */
  readonly digests: ReadonlyMap<string, string>;
  readonly startHub: () => Promise<HubProcess>;
}

export const MODULE = 'bench';
/** Short, and taken out of the figures. */
export const SETTLE_SECONDS = 2;

export const say = (text: string): void => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);

/** Real parts, a fleet without agents, and one tiny image per kernel. */
export async function setScene({ clusters, kernels }: SceneOptions): Promise<Scene> {
  say('Starting the API server, Temporal and the registry …');
  const stack = await startStack({ controlPlane: { auditLog: true } });
  const names = Array.from({ length: kernels }, (_, i) => `6.1.${i}-${50 + i}-amd64`);
  say(`Making ${clusters} ManagedClusters …`);
  const fleet = await createFleet(stack.api, { clusters, kernels: names, labels: { fleet: 'test' } });
  const digests = new Map<string, string>();
  for (const kernel of names) {
    const { digest } = await stack.registry.pushImage({
      repository: `kmods/${MODULE}`,
      tag: kernel,
      kernels: [kernel],
      modules: [KERNEL_MODULE],
    });
    digests.set(kernel, digest);
  }
  const startHub = (): Promise<HubProcess> =>
    startHubProcess({
      kubeconfigPath: stack.control.kubeconfigPath,
      temporalAddress: stack.temporal.address,
      settle: `${SETTLE_SECONDS}s`,
      ...(process.env['HUB_NODE_OPTIONS'] === undefined ? {} : { env: { NODE_OPTIONS: process.env['HUB_NODE_OPTIONS'] } }),
    });
  return { ...stack, fleet, kernels: names, digests, startHub };
}

/** Creates the module; @returns when the API server had stored it, milliseconds since the epoch. */
export async function createModule({ api, registry }: Scene): Promise<number> {
  await applyMcm(api, anMcm({ name: MODULE, registryHost: registry.host }));
  return Date.now();
}

export const isWorkWrite = ({ resource, subresource, name }: AuditEvent): boolean =>
  resource === 'manifestworks' && subresource === undefined && name === MODULE;

/** Writes of ManifestWorks by the hub alone: the agents in this process write finalizers. */
export const isHubWrite = (event: AuditEvent): boolean =>
  isWorkWrite(event) && event.uri.includes('fieldManager=kmodflow') && event.verb !== 'update';

export const untilLoaded = (scene: Scene, timeoutMs: number): Promise<true> =>
  eventually(
    `${scene.fleet.clusters.length} clusters to be loaded`,
    async () => {
      const { status } = await getMcm(scene.api, MODULE);
      return status?.phase === 'Ready' && status.clusters?.loaded === scene.fleet.clusters.length ? true : undefined;
    },
    { timeoutMs, everyMs: 250, seen: async () => (await getMcm(scene.api, MODULE)).status },
  );
