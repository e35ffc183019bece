import type { KernelMapping, ModuleSpec, Sign } from '../../api/index.js';
import { regexpError } from '../kernel-mapping.js';
import { expandTemplate } from '../template.js';
import { validateModprobe } from './modprobe.js';
import { isSet, quote, specProblem, type SpecProblem } from './spec-problem.js';

type Container = NonNullable<ModuleSpec['moduleLoader']>['container'];
type InTree = Pick<KernelMapping, 'inTreeModuleToRemove' | 'inTreeModulesToRemove'>;

const DEFAULT_DIR_NAME = '/opt';

/** Rules for the image, the kernel mappings, modprobe and signing of a Module's loader. */
export function validateContainer(path: string, container: Container): SpecProblem[] {
  const dirName = isSet(container.modprobe.dirName) ? container.modprobe.dirName : DEFAULT_DIR_NAME;
  return [
    ...validateInTree(path, container),
    ...validateImage(`${path}.containerImage`, container.containerImage),
    ...container.kernelMappings.flatMap((mapping, i) => validateMapping(`${path}.kernelMappings[${i}]`, mapping, path, container)),
    ...validateModprobe(`${path}.modprobe`, container.modprobe),
    ...validateSign(`${path}.sign`, container.sign, dirName),
    ...container.kernelMappings.flatMap((mapping, i) => validateSign(`${path}.kernelMappings[${i}].sign`, mapping.sign, dirName)),
  ];
}

function validateMapping(path: string, mapping: KernelMapping, containerPath: string, container: Container): SpecProblem[] {
  return [
    ...validateKernels(path, mapping),
    ...(isSet(mapping.containerImage) || isSet(container.containerImage)
      ? []
      : [
          specProblem(
            `${path}.containerImage`,
            `${path}.containerImage is missing; set it there or once for all mappings in ${containerPath}.containerImage.`,
          ),
        ]),
    ...validateImage(`${path}.containerImage`, mapping.containerImage),
    ...validateInTree(path, mapping),
    ...validateInTreeMix(path, mapping, containerPath, container),
  ];
}

function validateKernels(path: string, { literal, regexp }: KernelMapping): SpecProblem[] {
  if (isSet(literal) && isSet(regexp)) {
    return [
      specProblem(
        path,
        `${path} has literal ${quote(literal)} and regexp ${quote(regexp)}; they are mutually exclusive: keep one of them.`,
      ),
    ];
  }
  if (!isSet(literal) && !isSet(regexp)) return [specProblem(path, `${path} has neither literal nor regexp; set one of them.`)];
  const error = isSet(regexp) ? regexpError(regexp) : undefined;
  return error === undefined
    ? []
    : [specProblem(`${path}.regexp`, `${path}.regexp is ${quote(regexp)}, which is not a valid RE2 expression: ${error}.`)];
}

/**
 * Upstream's rule, character by character: a colon or an at sign anywhere. It lets `host:5000/kmod` pass, which the kernel then reports when its image is
 * resolved; refusing it here would refuse manifests that upstream admits.
 */
function validateImage(path: string, image: string | undefined): SpecProblem[] {
  if (!isSet(image)) return [];
  if (!/[:@]/.test(image)) {
    return [
      specProblem(
        path,
        `${path} is ${quote(image)}; a container image must explicitly set a tag or digest, such as ${image}:\${KERNEL_FULL_VERSION}.`,
      ),
    ];
  }
  return validateTemplate(path, image);
}

function validateTemplate(path: string, template: string): SpecProblem[] {
  const expansion = expandTemplate(template, {});
  return expansion.ok ? [] : [specProblem(path, `${path} is not a valid template: ${expansion.message}.`)];
}

function validateInTree(path: string, { inTreeModuleToRemove: single, inTreeModulesToRemove: list }: InTree): SpecProblem[] {
  if (!isSet(single) || list === undefined) return [];
  const field = `${path}.inTreeModuleToRemove`;
  return [
    specProblem(field, `${field} is ${quote(single)} while inTreeModulesToRemove is ${quote(list)}; keep only inTreeModulesToRemove.`),
  ];
}

function validateInTreeMix(path: string, mapping: InTree, containerPath: string, container: InTree): SpecProblem[] {
  const mixed = (old: InTree, current: InTree): boolean => isSet(old.inTreeModuleToRemove) && current.inTreeModulesToRemove !== undefined;
  const complain = (oldPath: string, currentPath: string): SpecProblem[] => {
    const field = `${oldPath}.inTreeModuleToRemove`;
    return [
      specProblem(
        field,
        `${field} cannot be set together with ${currentPath}.inTreeModulesToRemove; use inTreeModulesToRemove in both places.`,
      ),
    ];
  };
  if (mixed(container, mapping)) return complain(containerPath, path);
  return mixed(mapping, container) ? complain(path, containerPath) : [];
}

/** `dirName` is compared before templates are expanded, as upstream does. */
function validateSign(path: string, sign: Sign | undefined, dirName: string): SpecProblem[] {
  if (sign === undefined) return [];
  const files = sign.filesToSign ?? [];
  const field = `${path}.filesToSign`;
  const unsigned = isSet(sign.unsignedImage) ? validateTemplate(`${path}.unsignedImage`, sign.unsignedImage) : [];
  if (files.length === 0)
    return [...unsigned, specProblem(field, `${field} is empty; list the kernel module files to sign, each below ${dirName}/.`)];
  return [
    ...unsigned,
    ...files.flatMap((file, i) => [
      ...(file.startsWith(`${dirName}/`)
        ? []
        : [specProblem(`${field}[${i}]`, `${field}[${i}] is ${quote(file)}; it must be under dirName: begin it with ${dirName}/.`)]),
      ...validateTemplate(`${field}[${i}]`, file),
    ]),
  ];
}
