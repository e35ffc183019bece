import { canonicalJson, type Sha256 } from './canonical-json.js';

/** Hash of a Module's identity and spec: 16 hex digits. Annotations do not count, since the hash itself is one. */
export function contentHash(module: unknown, sha256: Sha256): string {
  const { metadata, spec } = (module ?? {}) as { metadata?: { name?: string; namespace?: string }; spec?: unknown };
  return sha256(canonicalJson({ name: metadata?.name, namespace: metadata?.namespace, spec })).slice(0, 16);
}
