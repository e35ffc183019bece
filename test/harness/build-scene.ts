import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { resources, type HubApi, type KubernetesObject } from '../../src/kube/index.js';
import { startAgents, type Agents } from './agent.js';
import { pushBaseImages, type BaseImages } from './base-images.js';
import { createFleet, type Fleet } from './fleet.js';
import { startHubProcess, type HubProcess, type HubProcessOptions } from './hub-process.js';
import { startKubelet, type ContainerImage, type Kubelet } from './kubelet/index.js';
import { repositoryRoot } from './parts.js';
import type { SigningPair } from './signing-pair.js';
import { OPERATOR_NAMESPACE, startStack, type Stack, type StackOptions } from './stack.js';

export const BUILDER_IMAGE = 'kmodflow-builder:test';
export const SIGNER_IMAGE = 'kmodflow-signer:test';

/** How the process kubelet runs the two images: the repository's own scripts and the built signing tool, over this machine's programs. */
export const toolImages = (): Record<string, ContainerImage> => {
  const program = (source: string, name: string) => ({
    source: join(repositoryRoot, source),
    target: `/usr/local/bin/${name}`,
    readOnly: true,
  });
  const builder = ['kmodflow-build', 'kmodflow-fetch', 'kmodflow-push', 'kmodflow-common.sh'];
  return {
    [BUILDER_IMAGE]: { binds: builder.map((name) => program(`deploy/images/builder/${name}`, name)) },
    [SIGNER_IMAGE]: {
      binds: [
        { source: repositoryRoot, target: repositoryRoot, readOnly: true },
        { source: process.execPath, target: '/usr/local/bin/node', readOnly: true },
        program('test/harness/run-signer.sh', 'kmodflow-sign'),
      ],
      env: { KMODFLOW_REPOSITORY: repositoryRoot },
    },
  };
};

export interface BuildSceneOptions extends StackOptions {
  /** Default 0. */
  readonly clusters?: number;
  readonly kernels?: readonly string[];
  /** A node that runs pods. Default true. */
  readonly node?: boolean;
  /** The base images of real builds. Default true. */
  readonly bases?: boolean;
}

/** A hub's surroundings with everything that builds need: a node, base images in the registry, and a fleet with agents. */
export interface BuildScene extends Stack {
  readonly fleet: Fleet;
  readonly agents: Agents;
  readonly kubelet: Kubelet;
  readonly bases: BaseImages;
  readonly client: Client;
  readonly startHub: (options?: Partial<HubProcessOptions>) => Promise<HubProcess>;
}

export const BUILD_ENV = {
  KMODFLOW_BUILDER_IMAGE: BUILDER_IMAGE,
  KMODFLOW_SIGNER_IMAGE: SIGNER_IMAGE,
  // A Job that did its work stays for a while, so that a test can look at it.
  KMODFLOW_JOB_GC_DELAY: '10m',
} as const;

export async function startBuildScene(options: BuildSceneOptions = {}): Promise<BuildScene> {
  const { clusters = 0, kernels = [], controlPlane, ...others } = options;
  const stack = await startStack({ ...others, controlPlane: { controllerManager: true, auditLog: 'writes', ...controlPlane } });
  const started: (() => Promise<unknown>)[] = [() => stack.stop()];
  const stop = async (): Promise<void> => {
    for (const step of started.splice(0).reverse()) await step();
  };
  try {
    const bases = await pushBaseImages(stack.registry.host);
    const fleet = await createFleet(stack.api, { clusters, labels: { fleet: 'test' }, ...(kernels.length > 0 ? { kernels } : {}) });
    const kubelet = await startKubelet(stack.control, { images: toolImages() });
    started.push(() => kubelet.stop());
    const agents = await startAgents(stack.api);
    started.push(() => agents.stop());
    const connection = await Connection.connect({ address: stack.temporal.address });
    started.push(() => connection.close());
    const hubs = new Set<HubProcess>();
    started.push(async () => {
      for (const hub of hubs) await hub.stop();
    });
    const startHub: BuildScene['startHub'] = async ({ env, ...more } = {}) => {
      const { kubeconfigPath } = stack.control;
      const hub = await startHubProcess({
        kubeconfigPath,
        temporalAddress: stack.temporal.address,
        settle: '300ms',
        ...more,
        env: { ...BUILD_ENV, ...env },
      });
      hubs.add(hub);
      const forget = (end: () => Promise<void>) => async (): Promise<void> => {
        if (hubs.delete(hub)) await end();
      };
      return { ...hub, stop: forget(hub.stop), kill: forget(hub.kill) };
    };
    return { ...stack, bases, fleet, kubelet, agents, client: new Client({ connection }), startHub, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A ConfigMap with a Dockerfile, as a person would apply it. */
export const applyDockerfile = (api: HubApi, name: string, dockerfile: string): Promise<KubernetesObject> =>
  api.apply(resources.configMaps, { metadata: { name, namespace: OPERATOR_NAMESPACE }, data: { dockerfile } } as never);

export const applySecret = (api: HubApi, name: string, data: Readonly<Record<string, string>>): Promise<KubernetesObject> =>
  api.apply(resources.secrets, { metadata: { name, namespace: OPERATOR_NAMESPACE }, stringData: data } as never);

/** The two Secrets of a signing pair: `<name>-key` and `<name>-cert`. @returns What `sign` names. */
export async function applySigningPair(
  api: HubApi,
  name: string,
  pair: SigningPair,
): Promise<{ keySecret: { name: string }; certSecret: { name: string } }> {
  await applySecret(api, `${name}-key`, { key: pair.key });
  await applySecret(api, `${name}-cert`, { cert: pair.certificate });
  return { keySecret: { name: `${name}-key` }, certSecret: { name: `${name}-cert` } };
}

/** Build Jobs in the order of their creation. */
export async function imageJobs(api: HubApi): Promise<KubernetesObject[]> {
  const { items } = await api.listAll(resources.jobs, { namespace: OPERATOR_NAMESPACE, labelSelector: 'kmodflow.io/image-key' });
  return items.sort((a, b) => String(a.metadata['creationTimestamp']).localeCompare(String(b.metadata['creationTimestamp'])));
}
