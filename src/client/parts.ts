import type { InputNames, KnownInputs } from '../domain/image-need.js';
import type { HubApi } from '../kube/index.js';
import type { ModuleWorkflows } from './workflows.js';

/** What the client needs of the hub: it only reads. */
export type HubReads = Pick<HubApi, 'get' | 'list' | 'listAll' | 'podLog'>;

/** What the client is made of; tests hand in their own. */
export interface ClientParts {
  readonly workflows: ModuleWorkflows;
  /** @throws Fault when the hub cannot be reached; nothing has to be contacted yet. */
  readonly kube: () => HubReads;
  readonly operatorNamespace: string;
  /** What the Dockerfiles and certificates are that a spec names. @throws Fault when the hub does not answer, or not to this person. */
  readonly imageInputs: (names: InputNames) => Promise<KnownInputs>;
  readonly settleMs: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}
