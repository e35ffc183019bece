import type { FoundModule, ImageExpectation } from '../domain/image-process.js';
import { hasGlob, pathParts, shellGlobParts } from '../domain/shell-glob.js';
import { describeMachine, ELF_MACHINES, moduleNameOf, sameModule, vermagicKernel } from '../kmod/index.js';
import { pathOf, type ImageTree, type TreeNode } from './image-tree.js';
import { printable } from './manifest.js';
import type { FileReport } from './module-report.js';

export interface PlatformImage {
  /** For messages: `Image …`, with the platform where there are several. */
  readonly title: string;
  /** As its config says. */
  readonly architecture: string;
  readonly tree: ImageTree;
}

export interface Expectations {
  readonly expect: ImageExpectation;
  /** For messages, where `expect.sign` is set: whose signature it must be. */
  readonly signer: string | undefined;
}

/** `absent`: this image has nothing for the kernel, which is no defect as long as another platform's image has it. */
export type KernelVerdict =
  | { readonly kind: 'accepted'; readonly modules: readonly FoundModule[] }
  | { readonly kind: 'absent' | 'rejected'; readonly message: string };

interface ModuleFile {
  /** As a spoke sees it. */
  readonly path: string;
  readonly name: string;
  readonly report: FileReport;
}

const MAX_NAMED = 5;

/** Whether the image of one platform is right for a kernel; every message names what was found, what is expected, and the next step. */
export function judgeKernel(image: PlatformImage, kernel: string, expectations: Expectations): KernelVerdict {
  const { tree, title } = image;
  const { expect } = expectations;
  const folder = `${modulesFolder(expect)}/${kernel}`;
  const node = tree.resolve(pathParts(folder));
  if (node === undefined) return { kind: 'absent', message: absence(image, kernel, expect) };
  const files = moduleFiles(tree, node, folder);
  const reject = (message: string): KernelVerdict => ({
    kind: 'rejected',
    message: `${title} is not right for kernel ${kernel}: ${message}`,
  });
  if (files.length === 0)
    return reject(`directory ${folder} holds no module file (.ko, .ko.gz, .ko.xz or .ko.zst). Install the modules of this kernel there.`);
  const defect =
    firstDefect(files, (file) => moduleDefect(file, kernel, image.architecture)) ??
    missingModule(files, folder, expect) ??
    signatureDefects({ tree, node, files }, kernel, expectations);
  return defect === undefined ? { kind: 'accepted', modules: files.map((file) => foundModule(file, kernel)) } : reject(defect);
}

const modulesFolder = ({ dirName }: ImageExpectation): string => `/${[...pathParts(dirName), 'lib', 'modules'].join('/')}`;

function absence({ tree, title }: PlatformImage, kernel: string, expect: ImageExpectation): string {
  const parent = modulesFolder(expect);
  const wanted = `${parent}/${kernel}`;
  const others = [...(tree.resolve(pathParts(parent))?.children.values() ?? [])].map(({ name }) => name).sort();
  const what = `${title} is not right for kernel ${kernel}: it has no directory ${wanted}`;
  if (others.includes(`${kernel}+`))
    return `${what}, while it has ${parent}/${kernel}+. Spokes look for the name without the "+" at its end: name the directory ${kernel}.`;
  const named =
    others.slice(0, MAX_NAMED).map(printable).join(', ') + (others.length > MAX_NAMED ? ` and ${others.length - MAX_NAMED} more` : '');
  const found = others.length === 0 ? `, and no other module in ${parent}` : `; ${parent} holds ${named}`;
  return `${what}${found}. Install the modules of this kernel there, or correct modprobe.dirName.`;
}

/** The module files below a directory. A link to a directory is not entered; one that is named like a module counts as what it leads to. */
function moduleFiles(tree: ImageTree, node: TreeNode, path: string): ModuleFile[] {
  const files: ModuleFile[] = [];
  for (const child of [...node.children.values()].sort((left, right) => compare(left.name, right.name))) {
    const childPath = `${path}/${child.name}`;
    const name = moduleNameOf(child.name);
    const entry = (child.entry?.kind === 'link' ? tree.follow(child) : child)?.entry;
    if (name !== undefined && entry?.kind === 'file') files.push({ path: childPath, name, report: entry.report });
    else files.push(...moduleFiles(tree, child, childPath));
  }
  return files;
}

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

function firstDefect(files: readonly ModuleFile[], defectOf: (file: ModuleFile) => string | undefined): string | undefined {
  const [first, ...more] = files.flatMap((file) => defectOf(file) ?? []);
  if (first === undefined || more.length === 0) return first;
  return `${first} ${more.length} other ${more.length === 1 ? 'file has' : 'files have'} a defect of this kind.`;
}

