import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startAgents, type Agents } from '../harness/agent.js';
import { createFleet, type Fleet } from '../harness/fleet.js';
import { startInProcessHub, type InProcessHub } from '../harness/in-process-hub.js';
import { anMcm, applyMcm } from '../harness/mcm.js';
import { startStack, type Stack } from '../harness/stack.js';
import { workflowBundle } from '../harness/workflow-bundle.js';
import { run } from '../../src/cli/program.js';
import { fakeIo } from '../unit/cli/fake-io.js';

const KERNELS = ['6.1.0-56-amd64', '6.1.0-56-rt-amd64'];
const MINUTE = 60_000;

let stack: Stack;
let fleet: Fleet;
let agents: Agents;
let hub: InProcessHub | undefined;

beforeAll(async () => {
  const [started, bundle] = await Promise.all([startStack(), workflowBundle()]);
  stack = started;
  fleet = await createFleet(stack.api, { clusters: 8, kernels: KERNELS, labels: { fleet: 'test' }, offline: 1, withoutClaim: 1 });
  for (const kernel of KERNELS)
    await stack.registry.pushImage({ repository: 'kmods/simple', tag: kernel, files: { [`opt/lib/modules/${kernel}/simple_kmod.ko`]: kernel } });
  agents = await startAgents(stack.api);
  hub = await startInProcessHub({ kubeconfigPath: stack.control.kubeconfigPath, temporalAddress: stack.temporal.address, workflowBundle: bundle });
}, 3 * MINUTE);

afterAll(async () => {
  await hub?.stop();
  await agents?.stop();
  await stack?.stop();
}, MINUTE);

const cli = async (args: readonly string[], files: Record<string, string> = {}) => {
  const io = fakeIo({ files, env: { KMODFLOW_SETTLE: '300ms', COLUMNS: '100' } });
  const access = ['--kubeconfig', stack.control.kubeconfigPath, '--temporal-address', stack.temporal.address];
  const code = await run([...args, ...access], io);
  return { code, out: io.out(), err: io.err() };
};
const show = (title: string, r: { code: number; out: string; err: string }) => process.stdout.write(`\n$ kmodflow ${title} -> ${r.code}\n${r.out}${r.err === '' ? '' : `[stderr] ${r.err}`}\n`);
const manifest = (name = 'simple') => JSON.stringify(anMcm({ name, registryHost: stack.registry.host }));

describe('explore', () => {
  test('x', async () => {
    const go = async (args: string[], files: Record<string, string> = {}) => { const r = await cli(args, files); show(args.join(' '), r); return r; };
    await go(['status']);
    await go(['status', 'simple']);
    await go(['plan', '-f', 'm'], { m: manifest() });
    await applyMcm(stack.api, anMcm({ name: 'simple', registryHost: stack.registry.host }));
    await go(['status', 'simple', '--wait']);
    await go(['status']);
    await go(['clusters', 'simple']);
    await go(['history', 'simple']);
    await go(['history', 'simple', '--cluster', fleet.clusters[0]!.name]);
    await go(['plan', '-f', 'm'], { m: manifest() });
    await go(['pause', 'simple', '--reason', 'lunch']);
    await go(['pause', 'simple']);
    await go(['status', 'simple']);
    await go(['resume', 'simple']);
    await go(['retry', 'simple', '--wait']);
    await go(['delete', 'simple']);
    await go(['confirm-removal', 'simple']);
    await go(['start', '-f', 'm'], { m: manifest() });
    const other = manifest('other').replaceAll('kmods/other', 'kmods/simple');
    await go(['start', '-f', 'm', '--wait'], { m: other });
    await go(['start', '-f', 'm'], { m: other });
    await go(['start', '-f', 'm', '--update', '--wait'], { m: other.replace('simple_kmod', 'simple_kmod2') });
    await go(['clusters', 'other']);
    await go(['status']);
    await go(['history', 'other']);
    await go(['delete', 'other']);
    await go(['setup']);
    await go(['version']);
    await go(['status', 'nope']);
    await go(['history', 'nope']);
    await go(['clusters', 'nope']);
    await hub?.stop(); hub = undefined;
    await go(['status', 'simple']);
    await go(['pause', 'simple']);
    await go(['status']);
    await go(['history', 'simple', '--cluster', fleet.clusters[0]!.name]);
  }, 5 * MINUTE);
});
