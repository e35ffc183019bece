import { describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { createRunImageJob, type RunImageJobDeps } from '../../../activities/run-image-job.js';
import {
  createAdoptImageJobs,
  createCancelImageJobs,
  createReleaseImageJob,
  createStandingImageJobs,
} from '../../../activities/standing-image-jobs.js';
import { Fault } from '../../../src/domain/fault.js';
import type { ImageNeed, ImageRequester, RunImageJobInput } from '../../../src/domain/image-process.js';
import { KubeFault, type HubApi, type ResourceType } from '../../../src/kube/index.js';

const KEY = '0123456789abcdef';
const NAME = `kmod-${KEY}-1`;
const DIGEST = `sha256:${'d'.repeat(64)}`;
const DOCKERFILE = 'FROM scratch\n';
const START_MS = Date.parse('2026-02-01T00:00:00Z');
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

type Plain = Record<string, unknown> & { metadata: Record<string, unknown> };

const need: ImageNeed = {
  key: KEY,
  image: 'registry.example.com/kmod:1',
  kernels: ['6.1.0'],
  expect: { dirName: '/opt' },
  recipe: {
    module: 'kmod',
    build: { dockerfile: { configMap: 'dockerfile', sha256: sha256(DOCKERFILE) }, args: [], secrets: ['token'] },
    sign: { keySecret: 'signing-key', certSecret: 'signing-cert', certificate: 'c', files: ['/a.ko'] },
  },
};
const kmod: ImageRequester = { workflowId: 'mcm/kmod', module: 'kmod', uid: 'uid-1' };
const other: ImageRequester = { workflowId: 'mcm/other', module: 'other', uid: 'uid-2' };
const input: RunImageJobInput = { need, attempt: 1, requesters: [kmod] };

const missing = (what: string) => new KubeFault('Missing', `${what} not found`, { code: 'NotFound', status: 404 });

/** An API server with Jobs, pods and ConfigMaps, as far as the activities know it. Time passes only when somebody sleeps. */
class Hub {
  readonly jobs = new Map<string, Plain>();
  readonly pods = new Map<string, Plain>();
  readonly configMaps = new Map<string, Plain>([['dockerfile', { metadata: { name: 'dockerfile' }, data: { dockerfile: DOCKERFILE } }]]);
  readonly events: Plain[] = [];
  readonly calls: string[] = [];
  readonly logs: unknown[] = [];
  log = '';
  nowMs = START_MS;
  /** Happens during a sleep, in order; the last one over and over. */
  script: (() => void)[] = [];
  #uids = 0;
  /** Thrown by the next calls whose name matches. */
  faults: { call: RegExp; error: Error; after?: boolean }[] = [];

  #called(verb: string, { kind }: ResourceType, name = ''): void {
    this.calls.push(`${verb} ${kind} ${name}`.trim());
  }
  #fault(verb: string, { kind }: ResourceType, after = false): void {
    const i = this.faults.findIndex((f) => f.call.test(`${verb} ${kind}`) && (f.after ?? false) === after);
    const [fault] = i === -1 ? [] : this.faults.splice(i, 1);
    if (fault !== undefined) throw fault.error;
  }
  #store({ kind }: ResourceType): Map<string, Plain> {
    if (kind === 'Job') return this.jobs;
    if (kind === 'Pod') return this.pods;
    if (kind === 'ConfigMap') return this.configMaps;
    throw new Error(`nobody may read a ${kind}`);
  }

  readonly api = {
    get: async (resource: ResourceType, name: string) => {
      this.#called('get', resource, name);
      this.#fault('get', resource);
      const found = this.#store(resource).get(name);
      if (found === undefined) throw missing(name);
      return structuredClone(found);
    },
    create: async (resource: ResourceType, object: Plain) => {
      const name = String(object.metadata['name']);
      this.#called('create', resource, name);
      this.#fault('create', resource);
      if (this.jobs.has(name)) throw new KubeFault('Conflict', 'exists', { code: 'AlreadyExists', status: 409 });
      const job = structuredClone(object);
      job.metadata = {
        ...job.metadata,
        uid: `job-${(this.#uids += 1)}`,
        resourceVersion: '1',
        creationTimestamp: new Date(this.nowMs).toISOString(),
      };
      this.jobs.set(name, job);
      this.#fault('create', resource, true);
      return structuredClone(job);
    },
    listAll: async (resource: ResourceType, options: { labelSelector?: string }) => {
      this.#called('list', resource, options.labelSelector ?? '');
      this.#fault('list', resource);
      if (resource.kind === 'Event') return { items: this.events };
      const [label = '', value] = (options.labelSelector ?? '').split('=');
      const items = [...this.#store(resource).values()].filter((o) => (o.metadata['labels'] as Record<string, string>)[label] === value);
      return { items: structuredClone(items) };
    },
    mergePatch: async (resource: ResourceType, name: string, _namespace: string, patch: { metadata?: object; spec?: object }) => {
      this.#called('patch', resource, name);
      this.#fault('patch', resource);
      const found = this.jobs.get(name);
      if (found === undefined) throw missing(name);
      Object.assign(found.metadata, patch.metadata);
      Object.assign(found['spec'] as object, patch.spec);
      return structuredClone(found);
    },
    delete: async (resource: ResourceType, name: string, _namespace: string, options: object) => {
      this.#called('delete', resource, `${name} ${JSON.stringify(options)}`);
      this.#fault('delete', resource);
      if (!this.jobs.delete(name)) throw missing(name);
    },
    podLog: async (name: string, _namespace: string, options: object) => {
      this.calls.push(`log ${name} ${JSON.stringify(options)}`);
      if (this.log === '') throw missing(name);
      return this.log;
    },
  } as unknown as HubApi;

  deps(change: Partial<RunImageJobDeps> = {}): RunImageJobDeps {
    const note = (fields: object, message: string): unknown => this.logs.push({ ...fields, message });
    return {
      api: this.api,
      operatorNamespace: 'ns',
      imageJobs: {
        builderImage: 'b',
        signerImage: 's',
        activeDeadlineSeconds: 3_600,
        failedJobTtlSeconds: 86_400,
        requests: {},
        limits: {},
        storageLimit: '20Gi',
        pullSecrets: [],
        gcDelaySeconds: 0,
      },
      sha256,
      now: () => this.nowMs,
      logger: { debug: note, info: note, warn: note, error: note },
      sleep: async (ms) => {
        this.nowMs += ms;
        (this.script.length > 1 ? this.script.shift() : this.script[0])?.();
      },
      ...change,
    };
  }

  /** The pod of a Job, as its controller and a kubelet would have it. */
  setPod(jobName: string, status: object, uid = this.jobs.get(jobName)?.metadata['uid']): void {
    const metadata = {
      name: `${jobName}-x`,
      uid: `pod of ${String(uid)}`,
      creationTimestamp: new Date(START_MS).toISOString(),
      labels: { 'job-name': jobName },
      ownerReferences: [{ uid }],
    };
    this.pods.set(`${jobName}-x`, { metadata, spec: { nodeName: 'n' }, status });
  }
  succeed(jobName = NAME): void {
    const terminated = { exitCode: 0, message: JSON.stringify({ digest: DIGEST }), finishedAt: new Date(START_MS + 90_000).toISOString() };
    this.setPod(jobName, { phase: 'Succeeded', containerStatuses: [{ name: 'push', state: { terminated } }] });
  }
  fail(jobName = NAME): void {
    const said = { stage: 'Build', exitCode: 2, step: '2/2: RUN make', message: 'The step "2/2: RUN make" ended with exit code 2.' };
    const terminated = { exitCode: 2, message: JSON.stringify(said), finishedAt: new Date(START_MS + 30_000).toISOString() };
    this.setPod(jobName, { phase: 'Failed', initContainerStatuses: [{ name: 'build', state: { terminated } }] });
  }
  setConditions(jobName: string, ...types: string[]): void {
    Object.assign(this.jobs.get(jobName) ?? {}, { status: { conditions: types.map((type) => ({ type, status: 'True' })) } });
  }
  count(call: string): number {
    return this.calls.filter((c) => c.startsWith(call)).length;
  }
}

