import { isFault } from '../src/domain/fault.js';
import { containersOfPod, type PlainEvent, type PlainJob, type PlainPod } from '../src/domain/job-objects.js';
import type { JobLook } from '../src/domain/job-failure.js';
import { resources, type HubApi, type KubeLogger, type KubernetesObject } from '../src/kube/index.js';

interface Deps {
  readonly api: Pick<HubApi, 'get' | 'listAll'>;
  readonly operatorNamespace: string;
  readonly now: () => number;
  readonly logger: KubeLogger;
}

/** Events tell why a pod does not begin. They are read only then, and not at every look, milliseconds. */
const EVENTS_MS = 10_000;

/** One Job and its pods, looked at again and again; remembers what was seen last, since pods go when nodes go. */
export class JobWatch {
  readonly name: string;
  readonly #deps: Deps;
  #job: PlainJob | undefined;
  #pods: readonly PlainPod[] = [];
  #events: readonly PlainEvent[] = [];
  #eventsReadAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: Deps, name: string) {
    this.#deps = deps;
    this.name = name;
  }

  /** @returns undefined when the API server is away for the moment. @throws Fault of any other kind. */
  async look(): Promise<JobLook | undefined> {
    const { now, logger } = this.#deps;
    try {
      const job = await this.#readJob();
      if (job !== undefined) {
        this.#job = job;
        const pods = await this.#readPods(job);
        if (pods.length > 0) this.#pods = pods;
        if (!pods.some(hasBegun)) await this.#readEvents(job, pods);
      }
      return { job, pods: this.#pods, events: this.#events, nowMs: now() };
    } catch (error) {
      if (!isFault(error, 'Unavailable')) throw error;
      logger.warn({ job: this.name, err: error }, 'an image Job cannot be looked at');
      return undefined;
    }
  }

  /** The pod whose log tells most: the newest. */
  get pod(): string | undefined {
    return this.#pods.at(-1)?.metadata.name;
  }

  get startedAt(): string | undefined {
    return this.#job?.status?.startTime ?? this.#job?.metadata.creationTimestamp;
  }

  /** From the Job's creation to the end of its last container, or to now. */
  get seconds(): number {
    const ends = this.#pods.flatMap(containersOfPod).map(({ state }) => Date.parse(state?.terminated?.finishedAt ?? ''));
    const known = ends.filter((end) => !Number.isNaN(end));
    const endMs = known.length === 0 ? this.#deps.now() : Math.max(...known);
    const beginMs = Date.parse(this.#job?.metadata.creationTimestamp ?? '');
    return Number.isNaN(beginMs) ? 0 : Math.max(0, Math.round((endMs - beginMs) / 1_000));
  }

  async #readJob(): Promise<PlainJob | undefined> {
    try {
      return await this.#deps.api.get<PlainJob>(resources.jobs, this.name, this.#deps.operatorNamespace);
    } catch (error) {
      if (isFault(error, 'Missing')) return undefined;
      throw error;
    }
  }

  async #readPods({ metadata: { uid } }: PlainJob): Promise<PlainPod[]> {
    const { api, operatorNamespace: namespace } = this.#deps;
    const { items } = await api.listAll(resources.pods, { namespace, labelSelector: `job-name=${this.name}` });
    // Not those of an earlier Job of this name.
    const own = items.filter(({ metadata }) => (metadata.ownerReferences ?? []).some((owner) => owner.uid === uid));
    return own.sort((a, b) => timeOf(a.metadata.creationTimestamp) - timeOf(b.metadata.creationTimestamp)) as unknown as PlainPod[];
  }

  async #readEvents({ metadata: job }: PlainJob, pods: readonly PlainPod[]): Promise<void> {
    const { api, operatorNamespace: namespace, now, logger } = this.#deps;
    if (now() - this.#eventsReadAtMs < EVENTS_MS) return;
    this.#eventsReadAtMs = now();
    const about = pods.at(-1)?.metadata ?? job;
    try {
      const { items } = await api.listAll(resources.events, { namespace, fieldSelector: `involvedObject.name=${about.name}` });
      this.#events = items
        .filter((event) => (event['involvedObject'] as { uid?: string } | undefined)?.uid === about.uid)
        .sort((a, b) => timeOfEvent(a) - timeOfEvent(b)) as PlainEvent[];
    } catch (error) {
      if (isFault(error, 'Unavailable')) throw error;
      logger.debug({ job: this.name, err: error }, 'Events cannot be read'); // they only explain
    }
  }
}

const hasBegun = (pod: PlainPod): boolean =>
  containersOfPod(pod).some(({ state }) => state?.running !== undefined || state?.terminated !== undefined);

const timeOf = (text: unknown): number => {
  const ms = typeof text === 'string' ? Date.parse(text) : NaN;
  return Number.isNaN(ms) ? 0 : ms;
};

const timeOfEvent = (event: KubernetesObject): number =>
  Math.max(timeOf(event['lastTimestamp']), timeOf(event['eventTime']), timeOf(event.metadata.creationTimestamp));
