import type { ImageNeed, JobFailure, JobFailureKind } from './image-process.js';
import type { PlainEvent, PlainJob, PlainPod } from './job-objects.js';

/** A Job as it stands on the hub, or stood when it was last seen. */
export interface JobLook {
  /** Undefined: it is gone. */
  readonly job: PlainJob | undefined;
  /** Of this Job. One that was deleted since may be among them. */
  readonly pods: readonly PlainPod[];
  /** About the Job and its pod, the newest last. */
  readonly events: readonly PlainEvent[];
  readonly nowMs: number;
}

/** What the sentences are about. */
export interface JobSubject {
  readonly need: ImageNeed;
  readonly attempt: number;
  readonly activeDeadlineSeconds: number;
}

export type FailedJob = Omit<JobFailure, 'log'> & {
  /** The container whose log tells more. */
  readonly container?: string | undefined;
};

export type JobVerdict =
  | StillGoing
  | { readonly done: true; readonly ok: true; readonly digest: string }
  | { readonly done: true; readonly ok: false; readonly failure: FailedJob };

export interface StillGoing {
  readonly done: false;
  /** What it waits for, as a sentence. */
  readonly waiting?: string | undefined;
}

/** What was found out about a Job that failed, before it is put into a sentence. */
export interface Finding {
  readonly kind: JobFailureKind;
  /** What happened, in a sentence or a part of one. */
  readonly message: string;
  readonly exitCode?: number | undefined;
  readonly step?: string | undefined;
  readonly container?: string | undefined;
  /** Of a termination message. */
  readonly cause?: string | undefined;
  /** It may pass by itself although its kind would not. */
  readonly passing?: boolean | undefined;
}
