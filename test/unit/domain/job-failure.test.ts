import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ImageNeed, ImageRecipe } from '../../../src/domain/image-process.js';
import {
  classifyJob,
  IMAGE_PULL_PATIENCE_MS,
  INPUT_PATIENCE_MS,
  overdueJob,
  type JobLook,
  type JobSubject,
} from '../../../src/domain/job-failure.js';
import type { ContainerState, PlainJob, PlainPod } from '../../../src/domain/job-objects.js';

const NOW_MS = Date.parse('2026-02-01T01:00:00Z');
const START = '2026-02-01T00:00:00Z';
const DIGEST = `sha256:${'d'.repeat(64)}`;
const ATTEMPT = 'Attempt 2 to build registry/kmod:1 for kernel 6.1.0 failed';

const build: ImageRecipe = { module: 'kmod', build: { dockerfile: { configMap: 'd', sha256: 'a' }, args: [], secrets: [] } };
const sign: ImageRecipe = {
  module: 'kmod',
  sign: { keySecret: 'k', certSecret: 'c', certificate: 'b', files: ['/a.ko'], unsignedImage: 'vendor/driver:1' },
};
const subjectOf = (recipe: ImageRecipe): JobSubject => ({
  need: { key: 'f'.repeat(16), image: 'registry/kmod:1', kernels: ['6.1.0'], expect: { dirName: '/opt' }, recipe } satisfies ImageNeed,
  attempt: 2,
  activeDeadlineSeconds: 3_600,
});

const aJob = (...conditions: { type: string; reason?: string }[]): PlainJob => ({
  metadata: { name: 'kmod-f-2', uid: 'job', creationTimestamp: START },
  status: { startTime: START, conditions: conditions.map((c) => ({ ...c, status: 'True' })) },
});

type Status = NonNullable<PlainPod['status']>;
const aPod = (status: Status, metadata: Partial<PlainPod['metadata']> = {}, nodeName = 'node-1'): PlainPod => ({
  metadata: { name: 'pod', creationTimestamp: START, ...metadata },
  spec: { nodeName },
  status: { startTime: START, ...status },
});
const ended = (exitCode: number, message?: object | string, reason = 'Error'): ContainerState => ({
  terminated: { exitCode, reason, message: typeof message === 'object' ? JSON.stringify(message) : (message ?? '') },
});
/** A pod whose build container ended like this. */
const built = (state: ContainerState, status: Status = {}, metadata: Partial<PlainPod['metadata']> = {}): PlainPod =>
  aPod({ phase: 'Failed', initContainerStatuses: [{ name: 'build', image: 'builder:1', state }], ...status }, metadata);

const look = (change: Partial<JobLook>): JobLook => ({ job: aJob(), pods: [], events: [], nowMs: NOW_MS, ...change });
const failureOf = (change: Partial<JobLook>, recipe = build) => {
  const verdict = classifyJob(look(change), subjectOf(recipe));
  if (!verdict.done || verdict.ok) throw new Error(`not failed: ${JSON.stringify(verdict)}`);
  return verdict.failure;
};
/** Kind, reason, deterministic. */
const short = (change: Partial<JobLook>, recipe = build): unknown[] => {
  const { kind, reason, deterministic } = failureOf(change, recipe);
  return [kind, reason, deterministic];
};

describe('a Job that did its work', () => {
  const pushed = (phase: string): PlainPod =>
    aPod({ phase, containerStatuses: [{ name: 'push', state: ended(0, { digest: DIGEST }, 'Completed') }] });

  test('is known by the digest of its pod, before the Job itself is complete and after', () => {
    expect(classifyJob(look({ pods: [pushed('Succeeded')] }), subjectOf(build))).toEqual({ done: true, ok: true, digest: DIGEST });
    const complete = look({ job: aJob({ type: 'Complete' }), pods: [pushed('Succeeded')] });
    expect(classifyJob(complete, subjectOf(build))).toEqual({ done: true, ok: true, digest: DIGEST });
    expect(classifyJob({ ...complete, job: undefined }, subjectOf(build))).toMatchObject({ ok: true });
  });

  test('is unknown when nobody can tell the digest any more', () => {
    expect(short({ job: aJob({ type: 'Complete' }) })).toEqual(['Unknown', 'BuildFailed', false]);
    const nonsense = aPod({ phase: 'Succeeded', containerStatuses: [{ name: 'push', state: ended(0, { digest: 'latest' }) }] });
    expect(short({ job: aJob({ type: 'Complete' }), pods: [nonsense] })).toEqual(['Unknown', 'BuildFailed', false]);
  });
});

