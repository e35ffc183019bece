import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { WorkflowBundleOption } from '@temporalio/worker';
import { startAgents, type Agents } from '../harness/agent.js';
import { eventually } from '../harness/eventually.js';
import { createFleet, type Fleet } from '../harness/fleet.js';
import { startInProcessHub, type InProcessHub, type InProcessHubOptions } from '../harness/in-process-hub.js';
import { applyMcm, getMcm, worksOf, type StoredMcm } from '../harness/mcm.js';
import { makeTempDir, removeTempDir } from '../harness/process.js';
import { aModule, appliesAudited, faultsIn, pushKmods, waitUntilReady, type Digests } from '../harness/rollout-witness.js';
import { startStack, type Stack } from '../harness/stack.js';
import { workflowBundle } from '../harness/workflow-bundle.js';

const KERNELS = ['6.1.0-56-amd64', '6.1.0-56-cloud-amd64', '6.1.0-56-rt-amd64'];
const MINUTE = 60_000;
const CLUSTERS = 60;
const AT_ONCE = 12;
/** Long enough to be seen when a restart makes a loaded cluster settle anew. */
const SETTLE_MS = 1_000;

let stack: Stack;
let fleet: Fleet;
let agents: Agents;
let bundle: WorkflowBundleOption;
let digests: Digests;
let hubs: InProcessHub[] = [];
const folder = makeTempDir('restart');

beforeAll(async () => {
  [stack, bundle] = await Promise.all([
    // Without search attributes, as every new server is: the hub brings its own.
    startStack({ controlPlane: { auditLog: true }, temporal: { dbFile: join(folder, 'temporal.db'), searchAttributes: {} } }),
    workflowBundle(),
  ]);
  fleet = await createFleet(stack.api, { clusters: CLUSTERS, kernels: KERNELS, labels: { fleet: 'test' } });
  digests = await pushKmods(stack.registry, KERNELS);
  agents = await startAgents(stack.api);
}, 3 * MINUTE);

afterEach(stopHubs, MINUTE);

afterAll(async () => {
  await agents?.stop();
  await stack?.stop();
  removeTempDir(folder);
}, MINUTE);

async function startHub(parts: InProcessHubOptions['parts'] = 'hub'): Promise<InProcessHub> {
  const hub = await startInProcessHub({
    kubeconfigPath: stack.control.kubeconfigPath,
    temporalAddress: stack.temporal.address,
    workflowBundle: bundle,
    settleMs: SETTLE_MS,
    parts,
  });
  hubs.push(hub);
  return hub;
}

async function stopHubs(): Promise<void> {
  await Promise.all(hubs.map((hub) => hub.stop()));
  hubs = [];
}

async function stopHub(hub: InProcessHub): Promise<void> {
  hubs = hubs.filter((other) => other !== hub);
  await hub.stop();
}

const ask = (name: string, marker = 'one'): Promise<StoredMcm> =>
  applyMcm(stack.api, aModule({ name, registryHost: stack.registry.host, maxConcurrent: AT_ONCE, marker }));

