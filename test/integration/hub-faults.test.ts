import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { resources } from '../../src/kube/index.js';
import { startAgents, type Agents } from '../harness/agent.js';
import { eventually } from '../harness/eventually.js';
import { startFaultProxy, type FaultProxy, type FaultRule } from '../harness/fault-proxy.js';
import { createFleet, type Fleet } from '../harness/fleet.js';
import { startInProcessHub, type InProcessHub } from '../harness/in-process-hub.js';
import { applyMcm, getMcm, worksOf } from '../harness/mcm.js';
import { aModule, appliesIn, faultsIn, pushKmods, waitUntilReady, type Digests } from '../harness/rollout-witness.js';
import { startStack, type Stack } from '../harness/stack.js';
import { workflowBundle } from '../harness/workflow-bundle.js';

const KERNELS = ['6.1.0-56-amd64', '6.1.0-56-cloud-amd64', '6.1.0-56-rt-amd64'];
const MINUTE = 60_000;
const CLUSTERS = 60;
/** Clusters of a module that are unproven at once: the rollout takes several seconds, and a fault can be put in the middle of it. */
const AT_ONCE = 12;
/** Applies beyond one per cluster that a fault may cost: those whose answer was lost before the watch told of them. */
const REDUNDANT = 5;

let stack: Stack;
let proxy: FaultProxy;
let fleet: Fleet;
let agents: Agents;
let hub: InProcessHub;
let digests: Digests;

beforeAll(async () => {
  const [started, bundle] = await Promise.all([startStack(), workflowBundle()]);
  stack = started;
  const { control, temporal, registry, api } = stack;
  proxy = await startFaultProxy(control.url, { tls: { caFile: control.caFile }, token: control.token });
  fleet = await createFleet(api, { clusters: CLUSTERS, kernels: KERNELS, labels: { fleet: 'test' } });
  digests = await pushKmods(registry, KERNELS);
  agents = await startAgents(api);
  hub = await startInProcessHub({
    kubeconfigPath: proxy.kubeconfigPath ?? '',
    temporalAddress: temporal.address,
    workflowBundle: bundle,
  });
}, 3 * MINUTE);

afterEach(() => proxy.set());

afterAll(async () => {
  await hub?.stop();
  await agents?.stop();
  await proxy?.stop();
  await stack?.stop();
}, MINUTE);

const moduleNamed = (name: string) => aModule({ name, registryHost: stack.registry.host, maxConcurrent: AT_ONCE });

/** Starts a rollout and comes back when it has written some ManifestWorks, and not nearly all. */
async function beginRollout(name: string): Promise<void> {
  await applyMcm(stack.api, moduleNamed(name));
  const written = await eventually(
    'some ManifestWorks',
    async () => {
      const { size } = await worksOf(stack.api, name);
      return size > AT_ONCE ? size : undefined;
    },
    { everyMs: 50 },
  );
  expect(written).toBeLessThan(CLUSTERS / 2);
}

async function expectUnharmed(name: string): Promise<void> {
  const status = await waitUntilReady(stack.api, name, CLUSTERS, 2 * MINUTE);
  expect(faultsIn(await worksOf(stack.api, name), { name, registryHost: stack.registry.host, digests, clusters: fleet.clusters })).toEqual(
    [],
  );
  expect(status.history).toHaveLength(1);
  expect(status.history?.[0]).toMatchObject({
    number: 1,
    outcome: 'Completed',
    clusters: { total: CLUSTERS, loaded: CLUSTERS, failed: 0 },
  });
  expect(status.exceptions ?? []).toEqual([]);
  const applies = appliesIn(proxy.requests, name).length;
  expect(applies).toBeGreaterThanOrEqual(CLUSTERS);
  expect(applies).toBeLessThanOrEqual(CLUSTERS + REDUNDANT);
  for (const { name: cluster } of fleet.clusters) expect(agents.spoke(cluster).writes.filter((w) => w.name === name)).toHaveLength(1);
}

async function remove(name: string): Promise<void> {
  await stack.api.delete(resources.managedClusterModules, name);
  await eventually('the ManifestWorks to go', async () => ((await worksOf(stack.api, name)).size === 0 ? true : undefined));
}

interface Outage {
  readonly what: string;
  readonly name: string;
  readonly rules: readonly FaultRule[];
  readonly lastsMs: number;
  /** Open connections, watches among them, are reset when the outage begins, and again every so many milliseconds. */
  readonly cutEveryMs?: number;
}

const OUTAGES: readonly Outage[] = [
  {
    what: 'answers 429 with Retry-After',
    name: 'throttled',
    lastsMs: 4_000,
    rules: [{ fault: { kind: 'status', status: 429, retryAfterSeconds: 1 } }],
  },
  {
    what: 'refuses the writes of ManifestWorks alone',
    name: 'unwritable',
    lastsMs: 5_000,
    rules: [{ method: 'PATCH', path: /manifestworks/, fault: { kind: 'status', status: 500 } }],
  },
  { what: 'answers 500', name: 'broken', lastsMs: 4_000, rules: [{ fault: { kind: 'status', status: 500 } }], cutEveryMs: 10_000 },
  { what: 'resets every connection', name: 'reset', lastsMs: 4_000, rules: [{ fault: { kind: 'reset' } }], cutEveryMs: 10_000 },
  { what: 'drops every connection again and again', name: 'flapping', lastsMs: 5_000, rules: [], cutEveryMs: 700 },
  {
    what: 'does what it is asked and loses the answer',
    name: 'lossy',
    lastsMs: 3_000,
    rules: [{ method: 'PATCH', path: /manifestworks/, times: 10, fault: { kind: 'lose-answer' } }],
  },
  {
    what: 'takes every request and never answers',
    name: 'silent',
    lastsMs: 12_000,
    rules: [{ fault: { kind: 'hang' } }],
    cutEveryMs: 30_000,
  },
];

describe('a rollout to 60 clusters completes, with one write for each, when in the middle of it the API server', () => {
  test.each(OUTAGES)(
    '$what',
    async ({ name, rules, lastsMs, cutEveryMs }) => {
      await beginRollout(name);
      const began = Date.now();
      proxy.set(...rules);
      const cutting = cutEveryMs === undefined ? undefined : setInterval(proxy.cutConnections, cutEveryMs);
      if (cutEveryMs !== undefined) proxy.cutConnections();
      try {
        await sleep(lastsMs);
        const { status } = await getMcm(stack.api, name);
        // Some outages only slow a rollout down: it may even have finished. What it must not do is blame a cluster.
        expect(['Progressing', 'Ready']).toContain(status?.phase);
        expect(status?.clusters?.failed).toBe(0);
      } finally {
        clearInterval(cutting); // or the outage would reach into the cases that follow
        proxy.set();
      }
      await expectUnharmed(name);
      console.log(`${name}: ${Date.now() - began - lastsMs} ms after the outage, ${appliesIn(proxy.requests, name).length} applies`);
      await remove(name);
    },
    3 * MINUTE,
  );
});
