import type { Build, KernelMapping, ModuleSpec, Sign } from '../api/index.js';
import { parseImageReference } from './image-reference.js';
import { findMapping } from './kernel-mapping.js';
import { kernelComponents, normalizeKernelVersion } from './kernel-version.js';
import { mergeBuild, mergeSign } from './merge-build-sign.js';
import type { Problem, Reason } from './reasons.js';
import { expandTemplate, type Variables } from './template.js';

type Container = NonNullable<ModuleSpec['moduleLoader']>['container'];
type RegistryTLS = NonNullable<KernelMapping['registryTLS']>;

/** Everything that one kernel of one MCM comes to, container level and mapping level merged. Plain data that shares nothing with the spec. */
export interface EffectiveKernel {
  /** As the spoke says it, without the trailing `+`. Names the directory in the image and the literal in the published Module. */
  readonly kernel: string;
  readonly normalized: string;
  readonly containerImage: string;
  /** Position in `kernelMappings` of the mapping that decided. */
  readonly mappingIndex: number;
  /** The mapping's if it has one (whole, not field by field), else the container's. */
  readonly registryTLS?: RegistryTLS;
  /** Only the mapping's own: this one goes into the mapping that is published. */
  readonly mappingRegistryTLS?: RegistryTLS;
  readonly inTreeModulesToRemove?: readonly string[];
  readonly build?: Build;
  /** `unsignedImage` and `filesToSign` are expanded. */
  readonly sign?: Sign;
  readonly imagePullPolicy?: string;
  /** Directory in the image below which `lib/modules/<kernel>` stands. */
  readonly dirName: string;
}

export interface KernelInput {
  readonly moduleSpec: ModuleSpec;
  /** Name of the MCM: `MOD_NAME` in every template. */
  readonly modName: string;
  /** The spoke namespace: `MOD_NAMESPACE` in every template, on the hub as on the spokes. */
  readonly modNamespace: string;
  /** Without the trailing `+`, as `parseKernelClaim` gives it. */
  readonly kernel: string;
}

export type KernelResolution = EffectiveKernel | { readonly problem: Problem };

export const DEFAULT_DIR_NAME = '/opt';
const CONTAINER_PATH = 'spec.moduleSpec.moduleLoader.container';

/**
 * What a module spec means for one kernel. Only this kernel is affected by a problem; ask for each kernel separately.
 * @returns The merged and expanded settings, or a problem: `InvalidKernelVersion`, `NoMatchingMapping`, or `InvalidSpec` (template, regexp, missing or
 * unreadable image, no moduleLoader). The input is only read.
 */
export function resolveKernel({ moduleSpec, modName, modNamespace, kernel }: KernelInput): KernelResolution {
  const container = moduleSpec.moduleLoader?.container;
  if (container === undefined)
    return problem(
      'InvalidSpec',
      `Kernel ${kernel} needs no image: spec.moduleSpec.moduleLoader is not set. Set it to load a kernel module.`,
    );

  const components = kernelComponents(kernel);
  if (!components.ok) return problem('InvalidKernelVersion', components.message);

  const search = findMapping(container.kernelMappings, kernel);
  if ('none' in search) {
    return problem(
      'NoMatchingMapping',
      `No entry of ${CONTAINER_PATH}.kernelMappings matches kernel ${kernel}. Add one with a literal or regexp for it.`,
    );
  }
  const path = `${CONTAINER_PATH}.kernelMappings[${search.index}]`;
  if ('error' in search) {
    return problem(
      'InvalidSpec',
      `Kernel ${kernel} cannot be mapped: ${path}.regexp is not a valid RE2 expression (${search.error}). Correct the expression.`,
    );
  }

  const normalized = normalizeKernelVersion(kernel);
  const expander = createExpander(kernel, {
    KERNEL_FULL_VERSION: normalized,
    KERNEL_VERSION: normalized,
    KERNEL_XYZ: `${components.x}.${components.y}.${components.z}`,
    KERNEL_X: components.x,
    KERNEL_Y: components.y,
    KERNEL_Z: components.z,
    MOD_NAME: modName,
    MOD_NAMESPACE: modNamespace,
  });
  const containerImage = effectiveImage(container, search.found, search.index, expander);
  const sign = expandSign(container.sign, search.found.sign, path, expander);
  const [failure] = expander.problems;
  if (failure !== undefined) return { problem: failure };
  return {
    kernel,
    normalized,
    containerImage,
    mappingIndex: search.index,
    ...(sign === undefined ? {} : { sign }),
    ...mergePlain(container, search.found),
  };
}

