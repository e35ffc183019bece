import { createHash } from 'node:crypto';
import { z } from 'zod';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const SCHEMA1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)$/;
const SCHEMA1_DEFECT = 'is stored in the obsolete Docker schema 1 format, which has no stable digest; push it again with a current tool';
/** What servers say that do not know what they store: the document's own `mediaType` decides then. */
const GENERIC = new Set(['', 'application/json', 'application/octet-stream', 'text/plain']);

export const ACCEPT_IMAGE = [OCI_MANIFEST, DOCKER_MANIFEST].join(', ');
export const ACCEPT = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(', ');

const Document = z.object({
  schemaVersion: z.number().optional(),
  mediaType: z.string().optional(),
  config: z.unknown().optional(),
  layers: z.array(z.unknown()).optional(),
  manifests: z.array(z.unknown()).optional(),
});
type Document = z.infer<typeof Document>;

export interface ManifestAnswer {
  readonly body: Buffer;
  readonly contentType: string | undefined;
  /** `Docker-Content-Digest` of the answer. */
  readonly digestHeader: string | undefined;
  /** The digest in the reference, when it has one. */
  readonly expectedDigest: string | undefined;
}

export type ManifestVerdict =
  { readonly ok: true; readonly digest: string; readonly mediaType: string } | { readonly ok: false; readonly defect: string };

/**
 * Whether a manifest may be pinned, and by which digest. A defect is a clause for a sentence about the image ("the image …").
 * An index is taken as it is: its digest leads the nodes of each architecture to their own image.
 */
export function verifyManifest(answer: ManifestAnswer): ManifestVerdict {
  // Before the digest: that of a signed schema 1 manifest leaves out the signatures, so it would look like a mismatch.
  if (SCHEMA1.test(servedType(answer.contentType))) return defect(SCHEMA1_DEFECT);
  const digestDefect = [
    { digest: answer.expectedDigest, source: 'the digest in the reference' },
    { digest: answer.digestHeader, source: 'the digest that the registry names' },
  ].find(({ digest }) => digest !== undefined && digestOf(answer.body, digest) !== digest);
  if (digestDefect !== undefined) {
    return defect(
      `has a manifest with digest ${sha256(answer.body)}, which is not ${digestDefect.source} (${printable(digestDefect.digest)})`,
    );
  }
  const document = parseDocument(answer.body);
  if (document === undefined)
    return defect(`has a manifest that is not a JSON object of the expected form (content type ${printable(answer.contentType)})`);
  const mediaType = mediaTypeOf(answer.contentType, document);
  const found = documentDefect(mediaType, document);
  return found === undefined ? { ok: true, digest: answer.expectedDigest ?? sha256(answer.body), mediaType } : defect(found);
}

const AnyDocument = z.object({ annotations: z.record(z.string(), z.unknown()).optional().catch(undefined) });

/** What of a verified manifest others read: its annotations (those whose value is a text, as the specification has it) and the document itself. */
export function readDocument(body: Buffer): { readonly annotations: Record<string, string>; readonly document: unknown } {
  const document: unknown = JSON.parse(body.toString('utf8'));
  const annotations = Object.entries(AnyDocument.parse(document).annotations ?? {});
  return {
    annotations: Object.fromEntries(annotations.filter((entry): entry is [string, string] => typeof entry[1] === 'string')),
    document,
  };
}

const defect = (text: string): ManifestVerdict => ({ ok: false, defect: text });

export const sha256 = (body: Buffer): string => `sha256:${createHash('sha256').update(body).digest('hex')}`;

/** The digest of the body by the algorithm of another digest. One of an unknown algorithm equals nothing. */
const digestOf = (body: Buffer, like: string): string =>
  like.startsWith('sha512:') ? `sha512:${createHash('sha512').update(body).digest('hex')}` : sha256(body);

function parseDocument(body: Buffer): Document | undefined {
  try {
    return Document.safeParse(JSON.parse(body.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

const servedType = (contentType: string | undefined): string => (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';

function mediaTypeOf(contentType: string | undefined, document: Document): string {
  const served = servedType(contentType);
  return GENERIC.has(served) ? (document.mediaType ?? served) : served;
}

function documentDefect(mediaType: string, document: Document): string | undefined {
  if (SCHEMA1.test(mediaType) || document.schemaVersion === 1) return SCHEMA1_DEFECT;
  const isIndex = mediaType === OCI_INDEX || mediaType === DOCKER_LIST;
  if (!isIndex && mediaType !== OCI_MANIFEST && mediaType !== DOCKER_MANIFEST) {
    return `is served as ${printable(mediaType)}, which is neither an image manifest nor an image index of OCI or Docker`;
  }
  // One document that two readers take for two things could pass here and be another image on the node (CVE-2021-41190).
  if (document.mediaType !== undefined && document.mediaType !== mediaType) {
    return `is served as ${mediaType}, while its manifest says ${printable(document.mediaType)}`;
  }
  if (isIndex ? isIndexDocument(document) : isImageDocument(document)) return undefined;
  return `is served as ${isIndex ? 'an index' : 'an image manifest'}, but its manifest does not have the form of one`;
}

const isIndexDocument = ({ config, layers, manifests }: Document): boolean =>
  config === undefined && layers === undefined && manifests !== undefined && manifests.length > 0;

const isImageDocument = ({ config, layers, manifests }: Document): boolean =>
  config !== undefined && layers !== undefined && manifests === undefined;

/** A server's text, short and without control characters. */
export const printable = (text: string | undefined): string => (text ? JSON.stringify(text.slice(0, 120)) : 'none');
