import { Context } from '@temporalio/activity';
import { setTimeout as pause } from 'node:timers/promises';
import type { Sha256 } from '../src/domain/canonical-json.js';
import { isFault } from '../src/domain/fault.js';
import { renderImageJob, type ImageJobConfig } from '../src/domain/image-job.js';
import type { JobFailure, RunImageJobInput, RunImageJobResult } from '../src/domain/image-process.js';
import { imageJobName } from '../src/domain/image-run.js';
import { classifyJob, overdueJob, type FailedJob, type JobSubject } from '../src/domain/job-failure.js';
import { FULL_TAIL, logTail } from '../src/domain/log-tail.js';
import { isAlreadyExists, resources, type HubApi, type KubeLogger, type KubernetesObject } from '../src/kube/index.js';
import { checkInputs } from './image-job-inputs.js';
import { JobWatch } from './job-watch.js';
import { addOwners } from './standing-image-jobs.js';

export interface RunImageJobDeps {
  readonly api: HubApi;
  readonly operatorNamespace: string;
  readonly imageJobs: ImageJobConfig & { readonly gcDelaySeconds: number };
  readonly sha256: Sha256;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly logger: KubeLogger;
  /** Rejects or resolves when the signal aborts; default: a timer. */
  readonly sleep?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
}

export interface RunImageJobHooks {
  /** Stops the following; default: the cancellation of the activity that this runs in. The Job goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** How often the Job is looked at, milliseconds. Two small requests a look, and at most as many Jobs as the queue lets run. */
const LOOK_MS = 500;
/** How long a Job may outlive its deadline before it is given up, milliseconds (10 minutes): then whoever ends Jobs does not work. */
const OVERDUE_MS = 10 * 60_000;
/**
 * The least time that a Job stays after it has done its work, seconds (5 minutes), whatever job.gcDelay says: a worker that is killed before it has handed the result
 * over finds the Job there, and does not start it again. `releaseImageJob` removes it as soon as the result is in safe hands.
 */
const RESULT_STAYS_SECONDS = 300;
/** Of a log, bytes: room for 50 long lines. The server cuts at the end, where the error stands. */
const LOG_BYTES = 256 * 1024;

/**
 * Runs one attempt at an image to its end. Safe to run again at any moment: the Job's name is the lock, a Job that stands is followed, and a second one is never made.
 * @returns What the Job pushed, why it failed with the end of the log, or (`blocked`) which input is missing or has changed: then nothing was started.
 * @throws Fault when the API server refuses or does not answer; the reason of the signal when it aborts.
 */
export const createRunImageJob =
  (deps: RunImageJobDeps) =>
  async (input: RunImageJobInput, hooks: RunImageJobHooks = {}): Promise<RunImageJobResult> => {
    const { api, operatorNamespace, logger } = deps;
    const { need, attempt, requesters } = input;
    const name = imageJobName(need.key, attempt);
    const standing = await getJob(deps, name);
    if (standing === undefined) {
      const inputs = await checkInputs(deps, need);
      if (inputs.blocked !== undefined) return { ok: false, blocked: inputs.blocked };
      await begin(deps, input, inputs.dockerfile);
      logger.info({ job: name, image: need.image, kernels: need.kernels, attempt }, 'began an image Job');
    } else {
      await addOwners({ api, operatorNamespace }, name, requesters);
    }
    return new JobFollower(deps, input, hooks.signal ?? cancellationOfActivity()).follow(name);
  };

async function getJob({ api, operatorNamespace }: RunImageJobDeps, name: string): Promise<KubernetesObject | undefined> {
  try {
    return await api.get(resources.jobs, name, operatorNamespace);
  } catch (error) {
    if (isFault(error, 'Missing')) return undefined;
    throw error;
  }
}

async function begin(
  deps: RunImageJobDeps,
  { need, attempt, requesters }: RunImageJobInput,
  dockerfile: string | undefined,
): Promise<void> {
  const { api, imageJobs: config, operatorNamespace: namespace } = deps;
  try {
    await api.create(resources.jobs, renderImageJob({ need, attempt, requesters, dockerfile, config, namespace }));
  } catch (error) {
    if (!isAlreadyExists(error)) throw error; // else another worker was faster: that Job is followed
  }
}

/** Looks at one Job until it has ended. */
class JobFollower {
  readonly #deps: RunImageJobDeps;
  readonly #subject: JobSubject;
  readonly #signal: AbortSignal | undefined;

