import { describe, expect, test } from '@jest/globals';
import { Fault } from '../../../src/domain/fault.js';
import { dnsSafeKernelVersion } from '../../../src/domain/kernel-version.js';
import type { ImageState } from '../../../src/domain/process.js';
import { aStatus, imageOf, KERNELS } from '../domain/builders.js';
import { aFailedImage, anImage, aPinnedImage, aRun, KEY } from '../domain/image-samples.js';
import { aClient, fakeHub, noWorkflows } from './fakes.js';

const NS = 'kmodflow-system';
const withImages = (...images: readonly ImageState[]) => noWorkflows({ status: () => Promise.resolve(aStatus({ images })) });

const aJob = (attempt: number, labels: Readonly<Record<string, string>> = {}, key = KEY): Record<string, object> => ({
  [`jobs/${NS}/kmod-${key}-${attempt}`]: {
    metadata: {
      name: `kmod-${key}-${attempt}`,
      creationTimestamp: `2026-01-01T00:0${attempt}:00Z`,
      labels: { 'kmodflow.io/image-key': key, 'kmm.node.kubernetes.io/module.name': 'kmod', ...labels },
    },
  },
});
const ended = (name: string, exitCode: number): object => ({ name, state: { terminated: { exitCode } } });
const waiting = (name: string, more: object = { reason: 'PodInitializing' }): object => ({ name, state: { waiting: more } });
const aPod = (attempt: number, statuses: { readonly init: readonly object[]; readonly push: object }): Record<string, object> => ({
  [`pods/${NS}/pod-${attempt}`]: {
    metadata: { name: `pod-${attempt}`, labels: { 'batch.kubernetes.io/job-name': `kmod-${KEY}-${attempt}` } },
    spec: { initContainers: ['sign-check', 'build', 'sign'].map((name) => ({ name })), containers: [{ name: 'push' }] },
    status: { initContainerStatuses: statuses.init, containerStatuses: [statuses.push] },
  },
});
const failedPod = aPod(2, { init: [ended('sign-check', 0), ended('build', 2), waiting('sign')], push: waiting('push') });
const LOGS = { 'pod-2/sign-check': 'The key belongs to the certificate.\n', 'pod-2/build': 'one\ntwo\nthree\n', 'pod-1/build': 'first\n' };
const CONTAINERS = [
  { container: 'check', state: 'succeeded', exitCode: 0, text: 'The key belongs to the certificate.\n', note: undefined },
  { container: 'build', state: 'failed', exitCode: 2, text: 'one\ntwo\nthree\n', note: undefined },
  { container: 'sign', state: 'waiting', exitCode: undefined, text: undefined, note: 'It has not begun.' },
  { container: 'push', state: 'waiting', exitCode: undefined, text: undefined, note: 'It has not begun.' },
];

