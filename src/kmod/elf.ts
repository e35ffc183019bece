/** `e_machine` of a module by the architecture that an image declares (as Go names it). Source: the kernel's uapi `elf-em.h`. */
export const ELF_MACHINES: Readonly<Record<string, number>> = {
  '386': 3,
  amd64: 62,
  arm: 40,
  arm64: 183,
  loong64: 258,
  mips: 8,
  mipsle: 8,
  mips64: 8,
  mips64le: 8,
  ppc64: 21,
  ppc64le: 21,
  riscv64: 243,
  s390x: 22,
};

/** `x86-64 (62)`, or the number alone for a machine that no image architecture stands for. */
export function describeMachine(machine: number): string {
  const names = Object.keys(ELF_MACHINES).filter((name) => ELF_MACHINES[name] === machine);
  return names.length === 0 ? `ELF machine ${machine}` : `${names.join(' or ')} (ELF machine ${machine})`;
}

export type Modinfo =
  | {
      readonly ok: true;
      readonly machine: number;
      /** Each field's values in their order, since `alias`, `parm` and others occur many times. */
      readonly fields: ReadonlyMap<string, readonly string[]>;
    }
  /** A clause for a sentence about the file: "the file …". */
  | { readonly ok: false; readonly defect: string };

const SECTION = '.modinfo';
const RELOCATABLE = 1;
const NO_BITS = 8;
const COMPRESSED = 0x800;
/** `e_shstrndx` when the number does not fit: it stands in the first section's `sh_link` then. */
const EXTENDED_INDEX = 0xffff;
/** Real modules have a few kilobytes; the largest graphics drivers stay below 100 KiB. */
const MAX_MODINFO_BYTES = 1_048_576; // 1 MiB

/** Thrown inside this file alone. */
class Defect extends Error {}

/**
 * What a kernel module says of itself: the `key=value` strings of the section `.modinfo`, and the machine it is for. ELF32 and ELF64 of either byte order.
 * Anything may be handed in: a file that is not a kernel module gives a defect, never an exception, and nothing outside the file is read.
 * What follows the ELF file, such as an appended signature, is not looked at. Source: System V ABI, "Object Files"; the kernel's `module/main.c`.
 */
export function readModinfo(file: Buffer): Modinfo {
  try {
    const elf = readHeader(file);
    return { ok: true, machine: elf.machine, fields: readFields(findModinfo(elf)) };
  } catch (error) {
    if (error instanceof Defect) return { ok: false, defect: error.message };
    throw error;
  }
}

/** The kernel that a module was built for: the first word of its `vermagic`. Empty when there is none. */
export const vermagicKernel = (vermagic: string): string => vermagic.trimStart().split(/\s/, 1)[0] ?? '';

interface Elf {
  readonly machine: number;
  readonly sections: number;
  readonly section: (index: number) => Section;
  /** Index of the section that holds the sections' names. */
  readonly names: number;
  readonly bytes: (section: Section) => Buffer;
}

interface Section {
  readonly nameAt: number;
  readonly type: number;
  readonly flags: number;
  readonly at: number;
  readonly size: number;
  readonly link: number;
}

/** Where the parts of a header stand; the two classes differ in the width of addresses. */
const LAYOUTS = {
  32: { word: 4, tableAt: 32, entryBytes: 46, count: 48, names: 50, header: 40, section: { at: 16, size: 20, link: 24 } },
  64: { word: 8, tableAt: 40, entryBytes: 58, count: 60, names: 62, header: 64, section: { at: 24, size: 32, link: 40 } },
} as const;

