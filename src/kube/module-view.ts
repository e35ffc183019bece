/** An MCM as the controller needs it; activities read the object itself. */
export interface ModuleView {
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly deleting: boolean;
  readonly selector: Readonly<Record<string, string>>;
  /** The revision that a rollout has completed, as the status says. */
  readonly currentRevision: string | undefined;
}

interface LooseModule {
  readonly metadata: { readonly name: string; readonly uid?: string; readonly generation?: number; readonly deletionTimestamp?: string };
  readonly spec?: { readonly selector?: Readonly<Record<string, string>> };
  readonly status?: { readonly currentRevision?: string };
}

export function readModule(object: unknown): ModuleView {
  const { metadata, spec, status } = object as LooseModule;
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    generation: metadata.generation ?? 0,
    deleting: metadata.deletionTimestamp !== undefined,
    selector: spec?.selector ?? {},
    currentRevision: status?.currentRevision,
  };
}
