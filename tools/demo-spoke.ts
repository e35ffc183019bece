/** `spoke`, in the folder `.demo/bin` while a demo is up: changes what a simulated spoke says of itself, as its own agents would. */
import { Command } from 'commander';
import { KERNEL_CLAIM } from '../src/api/names.js';
import { isFault } from '../src/domain/fault.js';
import { createHubApi, loadKubeConfig, resources, type KubernetesObject } from '../src/kube/index.js';

interface ClusterStatus {
  readonly conditions?: readonly { readonly type: string; readonly [field: string]: unknown }[];
  readonly clusterClaims?: readonly { readonly name: string; readonly value: string }[];
}

const AVAILABLE = 'ManagedClusterConditionAvailable';

/** Reads a spoke's status, writes what `change` makes of it, and closes the connection. */
async function changeStatus(name: string, change: (status: ClusterStatus) => ClusterStatus): Promise<void> {
  const api = createHubApi({ kubeConfig: loadKubeConfig(), fieldManager: 'kmodflow-demo' });
  try {
    const cluster = await api.get<KubernetesObject & { status?: ClusterStatus }>(resources.managedClusters, name);
    const status = change(cluster.status ?? {});
    await api.mergePatch(resources.managedClusters, name, undefined, { status }, { subresource: 'status' });
  } finally {
    await api.close();
  }
}

async function setOnline(name: string, online: boolean): Promise<void> {
  const lastTransitionTime = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const condition = online
    ? { type: AVAILABLE, status: 'True', reason: 'ManagedClusterAvailable', message: 'Managed cluster is available', lastTransitionTime }
    : {
        type: AVAILABLE,
        status: 'Unknown',
        reason: 'ManagedClusterLeaseUpdateStopped',
        message: 'Registration agent stopped updating its lease.',
        lastTransitionTime,
      };
  await changeStatus(name, ({ conditions = [] }) => ({ conditions: [...conditions.filter(({ type }) => type !== AVAILABLE), condition] }));
  console.log(online ? `${name} is online again.` : `${name} is offline now.`);
}

async function setKernels(name: string, kernels: readonly string[]): Promise<void> {
  const claim = { name: KERNEL_CLAIM, value: kernels.join('\n') };
  await changeStatus(name, ({ clusterClaims = [] }) => ({
    clusterClaims: [...clusterClaims.filter((c) => c.name !== KERNEL_CLAIM), claim],
  }));
  console.log(`${name} says now that its nodes run ${kernels.join(' and ')}.`);
}

const program = new Command('spoke').description(
  'Changes a simulated spoke of the demo that is up. "kmodflow clusters simple-kmod" shows what becomes of it.',
);
program
  .command('online <spoke>')
  .description('the spoke answers again and catches up')
  .action((name: string) => setOnline(name, true));
program
  .command('offline <spoke>')
  .description('the spoke stops answering, as when it loses its uplink')
  .action((name: string) => setOnline(name, false));
program.command('kernel <spoke> <kernel...>').description('the nodes of the spoke run these kernels now').action(setKernels);

try {
  await program.parseAsync();
} catch (error) {
  if (!isFault(error)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