describe('the logs of an image', () => {
  test('are those of the newest Job, container by container', async () => {
    const hub = fakeHub({ ...aJob(1), ...aJob(2), ...aJob(3, {}, 'other'), ...failedPod }, LOGS);
    expect(await aClient(withImages(aFailedImage()), hub).logs('kmod')).toEqual({
      module: 'kmod',
      image: imageOf(KERNELS[0]),
      kernels: [KERNELS[0]],
      job: `kmod-${KEY}-2`,
      attempt: 2,
      containers: CONTAINERS,
      remembered: [],
      notes: [],
    });
    expect(hub.selectors).toEqual([`jobs?kmodflow.io/image-key=${KEY}`, `pods?batch.kubernetes.io/job-name=kmod-${KEY}-2`]);
  });

  test('can be cut to one container, an attempt and a number of lines', async () => {
    const first = aPod(1, {
      init: [ended('sign-check', 0), { name: 'build', state: { running: {} } }, waiting('sign')],
      push: waiting('push'),
    });
    const hub = fakeHub({ ...aJob(1), ...aJob(2), ...first, ...failedPod }, LOGS);
    const client = aClient(withImages(aFailedImage()), hub);
    expect((await client.logs('kmod', { container: 'build', tail: 1 })).containers).toMatchObject([
      { container: 'build', text: 'three\n' },
    ]);
    expect((await client.logs('kmod', { container: 'check' })).containers).toMatchObject([{ container: 'check' }]);
    const earlier = await client.logs('kmod', { attempt: 1, container: 'build' });
    expect(earlier).toMatchObject({ attempt: 1, containers: [{ container: 'build', state: 'running', text: 'first\n' }] });
  });

  test('name the attempts that are there when another one is asked for', async () => {
    const logs = await aClient(withImages(aFailedImage({ log: ['tail'] })), fakeHub({ ...aJob(1), ...aJob(2) })).logs('kmod', {
      attempt: 7,
    });
    expect(logs).toMatchObject({
      job: undefined,
      containers: [],
      notes: ['The Job of attempt 7 is not there. There are Jobs of attempt 2, 1.'],
    });
  });

  test('are what the status remembers once the Jobs are gone', async () => {
    expect(await aClient(withImages(aFailedImage({ log: ['one', 'two'] }))).logs('kmod')).toMatchObject({
      job: undefined,
      containers: [],
      remembered: ['one', 'two'],
      notes: [`The Jobs of image ${imageOf(KERNELS[0])} are gone from namespace kmodflow-system.`],
    });
  });

  test('are what the status remembers when the Job has no pod, or its log cannot be read', async () => {
    const image = withImages(aFailedImage({ log: ['one'] }));
    expect(await aClient(image, fakeHub(aJob(2))).logs('kmod')).toMatchObject({
      remembered: ['one'],
      notes: [`Job kmod-${KEY}-2 has no pod, or not yet.`],
    });
    const unreadable = fakeHub({ ...aJob(2), ...failedPod }, { 'pod-2/build': new Fault('Unavailable', 'The kubelet does not answer.') });
    const logs = await aClient(image, unreadable).logs('kmod', { container: 'build' });
    expect(logs).toMatchObject({ containers: [{ text: undefined, note: 'The kubelet does not answer.' }], remembered: ['one'] });
  });

  test('that are too long say that they are cut', async () => {
    const hub = fakeHub({ ...aJob(2), ...failedPod }, { 'pod-2/build': 'x'.repeat(8 * 1024 * 1024) });
    const { containers } = await aClient(withImages(aFailedImage()), hub).logs('kmod', { container: 'build' });
    expect(containers[0]?.note).toBe('It is cut after 8 MiB: ask for fewer lines to see its end.');
  });

  test('of a container that cannot begin say why', async () => {
    const stuck = aPod(2, {
      init: [waiting('sign-check', { reason: 'ImagePullBackOff', message: 'no such image' }), waiting('build'), waiting('sign')],
      push: waiting('push'),
    });
    const { containers } = await aClient(withImages(aFailedImage()), fakeHub({ ...aJob(2), ...stuck })).logs('kmod');
    expect(containers[0]?.note).toBe('It has not begun: ImagePullBackOff, no such image.');
  });

  test('of a pinned image are those of a Job that is still there, found by module and kernel', async () => {
    const hub = fakeHub({
      ...aJob(1, { 'kmm.node.kubernetes.io/target-kernel': dnsSafeKernelVersion(KERNELS[1]) }),
      ...aJob(2, { 'kmm.node.kubernetes.io/target-kernel': 'another' }),
    });
    expect(await aClient(withImages(aPinnedImage()), hub).logs('kmod')).toMatchObject({ job: `kmod-${KEY}-1`, attempt: 1 });
    expect(hub.selectors[0]).toBe('jobs?kmodflow.io/image-key,kmm.node.kubernetes.io/module.name=kmod');
  });

  const which = `Image ${imageOf(KERNELS[0])} for kernel ${KERNELS[0]}`;
  test.each<[string, ImageState, string]>([
    [
      'was made and has no Job any more',
      aPinnedImage(),
      `Image ${imageOf(KERNELS[1])} for kernel ${KERNELS[1]} is pinned to sha256:111111111111, and no Job of it is there (any more): one that succeeded is removed.`,
    ],
    [
      'was pushed by somebody else',
      aPinnedImage({ origin: 'Foreign' }),
      `Image ${imageOf(KERNELS[1])} for kernel ${KERNELS[1]} was pushed by somebody else: there is no log.`,
    ],
    [
      'is queued',
      anImage({ run: aRun({ state: 'Queued', attempt: 0 }) }),
      `${which} waits for a free place to be built: there is no log yet.`,
    ],
    ['is looked up', anImage({ run: undefined }), `No attempt to make image ${imageOf(KERNELS[0])} has begun yet.`],
    [
      'lacks an input',
      anImage({ run: aRun({ state: 'Waiting', attempt: 0 }), problem: { reason: 'BuildFailed', message: 'ConfigMap a does not exist.' } }),
      `No attempt to make image ${imageOf(KERNELS[0])} has begun. ConfigMap a does not exist.`,
    ],
  ])('of an image that %s are not there, and it is said why', async (_what, image, note) => {
    expect(await aClient(withImages(image)).logs('kmod')).toMatchObject({ job: undefined, containers: [], remembered: [], notes: [note] });
  });

  test('ask for the kernel when there are several images, and list them', async () => {
    const client = aClient(withImages(aFailedImage(), aPinnedImage()));
    const list = `Its kernels are:\n  ${KERNELS[0]}  Failed\n  ${KERNELS[1]}  Pinned`;
    await expect(client.logs('kmod')).rejects.toMatchObject({
      kind: 'Invalid',
      message: `Module kmod has 2 images: say which one with --kernel. ${list}`,
    });
    await expect(client.logs('kmod', { kernel: 'x' })).rejects.toMatchObject({
      kind: 'Invalid',
      message: `Module kmod has no image for kernel x. ${list}`,
    });
    expect(await client.logs('kmod', { kernel: KERNELS[1] })).toMatchObject({ image: imageOf(KERNELS[1]) });
  });

  test('of a module without images are refused', async () => {
    await expect(aClient(withImages()).logs('kmod')).rejects.toMatchObject({
      kind: 'Conflict',
      message: 'Module kmod needs no image, or nobody has looked yet which ones it needs.',
    });
  });
});
