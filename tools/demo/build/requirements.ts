import { buildParts, findBuildProgram, type BuildProgram } from '../../../test/harness/build-parts.js';
import { DemoFailure } from '../steps.js';

const PROGRAMS: readonly BuildProgram[] = ['buildah', 'skopeo', 'qemu-system-x86_64', 'modinfo', 'openssl', 'xz', 'zstd'];

/** What `--build` needs of this machine, besides what every demo needs. */
export interface Machine {
  readonly platform: string;
  /** Undefined where there are no users, as on Windows. */
  readonly uid: number | undefined;
  /** Throws, with a sentence, when kernels, base images or programs are missing. */
  readonly findParts: () => void;
}

export const thisMachine: Machine = {
  platform: process.platform,
  uid: process.getuid?.(),
  findParts() {
    buildParts();
    PROGRAMS.forEach((program) => findBuildProgram(program));
  },
};

/** Looked at before anything is started. @throws DemoFailure with what is missing and what to do. */
export function mustBuildHere({ platform, uid, findParts }: Machine): void {
  if (platform !== 'linux')
    throw new DemoFailure(`--build needs Linux, and this is ${platform}. Without it the demo ships images that are made already.`);
  if (uid !== 0)
    throw new DemoFailure(
      '--build needs root, as the demo runs the containers of its build Jobs as processes with a root folder of their own. Run it as root, or without --build, which ships images that are made already.',
    );
  try {
    findParts();
  } catch (error) {
    throw new DemoFailure(`--build cannot build on this machine. ${error instanceof Error ? error.message : String(error)}`);
  }
}