function moduleDefect({ path, report }: ModuleFile, kernel: string, architecture: string): string | undefined {
  const facts = report.module ?? { defect: 'is not a kernel module' };
  if ('defect' in facts) return `file ${path} ${facts.defect}. Replace it by a module that was built for this kernel.`;
  const built = vermagicKernel(facts.vermagic);
  if (withoutPlus(built) !== withoutPlus(kernel))
    return `file ${path} was built for kernel ${printable(built)} (vermagic ${printable(facts.vermagic)}), where ${printable(kernel)} is expected. Build it against the headers of kernel ${kernel}.`;
  const machine = Object.hasOwn(ELF_MACHINES, architecture) ? ELF_MACHINES[architecture] : undefined;
  if (machine !== undefined && facts.machine !== machine)
    return `file ${path} is for ${describeMachine(facts.machine)}, where the image's architecture ${architecture} needs ELF machine ${machine}. Build the module for ${architecture}, or push the image with the right architecture.`;
  return undefined;
}

/** Some distributions end the kernel's own version in a `+`, which spokes take off. */
const withoutPlus = (kernel: string): string => (kernel.endsWith('+') ? kernel.slice(0, -1) : kernel);

function missingModule(files: readonly ModuleFile[], folder: string, { moduleName }: ImageExpectation): string | undefined {
  if (moduleName === undefined || files.some(({ name }) => sameModule(name, moduleName))) return undefined;
  const names = files.map(({ name }) => name);
  const named =
    names.slice(0, MAX_NAMED).map(printable).join(', ') + (names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '');
  return `directory ${folder} holds no file of module ${moduleName}, which modprobe.moduleName names; it holds ${named}. Add the module, or correct modprobe.moduleName.`;
}

interface KernelFiles {
  readonly tree: ImageTree;
  readonly node: TreeNode;
  readonly files: readonly ModuleFile[];
}

function signatureDefects(found: KernelFiles, kernel: string, { expect, signer }: Expectations): string | undefined {
  const { sign, moduleName } = expect;
  if (sign === undefined) return undefined;
  const due = new Map<string, FileReport>();
  for (const pattern of sign.files) {
    if (isOfAnotherKernel(pattern, kernel, expect)) continue;
    const matches = matchingFiles(found.tree, pattern);
    if (matches.length === 0)
      return `no file matches ${printable(pattern)} of sign.filesToSign. Correct the pattern, or add the file to the image.`;
    for (const node of matches) if (!isBelowAnotherKernel(found, node)) addFile(due, pathOf(node), node);
  }
  for (const { path, name, report } of found.files) if (moduleName !== undefined && sameModule(name, moduleName)) due.set(path, report);
  const files = [...due].map(([path, report]) => ({ path, name: '', report }));
  return firstDefect(files, ({ path, report }) =>
    report.signatureDefect === undefined
      ? undefined
      : `file ${path} ${report.signatureDefect}, where a signature by ${signer ?? 'the certificate'} (Secret ${sign.certSecret}) is expected. Sign it with the key of that certificate.`,
  );
}

function addFile(due: Map<string, FileReport>, path: string, { entry }: TreeNode): void {
  if (entry?.kind === 'file') due.set(path, entry.report);
}

/** A pattern that leads below the directory of another kernel says nothing about this one. */
function isOfAnotherKernel(pattern: string, kernel: string, expect: ImageExpectation): boolean {
  const folder = pathParts(modulesFolder(expect));
  const parts = pathParts(pattern);
  const other = parts[folder.length];
  return (
    parts.length > folder.length + 1 &&
    folder.every((name, at) => name === parts[at]) &&
    other !== undefined &&
    other !== kernel &&
    !hasGlob(other)
  );
}

/** In the folder next to this kernel's, and so of another kernel. */
function isBelowAnotherKernel({ tree, node }: KernelFiles, file: TreeNode): boolean {
  for (let at: TreeNode | undefined = file; at !== undefined; at = at.parent) {
    if (at === node) return false;
    if (at.parent !== undefined && at.parent === node.parent) return at.children.size > 0 && tree.follow(at) !== node;
  }
  return false;
}

/** The files that a pattern names, behind symbolic links too. Each step keeps every place once, so links that form a ring cost nothing. */
function matchingFiles(tree: ImageTree, pattern: string): readonly TreeNode[] {
  let places = new Set([tree.root]);
  for (const matches of shellGlobParts(pattern)) {
    const next = new Set<TreeNode>();
    for (const place of places) {
      for (const child of place.children.values()) {
        const target = matches(child.name) ? tree.follow(child) : undefined;
        if (target !== undefined) next.add(target);
      }
    }
    places = next;
  }
  return [...places].filter(({ entry }) => entry?.kind === 'file');
}

function foundModule({ name, report }: ModuleFile, kernel: string): FoundModule {
  const facts = report.module !== undefined && 'vermagic' in report.module ? report.module : undefined;
  return {
    kernel,
    name,
    ...(facts?.version === undefined ? {} : { version: facts.version }),
    sizeBytes: report.sizeBytes,
    vermagic: facts?.vermagic ?? '',
    ...(report.signer === undefined ? {} : { signer: report.signer }),
  };
}
