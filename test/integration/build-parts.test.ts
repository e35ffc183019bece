/**
 * The installation of what builds and loads kernel modules, on machines that lack programs: the real script with a PATH that hides them and an apt-get that
 * writes down what it is asked for. The kernels and base images are those of the cache, so nothing is fetched.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { pushBaseImages } from '../harness/base-images.js';
import { buildParts, findBuildProgram } from '../harness/build-parts.js';
import { debianKernels } from '../harness/kernels.js';
import { repositoryRoot } from '../harness/parts.js';
import { makeTempDir, removeTempDir } from '../harness/process.js';
import { startRegistry } from '../harness/registry.js';
import { sampleDockerfile } from '../harness/sample-module.js';

const folder = makeTempDir('build-parts-test');
/** What the machine has anyway, and what a test adds: together the PATH. */
const [given, added] = [join(folder, 'given'), join(folder, 'added')];
const asked = join(folder, 'asked');

/** Every program of this machine is there, except apt-get and these, which are all in packages of their own. */
const HIDDEN = new Set(['apt-get', 'id', 'buildah', 'qemu-system-x86_64', 'zstd']);

beforeAll(() => {
  mkdirSync(given);
  const sources = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'].filter((source) => existsSync(source));
  const paths = sources.flatMap((source) => readdirSync(source).map((name) => [name, join(source, name)] as const));
  for (const [name, path] of new Map(paths.filter(([name]) => !HIDDEN.has(name)))) symlinkSync(path, join(given, name));
});
beforeEach(() => {
  rmSync(added, { recursive: true, force: true });
  rmSync(asked, { force: true });
  mkdirSync(added);
  stub('id', 'echo 0');
});
afterAll(() => removeTempDir(folder));

