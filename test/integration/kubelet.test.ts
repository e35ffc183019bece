import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createHubApi, loadKubeConfig, resources, type HubApi, type KubernetesObject, type Writable } from '../../src/kube/index.js';
import { startControlPlane, type ControlPlane } from '../harness/control-plane.js';
import { eventually } from '../harness/eventually.js';
import { startFaultProxy } from '../harness/fault-proxy.js';
import { containerCommand } from '../harness/kubelet/container-process.js';
import { startKubelet, type Kubelet } from '../harness/kubelet/index.js';
import { asPod, EVENTS, LEASES, NODES, PODS, type Condition, type ContainerState, type Pod } from '../harness/kubelet/pod.js';
import { makeTempDir, removeTempDir } from '../harness/process.js';
import { rest, type RestAnswer } from '../harness/rest.js';

const TIMEOUT_MS = 120_000;
jest.setTimeout(TIMEOUT_MS);
const NAMESPACE = 'builds';
const TOOLS = 'example.com/tools:1';
const SCRIPT = 'example.com/script:1';

interface PodView extends Record<string, unknown> {
  readonly phase?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly conditions?: readonly Condition[];
  readonly containerStatuses?: readonly { readonly name: string; readonly state: ContainerState }[];
  readonly initContainerStatuses?: readonly { readonly name: string; readonly state: ContainerState }[];
}

const sh = (name: string, script: string, rest: object = {}) => ({ name, image: TOOLS, command: ['sh', '-ec', script], ...rest });
const work = { name: 'work', emptyDir: {} };
const atWork = { volumeMounts: [{ name: 'work', mountPath: '/work' }] };

const aPod = (name: string, spec: object, metadata: object = {}) => ({
  metadata: { name, namespace: NAMESPACE, ...metadata },
  spec: { restartPolicy: 'Never', automountServiceAccountToken: false, terminationGracePeriodSeconds: 2, ...spec },
});

const aJob = (name: string, podSpec: object, jobSpec: object = {}) => ({
  metadata: { name, namespace: NAMESPACE },
  spec: { backoffLimit: 0, template: { spec: aPod(name, podSpec).spec }, ...jobSpec },
});

const stateOf = (status: PodView, container: string): ContainerState | undefined =>
  [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].find(({ name }) => name === container)?.state;

const condition = (status: PodView, type: string): Condition | undefined => status.conditions?.find((one) => one.type === type);

const ours = (prefix: string): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith(prefix));

/** This machine's processes with this command line. */
const processesWith = (command: string): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return [];
      }
    })
    .filter((line) => line.trim() === command);

