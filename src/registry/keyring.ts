/** Where an entry of a pull secret applies: `host[:port][/path]`, the host possibly with `*` inside its labels. */
export interface RegistryKey {
  /** Lower case, one name for all of Docker Hub's. */
  readonly host: string;
  /** Empty when none is written: a port in the key must be written in the image as well. */
  readonly port: string;
  /** Empty, or `/a/b` without a slash at its end. */
  readonly path: string;
}

/** All of these are Docker Hub: `docker login` writes the second, people write the first. */
const DOCKER_HUB = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']);

/** Reads the key of a pull secret's entry. The scheme, a user name, the API version (`/v1/`, `/v2/`), a query and slashes at the end say nothing and go. */
export function parseRegistryKey(text: string): RegistryKey {
  const bare = text
    .trim()
    .replace(/^https?:\/\//i, '')
    .replace(/[?#].*$/s, '');
  const slash = bare.indexOf('/');
  const authority = (slash === -1 ? bare : bare.slice(0, slash)).replace(/^.*@/s, '');
  const path = slash === -1 ? '' : bare.slice(slash);
  const colon = authority.lastIndexOf(':');
  const hasPort = colon > authority.lastIndexOf(']'); // not inside an IPv6 address
  const host = (hasPort ? authority.slice(0, colon) : authority).toLowerCase();
  return {
    host: DOCKER_HUB.has(host) ? 'docker.io' : host,
    port: hasPort ? authority.slice(colon + 1) : '',
    path: withoutSlashesAtEnd(path.replace(/^\/v[12](?=\/|$)/, '')),
  };
}

function withoutSlashesAtEnd(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
}

/**
 * The key that fits a repository best, as the kubelet's keyring orders them: a literal host before a `*`, then the longest path. A path that ends inside a
 * name (`/team` for `/team-a/kmod`) fits for the kubelet as well, so a spoke would pull with it: here it is the last resort.
 * @returns The index of the key, or undefined when none fits.
 */
export function mostSpecificKey(keys: readonly RegistryKey[], target: RegistryKey): number | undefined {
  let best: { index: number; rank: readonly number[] } | undefined;
  for (const [index, key] of keys.entries()) {
    if (!fits(key, target)) continue;
    const rank = [endsAtSlash(key.path, target.path) ? 1 : 0, key.host.includes('*') ? 0 : 1, key.path.length];
    if (best === undefined || isGreater(rank, best.rank)) best = { index, rank };
  }
  return best?.index;
}

const fits = (key: RegistryKey, target: RegistryKey): boolean =>
  key.port === target.port && target.path.startsWith(key.path) && hostFits(key.host, target.host);

const endsAtSlash = (prefix: string, path: string): boolean => path.length === prefix.length || path[prefix.length] === '/';

const isGreater = (left: readonly number[], right: readonly number[]): boolean => {
  const difference = left.map((value, index) => value - (right[index] ?? 0)).find((value) => value !== 0);
  return difference !== undefined && difference > 0;
};

/** `*` stands for characters of one label: `*.example.com` is not `a.b.example.com`. */
function hostFits(pattern: string, host: string): boolean {
  if (!pattern.includes('*')) return pattern === host;
  const patterns = pattern.split('.');
  const labels = host.split('.');
  return patterns.length === labels.length && patterns.every((part, index) => labelFits(part, labels[index] ?? ''));
}

/** Not a RegExp: the pattern comes from a user. Each piece between stars is taken at its first place, the last one at the end. */
function labelFits(pattern: string, label: string): boolean {
  const [head = '', ...rest] = pattern.split('*');
  const tail = rest.pop();
  if (tail === undefined) return pattern === label;
  if (!label.startsWith(head) || label.length < head.length + tail.length || !label.endsWith(tail)) return false;
  let from = head.length;
  const end = label.length - tail.length;
  for (const piece of rest) {
    const at = label.indexOf(piece, from);
    if (at === -1 || at + piece.length > end) return false;
    from = at + piece.length;
  }
  return true;
}