function stub(name: string, script: string): void {
  writeFileSync(join(added, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(added, name), 0o755);
}

/** An apt-get that notes its arguments, and whose installation brings `programs`. */
const stubApt = (programs: readonly string[], before = ''): void =>
  stub(
    'apt-get',
    `echo "$DEBIAN_FRONTEND: $*" >>${asked}
case "$*" in *" install "*) ${before}
for name in ${programs.join(' ')}; do ln -s /bin/true ${added}/$name; done ;; esac`,
  );

/** Runs the script in a copy of the repository's tools, so that this clone's links stay as they are; the cache is the real one. */
function install(): { status: number | null; stdout: string; stderr: string } {
  const clone = join(folder, 'clone');
  mkdirSync(clone, { recursive: true });
  if (!existsSync(join(clone, 'tools'))) symlinkSync(join(repositoryRoot, 'tools'), join(clone, 'tools'));
  const cache = dirname(dirname(realpathSync(buildParts().folder)));
  const script = join(clone, 'tools', 'install-build-parts.sh');
  return spawnSync(script, [], { encoding: 'utf8', env: { PATH: `${added}:${given}`, HOME: folder, XDG_CACHE_HOME: cache } });
}
const requests = (): string[] => (existsSync(asked) ? readFileSync(asked, 'utf8').trimEnd().split('\n') : []);

describe('the installation of build parts', () => {
  test('asks apt-get, as root, for exactly the packages whose programs are not on PATH', () => {
    stubApt(['buildah', 'qemu-system-x86_64', 'zstd']);
    const { status, stdout, stderr } = install();
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(requests()).toEqual([
      'noninteractive: -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 install --no-install-recommends buildah qemu-system-x86 zstd',
    ]);
    expect(stdout).toContain('installing buildah qemu-system-x86 zstd\n');
    expect(stdout).toContain('build parts: kernels and base images of Debian bookworm; in .tools/build-parts\n');
  });

  test('renews the package lists and tries again when the installation fails', () => {
    stubApt(['buildah', 'qemu-system-x86_64', 'zstd'], `[ -e ${asked}.lists ] || { touch ${asked}.lists; exit 100; }`);
    const { status } = install();
    expect(status).toBe(0);
    expect(requests().map((line) => /(install|update)/.exec(line)?.[1])).toEqual(['install', 'update', 'install']);
  });

  test('shows the end of what apt-get said when it cannot install', () => {
    stubApt([], 'echo "E: Unable to locate package buildah"; exit 100;');
    const { status, stderr } = install();
    expect(status).toBe(1);
    expect(stderr).toContain('kmodflow: these packages cannot be had: buildah qemu-system-x86 zstd.');
    expect(stderr).toContain('    E: Unable to locate package buildah\n');
    expect(stderr).toContain('    - check the network, and that "apt-get update" reaches the mirrors');
  });

  test('says so when the packages are there and a program is still missing', () => {
    stubApt(['buildah', 'zstd']);
    const { status, stderr } = install();
    expect(status).toBe(1);
    expect(stderr).toContain('kmodflow: apt-get installed the packages, and these are still not to be found: qemu-system-x86_64.');
  });

  test('installs nothing as an ordinary user, and gives the command to run', () => {
    stubApt([]);
    stub('id', 'echo 1000');
    const { status, stderr } = install();
    expect(status).toBe(1);
    expect(requests()).toEqual([]);
    expect(stderr).toContain(
      'kmodflow: building and loading kernel modules needs what this machine lacks: buildah qemu-system-x86_64 zstd.',
    );
    expect(stderr).toContain('sudo apt-get install --no-install-recommends buildah qemu-system-x86 zstd\n');
  });

  test('names the packages where there is no apt-get', () => {
    const { status, stderr } = install();
    expect(status).toBe(1);
    expect(stderr).toContain('There is no apt-get here, so install them with the package manager of this system, and run make again.');
    expect(stderr).toContain('On Debian and Ubuntu these packages have them: buildah qemu-system-x86 zstd\n');
  });

  test('does nothing in under a second when everything is there', () => {
    stubApt([]);
    for (const name of ['buildah', 'qemu-system-x86_64', 'zstd']) symlinkSync('/bin/true', join(added, name));
    const started = Date.now();
    const { status, stdout } = install();
    expect(status).toBe(0);
    expect(requests()).toEqual([]);
    expect(stdout).toBe('build parts: kernels and base images of Debian bookworm; in .tools/build-parts\n');
    expect(Date.now() - started).toBeLessThan(1_000);
  });
});

describe('the build parts', () => {
  test('are three bootable kernels, each with its headers and a signed module', () => {
    const kernels = debianKernels();
    expect(kernels.map(({ flavour }) => flavour)).toEqual(['amd64', 'cloud-amd64', 'rt-amd64']);
    for (const { release, flavour, vmlinuz, signedModule } of kernels) {
      expect(release).toMatch(new RegExp(`^6\\.1\\.0-\\d+-${flavour}$`));
      // The magic of the x86 boot protocol.
      expect(readFileSync(vmlinuz).toString('latin1', 0x202, 0x206)).toBe('HdrS');
      expect(readFileSync(signedModule).subarray(-28).toString()).toBe('~Module signature appended~\n');
    }
  });

  test('include base images that a registry takes and buildah can read', async () => {
    const registry = await startRegistry();
    try {
      const images = await pushBaseImages(registry.host);
      expect(images).toEqual({ kbuild: `${registry.host}/base/kbuild:bookworm`, runtime: `${registry.host}/base/runtime:1` });
      expect(registry.requests().manifestTotal).toBe(0);
      const inspect = spawnSync(findBuildProgram('skopeo'), ['inspect', '--tls-verify=false', `docker://${images.kbuild}`], {
        encoding: 'utf8',
      });
      expect(JSON.parse(inspect.stdout)).toMatchObject({ Architecture: 'amd64', Layers: [buildParts().layers.kbuild.digest] });
    } finally {
      await registry.stop();
    }
  });
});

describe('the Dockerfile of the sample module', () => {
  test('holds its sources, so that a build needs no other file', () => {
    const text = sampleDockerfile({ images: { kbuild: 'r.test/k:1', runtime: 'r.test/r:1' }, version: '3.1' });
    expect(text).toContain('ARG KBUILD_IMAGE=r.test/k:1\nARG RUNTIME_IMAGE=r.test/r:1\n');
    expect(text).toContain('ARG SAMPLE_VERSION=3.1\n');
    expect(text).toContain("  '#include <linux/module.h>' \\\n");
    expect(text).not.toContain('@write');
  });

  test('takes another source, for a build that shall fail', () => {
    const text = sampleDockerfile({ source: 'this is not C' });
    expect(text).toContain("RUN printf '%s\\n' \\\n  'this is not C' \\\n  > kmodflow_sample.c\n");
    expect(text).not.toContain('#include');
  });
});