/** The settings that need no expansion. */
function mergePlain(container: Container, mapping: KernelMapping): Pick<EffectiveKernel, 'dirName'> & Partial<EffectiveKernel> {
  const registryTLS = mapping.registryTLS ?? container.registryTLS;
  const inTreeModulesToRemove = effectiveInTreeModules(container, mapping);
  const build = mergeBuild(container.build, mapping.build);
  return {
    ...(registryTLS === undefined ? {} : { registryTLS: { ...registryTLS } }),
    ...(mapping.registryTLS === undefined ? {} : { mappingRegistryTLS: { ...mapping.registryTLS } }),
    ...(inTreeModulesToRemove === undefined ? {} : { inTreeModulesToRemove }),
    ...(build === undefined ? {} : { build }),
    ...(isSet(container.imagePullPolicy) ? { imagePullPolicy: container.imagePullPolicy } : {}),
    dirName: isSet(container.modprobe.dirName) ? container.modprobe.dirName : DEFAULT_DIR_NAME,
  };
}

/**
 * A mapping's list overrides the container's even if it is empty ("remove nothing here"). The deprecated single form, from either level, replaces both lists:
 * upstream does so, although admission forbids to mix them.
 */
function effectiveInTreeModules(container: Container, mapping: KernelMapping): string[] | undefined {
  const single = isSet(mapping.inTreeModuleToRemove) ? mapping.inTreeModuleToRemove : container.inTreeModuleToRemove;
  if (isSet(single)) return [single];
  const list = mapping.inTreeModulesToRemove ?? container.inTreeModulesToRemove;
  return list === undefined ? undefined : [...list];
}

/** Expands templates for one kernel, and keeps what went wrong with the path of the field. */
interface Expander {
  readonly expand: (template: string, path: string) => string;
  readonly report: (message: string) => void;
  readonly kernel: string;
  readonly problems: readonly Problem[];
}

function createExpander(kernel: string, variables: Variables): Expander {
  const problems: Problem[] = [];
  const report = (message: string): void => void problems.push({ reason: 'InvalidSpec', message });
  const expand = (template: string, path: string): string => {
    const expansion = expandTemplate(template, variables);
    if (expansion.ok) return expansion.value;
    report(`The template in ${path} cannot be expanded for kernel ${kernel}: ${expansion.message}. Correct the template.`);
    return '';
  };
  return { expand, report, kernel, problems };
}

function effectiveImage(
  container: Container,
  mapping: KernelMapping,
  index: number,
  { expand, report, kernel, problems }: Expander,
): string {
  const own = `${CONTAINER_PATH}.kernelMappings[${index}].containerImage`;
  const shared = `${CONTAINER_PATH}.containerImage`;
  const [template, path] = isSet(mapping.containerImage) ? [mapping.containerImage, own] : [container.containerImage, shared];
  if (!isSet(template)) {
    report(`There is no image for kernel ${kernel}: set ${own} or ${shared}.`);
    return '';
  }
  const before = problems.length;
  const image = expand(template, path);
  const parsed = parseImageReference(image);
  if (problems.length === before && !parsed.ok)
    report(`For kernel ${kernel}, ${path} ${JSON.stringify(template)} gives no usable image. ${parsed.message}`);
  return image;
}

function expandSign(container: Sign | undefined, mapping: Sign | undefined, mappingPath: string, { expand }: Expander): Sign | undefined {
  const merged = mergeSign(container, mapping);
  if (merged === undefined) return undefined;
  const shared = `${CONTAINER_PATH}.sign`;
  const own = `${mappingPath}.sign`;
  const sharedFiles = container?.filesToSign?.length ?? 0;
  const filePath = (i: number): string => (i < sharedFiles ? `${shared}.filesToSign[${i}]` : `${own}.filesToSign[${i - sharedFiles}]`);
  const imagePath = `${isSet(mapping?.unsignedImage) ? own : shared}.unsignedImage`;
  return {
    ...merged,
    ...(isSet(merged.unsignedImage) ? { unsignedImage: expand(merged.unsignedImage, imagePath) } : {}),
    ...(merged.filesToSign === undefined ? {} : { filesToSign: merged.filesToSign.map((file, i) => expand(file, filePath(i))) }),
  };
}

const problem = (reason: Reason, message: string): { readonly problem: Problem } => ({ problem: { reason, message } });
const isSet = (text: string | undefined): text is string => text !== undefined && text !== '';
