import type { JobFailureKind } from './image-process.js';
import { problemOfJob } from './job-failure-wording.js';
import { conditionOf, containersOfPod, type ContainerStatus, type PlainJob, type PlainPod } from './job-objects.js';
import type { FailedJob, Finding, JobLook, JobSubject, JobVerdict, StillGoing } from './job-verdict.js';
import { unschedulable, waitingVerdict } from './job-waiting.js';
import { readTermination } from './termination-message.js';

export type { FailedJob, JobLook, JobSubject, JobVerdict } from './job-verdict.js';
export { IMAGE_PULL_PATIENCE_MS, INPUT_PATIENCE_MS } from './job-waiting.js';

/** Same inputs, same end. Everything else may pass by itself. */
const DETERMINISTIC: ReadonlySet<JobFailureKind> = new Set(['Check', 'Build', 'Sign']);

/**
 * Where a Job stands, and if it has failed, where and why. What a container itself said comes first; what Kubernetes says of the pod explains the rest.
 * Same input, same verdict.
 */
export function classifyJob(look: JobLook, subject: JobSubject): JobVerdict {
  const pod = latestOf(look.pods);
  const digest = pod === undefined ? undefined : digestOf(pod);
  if (digest !== undefined) return { done: true, ok: true, digest };
  const found = findingOf(look, look.job, pod);
  return 'kind' in found ? { done: true, ok: false, failure: failureOf(found, subject) } : found;
}

/** A Job that runs on although its deadline is long past: whatever ends Jobs does not work. */
export const overdueJob = (subject: JobSubject): FailedJob =>
  failureOf({ kind: 'Deadline', message: 'it was not done in time, and Kubernetes has not ended it' }, subject);

function failureOf(found: Finding, subject: JobSubject): FailedJob {
  const { kind, exitCode, step, container, passing } = found;
  return { kind, ...problemOfJob(found, subject), deterministic: DETERMINISTIC.has(kind) && passing !== true, exitCode, step, container };
}

function findingOf(look: JobLook, job: PlainJob | undefined, pod: PlainPod | undefined): Finding | StillGoing {
  if (job === undefined) return { kind: 'Deleted', message: 'the Job is gone: somebody deleted it' };
  const conditions = job.status?.conditions;
  if (conditionOf(conditions, 'Complete') !== undefined)
    return { kind: 'Unknown', message: 'the Job is complete, and its pod is gone or names no digest' };
  const failed = conditionOf(conditions, 'Failed') ?? conditionOf(conditions, 'FailureTarget');
  if (failed?.reason === 'DeadlineExceeded') return afterDeadline(pod);
  if (job.metadata.deletionTimestamp !== undefined) return { kind: 'Deleted', message: 'the Job is being deleted' };
  const ofPod = pod === undefined ? undefined : findingOfPod(pod);
  if (failed !== undefined) return ofPod ?? withoutPod(pod);
  // A pod that is being deleted ends in ways that say nothing; the Job's own condition follows and says why.
  if (ofPod !== undefined && pod?.metadata.deletionTimestamp === undefined) return ofPod;
  return waitingVerdict(pod, look);
}

/** A pod that never found a node has not been too slow. */
function afterDeadline(pod: PlainPod | undefined): Finding {
  const unscheduled = pod === undefined ? undefined : unschedulable(pod);
  if (unscheduled !== undefined) return { kind: 'Unschedulable', message: `no node took its pod: ${unscheduled}` };
  return { kind: 'Deadline', message: 'it was not done in time', container: pod === undefined ? undefined : runningIn(pod) };
}

/** The Job has failed and the pod, if it was ever seen, did not say why. */
const withoutPod = (pod: PlainPod | undefined): Finding => ({
  kind: 'NodeLost',
  message:
    pod?.spec?.nodeName === undefined
      ? 'its pod is gone: it was deleted, or its node was lost'
      : `its pod is gone: it was deleted, or its node ${pod.spec.nodeName} was lost`,
});

/** Why a pod has failed; undefined when it has not. */
function findingOfPod(pod: PlainPod): Finding | undefined {
  const failed = containersOfPod(pod).find(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0);
  // What a container said of itself is true even on a node that went down a moment later.
  const finding = (failed === undefined ? undefined : findingOfMessage(failed)) ?? disruption(pod);
  if (finding !== undefined) return finding;
  // Whoever deletes a pod kills its containers: how they ended says nothing then.
  const isKilled = pod.metadata.deletionTimestamp !== undefined;
  if (failed !== undefined && (!isKilled || failed.state?.terminated?.reason === 'OOMKilled')) return findingOfExit(failed);
  return isKilled || pod.status?.phase !== 'Failed' ? undefined : ofPhase(pod);
}

