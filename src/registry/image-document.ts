import { z } from 'zod';
import { ImageDefect } from './faults.js';
import { printable } from './manifest.js';

/** Where a manifest says that something is. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** An image of an index. */
export interface PlatformEntry extends Descriptor {
  /** `linux/arm64`, or undefined where the index does not say. */
  readonly platform: string | undefined;
}

export interface ImageDocument {
  readonly config: Descriptor;
  /** The lowest first. */
  readonly layers: readonly Descriptor[];
}

/** Of all the images that one index may name; the largest official ones have 20 with their attestations. */
const MAX_IMAGES = 64;
/** What overlay file systems can mount is around 500, what Docker makes is 127. */
const MAX_LAYERS = 500;

const Digest = z.string().regex(/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/);
const DescriptorSchema = z.object({ mediaType: z.string().default(''), digest: Digest, size: z.int().nonnegative() });
const ImageSchema = z.object({ config: DescriptorSchema, layers: z.array(DescriptorSchema).max(MAX_LAYERS) });
const PlatformSchema = DescriptorSchema.extend({
  platform: z.object({ os: z.string().default(''), architecture: z.string().default(''), variant: z.string().optional() }).optional(),
  annotations: z.record(z.string(), z.unknown()).optional(),
});
const IndexSchema = z.object({ manifests: z.array(PlatformSchema).max(MAX_IMAGES) });

/** BuildKit's provenance and the like travel as an image that cannot run. */
const ATTESTATION = 'vnd.docker.reference.type';

export const isIndex = (document: unknown): boolean => typeof document === 'object' && document !== null && 'manifests' in document;

/** @throws ImageDefect */
export const readImageDocument = (document: unknown): ImageDocument => read(ImageSchema, document, 'manifest');

/** The images of an index; attestations are none. @throws ImageDefect */
export function readIndexDocument(document: unknown): readonly PlatformEntry[] {
  const { manifests } = read(IndexSchema, document, 'index');
  return manifests
    .filter(({ platform, annotations }) => annotations?.[ATTESTATION] === undefined && !isUnknown(platform))
    .map(({ platform, annotations: _, ...descriptor }) => ({
      ...descriptor,
      platform: platform && [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/'),
    }));
}

const isUnknown = (platform: { os: string; architecture: string } | undefined): boolean =>
  platform?.os === 'unknown' && platform.architecture === 'unknown';

function read<Value>(schema: z.ZodType<Value>, document: unknown, what: string): Value {
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ImageDefect(`has an unusable ${what}: ${printable(issue?.path.join('.'))} is wrong (${issue?.message ?? 'unknown defect'})`);
}
