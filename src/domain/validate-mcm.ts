import type { ManagedClusterModuleSpec } from '../api/index.js';
import { validateContainer } from './validate/container.js';
import { isDnsLabel, isDnsSubdomain, validateLabels } from './validate/names.js';
import { validatePlugins } from './validate/plugins.js';
import { validateRollout } from './validate/rollout.js';
import { quote, specProblem, type SpecProblem } from './validate/spec-problem.js';
import { validateTolerations } from './validate/tolerations.js';

export type { SpecProblem } from './validate/spec-problem.js';

/** What the rules look at: an MCM, or the name and spec of a headless start. */
export interface McmInput {
  readonly metadata: { readonly name: string };
  readonly spec: ManagedClusterModuleSpec;
}

/** Name and namespace of the Module stand together in label keys of the spoke's nodes, which leaves this many characters for both. */
const MAX_NAME_AND_NAMESPACE = 41;
/** The name is the value of a label on every ManifestWork. */
const MAX_NAME = 63;
const MODULE_PATH = 'spec.moduleSpec';
const CONTAINER_PATH = `${MODULE_PATH}.moduleLoader.container`;

/**
 * Everything that is wrong with an MCM, in the order of the fields; nothing means that it can be carried out.
 * The rules are those that each spoke has for a Module (KMM, internal/webhook/module.go), so that a mistake stops here and not at every spoke, and those for what
 * only the hub knows: names, cluster selectors and the rollout policy.
 */
export function validateManagedClusterModule({ metadata, spec }: McmInput): SpecProblem[] {
  const { moduleSpec, rollout } = spec;
  return [
    ...validateNames(metadata.name, spec.spokeNamespace),
    ...validateLabels('spec.selector', spec.selector),
    ...(moduleSpec === undefined
      ? []
      : [
          ...validateLabels(`${MODULE_PATH}.selector`, moduleSpec.selector),
          ...validateTolerations(`${MODULE_PATH}.tolerations`, moduleSpec.tolerations ?? []),
          ...validatePlugins(MODULE_PATH, moduleSpec),
          ...(moduleSpec.moduleLoader === undefined ? [] : validateContainer(CONTAINER_PATH, moduleSpec.moduleLoader.container)),
        ]),
    ...(rollout === undefined ? [] : validateRollout('spec.rollout', rollout)),
  ];
}

/**
 * What a change may not do: a Module that is upgraded node by node (with `version`) cannot become one that is not, nor the other way round.
 * Judge the new spec itself with {@link validateManagedClusterModule}.
 */
export function validateUpdate(old: Pick<McmInput, 'spec'>, next: Pick<McmInput, 'spec'>): SpecProblem[] {
  const [before, after] = [old, next].map(({ spec }) => spec.moduleSpec?.moduleLoader?.container);
  if (before === undefined || after === undefined) return [];
  const [from, to] = [before.version ?? '', after.version ?? ''];
  if ((from === '') === (to === '')) return [];
  const path = `${CONTAINER_PATH}.version`;
  return [
    specProblem(
      path,
      `${path} cannot change from ${quote(from)} to ${quote(to)}: it can neither appear nor vanish. Delete the ManagedClusterModule and create it again.`,
    ),
  ];
}

function validateNames(name: string, spokeNamespace: string): SpecProblem[] {
  const total = name.length + spokeNamespace.length;
  return [
    ...(isDnsSubdomain(name) && name.length <= MAX_NAME
      ? []
      : [
          specProblem(
            'metadata.name',
            `metadata.name is ${quote(name)}; expected a DNS subdomain of at most ${MAX_NAME} characters, such as my-kmod.`,
          ),
        ]),
    ...(isDnsLabel(spokeNamespace)
      ? []
      : [
          specProblem(
            'spec.spokeNamespace',
            `spec.spokeNamespace is ${quote(spokeNamespace)}; expected a DNS label of at most 63 characters, such as kmm-modules.`,
          ),
        ]),
    ...(total <= MAX_NAME_AND_NAMESPACE
      ? []
      : [
          specProblem(
            'metadata.name',
            `metadata.name ${quote(name)} and spec.spokeNamespace ${quote(spokeNamespace)} have ${total} characters together; at most ${MAX_NAME_AND_NAMESPACE} are allowed, since spokes put both into label keys.`,
            'NameTooLong',
          ),
        ]),
  ];
}
