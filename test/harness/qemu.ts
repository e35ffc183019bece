import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { buildParts, findBuildProgram } from './build-parts.js';
import { cpio } from './cpio.js';
import type { KernelFlavour } from './kernels.js';
import { makeTempDir, removeTempDir, run } from './process.js';

export interface MachineOptions {
  readonly kernel: Pick<KernelFlavour, 'release' | 'vmlinuz'>;
  /** Loaded in this order. Files compressed with gzip, xz or zstd are decompressed first, as modprobe would. */
  readonly modules: readonly { readonly name: string; readonly bytes: Buffer }[];
  /** Further words of the kernel's command line, for instance `module.sig_enforce=1`. */
  readonly kernelArguments?: readonly string[];
  /** For the whole run. Default 120,000: a boot takes 3 s, on a busy machine several times that. */
  readonly timeoutMs?: number;
}

export interface LoadedModule {
  readonly name: string;
  /** `MODULE_VERSION`, if the module has one. */
  readonly version?: string;
  /** The kernel's letters: `O` out of tree, `E` without a signature that it trusts. Empty for a module that it trusts wholly. */
  readonly taints: string;
}

export interface MachineReport {
  /** Names of the given modules that the kernel lists as live, in the order in which they were loaded. */
  readonly loaded: readonly string[];
  readonly modules: readonly LoadedModule[];
  /** What `uname -r` printed in the machine. */
  readonly release: string;
  /** The kernel's own messages, oldest first; the last {@link DMESG_LINES}. */
  readonly dmesg: readonly string[];
  /** Everything that came over the serial line. */
  readonly console: string;
}

/** Thrown when the kernel of a machine does not take a module. The likely cause is another kernel's module, or a signature that is missing. */
export class ModuleRefused extends Error {
  override readonly name = 'ModuleRefused';
  /** As the caller named it. */
  readonly module: string;
  /** What insmod printed, then the kernel's own lines about this module. */
  readonly kernelWords: readonly string[];
  constructor(module: string, release: string, kernelWords: readonly string[]) {
    super(`The kernel ${release} does not load ${module}: ${kernelWords.join('; ')}`);
    this.module = module;
    this.kernelWords = kernelWords;
  }
}

export const DMESG_LINES = 60;
const DEFAULT_TIMEOUT_MS = 120_000;
const MEMORY_MIB = 512;
/** Starts each line of the machine that is an answer and not chatter. */
const MARK = 'KMODFLOW';

/**
 * Boots a virtual machine with the given kernel and nothing but busybox, loads the modules there, and tells what its kernel says.
 * The machine has no disk and no network, and is gone when this returns. QEMU emulates the processor: a /dev/kvm that is there and does not work (seen in
 * virtual machines) makes a boot hang for as long as one waits, and emulation takes a few seconds. `KMODFLOW_QEMU_ACCEL=kvm` asks for the hardware.
 * @throws ModuleRefused with the kernel's words when a module does not load; Error with the end of the console when the machine does not get that far.
 */
export async function loadInMachine(options: MachineOptions): Promise<MachineReport> {
  const folder = makeTempDir('machine');
  try {
    const initrd = join(folder, 'initrd');
    const logFile = join(folder, 'console.log');
    writeFileSync(initrd, buildInitrd(options.modules));
    const machine = await run({
      program: findBuildProgram('qemu-system-x86_64'),
      args: machineArguments(options, initrd),
      logFile,
      ready: () => Promise.resolve(readFileSync(logFile, 'utf8').includes(`${MARK} end`) || 'the machine has not said that it is done'),
      readyTimeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    });
    await machine.stop();
    return report(options, readFileSync(logFile, 'utf8').replaceAll('\r', ''));
  } finally {
    removeTempDir(folder);
  }
}

