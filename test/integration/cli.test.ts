import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { run } from '../../src/cli/program.js';
import type { ClusterRow, ModuleHistory, ModuleList, ModulePreview, StatusAnswer } from '../../src/client/index.js';
import { startAgents, type Agents } from '../harness/agent.js';
import { eventually } from '../harness/eventually.js';
import { createFleet } from '../harness/fleet.js';
import { startInProcessHub, type InProcessHub } from '../harness/in-process-hub.js';
import { anMcm, applyMcm, MODULE, worksOf } from '../harness/mcm.js';
import { repositoryRoot } from '../harness/parts.js';
import { startStack, type Stack } from '../harness/stack.js';
import { workflowBundle } from '../harness/workflow-bundle.js';
import { fakeIo } from '../unit/cli/fake-io.js';

const KERNELS = ['6.1.0-56-amd64', '6.1.0-56-rt-amd64'];
const MINUTE = 60_000;
const COMMAND = join(repositoryRoot, 'dist/src/cli/main.js');

let stack: Stack;
let agents: Agents;
let hub: InProcessHub | undefined;

beforeAll(async () => {
  const [started, bundle] = await Promise.all([startStack(), workflowBundle()]);
  stack = started;
  // spoke-1 to spoke-5 are reachable, spoke-6 is not.
  await createFleet(stack.api, { clusters: 6, kernels: KERNELS, labels: { fleet: 'test' }, offline: 1 });
  for (const kernel of KERNELS) {
    await stack.registry.pushImage({ repository: 'kmods/simple', tag: kernel, kernels: [kernel], modules: [MODULE] });
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

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const access = (): string[] => ['--kubeconfig', stack.control.kubeconfigPath, '--temporal-address', stack.temporal.address];

async function cli(args: readonly string[], files: Readonly<Record<string, string>> = {}, where = access()): Promise<Ran> {
  const io = fakeIo({ files, env: { KMODFLOW_SETTLE: '300ms', COLUMNS: '100' } });
  const code = await run([...args, ...where], io);
  return { code, out: io.out(), err: io.err() };
}

async function json<T>(args: readonly string[], files: Readonly<Record<string, string>> = {}): Promise<T> {
  const { code, out, err } = await cli([...args, '-o', 'json'], files);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as T;
}

/** The module of the object, or one of another name with the same images. */
const manifest = (name = 'simple', selector?: Record<string, string>) => {
  const mcm = anMcm({ name, registryHost: stack.registry.host, ...(selector === undefined ? {} : { selector }) });
  return JSON.parse(JSON.stringify(mcm).replaceAll(`kmods/${name}:`, 'kmods/simple:')) as ReturnType<typeof anMcm>;
};
const file = (mcm: unknown): Record<string, string> => ({ 'mcm.yaml': JSON.stringify(mcm) });

describe('before there is a module', () => {
  test('the list is empty, and asking for one ends with 3', async () => {
    expect(await json<ModuleList>(['status'])).toEqual({ modules: [], notes: [] });
    const message = 'There is no module simple: neither a ManagedClusterModule of that name nor a running workflow.\n';
    for (const command of ['status', 'clusters', 'history'])
      expect(await cli([command, 'simple'])).toEqual({ code: 3, out: '', err: message });
  });

  test('the plan says what applying it would do, and does nothing', async () => {
    const preview = await json<ModulePreview>(['plan', '-f', 'mcm.yaml'], file(manifest()));
    expect(preview.counts).toEqual({ create: 5, update: 0, unchanged: 0, remove: 0, offline: 1, excluded: 0 });
    expect(preview.images.map((i) => [i.image, i.state, i.clusters])).toEqual(
      KERNELS.map((kernel) => [`${stack.registry.host}/kmods/simple:${kernel}`, 'would be resolved', 3]),
    );
    expect((await worksOf(stack.api, 'simple')).size).toBe(0);
    expect(stack.registry.requests().manifestTotal).toBe(0);
  });
});

describe('a module with an object', () => {
  test(
    'is waited for with progress, until every reachable cluster is loaded',
    async () => {
      await applyMcm(stack.api, manifest());
      const { code, out, err } = await cli(['status', 'simple', '--wait', '--timeout', '1m']);
      expect(code).toBe(0);
      expect(out).toMatch(/^Module +simple\nPhase +Ready\n/);
      expect(out).toContain('6 selected: 5 Loaded, 1 Offline');
      expect(err.trimEnd().split('\n').at(-1)).toMatch(/^\[ *\d+s\] Ready: 5 of 6 loaded, 1 offline\./);
    },
    MINUTE,
  );

  test('stands in the list with its numbers', async () => {
    const { modules } = await json<ModuleList>(['status']);
    expect(modules).toMatchObject([
      { name: 'simple', headless: false, phase: 'Ready', selected: 6, loaded: 5, failed: 0, offline: 1, running: true },
    ]);
  });

  test('shows each cluster with the content that its ManifestWork holds', async () => {
    const rows = await json<ClusterRow[]>(['clusters', 'simple']);
    const works = await worksOf(stack.api, 'simple');
    expect(rows.map((r) => [r.cluster, r.kernels, r.state, r.contentHash])).toEqual(
      ['spoke-1', 'spoke-2', 'spoke-3', 'spoke-4', 'spoke-5', 'spoke-6'].map((cluster, i) => [
        cluster,
        [KERNELS[i % 2]],
        i < 5 ? 'Loaded' : 'Offline',
        works.get(cluster)?.metadata.annotations?.['kmodflow.io/content-hash'],
      ]),
    );
    const picked = await cli(['clusters', 'simple', '--state', 'Offline']);
    expect(picked.out).toMatch(/\nspoke-6 {2}6\.1\.0-56-rt-amd64 {2}Offline {2}ClusterUnavailable {2}\d+s ago {2}-\n/);
    expect(picked.out).toContain('1 of 6 clusters: 1 Offline.');
  });

  test('has a history, and so has each of its clusters', async () => {
    const { rollouts } = await json<ModuleHistory>(['history', 'simple']);
    expect(rollouts).toMatchObject([{ number: 1, outcome: 'Completed' }]);
    const { events, notes } = await json<ModuleHistory>(['history', 'simple', '--cluster', 'spoke-1']);
    expect(events.map((e) => [e.what, e.kind, e.number, e.revision])).toEqual(
      ['published', 'Loaded'].map((what) => [what, 'rollout', 1, rollouts[0]?.revision]),
    );
    expect(notes).toEqual([]);
  });

  test('has a plan that leaves it alone, and one that removes what a changed selector does not match', async () => {
    const same = await json<ModulePreview>(['plan', '-f', 'mcm.yaml'], file(manifest()));
    expect(same.counts).toMatchObject({ unchanged: 5, offline: 1 });
    expect(same.images.every((i) => i.state === 'pinned' && /^sha256:/.test(i.digest ?? ''))).toBe(true);
    const { code, out } = await cli(['plan', '-f', 'mcm.yaml'], file(manifest('simple', { fleet: 'none' })));
    expect(code).toBe(0);
    expect(out).toContain('Of 5 clusters: 5 remove.\nSo many removals at once would wait for "kmodflow confirm-removal simple".');
  });

  test(
    'is paused once, says by whom, and resumes',
    async () => {
      expect((await cli(['pause', 'simple', '--reason', 'lunch'])).code).toBe(0);
      expect(await cli(['pause', 'simple'])).toEqual({ code: 1, out: '', err: 'Module simple is paused already, by ada.\n' });
      const status = await eventually('the pause to show', async () => {
        const now = await json<StatusAnswer>(['status', 'simple']);
        return now.phase === 'Paused' ? now : undefined;
      });
      expect(status.paused).toEqual({ by: 'ada', reason: 'lunch' });
      const resumed = await cli(['resume', 'simple', '--wait']);
      expect(resumed).toMatchObject({
        code: 0,
        out: 'Module simple is ready: loaded on 5 of 6 clusters; 1 are offline and catch up later.\n',
      });
    },
    MINUTE,
  );

  test('is not started, deleted or confirmed as if it were headless', async () => {
    const started = await cli(['start', '-f', 'mcm.yaml'], file(manifest()));
    expect(started).toMatchObject({ code: 1, err: expect.stringContaining('A ManagedClusterModule simple exists on the hub') });
    const deleted = await cli(['delete', 'simple']);
    expect(deleted).toMatchObject({ code: 1, err: expect.stringContaining('kubectl delete managedclustermodule simple') });
    const confirmed = await cli(['confirm-removal', 'simple']);
    expect(confirmed).toMatchObject({ code: 1, err: 'No removal of module simple waits for a confirmation.\n' });
  });
});

describe('a headless module', () => {
  test(
    'is started from a manifest and waited for',
    async () => {
      const { code, out, err } = await cli(['start', '-f', 'mcm.yaml', '--wait', '--timeout', '1m'], file(manifest('other')));
      expect({ code, out }).toEqual({
        code: 0,
        out: 'Module other is ready: loaded on 5 of 6 clusters; 1 are offline and catch up later.\n',
      });
      expect(err).toMatch(/^Module other has been started\./);
      const again = await cli(['start', '-f', 'mcm.yaml'], file(manifest('other')));
      expect(again).toEqual({
        code: 1,
        out: '',
        err: 'Module other is running already; change its spec with setSpec (kmodflow start --update).\n',
      });
    },
    MINUTE,
  );

  test('shows its clusters and stands in the list', async () => {
    const rows = await json<ClusterRow[]>(['clusters', 'other']);
    expect(rows.map((r) => r.state)).toEqual(['Loaded', 'Loaded', 'Loaded', 'Loaded', 'Loaded', 'Offline']);
    const { modules } = await json<ModuleList>(['status']);
    expect(modules).toMatchObject([{ name: 'other', headless: true, phase: 'Ready', loaded: 5 }, { name: 'simple' }]);
  });

  test(
    'takes another spec, by which its clusters are judged from then on',
    async () => {
      const smaller = manifest('other', { name: 'none' });
      const refused = await cli(
        ['start', '-f', 'mcm.yaml', '--update'],
        file({ ...smaller, spec: { ...smaller.spec, spokeNamespace: 'A' } }),
      );
      expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('spec.spokeNamespace is "A"; expected a DNS label') });
      const changed = manifest('other');
      changed.spec.moduleSpec.selector = { 'node-role.kubernetes.io/worker': 'yes' } as never;
      expect(await cli(['start', '-f', 'mcm.yaml', '--update', '--wait'], file(changed))).toMatchObject({ code: 0 });
      const { rollouts } = await json<ModuleHistory>(['history', 'other']);
      expect(rollouts.map((r) => [r.number, r.outcome])).toEqual([
        [2, 'Completed'],
        [1, 'Completed'],
      ]);
      const rows = await json<ClusterRow[]>(['clusters', 'other']);
      expect(new Set(rows.flatMap((r) => r.revision ?? []))).toEqual(new Set([rollouts[0]?.revision]));
    },
    MINUTE,
  );

  test(
    'is gone from everywhere once it is deleted',
    async () => {
      expect(await cli(['delete', 'other', '--reason', 'over'])).toMatchObject({ code: 0 });
      await eventually('the module to be gone', async () => ((await cli(['status', 'other'])).code === 3 ? true : undefined));
      expect((await worksOf(stack.api, 'other')).size).toBe(0);
    },
    MINUTE,
  );

  test(
    'without an image ends the waiting with the reason',
    async () => {
      const mcm = JSON.parse(JSON.stringify(manifest('broken')).replaceAll('kmods/simple:', 'kmods/absent:')) as unknown;
      const { code, err } = await cli(['start', '-f', 'mcm.yaml', '--wait', '--timeout', '1m'], file(mcm));
      expect(code).toBe(1);
      expect(err).toMatch(
        /\nModule broken is degraded: 0 of 6 clusters loaded, 5 excluded\. Image \S+\/kmods\/absent:\S+ does not exist at registry/,
      );
      const { out } = await cli(['status', 'broken']);
      expect(out).toContain('ImageMissing');
      expect(out).toContain('kmodflow retry broken');
      await cli(['delete', 'broken']);
    },
    MINUTE,
  );
});

test('setup finds what the hub registered', async () => {
  expect(await json(['setup'])).toEqual({ namespace: 'default', registered: [] });
});

describe('while something does not answer', () => {
  test(
    'clusters need no Temporal, and the status says that it is the last one written',
    async () => {
      const elsewhere = ['--kubeconfig', stack.control.kubeconfigPath, '--temporal-address', '127.0.0.1:1'];
      const rows = await cli(['clusters', 'simple', '-o', 'json'], {}, elsewhere);
      expect(rows.code).toBe(0);
      expect((JSON.parse(rows.out) as ClusterRow[]).map((r) => r.state).filter((s) => s === 'Loaded')).toHaveLength(5);
      const status = await cli(['status', 'simple'], {}, elsewhere);
      expect(status.code).toBe(0);
      expect(status.out).toMatch(
        /^Temporal does not answer at 127\.0\.0\.1:1\. .* This is what the status of the ManagedClusterModule said last\.\n\nModule/,
      );
      expect(await cli(['pause', 'simple'], {}, elsewhere)).toMatchObject({
        code: 4,
        err: expect.stringContaining('Temporal does not answer'),
      });
    },
    MINUTE,
  );

  test('a kubeconfig that is not there is wrong usage', async () => {
    const temporal = ['--temporal-address', stack.temporal.address];
    const nowhere = await cli(['clusters', 'simple'], {}, [...temporal, '--kubeconfig', '/nowhere/config']);
    expect(nowhere).toEqual({ code: 2, out: '', err: 'Cannot read the kubeconfig /nowhere/config: ENOENT.\n' });
  });

  test(
    'no worker: the status falls back, a request ends with 4, and the next hub goes on',
    async () => {
      await hub?.stop();
      hub = undefined;
      const status = await cli(['status', 'simple']);
      expect(status.out).toMatch(/^The workflow of module simple did not answer in time: no worker polls task queue kmodflow/);
      const paused = await cli(['pause', 'simple']);
      expect(paused).toMatchObject({ code: 4, out: '', err: expect.stringContaining('no worker polls task queue kmodflow') });

      const child = spawn(process.execPath, [COMMAND, 'hub', ...access()], { env: { ...process.env, KMODFLOW_SETTLE: '300ms' } });
      let log = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
      const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
      try {
        await eventually('the hub to run', () => (log.includes('kmodflow is running') ? true : undefined), {
          seen: () => log,
          timeoutMs: MINUTE,
        });
        const answered = await eventually('the workflow to answer', async () => {
          const now = JSON.parse((await cli(['status', 'simple', '-o', 'json'])).out) as StatusAnswer;
          return now.source === 'workflow' ? now : undefined;
        });
        expect(answered.fleet.states.Loaded).toBe(5);
      } finally {
        child.kill('SIGTERM');
      }
      expect(await ended).toBe(0);
      expect(log).toContain('kmodflow has ended');
    },
    3 * MINUTE,
  );
});

test('a reader that goes away early is no error', async () => {
  const child = spawn('bash', ['-c', `set -o pipefail; "${process.execPath}" "${COMMAND}" --help | true`]);
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on('exit', resolve));
  expect({ code, err }).toEqual({ code: 0, err: '' });
});
