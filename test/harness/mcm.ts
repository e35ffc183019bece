import type { ManagedClusterModuleSpec, ManagedClusterModuleStatus } from '../../src/api/index.js';
import { resources, type HubApi, type KubernetesObject } from '../../src/kube/index.js';

export type StoredMcm = KubernetesObject & { spec: ManagedClusterModuleSpec; status?: ManagedClusterModuleStatus };

export interface McmOptions {
  readonly name: string;
  /** Registry host with port; the image is `<host>/kmods/<name>:${KERNEL_FULL_VERSION}`. */
  readonly registryHost: string;
  readonly selector?: Readonly<Record<string, string>>;
  readonly spokeNamespace?: string;
  readonly rollout?: ManagedClusterModuleSpec['rollout'];
  /** Replaces parts of the container. */
  readonly container?: Readonly<Record<string, unknown>>;
  readonly moduleSpec?: Readonly<Record<string, unknown>>;
}

/** The kernel module that {@link anMcm} names: an image for it must hold this one. */
export const MODULE = 'simple_kmod';

/** An MCM as people write it: one regexp mapping for every kernel, images by tag on a plain-HTTP registry. */
export const anMcm = (options: McmOptions) => ({
  apiVersion: 'hub.kmm.sigs.x-k8s.io/v1beta1',
  kind: 'ManagedClusterModule',
  metadata: { name: options.name },
  spec: {
    selector: options.selector ?? { fleet: 'test' },
    spokeNamespace: options.spokeNamespace ?? 'kmm-modules',
    ...(options.rollout === undefined ? {} : { rollout: options.rollout }),
    moduleSpec: {
      selector: { 'node-role.kubernetes.io/worker': '' },
      moduleLoader: {
        container: {
          modprobe: { moduleName: MODULE },
          registryTLS: { insecure: true },
          kernelMappings: [{ regexp: '^.+$', containerImage: `${options.registryHost}/kmods/${options.name}:\${KERNEL_FULL_VERSION}` }],
          ...options.container,
        },
      },
      ...options.moduleSpec,
    },
  },
});

export const applyMcm = async (api: HubApi, mcm: ReturnType<typeof anMcm>): Promise<StoredMcm> =>
  // A person's field manager, not ours: kmodflow owns the status alone.
  (await api.apply(resources.managedClusterModules, mcm)) as StoredMcm;

export const getMcm = (api: HubApi, name: string): Promise<StoredMcm> => api.get<StoredMcm>(resources.managedClusterModules, name);

/** The ManifestWorks of a module, by cluster. */
export async function worksOf(api: HubApi, name: string): Promise<Map<string, KubernetesObject>> {
  const { items } = await api.listAll(resources.manifestWorks, {
    labelSelector: `kmm.node.kubernetes.io/managedclustermodule.name=${name}`,
  });
  return new Map(items.map((work) => [work.metadata.namespace ?? '', work]));
}

interface Mapping {
  readonly literal: string;
  readonly containerImage: string;
}

/** Kernel to image, as a ManifestWork tells its spoke. */
export function mappingsIn(work: KubernetesObject | undefined): Record<string, string> {
  const spec = work?.['spec'] as
    { workload?: { manifests?: { spec?: { moduleLoader?: { container?: { kernelMappings?: Mapping[] } } } }[] } } | undefined;
  const mappings = spec?.workload?.manifests?.[0]?.spec?.moduleLoader?.container?.kernelMappings ?? [];
  return Object.fromEntries(mappings.map((m) => [m.literal, m.containerImage]));
}
