/** The parts of a kernel version that templates can name, taken from the normalised version. */
export type KernelComponents =
  { readonly ok: true; readonly x: string; readonly y: string; readonly z: string } | { readonly ok: false; readonly message: string };

/**
 * The kernel as it may stand in an image tag: every character outside `[A-Za-z0-9-._]` becomes `_`, one for one. Doing it twice changes nothing.
 * Source: KMM `NormalizeVersion`; images named by upstream must be found under the same tag.
 */
export const normalizeKernelVersion = (kernel: string): string => kernel.replace(/[^A-Za-z0-9\-._]/gu, '_');

/**
 * The first three components of the normalised kernel, split at each `.`, `,` and `-`.
 * What counts as a kernel: at least three components, none of the first three empty, and nothing that cannot name a directory below `/lib/modules`.
 * `5.10.0+deb-1` gives x `5`, y `10`, z `0_deb`, as upstream does.
 */
export function kernelComponents(kernel: string): KernelComponents {
  // The raw kernel names a directory of the image (<dirName>/lib/modules/<kernel>), so a separator or a blank in it is never a kernel.
  if (hasUnusableCharacter(kernel)) {
    return {
      ok: false,
      message: `Kernel ${JSON.stringify(kernel)} holds a slash, a blank or a control character; expected the output of uname -r, such as 6.1.0-18-amd64.`,
    };
  }
  const [x = '', y = '', z = ''] = normalizeKernelVersion(kernel).split(/[.,-]/);
  if (x === '' || y === '' || z === '') {
    return {
      ok: false,
      message: `Kernel ${JSON.stringify(kernel)} cannot be parsed; expected at least three components (major.minor.patch), such as 6.1.0-18-amd64.`,
    };
  }
  return { ok: true, x, y, z };
}

/** Longest DNS label, and longest label value, in characters. */
const MAX_LABEL_LENGTH = 63;
const HASH_LENGTH = 8;

/**
 * The kernel as part of a resource name or as a label value: lower case, digits and `-`, at most 63 characters.
 *
 * Folding loses information (`6.1.0-1_x` and `6.1.0-1.x` both become `6-1-0-1-x`, so upstream lets two kernels fight over one pod). Whatever was changed
 * therefore gets a hash of the raw kernel as its last 8 characters; only a kernel that is a DNS label already stays as it is. Two kernels share a name only if
 * both their folded forms and their 32-bit hashes are equal.
 */
export function dnsSafeKernelVersion(kernel: string): string {
  const folded = normalizeKernelVersion(kernel)
    .toLowerCase()
    .replace(/[_.]/g, '-')
    .replace(/^-+|-+$/g, '');
  // A name that already ends like a hash is hashed as well: otherwise it could be the hashed name of another kernel.
  if (folded === kernel && folded !== '' && folded.length <= MAX_LABEL_LENGTH && !/-[0-9a-f]{8}$/.test(folded)) return folded;
  const readable = folded.slice(0, MAX_LABEL_LENGTH - HASH_LENGTH - 1).replace(/-+$/, '');
  return `${readable === '' ? 'kernel' : readable}-${fnv1a(kernel)}`;
}

/** Slash, white space and control characters (Unicode categories Z and C). */
const hasUnusableCharacter = (kernel: string): boolean => /[/\p{Z}\p{C}]/u.test(kernel);

/** FNV-1a, 32 bits, over UTF-16 units, as 8 hex digits. Tells names apart; protects nothing. */
function fnv1a(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(HASH_LENGTH, '0');
}