function readHeader(file: Buffer): Elf {
  const { layout, number } = readIdentity(file);
  const type = number(16, 2);
  if (type !== RELOCATABLE) throw new Defect(`is an ELF file of type ${type}, while a kernel module is relocatable (type ${RELOCATABLE})`);
  const tableAt = number(layout.tableAt, layout.word);
  const entryBytes = number(layout.entryBytes, 2);
  if (entryBytes !== layout.header) throw new Defect(`has section headers of ${entryBytes} bytes, where ${layout.header} are right`);
  const section = (index: number): Section => {
    const at = tableAt + index * entryBytes;
    return {
      nameAt: number(at, 4),
      type: number(at + 4, 4),
      flags: number(at + 8, layout.word),
      at: number(at + layout.section.at, layout.word),
      size: number(at + layout.section.size, layout.word),
      link: number(at + layout.section.link, 4),
    };
  };
  // A file with very many sections keeps both numbers in the unused first entry.
  const count = number(layout.count, 2);
  const names = number(layout.names, 2);
  const sections = count === 0 ? section(0).size : count;
  if (tableAt + sections * entryBytes > file.length) throw new Defect('is cut off before the end of its section headers');
  return {
    machine: number(18, 2),
    sections,
    section,
    names: names === EXTENDED_INDEX ? section(0).link : names,
    bytes: ({ at, size }) => {
      if (at + size > file.length) throw new Defect('is cut off within a section');
      return file.subarray(at, at + size);
    },
  };
}

interface Identity {
  readonly layout: (typeof LAYOUTS)[32 | 64];
  readonly number: (at: number, bytes: 2 | 4 | 8) => number;
}

function readIdentity(file: Buffer): Identity {
  if (file.length < 20 || file.toString('latin1', 0, 4) !== '\x7fELF') throw new Defect('is not an ELF file');
  const [width, order] = [file[4], file[5]];
  if (width !== 1 && width !== 2) throw new Defect(`is an ELF file of the unknown class ${width}`);
  if (order !== 1 && order !== 2) throw new Defect(`is an ELF file of the unknown byte order ${order}`);
  return { layout: LAYOUTS[width === 2 ? 64 : 32], number: (at, bytes) => readNumber(file, at, bytes, order === 1) };
}

/** Numbers above 2^53 lose precision here, and lie outside of any file just the same. */
function readNumber(file: Buffer, at: number, bytes: 2 | 4 | 8, little: boolean): number {
  if (at + bytes > file.length) throw new Defect('is cut off within its ELF headers');
  if (bytes === 2) return little ? file.readUInt16LE(at) : file.readUInt16BE(at);
  if (bytes === 4) return little ? file.readUInt32LE(at) : file.readUInt32BE(at);
  return Number(little ? file.readBigUInt64LE(at) : file.readBigUInt64BE(at));
}

function findModinfo(elf: Elf): Buffer {
  if (elf.names >= elf.sections) throw new Defect('has no section with the names of its sections');
  const names = elf.bytes(elf.section(elf.names));
  const wanted = Buffer.from(`${SECTION}\0`);
  let found: Section | undefined;
  for (let index = 1; index < elf.sections; index += 1) {
    const section = elf.section(index);
    if (!names.subarray(section.nameAt, section.nameAt + wanted.length).equals(wanted)) continue;
    // Two readers could take different ones.
    if (found !== undefined) throw new Defect(`has more than one section ${SECTION}`);
    found = section;
  }
  if (found === undefined) throw new Defect(`has no section ${SECTION}, so it is not a kernel module`);
  if (found.type === NO_BITS) throw new Defect(`has a section ${SECTION} without content`);
  if ((found.flags & COMPRESSED) !== 0) throw new Defect(`has a compressed section ${SECTION}, which no kernel reads`);
  if (found.size > MAX_MODINFO_BYTES)
    throw new Defect(`has a section ${SECTION} of ${found.size} bytes, where at most ${MAX_MODINFO_BYTES} are read`);
  return elf.bytes(found);
}

function readFields(modinfo: Buffer): ReadonlyMap<string, readonly string[]> {
  const fields = new Map<string, string[]>();
  for (const text of modinfo.toString('utf8').split('\0')) {
    const equals = text.indexOf('=');
    if (equals <= 0) continue; // padding, and what modinfo does not print either
    const [key, value] = [text.slice(0, equals), text.slice(equals + 1)];
    const values = fields.get(key);
    if (values === undefined) fields.set(key, [value]);
    else values.push(value);
  }
  return fields;
}
