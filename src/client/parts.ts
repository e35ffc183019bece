import type { HubApi } from '../kube/index.js';
import type { ModuleWorkflows } from './workflows.js';

/** What the client needs of the hub: it only reads. */
export type HubReads = Pick<HubApi, 'get' | 'list' | 'listAll'>;

/** What the client is made of; tests hand in their own. */
export interface ClientParts {
  readonly workflows: ModuleWorkflows;
  /** @throws Fault when the hub cannot be reached; nothing has to be contacted yet. */
  readonly kube: () => HubReads;
  readonly operatorNamespace: string;
  readonly settleMs: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}
