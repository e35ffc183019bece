import { cpus, totalmem, release } from 'node:os';
import { isAlreadyExists } from '../../../src/kube/index.js';
import type { Cluster } from './cluster.js';
import { apiTime, LEASES, NODES, type Taint } from './pod.js';

export interface NodeDescription {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly maxPods: number;
  /** Of the log server. */
  readonly port: number;
}

const LEASE_NAMESPACE = 'kube-node-lease';
const LEASE_SECONDS = 40;

const condition = (type: string, status: string, reason: string, message: string): object => {
  const now = apiTime(new Date());
  return { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime: now };
};

/** Makes the Node, or takes one of this name over. */
export async function registerNode({ api }: Cluster, { name, labels, taints, maxPods, port }: NodeDescription): Promise<void> {
  const node = { metadata: { name, labels }, spec: { taints } };
  await api.create(NODES, node).catch(async (error: unknown) => {
    if (!isAlreadyExists(error)) throw error;
    await api.mergePatch(NODES, name, undefined, node);
  });
  const amounts = {
    cpu: String(cpus().length),
    memory: `${Math.floor(totalmem() / 1024)}Ki`,
    pods: String(maxPods),
    'ephemeral-storage': '50Gi',
  };
  const status = {
    capacity: amounts,
    allocatable: amounts,
    // No Hostname: the API server would prefer it, and nobody resolves it.
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
    nodeInfo: nodeInfo(),
    conditions: [
      condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
      condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
      condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
      condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
    ],
  };
  await api.mergePatch(NODES, name, undefined, { status }, { subresource: 'status' });
}

const nodeInfo = (): object => ({
  architecture: process.arch === 'x64' ? 'amd64' : process.arch,
  operatingSystem: 'linux',
  kernelVersion: release(),
  kubeletVersion: 'v1.36.3',
  kubeProxyVersion: '',
  containerRuntimeVersion: 'process://1',
  osImage: 'process kubelet',
  machineID: '',
  systemUUID: '',
  bootID: '',
});

/** What every node has besides the labels that it is given. */
export const standardLabels = (name: string): Record<string, string> => ({
  'kubernetes.io/hostname': name,
  'kubernetes.io/os': 'linux',
  'kubernetes.io/arch': process.arch === 'x64' ? 'amd64' : process.arch,
});

/** Says that the node is alive, for the next 40 s. */
export async function renewLease({ api }: Cluster, nodeName: string): Promise<void> {
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  const spec = { holderIdentity: nodeName, leaseDurationSeconds: LEASE_SECONDS, renewTime };
  await api.apply(LEASES, { metadata: { name: nodeName, namespace: LEASE_NAMESPACE }, spec });
}

/** What the node lifecycle controller, which the harness does not run, writes when a node has not been heard of for 50 s. */
export async function markNodeLost({ api }: Cluster, nodeName: string, taints: readonly Taint[]): Promise<void> {
  const why = ['NodeStatusUnknown', 'Kubelet stopped posting node status.'] as const;
  const conditions = ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'].map((type) => condition(type, 'Unknown', ...why));
  await api.mergePatch(NODES, nodeName, undefined, { status: { conditions } }, { subresource: 'status' });
  const timeAdded = apiTime(new Date());
  const unreachable = ['NoSchedule', 'NoExecute'].map((effect) => ({ key: 'node.kubernetes.io/unreachable', effect, timeAdded }));
  await api.mergePatch(NODES, nodeName, undefined, { spec: { taints: [...taints, ...unreachable] } });
}
