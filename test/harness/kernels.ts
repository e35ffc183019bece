import { join } from 'node:path';
import { buildParts } from './build-parts.js';

/** A kernel that Debian ships, with headers of the same version in the base image `kbuild`. */
export interface KernelFlavour {
  /** `amd64`, `cloud-amd64` or `rt-amd64`. */
  readonly flavour: string;
  /** As `uname -r` prints it, for instance `6.1.0-56-cloud-amd64`. */
  readonly release: string;
  /** Path of the bootable kernel. */
  readonly vmlinuz: string;
  /** Path of `dummy.ko`, a module of this kernel that Debian has signed with a key that the kernel trusts. */
  readonly signedModule: string;
}

/**
 * The three flavours, always in this order: amd64, cloud-amd64, rt-amd64.
 * @throws Error that names `make build-parts` when they are not there.
 */
export function debianKernels(): KernelFlavour[] {
  const { folder, kernels } = buildParts();
  return kernels.map(({ flavour, release }) => ({
    flavour,
    release,
    vmlinuz: join(folder, 'kernels', release, 'vmlinuz'),
    signedModule: join(folder, 'kernels', release, 'dummy.ko'),
  }));
}
