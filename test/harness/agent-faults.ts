/** What is wrong with one simulated cluster. Everything is off by default. */
export interface ClusterFaults {
  /** The agent sees nothing and writes nothing; KMM on the spoke goes on. When it is back the agent applies the latest spec alone. */
  readonly offline?: boolean;
  /** Every apply is refused with this message, for instance `namespaces "kmm" not found`. Tried again with back-off, or at once when spec or labels change. */
  readonly applyFails?: string | undefined;
  /** True: the module loads on no node; a number: on so many nodes it does not. */
  readonly neverLoads?: boolean | number;
  /** A deleted ManifestWork and its Module stay, as when KMM on the spoke is gone. */
  readonly holdFinalizer?: boolean;
  /** For so long after a new spec the agent reports the old object under the new generation in `Available`, and has not applied yet. */
  readonly lagGenerationMs?: number;
  /** False: counters that are 0 are reported. KMM leaves them out. Default true. */
  readonly omitZeros?: boolean;
  /** Fixed delays in place of those of all clusters. */
  readonly slow?: { readonly applyMs?: number; readonly feedbackMs?: number; readonly loadMs?: number } | undefined;
}

export interface AgentFaults {
  /** Adds to what was set before for this cluster. */
  readonly set: (cluster: string, faults: ClusterFaults) => void;
  /** Makes the cluster healthy again. */
  readonly clear: (cluster: string) => void;
  readonly offline: (cluster: string, on?: boolean) => void;
  readonly applyFails: (cluster: string, message: string | undefined) => void;
  readonly neverLoads: (cluster: string, on?: boolean | number) => void;
  readonly holdFinalizer: (cluster: string, on?: boolean) => void;
  readonly lagGeneration: (cluster: string, ms: number) => void;
  readonly omitZeros: (cluster: string, on?: boolean) => void;
  readonly slow: (cluster: string, delays: ClusterFaults['slow']) => void;
  readonly of: (cluster: string) => ClusterFaults;
}

const HEALTHY: ClusterFaults = {};

/** @param onChange is called after every change, so that the agent looks at the cluster again. */
export function createFaults(initial: Readonly<Record<string, ClusterFaults>>, onChange: (cluster: string) => void): AgentFaults {
  const byCluster = new Map(Object.entries(initial));
  const set = (cluster: string, faults: ClusterFaults): void => {
    byCluster.set(cluster, { ...byCluster.get(cluster), ...faults });
    onChange(cluster);
  };
  return {
    set,
    clear(cluster) {
      byCluster.delete(cluster);
      onChange(cluster);
    },
    offline: (cluster, on = true) => set(cluster, { offline: on }),
    applyFails: (cluster, message) => set(cluster, { applyFails: message }),
    neverLoads: (cluster, on = true) => set(cluster, { neverLoads: on }),
    holdFinalizer: (cluster, on = true) => set(cluster, { holdFinalizer: on }),
    lagGeneration: (cluster, ms) => set(cluster, { lagGenerationMs: ms }),
    omitZeros: (cluster, on = true) => set(cluster, { omitZeros: on }),
    slow: (cluster, slow) => set(cluster, { slow }),
    of: (cluster) => byCluster.get(cluster) ?? HEALTHY,
  };
}