describe('running an attempt', () => {
  test('makes one Job from the Dockerfile, follows it, and hands the digest over', async () => {
    const hub = new Hub();
    hub.script = [() => undefined, () => hub.succeed()];
    expect(await createRunImageJob(hub.deps())(input)).toEqual({
      ok: true,
      job: NAME,
      digest: DIGEST,
      startedAt: '2026-02-01T00:00:00.000Z',
      seconds: 90,
    });
    expect(hub.count('create Job')).toBe(1);
    const job = hub.jobs.get(NAME) as unknown as {
      spec: { template: { metadata: { annotations: object } }; ttlSecondsAfterFinished: number };
    };
    expect(job.spec.template.metadata.annotations).toMatchObject({ 'kmodflow.io/dockerfile': DOCKERFILE });
  });

  test('reads no Secret', async () => {
    const hub = new Hub();
    hub.script = [() => hub.succeed()];
    await createRunImageJob(hub.deps())(input);
    expect(hub.calls.filter((c) => c.includes('Secret'))).toEqual([]);
    expect(JSON.stringify(hub.logs)).not.toContain(DOCKERFILE.trim());
  });

  test('leaves a Job long enough for its result to be handed over, and longer if the operator says so', async () => {
    const ttl = async (gcDelaySeconds: number): Promise<unknown> => {
      const hub = new Hub();
      hub.script = [() => hub.succeed()];
      const { imageJobs } = hub.deps();
      await createRunImageJob(hub.deps({ imageJobs: { ...imageJobs, gcDelaySeconds } }))(input);
      return (hub.jobs.get(NAME)?.['spec'] as { ttlSecondsAfterFinished: number }).ttlSecondsAfterFinished;
    };
    expect([await ttl(0), await ttl(7_200)]).toEqual([300, 7_200]);
  });

  test('tells the failure with the end of the log, without colours and control characters', async () => {
    const hub = new Hub();
    hub.script = [() => hub.fail()];
    hub.log = `${Array.from({ length: 80 }, (_, i) => `line ${i}`).join('\n')}\n\u001b[31mred\u001b[0m\u0007\n`;
    const result = await createRunImageJob(hub.deps())(input);
    if (result.ok || 'blocked' in result) throw new Error('it did not fail');
    const { failure, job, seconds } = result;
    expect([job, seconds, failure.kind, failure.exitCode, failure.step, failure.deterministic]).toEqual([
      NAME,
      30,
      'Build',
      2,
      '2/2: RUN make',
      true,
    ]);
    expect([failure.log.length, failure.log[0], failure.log.at(-1)]).toEqual([50, 'line 31', 'red']);
    expect(failure).not.toHaveProperty('container');
    expect(hub.calls).toContain(`log ${NAME}-x {"container":"build","tailLines":50,"limitBytes":262144}`);
  });

  test('tells the failure also when the log is gone', async () => {
    const hub = new Hub();
    hub.script = [() => hub.fail()];
    expect(await createRunImageJob(hub.deps())(input)).toMatchObject({ ok: false, failure: { kind: 'Build', log: [] } });
  });

  test('remembers the pod that it saw last, and says when the Job was deleted', async () => {
    const hub = new Hub();
    hub.script = [
      () => hub.setPod(NAME, { phase: 'Running', initContainerStatuses: [{ name: 'build', state: { running: {} } }] }),
      () => {
        hub.pods.clear();
        hub.jobs.delete(NAME);
      },
    ];
    expect(await createRunImageJob(hub.deps())(input)).toMatchObject({
      ok: false,
      job: NAME,
      failure: { kind: 'Deleted', deterministic: false },
    });
  });

  test('does not take the pod of an earlier Job for its own', async () => {
    const hub = new Hub();
    hub.script = [() => hub.setPod(NAME, { phase: 'Failed' }, 'an-older-uid'), () => hub.succeed()];
    expect(await createRunImageJob(hub.deps())(input)).toMatchObject({ ok: true });
  });

  test('lasts over an API server that is away, and gives up what outlives its deadline', async () => {
    const hub = new Hub();
    const away = new KubeFault('Unavailable', 'away', { code: 'NoAnswer' });
    hub.faults = [
      { call: /list Pod/, error: away },
      { call: /list Pod/, error: away },
    ];
    const result = await createRunImageJob(hub.deps())(input);
    expect(result).toMatchObject({ ok: false, failure: { kind: 'Deadline', deterministic: false } });
    expect((hub.nowMs - START_MS) / 1_000).toBe(3_600 + 600 + 0.5);
  });

  test('says why the pod does not begin, once', async () => {
    const hub = new Hub();
    hub.script = [
      () => {
        hub.setPod(NAME, { phase: 'Pending', startTime: new Date(START_MS).toISOString() });
        hub.events.push({
          metadata: {},
          involvedObject: { uid: `pod of job-1` },
          reason: 'FailedMount',
          message: 'secret "signing-key" not found',
        });
        hub.events.push({ metadata: {}, involvedObject: { uid: 'another pod' }, reason: 'FailedMount', message: 'secret "x" not found' });
      },
      () => undefined,
    ];
    const result = await createRunImageJob(hub.deps())(input);
    expect(result).toMatchObject({
      ok: false,
      failure: { kind: 'Input', message: expect.stringContaining('secret "signing-key" not found') },
    });
    expect(hub.logs.filter((l) => JSON.stringify(l).includes('signing-key') && JSON.stringify(l).includes('waits'))).toHaveLength(1);
    expect(hub.count('list Event')).toBeLessThan(20);
  });
});

