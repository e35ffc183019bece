import { performance } from 'node:perf_hooks';
import { splitSignatures } from '../../../src/kmod/index.js';
import { fileIn, readStoredImage, type StoredImage } from '../../../test/harness/image-files.js';
import { debianKernels, type KernelFlavour } from '../../../test/harness/kernels.js';
import { loadInMachine, type MachineReport } from '../../../test/harness/qemu.js';
import { SAMPLE_MODULE, sampleModulePath } from '../../../test/harness/sample-module.js';
import type { AdaptedExample } from '../example.js';
import { DemoFailure, type Demo } from '../steps.js';
import * as texts from './texts.js';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** Loads the module of each kernel in a machine of its own, one after the other. @throws DemoFailure when one is not there, not signed, or does not load. */
export async function loadEverywhere({ screen, signal, kernels }: Demo, example: AdaptedExample): Promise<void> {
  screen.say(texts.loading(kernels));
  const reports: MachineReport[] = [];
  for (const kernel of debianKernels().filter(({ release }) => kernels.includes(release))) {
    signal.throwIfAborted();
    const bytes = await builtModule(example, kernel);
    const startedMs = performance.now();
    const report = await loadInMachine({ kernel, modules: [{ name: SAMPLE_MODULE, bytes }] });
    screen.say(`  ${resultText(report, kernel)} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`);
    reports.push(report);
  }
  if (reports.some(({ modules }) => modules.some(({ taints }) => taints.includes('E')))) screen.say(texts.unknownKey);
  signal.throwIfAborted();
}

/** Image by digest for each kernel whose image is there. */
export async function storedDigests(example: AdaptedExample, kernels: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  for (const kernel of kernels) {
    const { registry, repository, tag } = example.imageFor(kernel);
    const answer = await fetch(`http://${registry}/v2/${repository}/manifests/${tag}`, { method: 'HEAD', headers: { accept: MANIFEST } });
    const digest = answer.headers.get('docker-content-digest');
    if (answer.ok && digest !== null) digests.set(kernel, `${registry}/${repository}@${digest}`);
  }
  return digests;
}

async function storedImage({ imageFor }: AdaptedExample, kernel: string): Promise<StoredImage> {
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
  return `${release}: ${SAMPLE_MODULE} ${version} is loaded.${words === undefined ? '' : ` Its kernel wrote: "${words.replace(/^\[ *[\d.]+\] /, '')}"`}`;
}
