import { IMAGE_KEY_LABEL } from '../api/names.js';
import { Fault, isFault } from '../domain/fault.js';
import { shortDigest } from '../domain/details.js';
import { imageProgress } from '../domain/mcm-images.js';
import { kernelsText } from '../domain/mcm-image-wording.js';
import { dnsSafeKernelVersion } from '../domain/kernel-version.js';
import type { ImageState } from '../domain/process.js';
import { resources, type KubernetesObject } from '../kube/index.js';
import type { ClientParts } from './parts.js';
import { readStatus } from './status.js';
import type { ContainerLog, ImageLogs, LogContainer, LogsOptions, StatusAnswer } from './types.js';

/** More than this of one container nobody reads in a terminal. The server begins at the first of so many lines, and stops after so many bytes. */
const MOST_LINES = 20_000;
const MOST_BYTES = 8 * 1024 * 1024;

/** The label that Kubernetes puts on the pods of a Job. */
const JOB_NAME_LABEL = 'batch.kubernetes.io/job-name';
const JOB_MODULE_LABEL = 'kmm.node.kubernetes.io/module.name';
const JOB_KERNEL_LABEL = 'kmm.node.kubernetes.io/target-kernel';

/** The container that looks whether the signing key belongs to the certificate has a longer name in the pod. */
const POD_NAMES: Readonly<Record<LogContainer, string>> = {
  check: 'sign-check',
  fetch: 'fetch',
  build: 'build',
  sign: 'sign',
  push: 'push',
};

/** Finds the Job of an image and reads its containers in their order. When it is gone, there is what the status remembers. */
export async function readImageLogs(parts: ClientParts, name: string, options: LogsOptions): Promise<ImageLogs> {
  const status = await readStatus(parts, name);
  const image = chooseImage(status, options.kernel);
  const notes = status.note === undefined ? [] : [status.note];
  const found = await findJob(parts, name, image, options.attempt);
  const logs = { module: name, image: image.image, kernels: image.kernels, attempt: found.attempt, job: found.job };
  const containers = found.job === undefined ? [] : await containerLogs(parts, found.job, options);
  const missing = found.job !== undefined && containers.length === 0 ? [nothingOf(found.job, options.container)] : [];
  const said = [...notes, ...found.notes, ...missing];
  const remembered = containers.some((c) => c.text !== undefined) ? [] : (image.run?.log ?? []);
  return { ...logs, containers, remembered, notes: said };
}

/** @throws Fault `Invalid`, with the kernels that there are. */
function chooseImage({ name, images }: StatusAnswer, kernel: string | undefined): ImageState {
  const [first, ...others] = images;
  if (first === undefined) throw new Fault('Conflict', `Module ${name} needs no image, or nobody has looked yet which ones it needs.`);
  if (kernel !== undefined) {
    const found = images.find((i) => i.kernels.includes(kernel));
    if (found !== undefined) return found;
    throw new Fault('Invalid', `Module ${name} has no image for kernel ${kernel}. ${kernelList(images)}`);
  }
  if (others.length === 0) return first;
  throw new Fault('Invalid', `Module ${name} has ${images.length} images: say which one with --kernel. ${kernelList(images)}`);
}

function kernelList(images: readonly ImageState[]): string {
  const rows = images.flatMap((i) => i.kernels.map((kernel) => `  ${kernel}  ${imageProgress(i)}`));
  return ['Its kernels are:', ...rows.sort()].join('\n');
}

interface FoundJob {
  readonly job: string | undefined;
  readonly attempt: number | undefined;
  readonly notes: readonly string[];
}

async function findJob(parts: ClientParts, name: string, image: ImageState, wanted: number | undefined): Promise<FoundJob> {
  const { operatorNamespace: namespace } = parts;
  const labelSelector = jobSelector(name, image);
  const { items } = await parts.kube().listAll(resources.jobs, { namespace, labelSelector });
  const jobs = items.filter((job) => isJobOf(job, image)).sort(newestFirst);
  const job = wanted === undefined ? jobs[0] : jobs.find(({ metadata }) => attemptOf(metadata.name) === wanted);
  if (job !== undefined) return { job: job.metadata.name, attempt: attemptOf(job.metadata.name), notes: [] };
  const note = wanted !== undefined && jobs.length > 0 ? noSuchAttempt(wanted, jobs) : noJobs(image, namespace);
  return { job: undefined, attempt: undefined, notes: [note] };
}

/** The key of a pinned image is not in the status any more: then the module and the kernel have to do. */
const jobSelector = (module: string, { run }: ImageState): string =>
  run === undefined ? `${IMAGE_KEY_LABEL},${JOB_MODULE_LABEL}=${module}` : `${IMAGE_KEY_LABEL}=${run.key}`;

const isJobOf = ({ metadata }: KubernetesObject, { run, kernels }: ImageState): boolean =>
  run !== undefined || kernels.some((kernel) => dnsSafeKernelVersion(kernel) === metadata.labels?.[JOB_KERNEL_LABEL]);