describe('a container that said what failed', () => {
  const step = {
    stage: 'Build',
    exitCode: 2,
    cause: 'step',
    step: '3/7: RUN make',
    message: 'The step "3/7: RUN make" ended with exit code 2.',
  };

  test('is quoted with step, image, kernel, attempt and what to do', () => {
    expect(failureOf({ pods: [built(ended(2, step))] })).toEqual({
      kind: 'Build',
      reason: 'BuildFailed',
      message: `${ATTEMPT} in the container build: The step "3/7: RUN make" ended with exit code 2. Correct the Dockerfile or the build arguments; a change is built at once.`,
      deterministic: true,
      exitCode: 2,
      step: '3/7: RUN make',
      container: 'build',
    });
  });

  test.each([
    ['a pair that does not belong together', { stage: 'Check' }, sign, ['Check', 'SignFailed', true]],
    ['a file that cannot be signed', { stage: 'Sign' }, sign, ['Sign', 'SignFailed', true]],
    ['a step that needs a network', { stage: 'Build', cause: 'network' }, build, ['Build', 'BuildFailed', false]],
    ['a base image that is missing', { stage: 'Fetch', cause: 'missing' }, build, ['Fetch', 'BuildFailed', false]],
    ['an unsigned image that is missing', { stage: 'Fetch', cause: 'missing' }, sign, ['Fetch', 'ImageMissing', false]],
    ['a refused pull', { stage: 'Fetch', cause: 'denied' }, build, ['Fetch', 'RegistryDenied', false]],
    ['a registry out of reach', { stage: 'Fetch', cause: 'unavailable' }, build, ['Fetch', 'RegistryUnavailable', false]],
    ['a refused push', { stage: 'Push', cause: 'denied' }, build, ['Push', 'RegistryDenied', false]],
    ['a push that nobody takes', { stage: 'Push', cause: 'unavailable' }, build, ['Push', 'RegistryUnavailable', false]],
    ['a registry that lies', { stage: 'Push', cause: 'digest' }, build, ['Push', 'ImageRejected', false]],
    ['a full disk', { stage: 'Build', cause: 'disk' }, build, ['DiskFull', 'BuildFailed', false]],
    ['a full disk of the signer', { stage: 'Sign', message: 'ENOSPC: no space left on device' }, sign, ['DiskFull', 'SignFailed', false]],
    ['a killed compiler', { stage: 'Build', cause: 'memory' }, build, ['OutOfMemory', 'BuildFailed', false]],
    ['a missing input', { stage: 'Build', cause: 'input' }, build, ['Input', 'BuildFailed', false]],
    ['a node without user namespaces', { stage: 'Build', cause: 'sandbox' }, build, ['Unknown', 'BuildFailed', false]],
  ])('tells of %s', (_what, said, recipe, expected) => {
    expect(short({ pods: [built(ended(1, { exitCode: 1, message: 'It failed.', ...said }))] }, recipe)).toEqual(expected);
  });

  test('is believed on a node that goes down a moment later', () => {
    const lost = { reason: 'NodeShutdown', message: 'Pod was terminated in response to imminent node shutdown.' };
    expect(short({ pods: [built(ended(2, step), lost)] })).toEqual(['Build', 'BuildFailed', true]);
  });

  test('cannot make a message of any size', () => {
    const long = { stage: 'Build', exitCode: 2, step: 's'.repeat(5_000), message: 'm'.repeat(5_000) };
    const failure = failureOf({ pods: [built(ended(2, long))] });
    expect(failure.message.length).toBeLessThan(1_900);
    expect(failure.message).toMatch(/a change is built at once\.$/);
    expect(failure.step).toHaveLength(200);
  });
});

describe('a container that said nothing', () => {
  test.each([
    ['was killed for want of memory', ended(137, '', 'OOMKilled'), 'OutOfMemory'],
    ['was killed', ended(137), 'OutOfMemory'],
    ['cannot be started', ended(128, 'exec: no such file', 'StartError'), 'BuilderImage'],
    ['is unknown to its node', ended(137, '', 'ContainerStatusUnknown'), 'NodeLost'],
    ['ended with a code', ended(1, 'some text'), 'Unknown'],
  ])('that %s is no failure of the Dockerfile', (_what, state, kind) => {
    expect(short({ pods: [built(state)] })).toEqual([kind, 'BuildFailed', false]);
  });

  test('is named with its exit code', () => {
    expect(failureOf({ pods: [built(ended(1))] }).message).toBe(
      `${ATTEMPT} in the container build with exit code 1: the container ended without a word. See the log; it is tried again by itself.`,
    );
  });
});

