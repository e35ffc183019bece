import { Fault, isFault } from '../domain/fault.js';
import type { ModuleStatus } from '../domain/module-status.js';
import type { ClientParts } from './parts.js';
import { readModuleObject, reportOf, type ModuleObject } from './module-object.js';
import type { StatusAnswer } from './types.js';

export const noModule = (name: string): Fault =>
  new Fault('Missing', `There is no module ${name}: neither a ManagedClusterModule of that name nor a running workflow.`);

type Parts = Pick<ClientParts, 'workflows' | 'kube'>;

/** The workflow's own answer; where it cannot be had, what the object's status said last. */
export async function readStatus(parts: Parts, name: string): Promise<StatusAnswer> {
  const [asked, read] = await Promise.all([
    attempt(() => parts.workflows.status(name)),
    attempt(async () => readModuleObject(parts.kube(), name)),
  ]);
  const object = read.ok ? read.value : undefined;
  if (asked.ok)
    return {
      ...asked.value,
      source: 'workflow',
      note: undefined,
      desiredGeneration: asked.value.headless ? undefined : object?.metadata.generation,
    };
  if (object !== undefined) return fromObject(object, asked.fault);
  if (!read.ok && asked.fault.kind === 'Missing')
    throw new Fault('Missing', `${asked.fault.message} Whether an object exists is not known: ${read.fault.message}`);
  if (asked.fault.kind === 'Missing') throw noModule(name);
  throw asked.fault;
}

function fromObject(object: ModuleObject, why: Fault): StatusAnswer {
  const seen = object.status?.observedGeneration !== undefined;
  const note = `${why.message} ${seen ? 'This is what the status of the ManagedClusterModule said last.' : 'Nobody has looked at this ManagedClusterModule yet.'}`;
  const status: ModuleStatus = { ...reportOf(object), doing: '', trouble: undefined, headless: false };
  return { ...status, source: 'object', note, desiredGeneration: object.metadata.generation };
}

type Attempt<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: Fault };

/** Faults are answers here; bugs are thrown. */
export async function attempt<T>(call: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { ok: true, value: await call() };
  } catch (error) {
    if (isFault(error)) return { ok: false, fault: error };
    throw error;
  }
}
