import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { waveWorkflowId } from '../../src/domain/messages.js';
import { startAgents, type Agents } from '../harness/agent.js';
import { createFleet, type Fleet } from '../harness/fleet.js';
import { startHubProcess, type HubProcess } from '../harness/hub-process.js';
import { applyMcm, worksOf } from '../harness/mcm.js';
import { repositoryRoot } from '../harness/parts.js';
import { aModule, appliesAudited, faultsIn, pushKmods, waitUntilReady, watchProgress, type Digests } from '../harness/rollout-witness.js';
import { seededRandom } from '../harness/seeded-random.js';
import { startStack, type Stack } from '../harness/stack.js';

const KERNELS = ['6.1.0-56-amd64', '6.1.0-56-cloud-amd64', '6.1.0-56-rt-amd64'];
const MINUTE = 60_000;
const CLUSTERS = 200;
const KILLS = 10;
/** Clusters that are unproven at once: publishing and proving overlap, so that a kill may hit either. */
const AT_ONCE = 80;
const NAME = 'killed';
/** From a kill, over the start of another hub, to the end of the rollout: what a person may be asked to wait. Milliseconds. */
const RECOVERY_MS = 45_000;

/** KMODFLOW_KILL_SEED repeats the moments of a run. */
const seed = Number(process.env['KMODFLOW_KILL_SEED'] ?? Date.now() % 1_000_000);

let stack: Stack;
let fleet: Fleet;
let agents: Agents;
let digests: Digests;
let hub: HubProcess;
let temporal: Connection;
let progress: Awaited<ReturnType<typeof watchProgress>>;

beforeAll(async () => {
  requireBuild();
  console.log(`The moments of the kills are drawn with KMODFLOW_KILL_SEED=${seed}`);
  stack = await startStack({ controlPlane: { auditLog: true } });
  fleet = await createFleet(stack.api, { clusters: CLUSTERS, kernels: KERNELS, labels: { fleet: 'test' } });
  digests = await pushKmods(stack.registry, KERNELS);
  agents = await startAgents(stack.api);
  temporal = await Connection.connect({ address: stack.temporal.address });
  progress = await watchProgress(stack.api, NAME);
  hub = await startHub();
}, 3 * MINUTE);

afterAll(async () => {
  await hub?.stop();
  await progress?.stop();
  await temporal?.close();
  await agents?.stop();
  await stack?.stop();
}, MINUTE);

function requireBuild(): void {
  const missing = ['dist/src/cli/main.js', 'dist/workflow-bundle.js'].filter((file) => !existsSync(join(repositoryRoot, file)));
  if (missing.length > 0)
    throw new Error(`${missing.join(' and ')} is missing: this test kills the built program. Run "npm run build" first.`);
}

const startHub = (): Promise<HubProcess> =>
  startHubProcess({ kubeconfigPath: stack.control.kubeconfigPath, temporalAddress: stack.temporal.address, settle: '300ms' });

const draw = seededRandom(seed);
/** How far the rollout is when the hub is killed: ManifestWorks written plus clusters that report it loaded, of twice the clusters. */
const moments = Array.from({ length: KILLS }, (_, index) => ({
  rollout: index + 1,
  moment: 1 + Math.floor(draw() * (2 * CLUSTERS - 10)),
}));

describe('a hub that is killed with SIGKILL in the middle of a rollout to 200 clusters', () => {
  test.each(moments)(
    'completes rollout $rollout after another has started, every ManifestWork right and written once (killed at $moment of 400)',
    async ({ rollout, moment }) => {
      const marker = `r${rollout}`;
      await applyMcm(stack.api, aModule({ name: NAME, registryHost: stack.registry.host, maxConcurrent: AT_ONCE, marker }));
      const { written, reported } = await progress.until(marker, (now) => now.written + now.reported >= moment);
      await hub.kill();
      const killedAt = Date.now();
      expect(written).toBeGreaterThan(0);
      expect(written + reported).toBeLessThan(2 * CLUSTERS);
      const wave = await new Client({ connection: temporal }).workflow.getHandle(waveWorkflowId(NAME, rollout, 1)).describe();
      expect(wave.status.name).toBe('RUNNING');

      hub = await startHub();
      const startedAt = Date.now();
      const status = await waitUntilReady(stack.api, NAME, CLUSTERS, RECOVERY_MS);
      console.log(
        `rollout ${rollout}: killed with ${written} written and ${reported} loaded; a hub was up after ${startedAt - killedAt} ms, done after ${Date.now() - killedAt} ms`,
      );
      expect(status.history?.[0]).toMatchObject({ number: rollout, outcome: 'Completed', clusters: { loaded: CLUSTERS, failed: 0 } });
      const expected = { name: NAME, registryHost: stack.registry.host, digests, clusters: fleet.clusters, marker, generation: rollout };
      expect(faultsIn(await worksOf(stack.api, NAME), expected)).toEqual([]);
      // No more than one each. A write whose client was killed took effect, or did not, without an answer that the log could count.
      expect(appliesAudited(stack.control.auditEvents(), NAME).length).toBeLessThanOrEqual(rollout * CLUSTERS);
      for (const { name } of fleet.clusters) expect(agents.spoke(name).writes).toHaveLength(rollout);
      expect(agents.moduleRejections).toEqual([]);
    },
    2 * MINUTE,
  );
});
