import { createHash } from 'node:crypto';
import type { ManagedClusterModuleSpec } from '../api/index.js';
import { revisionHash, revisionName } from '../domain/revision.js';

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Name of the revision that a spec asks for, recorded or not. */
export const revisionOf = (name: string, { spokeNamespace, moduleSpec }: ManagedClusterModuleSpec): string =>
  revisionName(name, revisionHash({ spokeNamespace, moduleSpec: moduleSpec ?? { selector: {} } }, sha256));
