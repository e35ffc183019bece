import { count } from '../../../src/domain/wording.js';

export const opening = `It builds a real kernel module from source for each of the kernels that Debian ships here, signs it, rolls it out, and loads it in a machine with that kernel.`;

export const startingNode = `Starting a node of the hub that runs the containers of build Jobs (here as processes of this machine):
  the builder, which compiles with buildah and pushes with skopeo,
  and the signing tool, the only one that gets to see the signing key.`;

export const pushingBases = `Pushing two base images to the registry:
  base/kbuild with gcc, make and the headers of the kernels,
  base/runtime, upon which the finished images stand.`;

export interface Inputs {
  readonly namespace: string;
  readonly configMap: string;
  readonly key: string;
  readonly cert: string;
}

export const applyingInputs = ({ namespace, configMap, key, cert }: Inputs): string =>
  `Making a fresh signing key, and applying what the module names, to the namespace ${namespace}:
  ConfigMap ${configMap} with a Dockerfile that holds the source of a small module in C,
  Secret ${key} and Secret ${cert}.`;

export const building = (kernels: number): string =>
  `
The images. None is in the registry yet, so each is made once, in a Job of its own, however many clusters need it:
  sign-check  does the key belong to the certificate?
  build       buildah compiles the module for the kernel
  sign        signs the module inside the image; nothing leaves the Job before that
  push        pushes the image, under a tag of its own and under the tag that the module names
Then the hub looks into the image (right kernel? right signature?) and pins its digest. Two Jobs run at a time, the rest wait in a queue.
On two cores this takes ${kernels > 1 ? 'one to two minutes' : 'about half a minute'}. The clusters of a kernel get their image as soon as the hub has pinned it.`;

export interface BuildFacts {
  readonly works: number;
  readonly jobs: number;
  readonly images: number;
  /** Manifests that the repository ever took. */
  readonly manifests: number;
}

export const facts = ({ works, jobs, images, manifests }: BuildFacts): string =>
  [
    `There are ${count(works, 'ManifestWork')}, and ${count(jobs, 'Job')} made ${count(images, 'image')} for all of them.`,
    `The registry has ever taken ${count(manifests, 'manifest')} of this module${manifests === images ? ', the signed ones: an unsigned image never left its Job' : ''}.`,
  ].join('\n');

export const loading = (kernels: readonly string[]): string =>
  `
The spokes here are simulated; the modules are not. Each built module is taken out of its image, as it stands in the registry, and loaded
in a virtual machine (QEMU) that boots ${kernels.length === 1 ? 'its kernel' : `its own one of the ${kernels.length} kernels`}. The processor is emulated: 5 to 40 seconds for each.`;

export const unknownKey = `These kernels do not know the key of this demo, so they take the modules with the mark E ("unsigned"). A node that enforces signatures needs the certificate
among its trusted keys.`;

export const imagesShown = (command: string, output: string): string =>
  `\nThe command line shows what is in the images:\n\n  $ ${command}\n${output
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`.trimEnd())
    .join('\n')}`;