describe('the process kubelet', () => {
  let control: ControlPlane;
  let api: HubApi;
  let kubelet: Kubelet;
  const extra: Kubelet[] = [];

  const create = (object: Writable): Promise<KubernetesObject> => api.create(PODS, object);
  const pod = async (name: string): Promise<Pod> => asPod(await api.get(PODS, name, NAMESPACE));
  const statusOf = async (name: string): Promise<PodView> => ((await pod(name)).status ?? {}) as PodView;
  const until = (name: string, what: string, holds: (status: PodView) => boolean, timeoutMs = 30_000): Promise<PodView> =>
    eventually(
      `pod ${name}: ${what}`,
      async () => {
        const status = await statusOf(name);
        return holds(status) ? status : undefined;
      },
      { timeoutMs, seen: () => statusOf(name).catch(String) },
    );
  const end = (name: string, timeoutMs?: number): Promise<PodView> =>
    until(name, 'has ended', ({ phase }) => phase === 'Succeeded' || phase === 'Failed', timeoutMs);
  const logs = async (name: string, query: string): Promise<RestAnswer> => {
    const access = { url: control.url, token: control.token, ca: readFileSync(control.caFile, 'utf8') };
    return rest(access, 'GET', `/api/v1/namespaces/${NAMESPACE}/pods/${name}/log?${query}`);
  };
  const log = async (name: string, container: string): Promise<string> => (await logs(name, `container=${container}`)).body;
  const eventsOf = async (name: string): Promise<{ reason: unknown; message: unknown }[]> => {
    const { items } = await api.listAll(EVENTS, { namespace: NAMESPACE, fieldSelector: `involvedObject.name=${name}` });
    return items.map(({ reason, message }) => ({ reason, message }));
  };
  const podOf = async (job: string): Promise<Pod> =>
    eventually(`a pod of job ${job}`, async () => {
      const { items } = await api.listAll(PODS, { namespace: NAMESPACE, labelSelector: `batch.kubernetes.io/job-name=${job}` });
      return items[0] === undefined ? undefined : asPod(items[0]);
    });
  const gone = (name: string): Promise<true> =>
    eventually(`pod ${name} is gone`, async () => {
      const { items } = await api.listAll(PODS, { namespace: NAMESPACE, fieldSelector: `metadata.name=${name}` });
      return items.length === 0 ? true : undefined;
    });
  const jobCondition = (job: string, type: string): Promise<Condition> =>
    eventually(
      `job ${job} is ${type}`,
      async () => {
        const status = (await api.get(resources.jobs, job, NAMESPACE))['status'] as { conditions?: Condition[] };
        return status.conditions?.find((one) => one.type === type && one.status === 'True');
      },
      { timeoutMs: 60_000 },
    );

  beforeAll(async () => {
    control = await startControlPlane({ controllerManager: true, crds: 'none' });
    api = control.api;
    await api.create(resources.namespaces, { metadata: { name: NAMESPACE } });
    await eventually('the default service account', () =>
      api.get({ group: '', version: 'v1', plural: 'serviceaccounts', kind: 'ServiceAccount', namespaced: true }, 'default', NAMESPACE),
    );
    kubelet = await startKubelet(control, {
      labels: { disk: 'ssd' },
      images: { [TOOLS]: {}, [SCRIPT]: { entrypoint: ['echo', 'from the entrypoint:'] } },
    });
  }, TIMEOUT_MS);
  afterEach(async () => {
    for (const one of extra.splice(0)) await one.stop();
  });
  afterAll(async () => {
    await kubelet?.stop();
    await control?.stop();
    expect(ours(`kmodflow-kubelet-${process.pid}-`)).toEqual([]);
  }, TIMEOUT_MS);

  test('registers a ready node with a lease', async () => {
    const node = await api.get(NODES, 'node-1');
    const { conditions, addresses } = node['status'] as { conditions: Condition[]; addresses: object[] };
    expect(conditions.find(({ type }) => type === 'Ready')).toMatchObject({ status: 'True', reason: 'KubeletReady' });
    expect(addresses).toEqual([{ type: 'InternalIP', address: '127.0.0.1' }]);
    expect(node.metadata.labels).toMatchObject({ disk: 'ssd', 'kubernetes.io/os': 'linux' });
    expect((await api.get(LEASES, 'node-1', 'kube-node-lease'))['spec']).toMatchObject({ holderIdentity: 'node-1' });
  });

  test('runs the init containers of a Job in order and then its container, over one emptyDir, and the Job is complete', async () => {
    await api.create(
      resources.jobs,
      aJob('ordered', {
        volumes: [work],
        initContainers: [sh('one', 'sleep 0.3; echo one >> /work/order', atWork), sh('two', 'echo two >> /work/order', atWork)],
        containers: [sh('three', 'echo three >> /work/order; cat /work/order', atWork)],
      }),
    );
    await jobCondition('ordered', 'Complete');
    const { metadata, status } = await podOf('ordered');
    expect(await log(metadata.name, 'three')).toBe('one\ntwo\nthree\n');
    expect(status).toMatchObject({ phase: 'Succeeded' });
    expect(status?.conditions).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ type: 'Initialized', status: 'True' }),
        expect.objectContaining({ type: 'Ready', status: 'False', reason: 'PodCompleted' }),
      ]),
    );
    expect(stateOf(status as PodView, 'one')).toMatchObject({ terminated: { exitCode: 0, reason: 'Completed' } });
    const runs = kubelet.runs().filter((run) => run.pod === metadata.name);
    expect(runs.map(({ container, init, exitCode }) => [container, init, exitCode])).toEqual([
      ['one', true, 0],
      ['two', true, 0],
      ['three', false, 0],
    ]);
    expect(runs[1]!.startedAt.getTime()).toBeGreaterThanOrEqual(runs[0]!.finishedAt!.getTime());
  });

  test('reports exit codes, signals and programs that cannot be started', async () => {
    await create(
      aPod('codes', {
        containers: [
          sh('seven', 'exit 7'),
          sh('fine', 'true'),
          sh('killed', 'kill -KILL 1; sh -c "kill -KILL \\$\\$" || exit $?'),
          { name: 'absent', image: TOOLS, command: ['/no/such/program'] },
        ],
      }),
    );
    const status = await end('codes');
    expect(status.phase).toBe('Failed');
    expect(stateOf(status, 'seven')).toMatchObject({ terminated: { exitCode: 7, reason: 'Error' } });
    expect(stateOf(status, 'fine')).toMatchObject({ terminated: { exitCode: 0, reason: 'Completed' } });
    expect(stateOf(status, 'killed')).toMatchObject({ terminated: { exitCode: 137, reason: 'Error' } });
    expect(stateOf(status, 'absent')).toMatchObject({
      terminated: { exitCode: 128, reason: 'StartError', message: 'exec: "/no/such/program": executable file not found in $PATH' },
    });
  });

  test('starts nothing after an init container that failed', async () => {
    await create(aPod('early', { initContainers: [sh('bad', 'exit 3'), sh('next', 'true')], containers: [sh('main', 'true')] }));
    const status = await end('early');
    expect(status.phase).toBe('Failed');
    expect(stateOf(status, 'next')).toEqual({ waiting: { reason: 'PodInitializing' } });
    expect(stateOf(status, 'main')).toEqual({ waiting: { reason: 'PodInitializing' } });
    expect(condition(status, 'Initialized')).toMatchObject({ status: 'False', message: 'containers with incomplete status: [bad next]' });
    expect(kubelet.runs().filter((run) => run.pod === 'early')).toHaveLength(1);
  });

  test('takes the termination message from its file, or from the end of the log, within the limits', async () => {
    const fallback = { terminationMessagePolicy: 'FallbackToLogsOnError' };
    await create(
      aPod('messages', {
        containers: [
          sh('file', 'printf \'{"digest":"sha256:1"}\' > /dev/termination-log'),
          sh('long', 'head -c 9000 /dev/zero | tr "\\0" x > /run/why', { terminationMessagePath: '/run/why' }),
          sh('fallback', 'echo first; echo last; exit 1', fallback),
        ],
      }),
    );
    const status = await end('messages');
    expect(stateOf(status, 'file')).toMatchObject({ terminated: { message: '{"digest":"sha256:1"}' } });
    expect(stateOf(status, 'long')).toMatchObject({ terminated: { message: 'x'.repeat(4096) } });
    expect(stateOf(status, 'fallback')).toMatchObject({ terminated: { message: 'first\nlast\n' } });
  });

  test('serves logs through the API server: the last lines, a number of bytes, with times, and while the container runs', async () => {
    await create(
      aPod('talker', {
        containers: [sh('main', 'for i in $(seq 100); do echo line $i; done; echo "to stderr" > /dev/stderr; sleep 2; echo end')],
      }),
    );
    await until('talker', 'runs', ({ phase }) => phase === 'Running');
    const following = logs('talker', 'container=main&follow=true&tailLines=1');
    await eventually('the lines', async () => ((await log('talker', 'main')).includes('to stderr') ? true : undefined));
    expect((await logs('talker', 'tailLines=2')).body).toBe('line 100\nto stderr\n');
    expect((await logs('talker', 'limitBytes=6')).body).toBe('line 1');
    expect((await logs('talker', 'tailLines=1&timestamps=true')).body).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z to stderr\n$/);
    expect((await following).body).toMatch(/end\n$/);
    await end('talker');
    expect((await log('talker', 'main')).split('\n')).toHaveLength(103);
    await api.delete(PODS, 'talker', NAMESPACE);
    expect((await logs('talker', '')).status).toBe(404);
  });

  test('gives a container its environment, its arguments and its working directory', async () => {
    await api.create(resources.configMaps, { metadata: { name: 'settings', namespace: NAMESPACE }, data: { colour: 'green' } } as Writable);
    await api.create(resources.secrets, {
      metadata: { name: 'pass', namespace: NAMESPACE },
      stringData: { word: "it's $HOME" },
    } as Writable);
    const env = [
      { name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } },
      { name: 'WORD', valueFrom: { secretKeyRef: { name: 'pass', key: 'word' } } },
      { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'BOTH', value: '$(COLOUR)-$(NAME)-$(UNKNOWN)-$$(NAME)' },
    ];
    await create(
      aPod('environment', {
        containers: [
          sh('main', 'pwd; echo "$BOTH"; echo "$WORD"; echo "$HOME"; hostname > /dev/null; echo "$HOSTNAME"', {
            env,
            workingDir: '/made/for/it',
          }),
          { name: 'args', image: SCRIPT, args: ['$(COLOUR)', 'x y'], env },
        ],
      }),
    );
    expect((await end('environment')).phase).toBe('Succeeded');
    expect(await log('environment', 'main')).toBe("/made/for/it\ngreen-environment-$(UNKNOWN)-$(NAME)\nit's $HOME\n/tmp\nenvironment\n");
    expect(await log('environment', 'args')).toBe('from the entrypoint: green x y\n');
  });

  test('mounts ConfigMaps, Secrets and fields of the pod with their modes, read-only', async () => {
    await api.create(resources.configMaps, { metadata: { name: 'files', namespace: NAMESPACE }, data: { a: 'A', b: 'B' } } as Writable);
    await api.create(resources.secrets, { metadata: { name: 'files', namespace: NAMESPACE }, stringData: { key: 'K' } } as Writable);
    const text = 'FROM scratch\nCOPY a "b"\n';
    await create(
      aPod(
        'files',
        {
          volumes: [
            { name: 'config', configMap: { name: 'files', items: [{ key: 'b', path: 'sub/b', mode: 0o444 }] } },
            { name: 'secret', secret: { secretName: 'files', defaultMode: 0o400 } },
            {
              name: 'fields',
              downwardAPI: { items: [{ path: 'dockerfile', fieldRef: { fieldPath: "metadata.annotations['x.io/text']" } }] },
            },
            {
              name: 'all',
              projected: {
                sources: [
                  { secret: { name: 'files' } },
                  { configMap: { name: 'files' } },
                  { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
                  { secret: { name: 'absent', optional: true } },
                ],
              },
            },
            { name: 'optional', secret: { secretName: 'absent', optional: true } },
          ],
          containers: [
            sh(
              'main',
              `cat /config/sub/b /secret/key /only; echo; stat -L -c %a /config/sub/b /secret/key /all/a; ls /all /optional;
               cat /all/labels; echo; cat /plan/dockerfile; touch /secret/x 2>&1 || echo "stays as it is"`,
              {
                volumeMounts: [
                  { name: 'config', mountPath: '/config' },
                  { name: 'secret', mountPath: '/secret' },
                  { name: 'fields', mountPath: '/plan' },
                  { name: 'all', mountPath: '/all' },
                  { name: 'optional', mountPath: '/optional' },
                  { name: 'all', mountPath: '/only', subPath: 'a' },
                ],
              },
            ),
          ],
        },
        { annotations: { 'x.io/text': text }, labels: { colour: 'green' } },
      ),
    );
    expect((await end('files')).phase).toBe('Succeeded');
    expect(await log('files', 'main')).toBe(
      `BKA\n444\n400\n644\n/all:\na\nb\nkey\nlabels\n\n/optional:\ncolour="green"\n${text}touch: cannot touch '/secret/x': Read-only file system\nstays as it is\n`,
    );
  });

  test('shows a Secret to the container that mounts it, and to no other', async () => {
    const word = 'the-very-secret-word';
    await api.create(resources.secrets, { metadata: { name: 'signing', namespace: NAMESPACE }, stringData: { key: word } } as Writable);
    // The dot keeps the word itself out of the command.
    const search = `grep -rsl ${word.replace('-secret', '.secret')} /run /tmp /var /root /home /work /srv /opt /dev/shm || true; echo searched`;
    const listing = 'ls /tmp /run; ps ax; cat /proc/mounts';
    await create(
      aPod('isolated', {
        volumes: [{ name: 'key', secret: { secretName: 'signing' } }, work],
        containers: [
          sh('signer', `${search}; echo mine > /tmp/mine; sleep 3`, { volumeMounts: [{ name: 'key', mountPath: '/run/key' }] }),
          sh('builder', `sleep 1; ${search}; ${listing}`, atWork),
        ],
      }),
    );
    await until('isolated', 'the signer runs', (status) => 'running' in (stateOf(status, 'signer') ?? {}));
    const status = await end('isolated');
    expect(status.phase).toBe('Succeeded');
    expect(await log('isolated', 'signer')).toMatch(/^\/run\/key\/.*key\nsearched\n$/);
    const seen = await log('isolated', 'builder');
    expect(seen).toMatch(/^searched\n/);
    expect(seen).toContain(' /work ');
    for (const trace of ['/run/key', 'mine', 'sleep 3', 'kmodflow-kubelet-']) expect(seen).not.toContain(trace);
    // Nothing of it is left on disk when the pod has ended.
    const [folder = ''] = ours(`kmodflow-kubelet-${process.pid}-`);
    const onDisk = spawnSync('grep', ['-rsl', word, join(tmpdir(), folder)], { encoding: 'utf8' });
    expect([onDisk.status, onDisk.stdout]).toEqual([1, '']);
  });

  test('waits for a Secret that is missing and goes on when it appears', async () => {
    await create(
      aPod('patient', {
        volumes: [{ name: 'key', secret: { secretName: 'later' } }],
        containers: [sh('main', 'cat /run/key/key', { volumeMounts: [{ name: 'key', mountPath: '/run/key' }] })],
      }),
    );
    await eventually('the event', async () =>
      (await eventsOf('patient')).find(
        ({ reason, message }) =>
          reason === 'FailedMount' && message === 'MountVolume.SetUp failed for volume "key" : secret "later" not found',
      ),
    );
    const status = await statusOf('patient');
    expect(status.phase).toBe('Pending');
    expect(stateOf(status, 'main')).toEqual({ waiting: { reason: 'ContainerCreating' } });
    const early = await logs('patient', '');
    expect([early.status, early.body]).toEqual([400, expect.stringContaining('is waiting to start: ContainerCreating')]);
    await api.create(resources.secrets, { metadata: { name: 'later', namespace: NAMESPACE }, stringData: { key: 'here' } } as Writable);
    expect((await end('patient')).phase).toBe('Succeeded');
    expect(await log('patient', 'main')).toBe('here');
  });

  test('says which key of which object a variable lacks, and goes on when it appears', async () => {
    await api.create(resources.secrets, { metadata: { name: 'half', namespace: NAMESPACE }, stringData: { other: 'x' } } as Writable);
    const env = [{ name: 'WORD', valueFrom: { secretKeyRef: { name: 'half', key: 'word' } } }];
    await create(aPod('variable', { containers: [sh('main', 'echo "$WORD"', { env })] }));
    const waiting = { reason: 'CreateContainerConfigError', message: `couldn't find key word in Secret ${NAMESPACE}/half` };
    await until('variable', 'waits with a message', (one) => JSON.stringify(stateOf(one, 'main')).includes(waiting.message));
    expect(stateOf(await statusOf('variable'), 'main')).toEqual({ waiting });
    await api.mergePatch(resources.secrets, 'half', NAMESPACE, { stringData: { word: 'found' } });
    await end('variable');
    expect(await log('variable', 'main')).toBe('found\n');
  });

  test('backs off from an image that cannot be pulled, and runs it when it can', async () => {
    await create(aPod('puller', { containers: [{ name: 'main', image: 'example.com/none:1', command: ['true'] }] }));
    const waitsFor = (reason: string) => (status: PodView) => {
      const state = stateOf(status, 'main');
      return state !== undefined && 'waiting' in state && state.waiting.reason === reason;
    };
    await until('puller', 'ErrImagePull', waitsFor('ErrImagePull'));
    const status = await until('puller', 'ImagePullBackOff', waitsFor('ImagePullBackOff'));
    expect(stateOf(status, 'main')).toMatchObject({
      waiting: { message: expect.stringMatching(/^Back-off pulling image "example.com\/none:1"/) },
    });
    kubelet.addImage('example.com/none:1', {});
    expect((await end('puller')).phase).toBe('Succeeded');
  });

  test('evicts a pod whose emptyDir is over its limit', async () => {
    await create(
      aPod('hungry', {
        volumes: [{ name: 'work', emptyDir: { sizeLimit: '2Mi' } }],
        containers: [sh('main', 'head -c 5000000 /dev/zero > /work/big; sleep 600', atWork)],
      }),
    );
    const status = await end('hungry');
    expect(status).toMatchObject({
      phase: 'Failed',
      reason: 'Evicted',
      message: 'Usage of EmptyDir volume "work" exceeds the limit "2Mi". ',
    });
    expect(condition(status, 'DisruptionTarget')).toMatchObject({ status: 'True', reason: 'TerminationByKubelet' });
    expect(stateOf(status, 'main')).toMatchObject({ terminated: { exitCode: 137 } });
  });

  test('evicts a pod and kills a container for its memory when it is told to', async () => {
    await create(aPod('victim', { containers: [sh('main', 'sleep 600')] }));
    await until('victim', 'runs', ({ phase }) => phase === 'Running');
    await kubelet.evict('victim');
    expect(await end('victim')).toMatchObject({ reason: 'Evicted', message: 'The node was low on resource: ephemeral-storage. ' });
    await create(aPod('fat', { containers: [sh('main', 'sleep 600')] }));
    await until('fat', 'runs', ({ phase }) => phase === 'Running');
    await kubelet.oomKill(`${NAMESPACE}/fat`, 'main');
    expect(stateOf(await end('fat'), 'main')).toMatchObject({ terminated: { exitCode: 137, reason: 'OOMKilled' } });
    await expect(kubelet.oomKill('fat', 'main')).rejects.toThrow('Container main of pod fat does not run');
  });

  test('ends all processes of a Job that is deleted while it runs, and lets the pod go', async () => {
    const mark = `777.${process.pid}`;
    await api.create(
      resources.jobs,
      aJob('doomed', { containers: [sh('main', `trap "echo told >&2; exit 0" TERM; sleep ${mark} & wait`)] }),
    );
    const { metadata } = await podOf('doomed');
    await until(metadata.name, 'runs', ({ phase }) => phase === 'Running');
    await eventually('the process', () => (processesWith(`sleep ${mark}`).length > 0 ? true : undefined));
    await api.delete(resources.jobs, 'doomed', NAMESPACE, { propagationPolicy: 'Background' });
    await gone(metadata.name);
    expect(processesWith(`sleep ${mark}`)).toEqual([]);
    expect(kubelet.runs().find((run) => run.pod === metadata.name)).toMatchObject({ exitCode: 0, reason: 'Completed' });
  });

  test('kills what does not listen when the grace is over', async () => {
    await create(aPod('deaf', { containers: [sh('main', 'trap "" TERM; while :; do sleep 1; done')] }));
    await until('deaf', 'runs', ({ phase }) => phase === 'Running');
    const before = Date.now();
    await api.delete(PODS, 'deaf', NAMESPACE);
    await gone('deaf');
    expect(Date.now() - before).toBeGreaterThan(1_500);
    expect(kubelet.runs().find((run) => run.pod === 'deaf')).toMatchObject({ exitCode: 137, reason: 'Error' });
  });

  test('lets a pod go that has started nothing yet', async () => {
    await create(
      aPod('waiting', {
        volumes: [{ name: 'key', secret: { secretName: 'never' } }],
        containers: [sh('main', 'true', { volumeMounts: [{ name: 'key', mountPath: '/run/key' }] })],
      }),
    );
    await until('waiting', 'is on the node', ({ startTime }) => startTime !== undefined);
    await api.delete(PODS, 'waiting', NAMESPACE);
    await gone('waiting');
    expect(kubelet.runs().filter((run) => run.pod === 'waiting')).toEqual([]);
  });

  test('ends at once what belongs to a pod that was deleted by force', async () => {
    await create(aPod('forced', { containers: [sh('main', 'sleep 600.5')] }));
    await until('forced', 'runs', ({ phase }) => phase === 'Running');
    expect(processesWith('sleep 600.5')).not.toEqual([]);
    const access = { url: control.url, token: control.token, ca: readFileSync(control.caFile, 'utf8') };
    await rest(access, 'DELETE', `/api/v1/namespaces/${NAMESPACE}/pods/forced?gracePeriodSeconds=0`);
    await eventually('the process is gone', () => (processesWith('sleep 600.5').length === 0 ? true : undefined), { timeoutMs: 5_000 });
  });

  test("ends a Job at its deadline, and a pod at the pod's", async () => {
    await api.create(resources.jobs, aJob('slow', { containers: [sh('main', 'sleep 600')] }, { activeDeadlineSeconds: 2 }));
    expect(await jobCondition('slow', 'Failed')).toMatchObject({ reason: 'DeadlineExceeded' });
    await create(aPod('late', { activeDeadlineSeconds: 1, containers: [sh('main', 'sleep 600')] }));
    expect(await end('late')).toMatchObject({
      phase: 'Failed',
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    });
  });

  test('leaves a pod unscheduled that no node fits, and says why', async () => {
    await create(aPod('picky', { nodeSelector: { disk: 'tape' }, containers: [sh('main', 'true')] }));
    const status = await until('picky', 'has been looked at', (one) => condition(one, 'PodScheduled') !== undefined);
    expect(condition(status, 'PodScheduled')).toMatchObject({
      status: 'False',
      reason: 'Unschedulable',
      message: "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
    });
    expect((await pod('picky')).spec.nodeName).toBeUndefined();
    await create(aPod('content', { nodeSelector: { disk: 'ssd' }, containers: [sh('main', 'true')] }));
    expect((await end('content')).phase).toBe('Succeeded');
  });

  test('fails a pod that wants its containers restarted', async () => {
    await create(aPod('again', { restartPolicy: 'OnFailure', containers: [sh('main', 'false')] }));
    expect(await end('again')).toMatchObject({
      reason: 'UnsupportedRestartPolicy',
      message: 'The restart policy is OnFailure, but this node agent restarts no container. Set restartPolicy: Never.',
    });
  });

  test('gives a pod the token of its service account', async () => {
    await create(
      aPod('account', {
        automountServiceAccountToken: true,
        containers: [
          sh('main', 'cd /var/run/secrets/kubernetes.io/serviceaccount; cat namespace; grep -c BEGIN ca.crt; cut -d. -f1 token | wc -c'),
        ],
      }),
    );
    expect((await end('account')).phase).toBe('Succeeded');
    expect(await log('account', 'main')).toMatch(new RegExp(`^${NAMESPACE}[1-9]\\n\\d{2,}\\n$`));
  });

  test('runs buildah in a container, with a RUN step, and leaves no mount behind', async () => {
    const dockerfile = 'FROM scratch\nCOPY root /\nRUN cat /greeting > /copy && echo "ran as $(id -u)"\n';
    const script = `
      mkdir -p /work/context/root/bin /work/storage
      cp /bin/busybox /work/context/root/bin/busybox
      for name in sh cat id echo; do ln -s busybox /work/context/root/bin/$name; done
      echo hello > /work/context/root/greeting
      buildah --root /work/storage --runroot /run/storage --storage-driver vfs build --isolation chroot --network host -f /plan/dockerfile -t made /work/context
      buildah --root /work/storage --runroot /run/storage --storage-driver vfs push made oci:/work/oci:made
      ls /work/oci`;
    await create(
      aPod(
        'builder',
        {
          volumes: [
            work,
            {
              name: 'plan',
              downwardAPI: { items: [{ path: 'dockerfile', fieldRef: { fieldPath: "metadata.annotations['dockerfile']" } }] },
            },
          ],
          containers: [sh('main', script, { volumeMounts: [...atWork.volumeMounts, { name: 'plan', mountPath: '/plan' }] })],
        },
        { annotations: { dockerfile } },
      ),
    );
    const status = await end('builder', 90_000);
    const output = await log('builder', 'main');
    expect([status.phase, output]).toEqual([
      'Succeeded',
      expect.stringMatching(/STEP 3\/3: RUN cat[^]*ran as 0\n[^]*index\.json\noci-layout\n$/),
    ]);
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain('kmodflow-kubelet');
  });

  test('binds programs into read-only folders of an image, below which the rest stays', async () => {
    kubelet.addImage('example.com/bound:1', {
      entrypoint: ['hello-from-image'],
      binds: [{ source: '/bin/echo', target: '/usr/local/bin/hello-from-image', readOnly: true }],
      env: { GREETING: 'image' },
    });
    await create(
      aPod('bound', {
        containers: [
          { name: 'entry', image: 'example.com/bound:1', args: ['one', 'two'] },
          { name: 'listing', image: 'example.com/bound:1', command: ['sh', '-c', 'ls /usr/local/bin | sort; echo $GREETING'] },
        ],
      }),
    );
    expect((await end('bound')).phase).toBe('Succeeded');
    expect(await log('bound', 'entry')).toBe('one two\n');
    const here = readdirSync('/usr/local/bin').filter((name) => existsSync(`/usr/local/bin/${name}`));
    const listed = (await log('bound', 'listing')).split('\n');
    expect(listed).toEqual(expect.arrayContaining([...here, 'hello-from-image', 'image']));
  });

  test('goes on when the API server comes back, and does not take over what an earlier agent of the node began', async () => {
    const proxy = await startFaultProxy(control.url, { tls: { caFile: control.caFile, keyFile: control.keyFile }, token: control.token });
    try {
      const kubeConfig = loadKubeConfig({ path: proxy.kubeconfigPath });
      const behind = { ...control, url: proxy.url, connect: (options: object = {}) => createHubApi({ ...options, kubeConfig }) };
      const options = {
        nodeName: 'node-2',
        labels: { node: 'two' },
        taints: [{ key: 'two', effect: 'NoSchedule' as const }],
        images: { [TOOLS]: {} },
      };
      const second = await startKubelet(behind, options);
      extra.push(second);
      const two = { nodeSelector: { node: 'two' }, tolerations: [{ key: 'two', operator: 'Exists' }] };
      await create(aPod('outage', { ...two, containers: [sh('main', 'sleep 2; exit 5')] }));
      await until('outage', 'runs', ({ phase }) => phase === 'Running');
      proxy.set({ fault: { kind: 'status', status: 503 } });
      proxy.cutConnections();
      await eventually('the container has ended', () => second.runs().find((run) => run.pod === 'outage')?.finishedAt);
      expect((await statusOf('outage')).phase).toBe('Running');
      proxy.set();
      expect(stateOf(await end('outage'), 'main')).toMatchObject({ terminated: { exitCode: 5 } });

      await create(aPod('left', { ...two, containers: [sh('main', 'sleep 600.25')] }));
      await until('left', 'runs', ({ phase }) => phase === 'Running');
      await second.stop();
      expect(processesWith('sleep 600.25')).toEqual([]);
      expect((await statusOf('left')).phase).toBe('Running');
      extra.push(await startKubelet(control, options));
      expect(await end('left')).toMatchObject({ phase: 'Failed', reason: 'NodeLost' });
    } finally {
      await proxy.stop();
    }
  });

  test('leaves no process behind when the process that runs it is killed', async () => {
    const folder = makeTempDir('kubelet-orphan');
    try {
      const script = join(folder, 'start.sh');
      writeFileSync(script, 'sleep 600.125 & sleep 600.125 & wait\n');
      const [program, ...args] = containerCommand(script);
      const code = `require('node:child_process').spawn(${JSON.stringify(program)}, ${JSON.stringify(args)}); setInterval(() => {}, 1000)`;
      const parent = spawn(process.execPath, ['-e', code], { stdio: 'ignore' });
      await eventually('the processes', () => (processesWith('sleep 600.125').length === 2 ? true : undefined));
      parent.kill('SIGKILL');
      await eventually('their end', () => (processesWith('sleep 600.125').length === 0 ? true : undefined), { timeoutMs: 5_000 });
    } finally {
      removeTempDir(folder);
    }
  });

  test('loses a node: processes end, the status stays as it was, and nobody answers', async () => {
    const options = {
      nodeName: 'node-3',
      labels: { node: 'three' },
      taints: [{ key: 'three', effect: 'NoSchedule' as const }],
      images: { [TOOLS]: {} },
    };
    const third = await startKubelet(control, options);
    extra.push(third);
    await create(
      aPod('stranded', {
        nodeSelector: { node: 'three' },
        tolerations: [{ key: 'three', operator: 'Exists' }],
        containers: [sh('main', 'sleep 600.75')],
      }),
    );
    await until('stranded', 'runs', ({ phase }) => phase === 'Running');
    await third.lose({ deletePodsAfterMs: 100 });
    expect(processesWith('sleep 600.75')).toEqual([]);
    const { conditions } = (await api.get(NODES, 'node-3'))['status'] as { conditions: Condition[] };
    expect(conditions.find(({ type }) => type === 'Ready')).toMatchObject({ status: 'Unknown', reason: 'NodeStatusUnknown' });
    const deleted = await eventually('the deletion', async () => {
      const one = await pod('stranded');
      return one.metadata.deletionTimestamp === undefined ? undefined : one;
    });
    expect(deleted.status).toMatchObject({ phase: 'Running' });
    expect(condition(deleted.status as PodView, 'DisruptionTarget')).toMatchObject({ reason: 'DeletionByTaintManager' });
    expect((await logs('stranded', '')).status).toBeGreaterThanOrEqual(400);
  });
});
