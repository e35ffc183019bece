import { Client, Connection } from '@temporalio/client';
import type { ManagedClusterModuleStatus } from '../../src/api/index.js';
import { resources, type HubApi, type KubernetesObject } from '../../src/kube/index.js';
import { startAgents, type Agents } from './agent.js';
import type { AuditEvent } from './audit.js';
import { eventually } from './eventually.js';
import { createFleet, type Fleet } from './fleet.js';
import { startInProcessHub, type InProcessHub, type InProcessHubOptions } from './in-process-hub.js';
import { anMcm, applyMcm, getMcm, MODULE, worksOf, type McmOptions, type StoredMcm } from './mcm.js';
import type { PushedImage } from './oci-push.js';
import { startStack, type Stack } from './stack.js';
import { workflowBundle } from './workflow-bundle.js';

export type Status = ManagedClusterModuleStatus;

/**
 * One stack, one fleet and one hub for a file with many small cases. Each case has its own module `m` and its own clusters, which carry the label `for: m`, so that cases
 * run beside each other (`test.concurrent`): most of their time is waiting. What stops the hub comes last in its file, as a plain `test`.
 */
export interface Stage {
  readonly stack: Stack;
  readonly api: HubApi;
  readonly fleet: Fleet;
  readonly agents: Agents;
  readonly client: Client;
  readonly hub: () => InProcessHub;
  readonly startHub: (options?: Partial<InProcessHubOptions>) => Promise<InProcessHub>;
  readonly stopHub: () => Promise<void>;
  /** Makes clusters for a module: name to kernels; undefined is a cluster without a claim. */
  readonly clusters: (module: string, kernels: Readonly<Record<string, readonly string[] | undefined>>) => Promise<void>;
  /** Pushes an image for each kernel to `kmods/<module>:<kernel>`. @returns Kernel to what stands there. `label` makes another digest. */
  readonly push: (module: string, kernels: readonly string[], label?: string) => Promise<Record<string, PushedImage>>;
  /** Applies an MCM that selects the clusters of its name. */
  readonly apply: (name: string, options?: Partial<McmOptions>) => Promise<StoredMcm>;
  readonly status: (name: string) => Promise<Status | undefined>;
  /** Waits until the status, which must speak of the newest spec, is as wanted. */
  readonly until: (name: string, what: string, wanted: (status: Status) => boolean, timeoutMs?: number) => Promise<Status>;
  /** Waits until the module is Ready with so many clusters loaded. */
  readonly ready: (name: string, loaded: number, timeoutMs?: number) => Promise<Status>;
  readonly works: (name: string) => Promise<Map<string, KubernetesObject>>;
  readonly work: (name: string, cluster: string) => Promise<KubernetesObject | undefined>;
  /** The hub's own writes of a module's ManifestWorks, refused ones included, in order, as the API server itself saw them. */
  readonly writesOf: (name: string) => AuditEvent[];
  /** Asks the module's workflow through an update. @throws when it is refused, with the sentence of the refusal as the cause. */
  readonly ask: (name: string, update: string, request?: Readonly<Record<string, unknown>>) => Promise<string>;
  readonly stop: () => Promise<void>;
}

