import { createHash } from 'node:crypto';
import type { ManagedClusterModuleSpec } from '../api/index.js';
import { inputNames } from '../domain/image-need.js';
import { revisionHash, revisionName } from '../domain/revision.js';

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * Name of the revision that a spec asks for, recorded or not. Undefined when the spec names Dockerfiles or certificates: what they hold is part of the revision, and
 * only the hub is sure of it.
 */
export function revisionOf(name: string, { spokeNamespace, moduleSpec }: ManagedClusterModuleSpec): string | undefined {
  const { dockerfiles, certificates } = inputNames(moduleSpec);
  if (dockerfiles.length + certificates.length > 0) return undefined;
  return revisionName(name, revisionHash({ spokeNamespace, moduleSpec: moduleSpec ?? { selector: {} } }, sha256));
}
