/**
 * A node agent for a real API server that runs the containers of pods as processes of this machine, so that tests can follow a Job from its creation
 * to its end without a container runtime. It needs root on Linux with the programs of util-linux.
 *
 * A container gets a mount and a PID namespace and a root of its own: this machine's /usr and /etc read-only, /dev, /proc, /sys, everything else empty
 * and its own. It sees the volumes that it mounts, and no others.
 *
 * What the real one does and this one does not:
 * - Security contexts, resource requests and limits, probes, lifecycle hooks, ports and networks: everything runs as root on the machine's network.
 *   Running out of memory is played by {@link Kubelet.oomKill}.
 * - Restarts: only `restartPolicy: Never`, and no init containers that go on running. Such a pod fails with the reason UnsupportedRestartPolicy.
 * - Volumes of other types than emptyDir (always on disk), secret, configMap, downwardAPI and projected; changes of their sources after the start.
 * - Images: a reference stands for an entrypoint and some binds. Nothing is pulled.
 * - Scheduling knows one node, its taints, its labels and its number of pods.
 * - Taking over processes after a restart: pods that an earlier agent of this node had begun fail with the reason NodeLost.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { follow } from '../follow.js';
import { makeTempDir } from '../process.js';
import { Cluster } from './cluster.js';
import { startLogServer, type LogLookup } from './log-server.js';
import { markNodeLost, registerNode, renewLease, standardLabels, type NodeDescription } from './node-object.js';
import { apiTime, asPod, PODS, type Pod } from './pod.js';
import { PodManager } from './pod-manager.js';
import { untilItWorks } from './retry.js';
import { Scheduler } from './scheduler.js';
import type { Kubelet, KubeletControl, KubeletOptions, LoseOptions } from './types.js';

export type { ContainerImage, ContainerRun, ImageBind, Kubelet, KubeletControl, KubeletOptions, LoseOptions } from './types.js';

const LEASE_EVERY_MS = 10_000;
const REGISTRATION_TIMEOUT_MS = 30_000;
const DEFAULT_EVICTION = 'The node was low on resource: ephemeral-storage. ';

/**
 * Registers a node and serves its pods until it is stopped.
 * @throws Error when the API server does not take the node within 30 s. Nothing is left running then.
 */
export async function startKubelet(control: KubeletControl, options: KubeletOptions): Promise<Kubelet> {
  const { nodeName = 'node-1', taints = [], maxPods = 110 } = options;
  const labels = { ...standardLabels(nodeName), ...options.labels };
  const cluster = new Cluster(control, nodeName);
  const folder = makeTempDir(`kubelet-${process.pid}`);
  const images = new Map(Object.entries(options.images));
  const manager = new PodManager({ cluster, nodeName, folder, images, runs: [] });
  let lookup: LogLookup = manager.logOf;
  const server = await startLogServer(control, (...where) => lookup(...where));
  const node: NodeDescription = { name: nodeName, labels, taints, maxPods, port: server.port };
  const undo: (() => Promise<void> | void)[] = [() => rm(folder, { recursive: true, force: true }), server.close, () => manager.halt()];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const signal = AbortSignal.timeout(REGISTRATION_TIMEOUT_MS);
    await untilItWorks(() => registerNode(cluster, node), { signal });
    await untilItWorks(() => renewLease(cluster, nodeName), { signal });
  } catch (error) {
    await stop();
    throw new Error(`The API server did not take the node ${nodeName} within 30 s.`, { cause: error });
  }
  const heart = setInterval(() => void renewLease(cluster, nodeName).catch(() => undefined), LEASE_EVERY_MS);
  heart.unref();
  undo.push(() => clearInterval(heart));
  const scheduler = new Scheduler(cluster, { name: nodeName, labels, taints, maxPods }, () => manager.activePods);
  undo.push(() => scheduler.stop());
  const following = follow(cluster.api, PODS, (key, object) => {
    const pod = object === undefined ? undefined : asPod(object);
    scheduler.changed(key, pod);
    manager.changed(key, pod);
  });
  undo.push(following.stop);
  await following.ready;
  manager.adoptNothingMore();
  return {
    nodeName,
    runs: () => manager.runs,
    async evict(pod, message = DEFAULT_EVICTION) {
      manager.find(pod).evict({ reason: 'Evicted', message, disrupted: true });
    },
    async oomKill(pod, container) {
      manager.find(pod).oomKill(container);
    },
    async lose(lossOptions) {
      lookup = () => undefined;
      const lost = manager.pods;
      await stop();
      await markNodeLost(cluster, nodeName, taints);
      void deletePods(cluster, lost, lossOptions);
    },
    addImage: (reference, image) => void images.set(reference, image),
    removeImage: (reference) => void images.set(reference, { missing: true }),
    stop,
  };
}

/** Plays the taint eviction controller: the pods are asked to go, and nobody is there who could confirm it. */
async function deletePods(cluster: Cluster, pods: readonly Pod[], { deletePodsAfterMs }: LoseOptions = {}): Promise<void> {
  if (deletePodsAfterMs === undefined) return;
  await sleep(deletePodsAfterMs, undefined, { ref: false });
  for (const pod of pods) {
    const { name, namespace } = pod.metadata;
    const reason = 'DeletionByTaintManager';
    const message = 'Taint manager: deleting due to NoExecute taint';
    const disruption = { type: 'DisruptionTarget', status: 'True', reason, message, lastTransitionTime: apiTime(new Date()) };
    const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget');
    try {
      await cluster.patchStatus(pod, { conditions: [...others, disruption] });
      await cluster.api.delete(PODS, name, namespace, { uid: pod.metadata.uid });
    } catch {
      // The pod is gone, or the control plane is: nobody misses the deletion.
    }
  }
}