describe('running an attempt again', () => {
  test('follows the Job that stands, also without its inputs', async () => {
    const hub = new Hub();
    hub.script = [() => hub.succeed()];
    await createRunImageJob(hub.deps())(input);
    hub.configMaps.clear();
    expect(await createRunImageJob(hub.deps())(input)).toMatchObject({ ok: true, digest: DIGEST });
    expect(hub.count('create Job')).toBe(1);
  });

  test('follows the Job of a faster worker', async () => {
    const hub = new Hub();
    hub.script = [() => hub.succeed()];
    const both = await Promise.all([createRunImageJob(hub.deps())(input), createRunImageJob(hub.deps())(input)]);
    expect(both.map((r) => r.ok && r.digest)).toEqual([DIGEST, DIGEST]);
    expect([hub.jobs.size, hub.count('create Job')]).toEqual([1, 2]);
  });

  test.each(['get Job', 'create Job', 'list Pod', 'patch Job'])('after it was killed at "%s" makes no second Job', async (call) => {
    const hub = new Hub();
    hub.script = [() => hub.succeed()];
    const killed = new Error('killed');
    hub.faults = [{ call: new RegExp(call), error: killed, after: call === 'create Job' }];
    await createRunImageJob(hub.deps())(input).catch((error: unknown) => expect(error).toBe(killed));
    expect(await createRunImageJob(hub.deps())(input)).toMatchObject({ ok: true, digest: DIGEST });
    expect([hub.jobs.size, [...hub.jobs.values()][0]?.metadata['uid']]).toEqual([1, 'job-1']);
  });

  test('stops following when it is cancelled, and leaves the Job', async () => {
    const hub = new Hub();
    const cancel = new AbortController();
    hub.script = [() => cancel.abort(new Error('cancelled'))];
    await expect(createRunImageJob(hub.deps())(input, { signal: cancel.signal })).rejects.toThrow('cancelled');
    expect([hub.jobs.has(NAME), hub.count('delete')]).toEqual([true, 0]);
  });

  test('makes those owners who joined since, and frees it of owners for one without an object', async () => {
    const hub = new Hub();
    hub.script = [() => hub.succeed()];
    const owners = (): unknown => (hub.jobs.get(NAME)?.metadata['ownerReferences'] as { uid: string }[]).map((o) => o.uid);
    await createRunImageJob(hub.deps())(input);
    expect(owners()).toEqual(['uid-1']);
    hub.faults = [{ call: /patch Job/, error: new KubeFault('Conflict', 'moved on', { code: 'Conflict', status: 409 }) }];
    await createRunImageJob(hub.deps())({ ...input, requesters: [kmod, other] });
    expect(owners()).toEqual(['uid-1', 'uid-2']);
    await createRunImageJob(hub.deps())({ ...input, requesters: [other, { workflowId: 'mcm/headless', module: 'headless' }] });
    expect(owners()).toEqual([]);
    await createRunImageJob(hub.deps())({ ...input, requesters: [kmod] });
    expect(owners()).toEqual([]);
  });
});

