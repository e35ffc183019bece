/** What `modinfo` prints of a module: NUL-separated `key=value` in the section `.modinfo`. */
export interface KmodInfo {
  /** As `uname -r` prints it; becomes the first word of `vermagic`. */
  readonly kernel: string;
  readonly name: string;
  readonly extra?: Readonly<Record<string, string>>;
}

const FILE_HEADER_BYTES = 64;
const SECTION_HEADER_BYTES = 64;
const SECTION_NAMES = '\0.modinfo\0.shstrtab\0';

/** A file that a reader of kernel modules takes for one: a relocatable x86-64 ELF with the section `.modinfo` and no code. It cannot be loaded. */
export function fakeKmod({ kernel, name, extra = {} }: KmodInfo): Buffer {
  const fields = { license: 'GPL', name, ...extra, vermagic: `${kernel} SMP preempt mod_unload modversions ` };
  const modinfo = Buffer.from(
    Object.entries(fields)
      .map(([key, value]) => `${key}=${value}\0`)
      .join(''),
  );
  const names = Buffer.from(SECTION_NAMES);
  const sectionsAt = Math.ceil((FILE_HEADER_BYTES + modinfo.length + names.length) / 8) * 8;
  const file = Buffer.alloc(sectionsAt + 3 * SECTION_HEADER_BYTES);
  writeFileHeader(file, sectionsAt);
  modinfo.copy(file, FILE_HEADER_BYTES);
  names.copy(file, FILE_HEADER_BYTES + modinfo.length);
  const section = (index: number, nameAt: number, type: number, at: number, size: number): void => {
    const start = sectionsAt + index * SECTION_HEADER_BYTES;
    file.writeUInt32LE(nameAt, start);
    file.writeUInt32LE(type, start + 4);
    file.writeBigUInt64LE(BigInt(at), start + 24);
    file.writeBigUInt64LE(BigInt(size), start + 32);
    file.writeBigUInt64LE(1n, start + 48);
  };
  section(1, SECTION_NAMES.indexOf('.modinfo'), 1, FILE_HEADER_BYTES, modinfo.length);
  section(2, SECTION_NAMES.indexOf('.shstrtab'), 3, FILE_HEADER_BYTES + modinfo.length, names.length);
  return file;
}

/** ELF64, little endian, relocatable, x86-64, three sections of which the third holds the names. */
function writeFileHeader(file: Buffer, sectionsAt: number): void {
  file.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  file.writeUInt16LE(1, 16);
  file.writeUInt16LE(62, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(sectionsAt), 40);
  file.writeUInt16LE(FILE_HEADER_BYTES, 52);
  file.writeUInt16LE(SECTION_HEADER_BYTES, 58);
  file.writeUInt16LE(3, 60);
  file.writeUInt16LE(2, 62);
}
