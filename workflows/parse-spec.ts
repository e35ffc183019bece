import { ApplicationFailure } from '@temporalio/workflow';
import { parseManagedClusterModuleSpec, type ManagedClusterModuleSpec } from '../src/api/index.js';

/** Reads a spec that came with a workflow or an update. @throws ApplicationFailure (non-retryable) with every problem by its path. */
export function parseSpec(spec: unknown): ManagedClusterModuleSpec {
  const parsed = parseManagedClusterModuleSpec(spec);
  if (parsed.ok) return parsed.value;
  const problems = parsed.problems.map(({ path, message }) => `${path}: ${message}`);
  throw ApplicationFailure.nonRetryable(`The spec is not valid. ${problems.join('; ')}`, 'Invalid', parsed.problems);
}