export async function startStage(): Promise<Stage> {
  const [stack, bundle] = await Promise.all([startStack({ controlPlane: { auditLog: 'writes' } }), workflowBundle()]);
  const { api, registry } = stack;
  const fleet = await createFleet(api, { clusters: 0 });
  const agents = await startAgents(api);
  const connection = await Connection.connect({ address: stack.temporal.address });
  const client = new Client({ connection });
  const running = new Set<InProcessHub>();
  const startHub = async (more: Partial<InProcessHubOptions> = {}): Promise<InProcessHub> => {
    const { kubeconfigPath } = stack.control;
    const hub = await startInProcessHub({ kubeconfigPath, temporalAddress: stack.temporal.address, workflowBundle: bundle, ...more });
    running.add(hub);
    return { ...hub, stop: async () => (running.delete(hub) ? hub.stop() : undefined) };
  };
  let hub = await startHub();
  const status = async (name: string): Promise<Status | undefined> => (await getMcm(api, name)).status;
  const until: Stage['until'] = (name, what, wanted, timeoutMs = 30_000) =>
    eventually(
      `module ${name}: ${what}`,
      async () => {
        const { metadata, status: now } = await getMcm(api, name);
        return now !== undefined && now.observedGeneration === metadata.generation && wanted(now) ? now : undefined;
      },
      { timeoutMs, seen: () => status(name) },
    );
  return {
    stack,
    api,
    fleet,
    agents,
    client,
    hub: () => hub,
    startHub: async (more) => (more === undefined ? (hub = await startHub()) : startHub(more)),
    stopHub: () => hub.stop(),
    async clusters(module, kernels) {
      await Promise.all(Object.entries(kernels).map(([name, of]) => fleet.addCluster({ name, kernels: of, labels: { for: module } })));
    },
    async push(module, kernels, label) {
      const pushed = await Promise.all(
        kernels.map(async (kernel) => {
          const image = {
            repository: `kmods/${module}`,
            tag: kernel,
            kernels: [kernel],
            modules: [MODULE],
            ...(label === undefined ? {} : { label }),
          };
          return [kernel, await registry.pushImage(image)] as const;
        }),
      );
      return Object.fromEntries(pushed);
    },
    apply: (name, more = {}) => applyMcm(api, anMcm({ name, registryHost: registry.host, selector: { for: name }, ...more })),
    status,
    until,
    ready: (name, loaded, timeoutMs) =>
      until(name, `Ready with ${loaded} loaded`, (s) => s.phase === 'Ready' && s.clusters?.loaded === loaded, timeoutMs),
    works: (name) => worksOf(api, name),
    work: async (name, cluster) => (await worksOf(api, name)).get(cluster),
    writesOf: (name) =>
      stack.control
        .auditEvents()
        .filter((e) => e.resource === 'manifestworks' && e.name === name && e.subresource === undefined && e.verb === 'patch')
        .filter((e) => e.uri.includes('force=true')), // the agents write finalizers by merge patch
    ask: (name, update, request = {}) =>
      client.workflow.getHandle(`mcm/${name}`).executeUpdate<string, [unknown]>(update, { args: [{ by: 'the test', ...request }] }),
    async stop() {
      for (const one of running) await one.stop();
      await connection.close();
      await agents.stop();
      await stack.stop();
    },
  };
}

/** The condition of that type. */
export const conditionOf = (status: Status | undefined, type: string) => status?.conditions?.find((c) => c.type === type);

/** `cluster reason` or `cluster/kernel reason` of every exception, sorted. */
export const exceptionsIn = (status: Status | undefined): string[] =>
  (status?.exceptions ?? []).map(({ cluster, kernel, reason }) => `${cluster}${kernel === undefined ? '' : `/${kernel}`} ${reason}`).sort();

/** What changes with every write of ours and of the agent: equal twice means that nobody wrote in between. */
export const versionOf = (object: KubernetesObject | undefined): string => `${object?.metadata.uid} ${object?.metadata.resourceVersion}`;

/** What changes only when somebody writes the content. */
export const contentVersionOf = (object: KubernetesObject | undefined): string =>
  `${object?.metadata.uid} ${object?.metadata.generation} ${object?.metadata.annotations?.['kmodflow.io/published-at']}`;

/** The Module inside a ManifestWork. */
export function moduleIn(work: KubernetesObject | undefined): PublishedModule {
  const spec = work?.['spec'] as { workload?: { manifests?: PublishedModule[] } } | undefined;
  const module = spec?.workload?.manifests?.[0];
  if (module === undefined) throw new Error(`The ManifestWork holds no Module: ${JSON.stringify(work)}`);
  return module;
}

export interface PublishedModule {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly moduleLoader?: {
      readonly container: { readonly kernelMappings: readonly Readonly<Record<string, unknown>>[] } & Readonly<Record<string, unknown>>;
    };
    readonly devicePlugin?: unknown;
    readonly dra?: unknown;
  } & Readonly<Record<string, unknown>>;
}

export const deleteMcm = (api: HubApi, name: string): Promise<unknown> => api.delete(resources.managedClusterModules, name);
