/**
 * Compact views of the objects that the hub watches. A watch cache holds one per object for the whole fleet, so they carry what the rules read and nothing else:
 * 5,000 ManifestWorks cost a few megabytes.
 */

/** A ManagedCluster. */
export interface ClusterView {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Sorted, without duplicates, one trailing `+` trimmed. Undefined: the cluster has no kernel claim. */
  readonly kernels: readonly string[] | undefined;
  readonly accepted: boolean;
  /** ManagedClusterConditionAvailable is True. Unknown and missing are not. */
  readonly available: boolean;
  /** Since when the hub has seen this availability, as the condition says; for people only. */
  readonly availabilitySince: string | undefined;
  readonly deleting: boolean;
}

/** What the work agent says of one condition. */
export interface ConditionView {
  readonly status: string;
  readonly observedGeneration: number | undefined;
  readonly message: string;
}

/** A mapping as it stands in a published Module. */
export interface PublishedMapping {
  readonly literal: string;
  readonly containerImage: string;
  readonly [setting: string]: unknown;
}

/** A ManifestWork of ours. */
export interface WorkView {
  /** Namespace of the ManifestWork: the cluster's name. */
  readonly cluster: string;
  /** Name of the ManifestWork: the MCM's name. */
  readonly module: string;
  readonly uid: string;
  readonly generation: number;
  readonly deleting: boolean;
  /** Uid of the MCM that controls it, if any. */
  readonly ownerUid: string | undefined;
  /** Hash of the Module that it really holds, computed when it was read. Differs from `declaredHash` after an edit by hand. */
  readonly contentHash: string;
  /** The content-hash annotation, as the hub last wrote it. */
  readonly declaredHash: string | undefined;
  /** One Module, our label, our feedback rules: what a hand may have broken outside the Module. */
  readonly wellFormed: boolean;
  readonly revision: string | undefined;
  readonly workflow: string | undefined;
  readonly publishedAt: string | undefined;
  /** The retry label: the last attempt that a person asked for. */
  readonly retry?: string | undefined;
  readonly mappings: readonly PublishedMapping[];
  /** The Module's parts, since each has its own counters. */
  readonly parts: { readonly moduleLoader: boolean; readonly devicePlugin: boolean; readonly dra: boolean };
  /** The Module asks for ordered upgrade (`version` is set): nodes load only when an administrator labels them. */
  readonly ordered: boolean;
  readonly applied: ConditionView | undefined;
  readonly manifestApplied: ConditionView | undefined;
  readonly echoedHash: string | undefined;
  /** Feedback counters by name, like `moduleLoader.availableNumber`. Absent means 0: upstream omits zeros. */
  readonly counters: Readonly<Record<string, number>>;
}