describe('a pod that was taken away', () => {
  test.each([
    ['evicted by its node', { reason: 'Evicted', message: 'The node was low on resource: memory.' }, 'Evicted'],
    ['evicted for its own disk', { reason: 'Evicted', message: 'Usage of EmptyDir volume "work" exceeds the limit "20Gi".' }, 'DiskFull'],
    ['preempted', { reason: 'Preempting' }, 'Evicted'],
    [
      'on a node that shuts down',
      { reason: 'Terminated', message: 'Pod was terminated in response to imminent node shutdown.' },
      'NodeLost',
    ],
    ['refused by its node', { reason: 'OutOfcpu', message: 'Node did not have enough resource: cpu' }, 'Unschedulable'],
    [
      'drained',
      { conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'eviction' }] },
      'Evicted',
    ],
    [
      'on a lost node',
      { conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', message: 'node not found' }] },
      'NodeLost',
    ],
  ])('%s says so', (_what, status, kind) => {
    expect(short({ pods: [built(ended(137), status)] })).toEqual([kind, 'BuildFailed', false]);
  });

  test('by hand is not called out of memory', () => {
    const deleted = built(ended(137), { phase: 'Running' }, { deletionTimestamp: START });
    expect(classifyJob(look({ pods: [deleted] }), subjectOf(build))).toEqual({ done: false });
    expect(short({ job: aJob({ type: 'Failed', reason: 'BackoffLimitExceeded' }), pods: [deleted] })).toEqual([
      'NodeLost',
      'BuildFailed',
      false,
    ]);
  });

  test('without a trace leaves a Job that has failed', () => {
    const failed = aJob({ type: 'Failed', reason: 'BackoffLimitExceeded' });
    expect(failureOf({ job: failed }).message).toContain('its pod is gone: it was deleted, or its node was lost.');
    const running = aPod({ phase: 'Running', initContainerStatuses: [{ name: 'build', state: { running: {} } }] });
    expect(failureOf({ job: failed, pods: [running] }).message).toContain('its node node-1 was lost.');
  });
});

describe('a Job that is gone or late', () => {
  test('was deleted by somebody', () => {
    expect(short({ job: undefined })).toEqual(['Deleted', 'BuildFailed', false]);
    const going = aJob();
    expect(short({ job: { ...going, metadata: { ...going.metadata, deletionTimestamp: START } } })).toEqual([
      'Deleted',
      'BuildFailed',
      false,
    ]);
  });

  test('has run over its deadline, and the container that was at work is named', () => {
    const job = aJob({ type: 'Failed', reason: 'DeadlineExceeded' });
    const pods = [built(ended(137), { phase: 'Failed' }, { deletionTimestamp: START })];
    const failure = failureOf({ job, pods });
    expect([failure.kind, failure.container, failure.deterministic]).toEqual(['Deadline', 'build', false]);
    expect(failure.message).toBe(
      `${ATTEMPT} in the container build: it was not done in time (3600 s). Raise KMODFLOW_BUILD_DEADLINE, or see what takes so long; it is tried again by itself.`,
    );
    expect(overdueJob(subjectOf(build)).message).toContain('it was not done in time, and Kubernetes has not ended it (3600 s).');
  });

  test('never found a node', () => {
    const waiting = {
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes are available.' }],
    };
    expect(classifyJob(look({ pods: [aPod(waiting)] }), subjectOf(build))).toEqual({
      done: false,
      waiting: 'No node takes its pod: 0/3 nodes are available.',
    });
    const late = { job: aJob({ type: 'FailureTarget', reason: 'DeadlineExceeded' }), pods: [aPod(waiting)] };
    expect(short(late)).toEqual(['Unschedulable', 'BuildFailed', false]);
  });
});

