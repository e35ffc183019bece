import type { FleetCluster } from '../../test/harness/fleet.js';
import type { SpokeObject } from '../../test/harness/spoke.js';

interface ModuleOnSpoke extends SpokeObject {
  readonly spec?: { readonly moduleLoader?: { readonly container?: { readonly kernelMappings?: readonly Mapping[] } } };
  readonly status?: { readonly moduleLoader?: { readonly desiredNumber?: number; readonly availableNumber?: number } };
}

interface Mapping {
  readonly literal?: string;
  readonly containerImage?: string;
}

export interface Expected {
  readonly module: string;
  /** Image by digest for each kernel. */
  readonly pinned: ReadonlyMap<string, string>;
}

/** What is wrong on one spoke, looked at without the hub; undefined when it has loaded the module with the images of exactly its own kernels. */
export function wrongOnSpoke(
  { name, kernels = [] }: FleetCluster,
  modules: readonly SpokeObject[],
  { module, pinned }: Expected,
): string | undefined {
  const [found, ...others] = modules;
  if (found === undefined || found.metadata.name !== module || others.length > 0)
    return `${name} has ${modules.map((m) => `the Module ${m.metadata.name}`).join(' and ') || 'no Module'} where ${module} alone is right.`;
  return (
    wrongImages(
      name,
      found,
      kernels.map((kernel) => `${kernel} → ${pinned.get(kernel)}`),
    ) ?? notLoaded(name, found)
  );
}

function wrongImages(name: string, { spec }: ModuleOnSpoke, right: readonly string[]): string | undefined {
  const mappings = spec?.moduleLoader?.container?.kernelMappings ?? [];
  const found = mappings.map(({ literal, containerImage }) => `${literal} → ${containerImage}`);
  if (found.toSorted().join() === right.toSorted().join()) return undefined;
  return `${name} maps ${found.join(', ') || 'no kernel'} where ${right.join(', ')} is right.`;
}

function notLoaded(name: string, { status }: ModuleOnSpoke): string | undefined {
  const { desiredNumber = 0, availableNumber = 0 } = status?.moduleLoader ?? {};
  return desiredNumber > 0 && availableNumber === desiredNumber
    ? undefined
    : `${name} has loaded it on ${availableNumber} of ${desiredNumber} nodes.`;
}
