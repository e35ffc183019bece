import type { temporal } from '@temporalio/proto';
import { imageWorkflowId, SLOT_GRANTED_SIGNAL } from '../src/domain/messages.js';
import type { KubernetesObject } from '../src/kube/index.js';
import { imageJobs, type BuildScene } from '../test/harness/build-scene.js';
import type { ContainerRun } from '../test/harness/kubelet/index.js';
import type { ContainerTime, Marks } from './build-times.js';

type Event = temporal.api.history.v1.IHistoryEvent;

export interface BuildTrace extends Omit<Marks, 'appliedMs' | 'pinnedMs'> {
  /** Name of the pod that has built. */
  readonly pod: string;
}

/**
 * What the witnesses of one build saw: Temporal's history of the image, the API server's audit log and the node.
 * @param image the reference with its tag. @throws Error when it took other than one Job, or when a witness did not see its part.
 */
export async function traceOf(scene: BuildScene, image: string): Promise<BuildTrace> {
  const jobs = (await imageJobs(scene.api)).filter((job) => job.metadata.annotations?.['kmodflow.io/image'] === image);
  const [job] = jobs;
  if (job === undefined || jobs.length > 1) throw new Error(`${image} took ${jobs.length} Jobs; one attempt is what is measured.`);
  const key = job.metadata.labels?.['kmodflow.io/image-key'] ?? '';
  const { events } = await scene.client.workflow.getHandle(imageWorkflowId(key)).fetchHistory();
  const runs = scene.kubelet.runs().filter(({ pod }) => pod.startsWith(`${job.metadata.name}-`));
  return {
    ...workflowMarks(events ?? []),
    jobCreatedMs: createdMs(scene, job),
    containers: runs.map(containerTime),
    pod: runs[0]?.pod ?? '',
  };
}

const containerTime = ({ container, startedAt, finishedAt }: ContainerRun): ContainerTime => ({
  name: container,
  startedMs: startedAt.getTime(),
  finishedMs: finishedAt?.getTime() ?? NaN,
});

function workflowMarks(
  history: readonly Event[],
): Pick<Marks, 'slotAskedMs' | 'slotGrantedMs' | 'followedMs' | 'inspectionBeganMs' | 'inspectedMs'> {
  const [asked] = activities(history, 'requestBuildSlot');
  const [followed] = activities(history, 'runImageJob');
  // The first look finds nothing; the second one inspects what was made.
  const [, inspection = { scheduledMs: NaN, completedMs: NaN }] = activities(history, 'resolveImages');
  return {
    slotAskedMs: asked?.scheduledMs ?? NaN,
    slotGrantedMs: msOf(history.find((e) => e.workflowExecutionSignaledEventAttributes?.signalName === SLOT_GRANTED_SIGNAL)),
    followedMs: followed?.completedMs ?? NaN,
    inspectionBeganMs: inspection.scheduledMs,
    inspectedMs: inspection.completedMs,
  };
}

/** To the millisecond, unlike the Job's own creation time. */
function createdMs({ control }: BuildScene, { metadata }: KubernetesObject): number {
  const created = control.auditEvents().find((e) => e.resource === 'jobs' && e.verb === 'create' && e.name === metadata.name);
  return Date.parse(created?.at ?? '');
}

/** When activities of a type were asked for and completed, in order. */
function activities(history: readonly Event[], type: string): { scheduledMs: number; completedMs: number }[] {
  const completed = new Map(history.map((e) => [String(e.activityTaskCompletedEventAttributes?.scheduledEventId), msOf(e)]));
  return history
    .filter((e) => e.activityTaskScheduledEventAttributes?.activityType?.name === type)
    .map((e) => ({ scheduledMs: msOf(e), completedMs: completed.get(String(e.eventId)) ?? NaN }));
}

const msOf = (event: Event | undefined): number =>
  event?.eventTime === undefined || event.eventTime === null
    ? NaN
    : Number(event.eventTime.seconds) * 1000 + Math.floor((event.eventTime.nanos ?? 0) / 1_000_000);