const ofPhase = ({ status }: PlainPod): Finding => ({
  kind: 'Unknown',
  message: `its pod failed: ${status?.message ?? status?.reason ?? 'no reason is given'}`,
});

/** Reasons that a kubelet gives a pod as a whole, and what they mean here. Evictions for the pod's own use of disk come first: they look like any other. */
const POD_REASONS: readonly { readonly reason: RegExp; readonly message?: RegExp; readonly kind: JobFailureKind; readonly what: string }[] =
  [
    { reason: /^Evicted$/, message: /exceeds the (total )?limit|usage exceeds/i, kind: 'DiskFull', what: 'it used more disk than it may' },
    { reason: /^(Evicted|Preempting)$/, kind: 'Evicted', what: 'its pod was evicted' },
    { reason: /^(NodeLost|NodeShutdown|Shutdown|Terminated)$/, kind: 'NodeLost', what: 'its node went down' },
    { reason: /^(OutOf.*|UnexpectedAdmissionError|NodeAffinity)$/, kind: 'Unschedulable', what: 'its node refused the pod' },
  ];

/** What the node, the scheduler or a person did to the pod. Source: Kubernetes, "Pod disruption conditions", and the reasons that a kubelet sets. */
function disruption({ status }: PlainPod): Finding | undefined {
  const { reason = '', message = '' } = status ?? {};
  const rule = POD_REASONS.find((r) => r.reason.test(reason) && (r.message?.test(message) ?? true));
  if (rule !== undefined) return { kind: rule.kind, message: message === '' ? rule.what : `${rule.what}: ${message}` };
  const target = conditionOf(status?.conditions, 'DisruptionTarget');
  if (target === undefined) return undefined;
  const text = target.message ?? target.reason ?? 'no reason is given';
  return target.reason === 'DeletionByPodGC'
    ? { kind: 'NodeLost', message: `its node was lost: ${text}` }
    : { kind: 'Evicted', message: `its pod was disrupted: ${text}` };
}

/** What the cause of a termination message means, where it is not the stage itself that failed. */
const KIND_OF_CAUSE: Readonly<Record<string, JobFailureKind>> = {
  disk: 'DiskFull',
  memory: 'OutOfMemory',
  input: 'Input',
  sandbox: 'Unknown',
};

/** What a container told in its termination message; undefined when it told nothing. */
function findingOfMessage({ name, state }: ContainerStatus): Finding | undefined {
  const said = readTermination(state?.terminated?.message);
  if (said === undefined || 'digest' in said) return undefined;
  const { reason, exitCode = said.exitCode } = state?.terminated ?? {};
  const told = { message: said.message, exitCode, step: said.step, container: name, cause: said.cause };
  if (reason === 'OOMKilled') return { ...told, kind: 'OutOfMemory' };
  if (/no space left|ENOSPC/i.test(said.message)) return { ...told, kind: 'DiskFull' };
  const kind = KIND_OF_CAUSE[said.cause ?? ''] ?? said.stage;
  return { ...told, kind, passing: said.cause === 'network' };
}

/** A container that did not come to say anything. */
function findingOfExit({ name, state }: ContainerStatus): Finding {
  const { exitCode = 1, reason = '', message = '' } = state?.terminated ?? {};
  const told = { exitCode, container: name };
  const more = message === '' ? '' : `: ${message}`;
  if (reason === 'ContainerStatusUnknown') return { ...told, kind: 'NodeLost', message: 'its node lost sight of the container' };
  if (reason === 'OOMKilled' || exitCode === 137)
    return { ...told, kind: 'OutOfMemory', message: 'the container was killed, most likely for want of memory' };
  if (['StartError', 'ContainerCannotRun'].includes(reason))
    return { ...told, kind: 'BuilderImage', message: `the container cannot be started${more}` };
  return { ...told, kind: 'Unknown', message: `the container ended without a word${more}` };
}

function digestOf(pod: PlainPod): string | undefined {
  if (pod.status?.phase === 'Failed') return undefined;
  const push = (pod.status?.containerStatuses ?? []).find(({ state }) => state?.terminated?.exitCode === 0);
  const said = readTermination(push?.state?.terminated?.message);
  return said !== undefined && 'digest' in said ? said.digest : undefined;
}

/** The container that is at work, or was last. */
const runningIn = (pod: PlainPod): string | undefined =>
  containersOfPod(pod)
    .filter(({ state }) => state?.running !== undefined || state?.terminated !== undefined)
    .at(-1)?.name;

const latestOf = (pods: readonly PlainPod[]): PlainPod | undefined =>
  [...pods].sort((a, b) => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? '')).at(-1);
