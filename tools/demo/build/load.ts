import { splitSignatures } from '../../../src/kmod/index.js';
import { fileIn, readStoredImage, type StoredImage } from '../../../test/harness/image-files.js';
import { debianKernels, type KernelFlavour } from '../../../test/harness/kernels.js';
import { loadInMachine, type MachineReport } from '../../../test/harness/qemu.js';
import { SAMPLE_MODULE, sampleModulePath } from '../../../test/harness/sample-module.js';
import type { AdaptedExample } from '../example.js';
import { DemoFailure, type Demo } from '../steps.js';
import * as texts from './texts.js';

/** Loads the module of each kernel in a machine of its own, one after the other. @throws DemoFailure when one is not there, not signed, or does not load. */
export async function loadEverywhere({ screen, signal, kernels }: Demo, example: AdaptedExample): Promise<void> {
  screen.say(texts.loading(kernels));
  for (const kernel of debianKernels().filter(({ release }) => kernels.includes(release))) {
    signal.throwIfAborted();
    const bytes = await builtModule(example, kernel);
    screen.say(`  ${resultText(await loadInMachine({ kernel, modules: [{ name: SAMPLE_MODULE, bytes }] }), kernel)}`);
  }
  signal.throwIfAborted();
}

export async function storedImage({ imageFor }: AdaptedExample, kernel: string): Promise<StoredImage> {
  const { registry, repository, tag } = imageFor(kernel);
  return readStoredImage(registry, repository, tag);
}

async function builtModule(example: AdaptedExample, { release }: KernelFlavour): Promise<Buffer> {
  const path = sampleModulePath(release);
  const bytes = fileIn(await storedImage(example, release), path);
  if (bytes === undefined) throw new DemoFailure(`The image for ${release} has no file ${path}.`);
  const signatures = splitSignatures(bytes).signatures.length;
  if (signatures !== 1) throw new DemoFailure(`${path} in the image for ${release} carries ${signatures} signatures where one is right.`);
  return bytes;
}

/** What the machine itself said. @throws DemoFailure when it runs another kernel, or does not list the module. */
export function resultText({ release, loaded, modules, dmesg }: MachineReport, kernel: Pick<KernelFlavour, 'release'>): string {
  if (release !== kernel.release) throw new DemoFailure(`The machine for ${kernel.release} says that it runs ${release}.`);
  if (!loaded.includes(SAMPLE_MODULE)) throw new DemoFailure(`The machine with ${release} does not list ${SAMPLE_MODULE} as loaded.`);
  const version = modules.find(({ name }) => name === SAMPLE_MODULE)?.version ?? '';
  const words = dmesg.findLast((line) => line.includes(`${SAMPLE_MODULE} ${version}`));
  return `${release}: ${SAMPLE_MODULE} ${version} is loaded.${words === undefined ? '' : ` Its kernel wrote: ${words.replace(/^\[ *[\d.]+\] /, '')}`}`;
}