function machineArguments({ kernel, kernelArguments = [] }: MachineOptions, initrd: string): string[] {
  // The answers and the kernel share one line: "quiet" keeps the kernel from writing into them. "panic=-1" with "-no-reboot" ends a crashed machine at once.
  const words = ['console=ttyS0', 'quiet', 'panic=-1', ...kernelArguments];
  return [
    ...['-accel', process.env['KMODFLOW_QEMU_ACCEL'] ?? 'tcg', '-cpu', 'max', '-m', String(MEMORY_MIB)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
    ...['-kernel', kernel.vmlinuz, '-initrd', initrd, '-append', words.join(' ')],
  ];
}

function buildInitrd(modules: MachineOptions['modules']): Buffer {
  const busybox = readFileSync(buildParts().busybox);
  const files = modules.map(({ bytes }, index) => [moduleFile(index), { content: decompress(bytes), mode: 0o644 }] as const);
  return cpio({
    'bin/busybox': { content: busybox, mode: 0o755 },
    init: { content: initScript(modules), mode: 0o755 },
    ...Object.fromEntries(files),
  });
}

const moduleFile = (index: number): string => `modules/${index}.ko`;

/** Each answer is a line that starts with the mark and a word. Stops at the first module that is refused, as a dependent one would only confuse. */
function initScript(modules: MachineOptions['modules']): string {
  const load = modules.map(({ name }, index) => `load ${index} ${moduleName(name)} /${moduleFile(index)}\n`);
  return `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /usr/bin /sbin
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
answer() { echo "${MARK} $*"; }
finish() {
  dmesg | tail -n ${DMESG_LINES} | while read -r line; do answer dmesg "$line"; done
  answer end
  while true; do sleep 3600; done
}
load() {
  if ! said=$(insmod "$3" 2>&1); then
    answer refused "$1" "$said"
    finish
  fi
  answer live "$2" "$(grep "^$2 " /proc/modules)"
  answer version "$2" "$(cat "/sys/module/$2/version" 2>/dev/null)"
}
answer release "$(uname -r)"
${load.join('')}finish
`;
}

/** As the kernel names it: without folders and suffixes, underscores for dashes. */
function moduleName(name: string): string {
  const plain = name
    .replace(/^.*\//, '')
    .replace(/\.ko(\.(gz|xz|zst))?$/, '')
    .replaceAll('-', '_');
  if (!/^\w+$/.test(plain)) throw new Error(`A kernel module cannot be named "${name}": letters, digits, "_" and "-" are right.`);
  return plain;
}

const COMPRESSIONS: readonly { readonly magic: Buffer; readonly plain: (bytes: Buffer) => Buffer }[] = [
  { magic: Buffer.from('1f8b', 'hex'), plain: (bytes) => gunzipSync(bytes) },
  { magic: Buffer.from('fd377a585a00', 'hex'), plain: (bytes) => filter('xz', bytes) },
  { magic: Buffer.from('28b52ffd', 'hex'), plain: (bytes) => filter('zstd', bytes) },
];

function decompress(bytes: Buffer): Buffer {
  const compression = COMPRESSIONS.find(({ magic }) => bytes.subarray(0, magic.length).equals(magic));
  return compression === undefined ? bytes : compression.plain(bytes);
}

function filter(program: 'xz' | 'zstd', input: Buffer): Buffer {
  const { status, stdout, stderr, error } = spawnSync(findBuildProgram(program), ['-dc'], { input, maxBuffer: 1024 ** 3 });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} cannot decompress a module of ${input.length} bytes: ${stderr.toString()}`);
  return stdout;
}

function report({ kernel, modules }: MachineOptions, console: string): MachineReport {
  const answers = (word: string): string[] => {
    const start = `${MARK} ${word} `;
    return console
      .split('\n')
      .filter((line) => line.startsWith(start))
      .map((line) => line.slice(start.length));
  };
  const dmesg = answers('dmesg');
  const [refusal] = answers('refused');
  if (refusal !== undefined) {
    const [index = '', ...said] = refusal.split(' ');
    const name = modules[Number(index)]?.name ?? '';
    // busybox tries two system calls, and so the kernel says everything twice.
    const words = dmesg.filter((line) => line.includes(moduleName(name))).map((line) => line.replace(/^\[ *[\d.]+\] /, ''));
    throw new ModuleRefused(name, kernel.release, [...new Set([said.join(' '), ...words])]);
  }
  const versions = new Map(answers('version').map((line) => [line.split(' ')[0], line.split(' ')[1]]));
  const live = answers('live').map((line): LoadedModule => {
    const [name = '', ...facts] = line.split(' ');
    const version = versions.get(name);
    return { name, taints: /\((\w+)\)/.exec(facts.join(' '))?.[1] ?? '', ...(version && { version }) };
  });
  return { loaded: live.map(({ name }) => name), modules: live, release: answers('release')[0] ?? '', dmesg, console };
}
