/**
 * Why a cluster, a kernel or an MCM is not where it should be: the closed set. The same reason and message appear in conditions, Events, the workflow's
 * details, the CLI and metrics.
 */
export const REASONS = [
  'NoKernelClaim',
  'InvalidKernelVersion',
  'NoMatchingMapping',
  'ImageMissing',
  'BuildFailed',
  'SignFailed',
  'ImageRejected',
  'RegistryDenied',
  'RegistryUnavailable',
  'ManifestTooLarge',
  'NameTooLong',
  'ClusterNotAccepted',
  'ClusterDeleting',
  'ClusterUnavailable',
  'ApplyFailed',
  'LoadTimeout',
  'NodeFailed',
  'BudgetExceeded',
  'AwaitingApproval',
  'Paused',
  'RemovalHeld',
  'SiteHold',
  'InvalidSpec',
] as const;

export type Reason = (typeof REASONS)[number];

/** A reason with the sentence for the person who has to act: what is the case, where, and what to do. */
export interface Problem {
  readonly reason: Reason;
  readonly message: string;
}
