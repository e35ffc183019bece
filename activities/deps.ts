import type { Sha256 } from '../src/domain/canonical-json.js';
import type { ImageJobSettings } from '../src/domain/image-job-settings.js';
import type { EventRecorder, Fleet, HubApi, ImageInputs, KubeLogger } from '../src/kube/index.js';
import type { RegistryClient } from '../src/registry/index.js';

/** Messages to workflows, as activities need them. */
export interface WorkflowMessages {
  /** Sends a signal; false when no such workflow runs. */
  signal(workflowId: string, signalName: string, payload: unknown): Promise<boolean>;
  isRunning(workflowId: string): Promise<boolean>;
  /** Starts the workflow if it does not run, and signals it either way. */
  signalWithStart(start: SignalWithStart): Promise<void>;
}

export interface SignalWithStart {
  readonly workflowType: string;
  readonly workflowId: string;
  /** The one argument of a new run. */
  readonly input: unknown;
  readonly signalName: string;
  readonly payload: unknown;
  /** What the Temporal UI shows beside the workflow. */
  readonly summary: string;
}

/** Everything that an activity touches outside of itself. */
export interface Deps {
  readonly api: HubApi;
  readonly fleet: Fleet;
  readonly registry: RegistryClient;
  readonly workflows: WorkflowMessages;
  readonly events: EventRecorder;
  readonly inputs: ImageInputs;
  readonly imageJobs: ImageJobSettings;
  readonly sha256: Sha256;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly operatorNamespace: string;
  /** How long the loading must hold where the MCM does not say, milliseconds. */
  readonly defaultSettleMs: number;
  readonly logger: KubeLogger;
}