describe('an input that is not right', () => {
  const blockedBy = async (change: (hub: Hub) => void, changed: Partial<ImageNeed> = {}): Promise<string> => {
    const hub = new Hub();
    change(hub);
    const result = await createRunImageJob(hub.deps())({ ...input, need: { ...need, ...changed } });
    if (result.ok || !('blocked' in result)) throw new Error('it was not blocked');
    expect([result.blocked.reason, hub.count('create')]).toEqual(['BuildFailed', 0]);
    return result.blocked.message;
  };
  const withDockerfile = (data: object | undefined) => (hub: Hub) => {
    hub.configMaps.set('dockerfile', { metadata: { name: 'dockerfile' }, data });
  };

  test.each([
    [
      'no ConfigMap',
      (hub: Hub) => hub.configMaps.clear(),
      'ConfigMap ns/dockerfile does not exist. Create it with the Dockerfile under the key "dockerfile"; the build starts by itself then.',
    ],
    [
      'no data',
      withDockerfile(undefined),
      'ConfigMap ns/dockerfile has no key "dockerfile". Put the Dockerfile under that key; the build starts by itself then.',
    ],
    [
      'another key',
      withDockerfile({ Dockerfile: DOCKERFILE }),
      'ConfigMap ns/dockerfile has no key "dockerfile". Put the Dockerfile under that key; the build starts by itself then.',
    ],
    [
      'blanks',
      withDockerfile({ dockerfile: ' \n' }),
      'The key "dockerfile" of ConfigMap ns/dockerfile is empty. Put the Dockerfile there; the build starts by itself then.',
    ],
    [
      'too much',
      withDockerfile({ dockerfile: 'ä'.repeat(65_537) }),
      'The Dockerfile in ConfigMap ns/dockerfile has 131074 bytes; at most 131072 (128 KiB) are possible. Let it fetch large parts instead of holding them.',
    ],
    [
      'another text',
      withDockerfile({ dockerfile: 'FROM other\n' }),
      'The Dockerfile in ConfigMap ns/dockerfile has changed since this build was asked for. The module asks for the new one by itself.',
    ],
  ])('starts nothing: %s', async (_what, change, message) => {
    expect(await blockedBy(change)).toBe(message);
  });

  test('starts nothing: a reference that nothing can be pushed to', async () => {
    const image = `registry.example.com/kmod@${DIGEST}`;
    expect(await blockedBy(() => undefined, { image })).toContain('Use registry/repository:tag.');
    expect(await blockedBy(() => undefined, { recipe: undefined })).toContain('there is nothing to make');
  });

  test('is no reason to stop when the API server refuses the question', async () => {
    const hub = new Hub();
    hub.faults = [{ call: /get ConfigMap/, error: new Fault('Unavailable', 'away') }];
    await expect(createRunImageJob(hub.deps())(input)).rejects.toThrow('away');
    expect(hub.count('create')).toBe(0);
  });
});

