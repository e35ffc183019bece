import { revisionHash, revisionName, type Revision } from '../../../src/domain/revision.js';
import { aModuleSpec, aRevision, sha256 } from '../domain/builders.js';
import { aStoredRevision } from './fakes.js';

/** The revision that the builders' spec really hashes to. */
export function recordedRevision(change: Partial<Revision> = {}): Revision {
  const moduleSpec = change.moduleSpec ?? aModuleSpec();
  const hash = revisionHash({ spokeNamespace: 'kmm-modules', moduleSpec }, sha256);
  return aRevision({ hash, name: revisionName('kmod', hash), moduleSpec, ...change });
}

export const revisionObject = (revision: Revision): Record<string, object> => ({
  [`controllerrevisions/kmodflow-system/${revision.name}`]: aStoredRevision(revision),
});
