/** What `modinfo` prints of a module: NUL-separated `key=value` in the section `.modinfo`. */
export interface KmodInfo {
  /** As `uname -r` prints it; becomes the first word of `vermagic`. */
  readonly kernel: string;
  readonly name: string;
  readonly extra?: Readonly<Record<string, string>>;
  /** As Go calls it, one of {@link MACHINES}; default `amd64`. */
  readonly architecture?: string;
}

interface Machine {
  readonly number: number;
  readonly bits: 32 | 64;
  readonly isBigEndian?: boolean;
}

/** What kernel modules for an architecture look like. Source: the kernel's uapi `elf-em.h`. */
export const MACHINES: Readonly<Record<string, Machine>> = {
  amd64: { number: 62, bits: 64 },
  arm64: { number: 183, bits: 64 },
  ppc64le: { number: 21, bits: 64 },
  s390x: { number: 22, bits: 64, isBigEndian: true },
  riscv64: { number: 243, bits: 64 },
  '386': { number: 3, bits: 32 },
  arm: { number: 40, bits: 32 },
  mips: { number: 8, bits: 32, isBigEndian: true },
};

const SECTION_NAMES = '\0.modinfo\0.shstrtab\0';
const LAYOUTS = {
  32: { word: 4, header: 52, entry: 40, tableAt: 32, sizes: 40, flagsAt: 8, at: 16, alignAt: 32 },
  64: { word: 8, header: 64, entry: 64, tableAt: 40, sizes: 52, flagsAt: 8, at: 24, alignAt: 48 },
} as const;
const ALLOCATED = 2;

/** A file that a reader of kernel modules takes for one: a relocatable ELF with the section `.modinfo` and no code. It cannot be loaded. */
export function fakeKmod({ kernel, name, extra = {}, architecture = 'amd64' }: KmodInfo): Buffer {
  const machine = MACHINES[architecture];
  if (machine === undefined) throw new RangeError(`No kernel modules are known for the architecture ${architecture}.`);
  const layout = LAYOUTS[machine.bits];
  const fields = { license: 'GPL', name, ...extra, vermagic: `${kernel} SMP preempt mod_unload modversions ` };
  const modinfo = Buffer.from(
    Object.entries(fields)
      .map(([key, value]) => `${key}=${value}\0`)
      .join(''),
  );
  const names = Buffer.from(SECTION_NAMES);
  const sectionsAt = Math.ceil((layout.header + modinfo.length + names.length) / 8) * 8;
  const file = Buffer.alloc(sectionsAt + 3 * layout.entry);
  const write = writer(file, machine);
  writeFileHeader(file, machine, sectionsAt);
  modinfo.copy(file, layout.header);
  names.copy(file, layout.header + modinfo.length);
  const section = (index: number, nameAt: number, type: number, at: number, size: number): void => {
    const start = sectionsAt + index * layout.entry;
    write(nameAt, start, 4);
    write(type, start + 4, 4);
    write(type === 1 ? ALLOCATED : 0, start + layout.flagsAt, layout.word);
    write(at, start + layout.at, layout.word);
    write(size, start + layout.at + layout.word, layout.word);
    write(1, start + layout.alignAt, layout.word);
  };
  section(1, SECTION_NAMES.indexOf('.modinfo'), 1, layout.header, modinfo.length);
  section(2, SECTION_NAMES.indexOf('.shstrtab'), 3, layout.header + modinfo.length, names.length);
  return file;
}

/** Relocatable, three sections of which the third holds the names. */
function writeFileHeader(file: Buffer, machine: Machine, sectionsAt: number): void {
  const layout = LAYOUTS[machine.bits];
  const write = writer(file, machine);
  file.write('\x7fELF', 0, 'latin1');
  file.set([machine.bits === 64 ? 2 : 1, machine.isBigEndian === true ? 2 : 1, 1], 4);
  write(1, 16, 2);
  write(machine.number, 18, 2);
  write(1, 20, 4);
  write(sectionsAt, layout.tableAt, layout.word);
  write(layout.header, layout.sizes, 2);
  write(layout.entry, layout.sizes + 6, 2);
  write(3, layout.sizes + 8, 2);
  write(2, layout.sizes + 10, 2);
}

/** Writes numbers in the machine's byte order. */
const writer =
  (file: Buffer, { isBigEndian }: Machine) =>
  (value: number, at: number, bytes: 2 | 4 | 8): void => {
    // The high half of eight bytes is always zero here.
    if (isBigEndian === true) file.writeUIntBE(value, bytes === 8 ? at + 4 : at, Math.min(bytes, 4));
    else file.writeUIntLE(value, at, Math.min(bytes, 4));
  };