  constructor(deps: RunImageJobDeps, { need, attempt }: RunImageJobInput, signal: AbortSignal | undefined) {
    this.#deps = deps;
    this.#subject = { need, attempt, activeDeadlineSeconds: deps.imageJobs.activeDeadlineSeconds };
    this.#signal = signal;
  }

  async follow(name: string): Promise<RunImageJobResult> {
    const { logger, now } = this.#deps;
    const watch = new JobWatch(this.#deps, name);
    const latestEndMs = now() + this.#subject.activeDeadlineSeconds * 1_000 + OVERDUE_MS;
    let waiting: string | undefined;
    for (;;) {
      this.#signal?.throwIfAborted();
      const look = await watch.look();
      const verdict = look === undefined ? { done: false as const } : classifyJob(look, this.#subject);
      if (verdict.done) return verdict.ok ? this.#succeeded(watch, verdict.digest) : this.#failed(watch, verdict.failure);
      if (now() > latestEndMs) return this.#failed(watch, overdueJob(this.#subject));
      if (verdict.waiting !== undefined && verdict.waiting !== waiting)
        logger.info({ job: name, waiting: verdict.waiting }, 'an image Job waits');
      waiting = verdict.waiting;
      await this.#sleep();
    }
  }

  async #succeeded(watch: JobWatch, digest: string): Promise<RunImageJobResult> {
    const { api, operatorNamespace, imageJobs, logger } = this.#deps;
    const { name: job, startedAt, seconds } = watch;
    const stays = Math.max(imageJobs.gcDelaySeconds, RESULT_STAYS_SECONDS);
    await api
      .mergePatch(resources.jobs, job, operatorNamespace, { spec: { ttlSecondsAfterFinished: stays } })
      .catch((error: unknown) => logger.warn({ job, err: error }, 'an image Job keeps the time to live of a failed one'));
    logger.info({ job, digest, seconds }, 'an image Job has done its work');
    return { ok: true, job, digest, startedAt, seconds };
  }

  async #failed(watch: JobWatch, { container, ...failure }: FailedJob): Promise<RunImageJobResult> {
    const { name: job, seconds } = watch;
    this.#deps.logger.warn({ job, ...failure, container }, 'an image Job has failed');
    const log = container === undefined ? [] : await this.#logOf(watch, container);
    const whole: JobFailure = { ...failure, log };
    return { ok: false, job, failure: whole, seconds };
  }

  /** What can be had of the log: the pod may be gone, and its node with it. */
  async #logOf({ pod, name }: JobWatch, container: string): Promise<string[]> {
    const { api, operatorNamespace, logger } = this.#deps;
    if (pod === undefined) return [];
    try {
      const text = await api.podLog(pod, operatorNamespace, { container, tailLines: FULL_TAIL.lines, limitBytes: LOG_BYTES });
      return logTail(text.split('\n'), FULL_TAIL);
    } catch (error) {
      logger.warn({ job: name, pod, container, err: error }, 'the log of an image Job cannot be read');
      return [];
    }
  }

  async #sleep(): Promise<void> {
    const { sleep = wait } = this.#deps;
    // Why it was woken is asked at the top of the loop.
    await sleep(LOOK_MS, this.#signal).catch(() => undefined);
  }
}

const wait = (ms: number, signal?: AbortSignal): Promise<void> => pause(ms, undefined, signal === undefined ? {} : { signal });

function cancellationOfActivity(): AbortSignal | undefined {
  try {
    return Context.current().cancellationSignal;
  } catch {
    return undefined; // not in an activity: nobody cancels
  }
}
