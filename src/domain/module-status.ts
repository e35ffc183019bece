import type { Phase, Report } from './process.js';

/** What the query `status` answers: the report, and what the workflow does right now. */
export interface ModuleStatus extends Report {
  /** One sentence. */
  readonly doing: string;
  /** Why the last look failed, if it did; the workflow tries again by itself. */
  readonly trouble: string | undefined;
  readonly headless: boolean;
}

/** What the query `plan` answers: what the workflow will do next. */
export interface ModulePlan {
  readonly phase: Phase;
  readonly behind: number;
  readonly removals: number;
  readonly next: string;
}