/** Comes back when the rollout has written some ManifestWorks, and not nearly all. */
async function beginRollout(name: string): Promise<void> {
  await ask(name);
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

const appliesOf = (name: string): number => appliesAudited(stack.control.auditEvents(), name).length;

const wrongWorks = async (name: string, marker = 'one', generation = 1): Promise<string[]> =>
  faultsIn(await worksOf(stack.api, name), {
    name,
    registryHost: stack.registry.host,
    digests,
    clusters: fleet.clusters,
    marker,
    generation,
  });

/** One rollout, each ManifestWork right and written once. */
async function expectOneCleanRollout(name: string, timeoutMs = MINUTE): Promise<void> {
  const status = await waitUntilReady(stack.api, name, CLUSTERS, timeoutMs);
  expect(await wrongWorks(name)).toEqual([]);
  expect(status.history).toHaveLength(1);
  expect(status.history?.[0]).toMatchObject({
    number: 1,
    outcome: 'Completed',
    clusters: { total: CLUSTERS, loaded: CLUSTERS, failed: 0 },
  });
  expect(appliesOf(name)).toBe(CLUSTERS);
}

describe('Temporal', () => {
  test(
    'that restarts in the middle of a rollout: the rollout goes on and completes, each ManifestWork written once',
    async () => {
      await startHub();
      await beginRollout('restarted');
      await stack.temporal.restart();
      const began = Date.now();
      await expectOneCleanRollout('restarted');
      console.log(`${Date.now() - began} ms after Temporal was back`);
    },
    3 * MINUTE,
  );

  test(
    'that has lost its database: nothing is written, and history and numbers go on from the status',
    async () => {
      await startHub();
      await ask('forgotten', 'one');
      await waitUntilReady(stack.api, 'forgotten', CLUSTERS);
      await ask('forgotten', 'two');
      const before = await waitUntilReady(stack.api, 'forgotten', CLUSTERS);
      expect(before.history?.map((r) => r.number)).toEqual([2, 1]);
      const applies = appliesOf('forgotten');

      for (const file of readdirSync(folder)) rmSync(join(folder, file));
      await stack.temporal.restart();
      const began = Date.now();
      const after = await eventually(
        'a new workflow to look after the module',
        async () => {
          const { status } = await getMcm(stack.api, 'forgotten');
          return status?.workflow?.runId !== before.workflow?.runId ? status : undefined;
        },
        { timeoutMs: MINUTE },
      );
      console.log(`a new workflow after ${Date.now() - began} ms`);
      expect(after.phase).toBe('Ready');
      expect(after.clusters).toEqual(before.clusters);
      expect(after.history).toEqual(before.history);
      await sleep(2_000);
      expect(appliesOf('forgotten')).toBe(applies);

      await ask('forgotten', 'three');
      const third = await waitUntilReady(stack.api, 'forgotten', CLUSTERS);
      expect(third.history?.map((r) => r.number)).toEqual([3, 2, 1]);
      expect(third.history?.slice(1)).toEqual(before.history);
      expect(await wrongWorks('forgotten', 'three', 3)).toEqual([]);
      expect(appliesOf('forgotten')).toBe(applies + CLUSTERS);
    },
    4 * MINUTE,
  );
});

describe('a hub that is restarted with everything published', () => {
  test(
    'writes no ManifestWork, and not one cluster drops out of the loaded ones',
    async () => {
      const first = await startHub();
      await ask('steady');
      const before = await waitUntilReady(stack.api, 'steady', CLUSTERS);
      const applies = appliesOf('steady');
      await stopHub(first);
      const second = await startHub();
      const looks = (): number => second.api.requests.byVerbAndKind['get ManagedClusterModule'] ?? 0;
      await eventually('the new hub to look at its modules', () => (looks() > 0 ? true : undefined));
      const until = Date.now() + 4 * SETTLE_MS;
      while (Date.now() < until) {
        const { status } = await getMcm(stack.api, 'steady');
        expect(status).toMatchObject({ phase: 'Ready', clusters: { loaded: CLUSTERS }, conditions: before.conditions });
        await sleep(50);
      }
      expect(appliesOf('steady')).toBe(applies);
    },
    2 * MINUTE,
  );
});

describe('several replicas', () => {
  test(
    'two hubs at once do one rollout, and when one of them stops in the middle the other goes on',
    async () => {
      const [one] = [await startHub(), await startHub()];
      const asked = stack.registry.requests().manifestTotal;
      await beginRollout('twice');
      await stopHub(one);
      await expectOneCleanRollout('twice');
      expect(stack.registry.requests().manifestTotal - asked).toBe(KERNELS.length);
    },
    2 * MINUTE,
  );

  test(
    'two hubs that both stay do one rollout, and agree on what is loaded',
    async () => {
      await startHub();
      await startHub();
      await ask('both');
      await expectOneCleanRollout('both');
    },
    2 * MINUTE,
  );

  test(
    'controllers and workers in processes of their own do the same',
    async () => {
      await startHub('controller');
      await startHub('controller');
      await startHub('worker');
      await startHub('worker');
      await ask('apart');
      await expectOneCleanRollout('apart');
    },
    2 * MINUTE,
  );
});
