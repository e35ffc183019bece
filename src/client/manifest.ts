import { parseManagedClusterModule, parseManagedClusterModuleSpec, type ManagedClusterModuleSpec } from '../api/index.js';
import { Fault } from '../domain/fault.js';
import type { SpecProblem } from '../domain/process.js';
import { validateManagedClusterModule, validateUpdate } from '../domain/validate-mcm.js';

/** A manifest that can be carried out. */
export interface CheckedModule {
  readonly name: string;
  readonly spec: ManagedClusterModuleSpec;
}

/** Thrown when a manifest cannot be carried out; `problems` has them all, and so has the message, a line each. */
export class InvalidManifest extends Fault {
  readonly problems: readonly SpecProblem[];

  constructor(what: string, problems: readonly SpecProblem[]) {
    const lines = problems.map(({ path, message }) => `  ${path === '' || message.startsWith(path) ? '' : `${path}: `}${message}`);
    super('Invalid', [`${what} is not valid:`, ...lines].join('\n'));
    this.problems = problems.map(({ path, message }) => ({ path, message }));
  }
}

/** Reads and checks a whole manifest. @throws InvalidManifest with every problem. */
export function checkManifest(mcm: unknown): CheckedModule {
  const parsed = parseManagedClusterModule(mcm);
  if (!parsed.ok) throw new InvalidManifest('The ManagedClusterModule', parsed.problems);
  return checkRules('The ManagedClusterModule', parsed.value.metadata.name, parsed.value.spec);
}

/** Reads and checks the name and spec of a headless module. @throws InvalidManifest with every problem. */
export function checkSpec(name: string, spec: unknown): CheckedModule {
  const parsed = parseManagedClusterModuleSpec(spec);
  if (!parsed.ok) throw new InvalidManifest(`The spec of module ${name}`, parsed.problems);
  return checkRules(`The spec of module ${name}`, name, parsed.value);
}

/** What a change of a spec may not do. @throws InvalidManifest */
export function checkChange(name: string, old: ManagedClusterModuleSpec, next: ManagedClusterModuleSpec): void {
  const problems = validateUpdate({ spec: old }, { spec: next });
  if (problems.length > 0) throw new InvalidManifest(`The change of module ${name}`, problems);
}

function checkRules(what: string, name: string, spec: ManagedClusterModuleSpec): CheckedModule {
  const problems = validateManagedClusterModule({ metadata: { name }, spec });
  if (problems.length > 0) throw new InvalidManifest(what, problems);
  return { name, spec };
}
