import type { BaseImages } from './base-images.js';
import type { Registry } from './registry.js';

/** Name of the module that {@link quickDockerfile} puts into an image. */
export const QUICK_MODULE = 'simple_kmod';

/** Pushes modules that were made without a compiler, one per kernel, for builds that only copy them. @returns The reference. */
export async function pushPrebuilt(registry: Registry, kernels: readonly string[]): Promise<string> {
  const { reference } = await registry.pushImage({
    repository: 'base/prebuilt',
    tag: 'v1',
    kernels,
    dirName: '/mods',
    modules: [QUICK_MODULE],
  });
  return reference;
}

export interface QuickBuild {
  readonly bases: BaseImages;
  /** Of {@link pushPrebuilt}. */
  readonly prebuilt: string;
  /** Another text is another image. */
  readonly marker?: string;
  /** A shell command in the middle of the build, for instance one that takes its time or fails. */
  readonly run?: string;
}

/** A Dockerfile that takes a second or two: a real build, without a compiler. */
export const quickDockerfile = ({ bases, prebuilt, marker = 'one', run = 'true' }: QuickBuild): string =>
  `FROM ${prebuilt} AS prebuilt
FROM ${bases.runtime}
ARG KERNEL_FULL_VERSION
RUN ${run}
RUN echo ${marker} > /marker
COPY --from=prebuilt /mods/lib/modules/\${KERNEL_FULL_VERSION}/ /opt/lib/modules/\${KERNEL_FULL_VERSION}/
`;
