/** Path in the archive, without a leading slash, to content and permission bits. */
export type CpioFiles = Readonly<Record<string, { readonly content: string | Buffer; readonly mode: number }>>;

const FOLDER = 0o040755;
const FILE = 0o100000;

/** An archive of regular files and their parent folders in the format `newc`, which the kernel unpacks as its first root file system. */
export function cpio(files: CpioFiles): Buffer {
  const folders = new Set(Object.keys(files).flatMap(parents));
  const entries = [
    ...[...folders].map((path) => entry(path, FOLDER, Buffer.alloc(0))),
    ...Object.entries(files).map(([path, { content, mode }]) => entry(path, FILE | mode, Buffer.from(content))),
    entry('TRAILER!!!', 0, Buffer.alloc(0)),
  ];
  return Buffer.concat(entries.flat());
}

function parents(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

/** Thirteen numbers of eight hex digits, the name, the content; name and content each end at a multiple of four bytes. Source: cpio(5), "New ASCII Format". */
function entry(path: string, mode: number, content: Buffer): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const [inode, owner, group, links, time, device, checksum] = [0, 0, 0, 1, 0, 0, 0];
  const numbers = [inode, mode, owner, group, links, time, content.length, device, device, device, device, name.length, checksum];
  const header = Buffer.from(`070701${numbers.map((value) => value.toString(16).padStart(8, '0')).join('')}`);
  return [Buffer.concat([header, name, padding(header.length + name.length)]), content, padding(content.length)];
}

const padding = (length: number): Buffer => Buffer.alloc((4 - (length % 4)) % 4);
