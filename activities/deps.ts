import type { Sha256 } from '../src/domain/canonical-json.js';
import type { EventRecorder, Fleet, HubApi, KubeLogger } from '../src/kube/index.js';
import type { RegistryClient } from '../src/registry/index.js';

/** Messages to workflows, as activities need them. */
export interface WorkflowMessages {
  /** Sends a signal; false when no such workflow runs. */
  signal(workflowId: string, signalName: string, payload: unknown): Promise<boolean>;
  isRunning(workflowId: string): Promise<boolean>;
}

/** Everything that an activity touches outside of itself. */
export interface Deps {
  readonly api: HubApi;
  readonly fleet: Fleet;
  readonly registry: RegistryClient;
  readonly workflows: WorkflowMessages;
  readonly events: EventRecorder;
  readonly sha256: Sha256;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly operatorNamespace: string;
  /** How long the loading must hold where the MCM does not say, milliseconds. */
  readonly defaultSettleMs: number;
  readonly logger: KubeLogger;
}
