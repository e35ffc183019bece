import type { Pod } from './pod.js';

const quoted = (map: Readonly<Record<string, string>> | undefined): string =>
  Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');

const plain: Readonly<Record<string, (pod: Pod, nodeName: string) => string>> = {
  'metadata.name': ({ metadata }) => metadata.name,
  'metadata.namespace': ({ metadata }) => metadata.namespace,
  'metadata.uid': ({ metadata }) => metadata.uid,
  'metadata.labels': ({ metadata }) => quoted(metadata.labels),
  'metadata.annotations': ({ metadata }) => quoted(metadata.annotations),
  'spec.nodeName': (_pod, nodeName) => nodeName,
  'spec.serviceAccountName': ({ spec }) => spec.serviceAccountName ?? 'default',
  'status.podIP': () => '127.0.0.1',
  'status.podIPs': () => '127.0.0.1',
  'status.hostIP': () => '127.0.0.1',
  'status.hostIPs': () => '127.0.0.1',
};

/**
 * The value of a downward API field: what the table above has, and one entry of the annotations or labels. An entry that is absent is empty text.
 * @throws Error for any other path.
 */
export function fieldOf(pod: Pod, nodeName: string, fieldPath: string): string {
  const read = plain[fieldPath];
  if (read !== undefined) return read(pod, nodeName);
  const [, map, key] = /^metadata\.(annotations|labels)\['(.*)'\]$/.exec(fieldPath) ?? [];
  if (map === undefined || key === undefined) throw new Error(`unsupported fieldPath: ${fieldPath}`);
  return pod.metadata[map === 'labels' ? 'labels' : 'annotations']?.[key] ?? '';
}
