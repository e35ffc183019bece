/** A symbolic link, a hard link to another path of the archive, or an empty folder. */
export type SpecialFile = { readonly symlink: string } | { readonly hardLink: string } | { readonly folder: true };
/** Path in the archive (a leading slash is dropped) to content. */
export type Files = Readonly<Record<string, string | Uint8Array | SpecialFile>>;

const BLOCK_BYTES = 512;
type Type = '0' | '1' | '2' | '5';

/**
 * A ustar archive of regular files with mode 0644, owner 0 and time 0, of links, and of their parent folders: the same files give the same bytes.
 * @throws RangeError when a path or a link's target is longer than the 100 bytes that one header holds.
 */
export function tar(files: Files): Buffer {
  const folders = new Set<string>();
  const blocks: Buffer[] = [];
  for (const [path, content] of Object.entries(files)) {
    const name = path.replace(/^\/+/, '');
    for (const folder of parents(name)) {
      if (!folders.has(folder)) blocks.push(header(`${folder}/`, 0, '5'));
      folders.add(folder);
    }
    blocks.push(...(isSpecial(content) ? [specialHeader(name, content)] : regularFile(name, Buffer.from(content))));
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK_BYTES)]);
}

const isSpecial = (content: Files[string]): content is SpecialFile => typeof content === 'object' && !(content instanceof Uint8Array);

function regularFile(name: string, data: Buffer): Buffer[] {
  return [header(name, data.length, '0'), data, Buffer.alloc((BLOCK_BYTES - (data.length % BLOCK_BYTES)) % BLOCK_BYTES)];
}

function specialHeader(name: string, content: SpecialFile): Buffer {
  if ('symlink' in content) return header(name, 0, '2', content.symlink);
  if ('hardLink' in content) return header(name, 0, '1', content.hardLink.replace(/^\/+/, ''));
  return header(`${name}/`, 0, '5');
}

function parents(name: string): string[] {
  const parts = name.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

function header(name: string, size: number, type: Type, target = ''): Buffer {
  for (const path of [name, target])
    if (Buffer.byteLength(path) > 100) throw new RangeError(`The path ${path} is longer than the 100 bytes of a tar header.`);
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;
  block.write(name, 0);
  block.write(octal(type === '5' ? 0o755 : 0o644, 8), 100);
  block.write(octal(0, 8), 108); // owner
  block.write(octal(0, 8), 116); // group
  block.write(octal(size, 12), 124);
  block.write(octal(0, 12), 136); // modified
  block.write(' '.repeat(8), 148); // the checksum counts its own field as blanks
  block.write(type, 156);
  block.write(target, 157);
  block.write('ustar\u000000', 257);
  const checksum = block.reduce((sum, byte) => sum + byte, 0);
  block.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
