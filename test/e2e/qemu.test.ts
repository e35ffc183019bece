/** A real out-of-tree module: compiled by buildah from a Dockerfile alone, loaded by the kernel that it was compiled for, refused by another. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pushBaseImages, type BaseImages } from '../harness/base-images.js';
import { findBuildProgram } from '../harness/build-parts.js';
import { debianKernels, type KernelFlavour } from '../harness/kernels.js';
import { makeTempDir, removeTempDir } from '../harness/process.js';
import { loadInMachine, ModuleRefused } from '../harness/qemu.js';
import { startRegistry, type Registry } from '../harness/registry.js';
import { sampleDockerfile, sampleModulePath } from '../harness/sample-module.js';

const ONE_RUN_MS = 180_000;
const folder = makeTempDir('qemu-test');
const [standard, cloud] = debianKernels() as [KernelFlavour, KernelFlavour];
let registry: Registry;
let sample: Buffer;

beforeAll(async () => {
  registry = await startRegistry();
  const images = await pushBaseImages(registry.host);
  sample = buildSample(cloud.release, images);
}, ONE_RUN_MS);

afterAll(async () => {
  await registry.stop();
  removeTempDir(folder);
});

/** Runs buildah as the builder of kmodflow does, without registry and Job around it, and takes the module out of the image. */
function buildSample(kernel: string, { kbuild, runtime }: BaseImages): Buffer {
  const [file, out] = [join(folder, 'Dockerfile'), join(folder, 'out')];
  writeFileSync(file, sampleDockerfile({ version: '2.7' }));
  const storage = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'];
  const args = [`KBUILD_IMAGE=${kbuild}`, `RUNTIME_IMAGE=${runtime}`, `KERNEL_FULL_VERSION=${kernel}`, 'MOD_NAME=driver'];
  const build = ['build', '--isolation', 'chroot', '--tls-verify=false', ...args.flatMap((arg) => ['--build-arg', arg])];
  const output = ['--output', `type=local,dest=${out}`, '--file', file, folder];
  execFileSync(findBuildProgram('buildah'), [...storage, ...build, ...output], { stdio: 'pipe' });
  return readFileSync(join(out, sampleModulePath(kernel)));
}

describe('a module that was compiled for one kernel', () => {
  test('says so in its modinfo', () => {
    const file = join(folder, 'kmodflow_sample.ko');
    writeFileSync(file, sample);
    const field = (name: string): string => execFileSync(findBuildProgram('modinfo'), ['-F', name, file], { encoding: 'utf8' }).trim();
    expect(field('vermagic').split(' ')[0]).toBe(cloud.release);
    expect(field('name')).toBe('kmodflow_sample');
    expect(field('version')).toBe('2.7');
    expect(field('parm')).toBe('greeting:What the module says when it is loaded (charp)');
  });

  test(
    'is loaded by that kernel, which marks it as out of tree and unsigned',
    async () => {
      const report = await loadInMachine({ kernel: cloud, modules: [{ name: 'kmodflow_sample', bytes: sample }] });
      expect(report.release).toBe(cloud.release);
      expect(report.loaded).toEqual(['kmodflow_sample']);
      expect(report.modules).toEqual([{ name: 'kmodflow_sample', version: '2.7', taints: 'OE' }]);
      expect(report.dmesg).toContainEqual(expect.stringMatching(/kmodflow_sample 2\.7 for driver: hello$/));
    },
    ONE_RUN_MS,
  );

  test(
    'is refused by another kernel, whose words are told',
    async () => {
      const loading = loadInMachine({ kernel: standard, modules: [{ name: 'kmodflow_sample.ko', bytes: sample }] });
      const refused = await loading.catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(ModuleRefused);
      expect((refused as ModuleRefused).message).toBe(
        `The kernel ${standard.release} does not load kmodflow_sample.ko: insmod: can't insert '/modules/0.ko': invalid module format; ` +
          'kmodflow_sample: disagrees about version of symbol module_layout',
      );
    },
    ONE_RUN_MS,
  );
});

describe('a kernel that insists on signatures', () => {
  test(
    'loads a module that Debian has signed, compressed as it may be, and refuses ours after it',
    async () => {
      const modules = [
        { name: 'dummy.ko.xz', bytes: execFileSync(findBuildProgram('xz'), ['-c', cloud.signedModule]) },
        { name: 'kmodflow_sample.ko', bytes: sample },
      ];
      // It is the second that is refused, and so the first was taken.
      await expect(loadInMachine({ kernel: cloud, kernelArguments: ['module.sig_enforce=1'], modules })).rejects.toThrow(
        /^The kernel \S+ does not load kmodflow_sample\.ko: .*Key was rejected by service/,
      );
    },
    ONE_RUN_MS,
  );
});
