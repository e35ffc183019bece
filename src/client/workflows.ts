import type { ManagedClusterModuleSpec } from '../api/index.js';
import type { ModuleStatus } from '../domain/module-status.js';
import type { RolloutRecord } from '../domain/process.js';
import type { Started } from './types.js';

/** What people ask of a module; the names of the workflow's updates. */
export type Request = 'pause' | 'resume' | 'retry' | 'confirmRemoval' | 'delete' | 'setSpec';

export interface RunningModule {
  readonly name: string;
  readonly phase: string | undefined;
  readonly startedAt: Date;
}

/** One run of a wave, as Temporal still has it. */
export interface WaveRun {
  readonly workflowId: string;
  readonly runId: string;
}

/** A step of a wave's history that says something about clusters. `payload` is what the workflow or activity was given or answered. */
export interface WaveStep {
  readonly at: Date;
  readonly kind: 'started' | 'published' | 'progress';
  /** Of `published`: what the activity was given. */
  readonly input?: unknown;
  readonly payload: unknown;
}

/** The modules' workflows, as the client needs them. Every method throws Faults with sentences for people. */
export interface ModuleWorkflows {
  start(name: string, spec: ManagedClusterModuleSpec): Promise<Started>;
  /** @throws Fault `Missing` when no workflow of the module is open; `Unavailable` when no worker answers. */
  status(name: string): Promise<ModuleStatus>;
  /** Also of a workflow that has ended. */
  history(name: string): Promise<readonly RolloutRecord[]>;
  request(name: string, request: Request, argument: object): Promise<string>;
  /** The spec that a headless module runs with, read from its workflow's history; undefined for one with an object. Needs no worker. */
  headlessSpec(name: string): Promise<ManagedClusterModuleSpec | undefined>;
  running(): Promise<RunningModule[]>;
  /** Runs of waves of a module, newest first. */
  waves(name: string, limit: number): Promise<WaveRun[]>;
  waveSteps(run: WaveRun): Promise<WaveStep[]>;
}
