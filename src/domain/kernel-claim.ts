/**
 * The kernels that a spoke says its nodes run.
 * @param value The value of the cluster claim `kernel-versions.kmm.node.kubernetes.io`: one `uname -r` per line.
 * @returns Each kernel once, in byte order, without the one trailing `+` that some distributions (GKE COS) append and no label value or image tag may hold.
 * Blank lines, carriage returns and surrounding space are not kernels. Duplicates are looked for after trimming: `6.1.0` and `6.1.0+` are one.
 * The order of the lines never matters, so an unchanged set of kernels always renders the same content.
 */
export function parseKernelClaim(value: string): string[] {
  const kernels = value
    .split(/[\r\n]/)
    .map((line) => line.trim().replace(/\+$/, '').trim())
    .filter((kernel) => kernel !== '');
  return [...new Set(kernels)].sort(compareBytewise);
}

/**
 * Orders strings as Go and the API server order them: by their UTF-8 bytes, which is the order of code points. JavaScript's own `<` compares UTF-16 units,
 * which differs above U+FFFF, and `localeCompare` depends on the machine.
 */
export function compareBytewise(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)];
  for (const [i, char] of left.entries()) {
    const other = right[i];
    if (other === undefined) return 1;
    const difference = (char.codePointAt(0) ?? 0) - (other.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
