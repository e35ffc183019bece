import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { resources, type KubernetesObject } from '../../src/kube/index.js';
import { startAgents, type Agents } from '../harness/agent.js';
import { eventually } from '../harness/eventually.js';
import { createFleet, type Fleet } from '../harness/fleet.js';
import { startInProcessHub, type InProcessHub } from '../harness/in-process-hub.js';
import { anMcm, applyMcm, getMcm, mappingsIn, MODULE, worksOf } from '../harness/mcm.js';
import { startStack, type Stack } from '../harness/stack.js';
import { workflowBundle } from '../harness/workflow-bundle.js';

const KERNELS = ['6.1.0-56-amd64', '6.1.0-56-cloud-amd64', '6.1.0-56-rt-amd64'];
const MINUTE = 60_000;

let stack: Stack;
let fleet: Fleet;
let agents: Agents;
let hub: InProcessHub;
const digests: Record<string, string> = {};

beforeAll(async () => {
  const [started, bundle] = await Promise.all([startStack(), workflowBundle()]);
  stack = started;
  fleet = await createFleet(stack.api, { clusters: 100, kernels: KERNELS, labels: { fleet: 'test' } });
  for (const kernel of KERNELS) {
    const { digest } = await stack.registry.pushImage({
      repository: 'kmods/simple',
      tag: kernel,
      kernels: [kernel],
      modules: [MODULE],
    });
    digests[kernel] = digest;
  }
  agents = await startAgents(stack.api);
  hub = await startInProcessHub({
    kubeconfigPath: stack.control.kubeconfigPath,
    temporalAddress: stack.temporal.address,
    workflowBundle: bundle,
  });
}, 3 * MINUTE);

afterAll(async () => {
  await hub?.stop();
  await agents?.stop();
  await stack?.stop();
}, MINUTE);

describe('a fleet of 100 clusters with 3 kernels', () => {
  test(
    'gets 100 correct ManifestWorks, each with its own kernel alone, by digest, and all are proven loaded',
    async () => {
      await applyMcm(stack.api, anMcm({ name: 'simple', registryHost: stack.registry.host }));
      const status = await eventually(
        'the module to be Ready',
        async () => {
          const { status: s } = await getMcm(stack.api, 'simple');
          return s?.phase === 'Ready' && s.clusters?.loaded === 100 ? s : undefined;
        },
        { timeoutMs: MINUTE, seen: async () => (await getMcm(stack.api, 'simple')).status },
      );
      const works = await worksOf(stack.api, 'simple');
      expect(works.size).toBe(100);
      for (const cluster of fleet.clusters) {
        const [kernel = ''] = cluster.kernels ?? [];
        expect(mappingsIn(works.get(cluster.name))).toEqual({ [kernel]: `${stack.registry.host}/kmods/simple@${digests[kernel]}` });
      }
      expect(status.numberDesired).toBe(100);
      expect(status.currentRevision).toBe(status.updateRevision);
      expect(status.history).toHaveLength(1);
      expect(stack.registry.requests().manifestTotal).toBe(3);
      expect(agents.moduleRejections).toEqual([]);
    },
    2 * MINUTE,
  );

  test('publishes Modules that the Module CRD accepts', async () => {
    await stack.api.apply(resources.namespaces, { metadata: { name: 'kmm-modules' } });
    const works = await worksOf(stack.api, 'simple');
    expect(works.size).toBe(100);
    for (const work of works.values()) {
      const { workload } = work['spec'] as { workload: { manifests: (KubernetesObject & { metadata: { name: string } })[] } };
      expect(workload.manifests).toHaveLength(1);
      for (const manifest of workload.manifests) await stack.api.apply(resources.modules, manifest); // throws what the server has against it
    }
  });
});
