/** An image reference in full. `registry` is a host with optional port; `docker.io` stands for Docker Hub, whose API has another host. */
export interface ImageReference {
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}
export type ParsedImageReference = { readonly ok: true; readonly value: ImageReference } | { readonly ok: false; readonly message: string };

const DEFAULT_REGISTRY = 'docker.io';
const MAX_REPOSITORY_LENGTH = 255;
const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/**
 * Reads `[host[:port]/]repository[:tag][@digest]` with Docker's defaults: without a host it is `docker.io`, and there a repository of one part is below
 * `library/`. The first part is a host if it holds a dot or a colon, or is `localhost`.
 * A reference with neither tag nor digest is refused: `latest` would mean another image every day. With both, the digest decides and the tag is only a note.
 * Source: the grammar of the distribution project's reference package.
 */
export function parseImageReference(text: string): ParsedImageReference {
  const fail = (what: string): ParsedImageReference => ({ ok: false, message: `Image reference ${JSON.stringify(text)} ${what}` });
  const { name, tag, digest } = split(text);
  const { registry, repository } = withDefaults(name);
  if (text === '') return fail('is empty; expected registry/repository:tag or registry/repository@sha256:<64 hex digits>.');
  if (!HOST.test(registry))
    return fail(
      `names the registry ${JSON.stringify(registry)}; expected a host name with an optional port, such as registry.example.com:5000.`,
    );
  if (repository.length > MAX_REPOSITORY_LENGTH)
    return fail(`has a repository of ${repository.length} characters; at most ${MAX_REPOSITORY_LENGTH} are allowed.`);
  if (!REPOSITORY.test(repository)) {
    return fail(
      `names the repository ${JSON.stringify(repository)}; expected lower-case letters and digits, with single . or _ or dashes between them and / between parts.`,
    );
  }
  if (tag !== undefined && !TAG.test(tag)) {
    return fail(
      `has the tag ${JSON.stringify(tag)}; expected 1 to 128 characters out of letters, digits, _ . and -, not beginning with . or -.`,
    );
  }
  if (digest !== undefined && !DIGEST.test(digest))
    return fail(`has the digest ${JSON.stringify(digest)}; expected sha256: and 64 lower-case hex digits.`);
  if (tag === undefined && digest === undefined)
    return fail(`has neither tag nor digest; write one, such as ${text}:v1, since "latest" is never assumed.`);
  return { ok: true, value: { registry, repository, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) } };
}

/** The reference in full, with the digest in place of any tag: `docker.io/library/kmod@sha256:…`. The host is written out, so no spoke's search list can decide. */
export const formatPinned = ({ registry, repository }: Pick<ImageReference, 'registry' | 'repository'>, digest: string): string =>
  `${registry}/${repository}@${digest}`;

interface Parts {
  readonly name: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

function split(text: string): Parts {
  const at = text.indexOf('@');
  const [tagged, digest] = at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
  // A colon before the last slash belongs to the port.
  const colon = tagged.indexOf(':', tagged.lastIndexOf('/') + 1);
  return colon === -1 ? { name: tagged, tag: undefined, digest } : { name: tagged.slice(0, colon), tag: tagged.slice(colon + 1), digest };
}

function withDefaults(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const hasHost = slash !== -1 && (/[.:]/.test(first) || first === 'localhost');
  const registry = !hasHost || first === 'index.docker.io' ? DEFAULT_REGISTRY : first;
  const repository = hasHost ? name.slice(slash + 1) : name;
  return { registry, repository: registry === DEFAULT_REGISTRY && !repository.includes('/') ? `library/${repository}` : repository };
}
