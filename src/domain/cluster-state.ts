/** Where a cluster stands: the closed set. */
export const CLUSTER_STATES = [
  'Pending',
  'Publishing',
  'Applied',
  'Loading',
  'Loaded',
  'NoNodes',
  'Offline',
  'Held',
  'Repairing',
  'Failed',
  'Excluded',
] as const;
export type ClusterState = (typeof CLUSTER_STATES)[number];

export type StateCounts = Record<ClusterState, number>;

export const noCounts = (): StateCounts => Object.fromEntries(CLUSTER_STATES.map((s) => [s, 0])) as StateCounts;