describe('Jobs of a key that stand', () => {
  const withJobs = async (attempts: readonly number[], ended: Readonly<Record<number, string>>): Promise<Hub> => {
    const hub = new Hub();
    for (const attempt of attempts) {
      hub.script = [() => hub.succeed(`kmod-${KEY}-${attempt}`)];
      await createRunImageJob(hub.deps())({ ...input, attempt });
    }
    for (const [attempt, type] of Object.entries(ended)) hub.setConditions(`kmod-${KEY}-${attempt}`, type);
    return hub;
  };

  test('are counted by their names, and the one that runs is told', async () => {
    const hub = await withJobs([1, 2, 10], { 1: 'Failed', 2: 'Complete' });
    expect(await createStandingImageJobs(hub.deps())({ key: KEY })).toEqual({ attempts: 10, running: 10 });
    hub.setConditions(`kmod-${KEY}-10`, 'Failed');
    expect(await createStandingImageJobs(hub.deps())({ key: KEY })).toEqual({ attempts: 10, running: undefined });
    expect(await createStandingImageJobs(hub.deps())({ key: 'f'.repeat(16) })).toEqual({ attempts: 0, running: undefined });
  });

  test('are cancelled with their pods while they run, and kept when they have ended', async () => {
    const hub = await withJobs([1, 2], { 1: 'Failed' });
    expect(await createCancelImageJobs(hub.deps())({ key: KEY })).toEqual({ deleted: 1 });
    expect([...hub.jobs.keys()]).toEqual([NAME]);
    expect(hub.calls.filter((c) => c.startsWith('delete'))).toEqual([
      `delete Job kmod-${KEY}-2 {"uid":"job-2","propagationPolicy":"Background"}`,
    ]);
    expect(await createCancelImageJobs(hub.deps())({ key: KEY })).toEqual({ deleted: 0 });
  });

  test('that somebody else deletes at the same time are not counted', async () => {
    const hub = await withJobs([1], {});
    hub.faults = [{ call: /delete Job/, error: missing(NAME) }];
    expect(await createCancelImageJobs(hub.deps())({ key: KEY })).toEqual({ deleted: 0 });
  });

  test('may go after job.gcDelay once their result is in safe hands', async () => {
    const hub = await withJobs([1], {});
    await createReleaseImageJob(hub.deps())({ key: KEY, attempt: 1 });
    expect(hub.jobs.get(NAME)?.['spec']).toMatchObject({ ttlSecondsAfterFinished: 0 });
    await createReleaseImageJob(hub.deps())({ key: KEY, attempt: 9 });
    expect(hub.jobs.size).toBe(1);
  });

  test('are handed to those who join while they run', async () => {
    const hub = await withJobs([1, 2], { 1: 'Failed' });
    await createAdoptImageJobs(hub.deps())({ key: KEY, requesters: [other] });
    const owners = (name: string): unknown => (hub.jobs.get(name)?.metadata['ownerReferences'] as { uid: string }[]).map((o) => o.uid);
    expect([owners(NAME), owners(`kmod-${KEY}-2`)]).toEqual([['uid-1'], ['uid-1', 'uid-2']]);
  });
});
