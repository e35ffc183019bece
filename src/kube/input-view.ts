/** A ConfigMap or Secret as the hub watches it: that it is there and whether it is still the same, never what it holds. */
export interface InputView {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

interface LooseObject {
  readonly metadata: { readonly name: string; readonly uid?: string; readonly resourceVersion?: string };
}

export function readInput(object: unknown): InputView {
  const { name, uid, resourceVersion } = (object as LooseObject).metadata;
  return { name, uid: uid ?? '', resourceVersion: resourceVersion ?? '' };
}
