import type { ModuleSpec } from '../api/index.js';

/** What a spec may say, because upstream knows it, and what changes nothing here: a sentence each. */
export function settingsWithoutEffect(moduleSpec: ModuleSpec | undefined): string[] {
  const container = moduleSpec?.moduleLoader?.container;
  if (container === undefined) return [];
  const path = 'spec.moduleSpec.moduleLoader.container';
  const builds = [
    { path: `${path}.build`, build: container.build },
    ...container.kernelMappings.map(({ build }, i) => ({ path: `${path}.kernelMappings[${i}].build`, build })),
  ];
  return builds.flatMap((b) =>
    b.build?.kanikoParams === undefined
      ? []
      : [
          `${b.path}.kanikoParams is accepted and has no effect: images are built with buildah, whose image the operator's configuration names.`,
        ],
  );
}
