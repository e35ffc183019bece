import { apiTime, type Condition, type Container, type ContainerState, type Pod, type PodPhase } from './pod.js';

export interface ContainerRecord {
  readonly spec: Container;
  readonly init: boolean;
  state: ContainerState;
  containerId?: string;
}

/** How a pod was ended from outside: by an eviction or a deadline. */
export interface Verdict {
  readonly reason: string;
  readonly message: string;
  /** Sets the condition DisruptionTarget, with this message. */
  readonly disrupted?: boolean;
}

export interface PodModel {
  readonly pod: Pod;
  readonly records: readonly ContainerRecord[];
  readonly startedAt: Date;
  /** Volumes are there and the first container may start. */
  ready: boolean;
  /** No process runs and none will. */
  over: boolean;
  verdict: Verdict | undefined;
}

/** Of all messages of a pod together, 12 KiB; one container's share of it is the limit of its message. */
const POD_MESSAGE_BYTES = 12 * 2 ** 10;
const CONTAINER_MESSAGE_BYTES = 4096;

const isRunning = ({ state }: ContainerRecord): boolean => 'running' in state;
const hasRun = ({ state }: ContainerRecord): boolean => !('waiting' in state);
const hasSucceeded = ({ state }: ContainerRecord): boolean => 'terminated' in state && state.terminated.exitCode === 0;

/** The limit of a termination message: 4,096 bytes, and less in a pod with more than three containers. */
export const messageLimitBytes = (containers: number): number =>
  Math.min(CONTAINER_MESSAGE_BYTES, Math.floor(POD_MESSAGE_BYTES / containers));

export const initialState = (pod: Pod): ContainerState => ({
  waiting: { reason: (pod.spec.initContainers ?? []).length > 0 ? 'PodInitializing' : 'ContainerCreating' },
});

/** Whether a pod has succeeded is certain only when all processes are gone. */
export function phaseOf({ records, over, verdict }: PodModel): PodPhase {
  if (over) return verdict === undefined && records.every(hasSucceeded) ? 'Succeeded' : 'Failed';
  const main = records.filter(({ init }) => !init);
  return main.some(hasRun) ? 'Running' : 'Pending';
}

/** A merge patch for the status of the pod. @param before conditions that stand in the API now: those of others are kept, and times of what has not changed. */
export function podStatus(model: PodModel, before: readonly Condition[], now: Date): object {
  const { records, verdict, startedAt } = model;
  return {
    phase: phaseOf(model),
    ...(verdict === undefined ? {} : { reason: verdict.reason, message: verdict.message }),
    startTime: apiTime(startedAt),
    hostIP: '127.0.0.1',
    hostIPs: [{ ip: '127.0.0.1' }],
    ...(model.ready ? { podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] } : {}),
    conditions: withTimes(conditionsOf(model), before, now),
    initContainerStatuses: records.filter(({ init }) => init).map(containerStatus),
    containerStatuses: records.filter(({ init }) => !init).map(containerStatus),
  };
}

const containerStatus = (record: ContainerRecord): object => ({
  name: record.spec.name,
  state: record.state,
  lastState: {},
  ready: record.init ? hasSucceeded(record) : isRunning(record),
  started: isRunning(record),
  restartCount: 0,
  image: record.spec.image,
  imageID: hasRun(record) ? `process://${record.spec.image}` : '',
  ...(record.containerId === undefined ? {} : { containerID: record.containerId }),
});

function conditionsOf(model: PodModel): Condition[] {
  const { records, verdict, ready, over } = model;
  const open = records.filter((record) => record.init && !hasSucceeded(record)).map(({ spec }) => spec.name);
  const unready = records.filter((record) => !record.init && !isRunning(record)).map(({ spec }) => spec.name);
  const initialized: Condition =
    open.length === 0
      ? { type: 'Initialized', status: 'True' }
      : {
          type: 'Initialized',
          status: 'False',
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${open.join(' ')}]`,
        };
  return [
    { type: 'PodScheduled', status: 'True' },
    { type: 'PodReadyToStartContainers', status: ready && !over ? 'True' : 'False' },
    initialized,
    ...['Ready', 'ContainersReady'].map((type) => readiness(type, phaseOf(model), unready)),
    ...(verdict?.disrupted === true
      ? [{ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message: verdict.message } as const]
      : []),
  ];
}

function readiness(type: string, phase: PodPhase, unready: readonly string[]): Condition {
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  if (unready.length === 0) return { type, status: 'True' };
  return { type, status: 'False', reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
}

/** A condition's time is that of the last change of its status. */
function withTimes(conditions: readonly Condition[], before: readonly Condition[], now: Date): Condition[] {
  const ours = new Set(conditions.map(({ type }) => type));
  const stamped = conditions.map((condition) => {
    const old = before.find(({ type }) => type === condition.type);
    const since = old?.status === condition.status ? old.lastTransitionTime : undefined;
    return { ...condition, lastTransitionTime: since ?? apiTime(now) };
  });
  return [...stamped, ...before.filter(({ type }) => !ours.has(type))];
}
