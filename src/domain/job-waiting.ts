import { containersOfPod, type ContainerStatus, type PlainEvent, type PlainPod } from './job-objects.js';
import type { Finding, JobLook, StillGoing } from './job-verdict.js';

/** How long the builder's or signer's own image may fail to arrive, milliseconds (5 minutes): registries come back. */
export const IMAGE_PULL_PATIENCE_MS = 5 * 60_000;
/** How long a Secret may be missing, and the API server may refuse the pod, milliseconds (2 minutes): what belongs together is often applied one after the other. */
export const INPUT_PATIENCE_MS = 2 * 60_000;

const CANNOT_PULL: ReadonlySet<string> = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
]);
const CANNOT_CONFIGURE: ReadonlySet<string> = new Set(['CreateContainerConfigError']);
const CANNOT_START: ReadonlySet<string> = new Set(['CreateContainerError', 'RunContainerError']);

/** What a Job that has not ended waits for, or why waiting longer is of no use. */
export function waitingVerdict(pod: PlainPod | undefined, look: JobLook): Finding | StillGoing {
  if (pod === undefined) return withoutPod(look);
  const unscheduled = unschedulable(pod);
  if (unscheduled !== undefined) return { done: false, waiting: sentence(`no node takes its pod: ${unscheduled}`) };
  const waitedMs = look.nowMs - waitingSince(pod, look.nowMs);
  const stuck = containersOfPod(pod).find(({ state }) => state?.waiting !== undefined && !isWaitingForItsTurn(state.waiting.reason));
  if (stuck !== undefined) return ofContainer(stuck, waitedMs);
  return pod.status?.phase === 'Pending' && !hasBegun(pod) ? ofVolumes(pod, look.events, waitedMs) : { done: false };
}

/** Why no node takes a pod; undefined when one has, or nobody has tried yet. */
export function unschedulable({ status }: PlainPod): string | undefined {
  const condition = (status?.conditions ?? []).find((c) => c.type === 'PodScheduled' && c.status === 'False');
  return condition === undefined ? undefined : (condition.message ?? condition.reason ?? 'no reason is given');
}

/** Until all volumes are there no container begins, and only an Event tells which one is missing. */
function ofVolumes(pod: PlainPod, events: readonly PlainEvent[], waitedMs: number): Finding | StillGoing {
  const mount = lastEvent(events, 'FailedMount', 'FailedAttachVolume');
  if (mount === undefined) return { done: false };
  const { message = '' } = mount;
  const what = `a volume of its pod cannot be mounted${secretBehind(pod, message)}: ${message}`;
  return isMissingInput(message) && waitedMs >= INPUT_PATIENCE_MS
    ? { kind: 'Input', message: what }
    : { done: false, waiting: sentence(what) };
}

/** The kubelet names the volume, and not always the Secret in which a data key is missing: a person looks for that one. */
function secretBehind({ spec }: PlainPod, message: string): string {
  const volume = /volume "([^"]+)"/.exec(message)?.[1];
  const secret = spec?.volumes?.find(({ name }) => name === volume)?.secret?.secretName;
  return secret === undefined ? '' : ` (Secret ${secret})`;
}

const hasBegun = (pod: PlainPod): boolean =>
  containersOfPod(pod).some(({ state }) => state?.running !== undefined || state?.terminated !== undefined);

/** Quotas, admission policies and the Pod Security level of the namespace refuse pods, and only an Event on the Job tells. */
function withoutPod({ job, events, nowMs }: JobLook): Finding | StillGoing {
  const refused = lastEvent(events, 'FailedCreate');
  if (refused === undefined) return { done: false, waiting: 'The Job has no pod yet.' };
  const message = `Kubernetes refuses its pod: ${refused.message ?? ''}`;
  const waitedMs = nowMs - timeOf(job?.metadata.creationTimestamp, nowMs);
  return waitedMs >= INPUT_PATIENCE_MS ? { kind: 'Input', message } : { done: false, waiting: sentence(message) };
}

function ofContainer({ name, image = '', state }: ContainerStatus, waitedMs: number): Finding | StillGoing {
  const { reason = '', message = '' } = state?.waiting ?? {};
  const why = message === '' ? reason : `${reason}, ${message}`;
  const [kind, what, patienceMs] = CANNOT_PULL.has(reason)
    ? (['BuilderImage', `the image ${image} of the container ${name} cannot be pulled: ${why}`, IMAGE_PULL_PATIENCE_MS] as const)
    : CANNOT_CONFIGURE.has(reason)
      ? (['Input', `the container ${name} cannot be configured: ${why}`, INPUT_PATIENCE_MS] as const)
      : CANNOT_START.has(reason)
        ? (['BuilderImage', `the container ${name} cannot be started: ${why}`, IMAGE_PULL_PATIENCE_MS] as const)
        : (['Unknown', `the container ${name} waits: ${why}`, Infinity] as const);
  return waitedMs >= patienceMs ? { kind, message: what } : { done: false, waiting: sentence(what) };
}

/** What every container says until its turn comes. */
const isWaitingForItsTurn = (reason = 'PodInitializing'): boolean => reason === 'PodInitializing' || reason === 'ContainerCreating';

/** Since when the pod has stood still: since its last container ended, or since a node took it. */
function waitingSince(pod: PlainPod, nowMs: number): number {
  const ends = containersOfPod(pod).map(({ state }) => timeOf(state?.terminated?.finishedAt, Number.NEGATIVE_INFINITY));
  return Math.max(...ends, timeOf(pod.status?.startTime ?? pod.metadata.creationTimestamp, nowMs));
}

/** A Secret, a ConfigMap or a key in one that is not there: the kubelet's own words. */
const isMissingInput = (message: string): boolean => /not found|non-existent|not registered/i.test(message);

const lastEvent = (events: readonly PlainEvent[], ...reasons: string[]): PlainEvent | undefined =>
  events.filter(({ reason = '' }) => reasons.includes(reason)).at(-1);

const timeOf = (text: string | undefined, otherwise: number): number => {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? otherwise : ms;
};

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/[\s.]+$/, '')}.`;