/** Jobs are called `kmod-<key>-<attempt>`. */
const attemptOf = (job: string): number => Number(/\d+$/.exec(job)?.[0] ?? 0);

const createdAt = ({ metadata }: KubernetesObject): string => String(metadata.creationTimestamp ?? '');

function newestFirst(a: KubernetesObject, b: KubernetesObject): number {
  if (createdAt(a) !== createdAt(b)) return createdAt(a) < createdAt(b) ? 1 : -1;
  return attemptOf(b.metadata.name) - attemptOf(a.metadata.name);
}

/** Why there is no Job, in a sentence. */
function noJobs({ image, kernels, digest, origin, run, problem }: ImageState, namespace: string): string {
  const which = `Image ${image} for ${kernelsText(kernels)}`;
  if (digest !== undefined)
    return origin === 'Foreign'
      ? `${which} was pushed by somebody else: there is no log.`
      : `${which} is pinned to ${shortDigest(digest)}, and no Job of it is there (any more): one that succeeded is removed.`;
  if (run !== undefined && run.attempt > 0) return `The Jobs of image ${image} are gone from namespace ${namespace}.`;
  if (run?.state === 'Queued') return `${which} waits for a free place to be built: there is no log yet.`;
  return problem === undefined
    ? `No attempt to make image ${image} has begun yet.`
    : `No attempt to make image ${image} has begun. ${problem.message}`;
}

const noSuchAttempt = (wanted: number, jobs: readonly KubernetesObject[]): string =>
  `The Job of attempt ${wanted} is not there. There are Jobs of attempt ${jobs.map((j) => attemptOf(j.metadata.name)).join(', ')}.`;

const nothingOf = (job: string, container: LogContainer | undefined): string =>
  container === undefined ? `Job ${job} has no pod, or not yet.` : `Job ${job} has no container ${container}.`;

interface LooseStatus {
  readonly name: string;
  readonly state?: {
    readonly running?: object;
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly terminated?: { readonly exitCode?: number; readonly reason?: string };
  };
}

interface LoosePod {
  readonly metadata: KubernetesObject['metadata'];
  readonly spec?: {
    readonly initContainers?: readonly { readonly name: string }[];
    readonly containers?: readonly { readonly name: string }[];
  };
  readonly status?: { readonly initContainerStatuses?: readonly LooseStatus[]; readonly containerStatuses?: readonly LooseStatus[] };
}

async function containerLogs(parts: ClientParts, job: string, { container, tail }: LogsOptions): Promise<ContainerLog[]> {
  const { operatorNamespace: namespace } = parts;
  const { items } = await parts.kube().listAll(resources.pods, { namespace, labelSelector: `${JOB_NAME_LABEL}=${job}` });
  const pod = [...items].sort(newestFirst)[0] as LoosePod | undefined;
  if (pod === undefined) return [];
  const names = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].map((c) => c.name);
  const wanted = container === undefined ? names : names.filter((n) => n === POD_NAMES[container]);
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  const logs: ContainerLog[] = [];
  for (const name of wanted) logs.push(await containerLog(parts, pod, { name, ...statuses.find((s) => s.name === name) }, tail));
  return logs;
}

async function containerLog(
  parts: ClientParts,
  pod: LoosePod,
  { name, state }: LooseStatus,
  tail: number | undefined,
): Promise<ContainerLog> {
  const container = (Object.entries(POD_NAMES).find(([, inPod]) => inPod === name)?.[0] ?? name) as LogContainer;
  const about = { container, state: stateOf(state), exitCode: state?.terminated?.exitCode };
  if (about.state === 'waiting') return { ...about, text: undefined, note: waitingNote(state) };
  const options = { container: name, limitBytes: MOST_BYTES, tailLines: tail ?? MOST_LINES };
  try {
    const text = await parts.kube().podLog(pod.metadata.name, parts.operatorNamespace, options);
    const cut = Buffer.byteLength(text) >= MOST_BYTES;
    return { ...about, text, note: cut ? 'It is cut after 8 MiB: ask for fewer lines to see its end.' : undefined };
  } catch (error) {
    if (isFault(error)) return { ...about, text: undefined, note: error.message };
    throw error;
  }
}

function stateOf(state: LooseStatus['state']): ContainerLog['state'] {
  if (state?.terminated !== undefined) return state.terminated.exitCode === 0 ? 'succeeded' : 'failed';
  return state?.running === undefined ? 'waiting' : 'running';
}

/** "PodInitializing" is what Kubernetes says of a container whose turn has not come. */
function waitingNote(state: LooseStatus['state']): string {
  const { reason = 'PodInitializing', message } = state?.waiting ?? {};
  return reason === 'PodInitializing' ? 'It has not begun.' : `It has not begun: ${reason}${message === undefined ? '' : `, ${message}`}.`;
}