describe('a pod that waits', () => {
  const since = (ms: number): number => Date.parse(START) + ms;
  const stuck = (reason: string, message = ''): PlainPod =>
    aPod({ phase: 'Pending', initContainerStatuses: [{ name: 'sign-check', image: 'signer:1', state: { waiting: { reason, message } } }] });
  const mountEvent = (message: string) => [{ reason: 'FailedMount', message }];

  test('for a data key that is missing in a Secret names the Secret, which the kubelet does not', () => {
    const message = 'MountVolume.SetUp failed for volume "key" : references non-existent secret key: key';
    const pod = { ...aPod({ phase: 'Pending' }), spec: { volumes: [{ name: 'key', secret: { secretName: 'signing-key' } }] } };
    expect(classifyJob(look({ pods: [pod], events: mountEvent(message), nowMs: since(0) }), subjectOf(build))).toEqual({
      done: false,
      waiting: `A volume of its pod cannot be mounted (Secret signing-key): ${message}.`,
    });
  });

  test('for our own image is given five minutes', () => {
    const pods = [stuck('ImagePullBackOff', 'Back-off pulling image "signer:1"')];
    const early = look({ pods, nowMs: since(IMAGE_PULL_PATIENCE_MS - 1) });
    expect(classifyJob(early, subjectOf(build))).toEqual({
      done: false,
      waiting: 'The image signer:1 of the container sign-check cannot be pulled: ImagePullBackOff, Back-off pulling image "signer:1".',
    });
    const failure = failureOf({ pods, nowMs: since(IMAGE_PULL_PATIENCE_MS) });
    expect([failure.kind, failure.reason, failure.deterministic]).toEqual(['BuilderImage', 'BuildFailed', false]);
    expect(failure.message).toContain('Correct KMODFLOW_BUILDER_IMAGE, KMODFLOW_SIGNER_IMAGE or KMODFLOW_BUILD_PULL_SECRETS');
  });

  test('is patient from the end of the container before, not from the beginning', () => {
    const half = new Date(since(30 * 60_000)).toISOString();
    const pod = aPod({
      phase: 'Pending',
      initContainerStatuses: [
        { name: 'build', state: { terminated: { exitCode: 0, finishedAt: half } } },
        { name: 'sign', image: 'signer:1', state: { waiting: { reason: 'ErrImagePull' } } },
      ],
    });
    expect(classifyJob(look({ pods: [pod], nowMs: since(31 * 60_000) }), subjectOf(build)).done).toBe(false);
    expect(short({ pods: [pod], nowMs: since(36 * 60_000) })).toEqual(['BuilderImage', 'BuildFailed', false]);
  });

  test('for a Secret that is not there is given two minutes, and the Secret is named', () => {
    const pods = [stuck('PodInitializing')];
    const events = mountEvent('MountVolume.SetUp failed for volume "key" : secret "signing-key" not found');
    expect(classifyJob(look({ pods, events, nowMs: since(INPUT_PATIENCE_MS - 1) }), subjectOf(build))).toEqual({
      done: false,
      waiting: 'A volume of its pod cannot be mounted: MountVolume.SetUp failed for volume "key" : secret "signing-key" not found.',
    });
    const failure = failureOf({ pods, events, nowMs: since(INPUT_PATIENCE_MS) });
    expect(failure.kind).toBe('Input');
    expect(failure.message).toBe(
      `${ATTEMPT}: a volume of its pod cannot be mounted: MountVolume.SetUp failed for volume "key" : secret "signing-key" not found. Create or correct what is missing; it is tried again by itself.`,
    );
    expect(short({ pods, events: mountEvent('references non-existent secret key: key'), nowMs: since(INPUT_PATIENCE_MS) })[0]).toBe(
      'Input',
    );
    expect(classifyJob(look({ pods, events: mountEvent('timed out waiting for the condition') }), subjectOf(build)).done).toBe(false);
  });

  test('for its configuration is given two minutes', () => {
    const pods = [stuck('CreateContainerConfigError', 'container has runAsNonRoot and image will run as root')];
    expect(classifyJob(look({ pods, nowMs: since(INPUT_PATIENCE_MS - 1) }), subjectOf(build)).done).toBe(false);
    expect(short({ pods, nowMs: since(INPUT_PATIENCE_MS) })).toEqual(['Input', 'BuildFailed', false]);
  });

  test('and is refused by the API server shows the refusal', () => {
    const events = [{ reason: 'FailedCreate', message: 'pods "x" is forbidden: violates PodSecurity "restricted:latest"' }];
    expect(classifyJob(look({ events, nowMs: since(1_000) }), subjectOf(build))).toEqual({
      done: false,
      waiting: 'Kubernetes refuses its pod: pods "x" is forbidden: violates PodSecurity "restricted:latest".',
    });
    expect(short({ events, nowMs: since(INPUT_PATIENCE_MS) })).toEqual(['Input', 'BuildFailed', false]);
    expect(classifyJob(look({}), subjectOf(build))).toEqual({ done: false, waiting: 'The Job has no pod yet.' });
  });

  test('says nothing while it works', () => {
    const states = [
      { name: 'build', state: { running: {} } },
      { name: 'push', state: { waiting: { reason: 'PodInitializing' } } },
    ];
    const pod = aPod({ phase: 'Pending', initContainerStatuses: states });
    expect(classifyJob(look({ pods: [pod], events: mountEvent('secret "x" not found') }), subjectOf(build))).toEqual({ done: false });
  });
});

test('whatever a container writes, the verdict is one of the closed set and a sentence', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), fc.integer({ min: 1, max: 255 }), (message, exitCode) => {
      const failure = failureOf({ pods: [built(ended(exitCode, message))] });
      expect(['Check', 'Fetch', 'Build', 'Sign', 'Push', 'OutOfMemory', 'DiskFull', 'Input', 'Unknown']).toContain(failure.kind);
      expect(failure.message).toMatch(/^Attempt 2 to build registry\/kmod:1 for kernel 6\.1\.0 failed in the container build.*\.$/s);
    }),
  );
});
