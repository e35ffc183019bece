import { IMAGE_KEY_ANNOTATION } from '../src/api/names.js';
import { Fault, isFault } from '../src/domain/fault.js';
import { cannotBeJudged } from '../src/domain/image-need.js';
import { keyTagOf } from '../src/domain/image-job.js';
import { formatPinned, parseImageReference } from '../src/domain/image-reference.js';
import type { FailedImageResult, ImageNeed, ImageOrigin, ImageResult } from '../src/domain/image-process.js';
import type { Problem } from '../src/domain/reasons.js';
import { resources } from '../src/kube/index.js';
import { credentialsFromSecret, type ReadImage, type RegistryCredentials } from '../src/registry/index.js';
import type { Deps } from './deps.js';

const AT_ONCE = 8;

type ResolveDeps = Pick<Deps, 'api' | 'registry' | 'inputs' | 'operatorNamespace'>;

interface StoredSecret {
  readonly type?: string;
  readonly data?: Record<string, string>;
}

/**
 * Looks each image up in its registry, and inspects what it finds before anybody may pin it: the directory of the kernel, vermagic, machine and signatures. One request
 * for the manifest of an image that is not made here. One image's failure says nothing of the others: each gets its own result, and the activity itself fails only when
 * Kubernetes cannot be reached for the credentials.
 */
export const createResolveImages =
  (deps: ResolveDeps) =>
  async ({ images }: { readonly images: readonly ImageNeed[] }): Promise<ImageResult[]> => {
    const results: ImageResult[] = [];
    const look = createLook(deps);
    const queue = [...images];
    const work = async (): Promise<void> => {
      for (let need = queue.shift(); need !== undefined; need = queue.shift()) results.push(await look(need));
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, images.length) }, work));
    return results.sort((a, b) => (a.image < b.image ? -1 : 1));
  };

interface Access {
  readonly credentials?: RegistryCredentials;
  readonly tls?: NonNullable<ImageNeed['tls']>;
}

interface Found {
  readonly read: ReadImage;
  readonly origin: ImageOrigin;
}

function createLook(deps: ResolveDeps): (need: ImageNeed) => Promise<ImageResult> {
  const secrets = new Map<string, Promise<RegistryCredentials>>();
  const credentials = (name: string): Promise<RegistryCredentials> => {
    const known = secrets.get(name) ?? readCredentials(deps, name);
    secrets.set(name, known);
    return known;
  };

  return async (need) => {
    const failed = (problem: Problem, more: Partial<FailedImageResult> = {}): FailedImageResult => ({
      image: need.image,
      kernels: need.kernels,
      key: need.key,
      version: need.version,
      problem,
      ...more,
    });
    if (need.blocked !== undefined && cannotBeJudged(need)) return failed(need.blocked);
    try {
      const access: Access = {
        ...(need.secretName === undefined ? {} : { credentials: await credentials(need.secretName) }),
        ...(need.tls === undefined ? {} : { tls: need.tls }),
      };
      const found = await find(deps, need, access);
      if ('problem' in found) {
        // Nothing can be made while an input is missing: that is what a person has to know.
        return need.blocked === undefined ? failed(found.problem, { toMake: need.recipe !== undefined }) : failed(need.blocked);
      }
      return await inspect(deps, need, found, access);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.reason === undefined && error.kind === 'Unavailable') throw error; // Kubernetes, not the registry
      return failed({ reason: error.reason ?? 'RegistryUnavailable', message: error.message }, { retryAfterMs: error.retryAfterMs });
    }
  };
}

/** The image that may be used, or why it has to be made (or waited for). */
async function find({ registry }: ResolveDeps, need: ImageNeed, access: Access): Promise<Found | { readonly problem: Problem }> {
  const { image, recipe, key } = need;
  if (need.digest !== undefined) {
    const read = await registry.read(atDigest(image, need.digest), access);
    return { read, origin: read.annotations[IMAGE_KEY_ANNOTATION] === key ? 'Made' : 'Foreign' };
  }
  const keyTag = recipe === undefined ? undefined : keyTagOf(image, key);
  if (keyTag !== undefined) {
    const read = await unlessMissing(registry.read(keyTag, access));
    if (read?.annotations[IMAGE_KEY_ANNOTATION] === key) return { read, origin: 'Made' };
  }
  const read = await registry.read(image, access).catch((error: unknown) => {
    // Where nothing can be made, the registry's own answer is what a person has to know, unless an input is why nothing can be made.
    const answers = recipe === undefined && need.blocked === undefined;
    if (answers || !isFault(error, 'Missing') || error.reason === 'RegistryDenied') throw error;
    return undefined;
  });
  if (read === undefined) return toMake(`Image ${image} does not exist yet. kmodflow makes it.`);
  return judge(need, read);
}

function judge({ image, recipe, key }: ImageNeed, read: ReadImage): Found | { readonly problem: Problem } {
  const madeFor = read.annotations[IMAGE_KEY_ANNOTATION];
  if (recipe === undefined) return { read, origin: 'Foreign' };
  if (madeFor === key) return { read, origin: 'Made' };
  if (madeFor !== undefined)
    return toMake(`Image ${image} was made by kmodflow for other inputs (key ${madeFor}, wanted ${key}). kmodflow makes it anew.`);
  if (recipe.generation !== undefined)
    return toMake(
      `Image ${image} was pushed by somebody else, and imageRebuildTriggerGeneration ${recipe.generation} asks for a new one. kmodflow makes it.`,
    );
  return { read, origin: 'Foreign' };
}

const toMake = (message: string): { readonly problem: Problem } => ({ problem: { reason: 'ImageMissing', message } });

async function inspect({ registry, inputs }: ResolveDeps, need: ImageNeed, { read, origin }: Found, access: Access): Promise<ImageResult> {
  const { image, key, version, kernels, expect } = need;
  const signer = expect.sign === undefined ? undefined : await inputs.certificate(expect.sign.certSecret);
  if (signer?.problem !== undefined) return { image, key, version, kernels, problem: { reason: 'SignFailed', message: signer.problem } };
  const ask = { kernels, expect, ...(signer === undefined ? {} : { certificate: signer.certificate }) };
  const { accepted, modules, rejected } = await registry.inspect(read, ask, access);
  const [first] = rejected;
  if (accepted.length === 0 && first !== undefined)
    return { image, key, version, kernels, problem: { reason: first.reason, message: first.message } };
  return { image, key, kernels: accepted, digest: read.digest, origin, modules, rejected };
}

function atDigest(image: string, digest: string): string {
  const parsed = parseImageReference(image);
  return parsed.ok ? formatPinned(parsed.value, digest) : image;
}

async function unlessMissing(request: Promise<ReadImage>): Promise<ReadImage | undefined> {
  try {
    return await request;
  } catch (error) {
    if (isFault(error, 'Missing') && error.reason === 'ImageMissing') return undefined;
    throw error;
  }
}

async function readCredentials(
  { api, operatorNamespace }: Pick<ResolveDeps, 'api' | 'operatorNamespace'>,
  name: string,
): Promise<RegistryCredentials> {
  const secret = await api.get<StoredSecret>(resources.secrets, name, operatorNamespace).catch((error: unknown) => {
    if (!isFault(error, 'Missing')) throw error;
    const message = `Secret ${operatorNamespace}/${name}, which spec.moduleSpec.imageRepoSecret names, does not exist on the hub. Create it there with the registry's credentials.`;
    throw new Fault('Missing', message, { reason: 'RegistryDenied', cause: error });
  });
  return credentialsFromSecret({
    ...(secret.type === undefined ? {} : { type: secret.type }),
    ...(secret.data === undefined ? {} : { data: secret.data }),
  });
}
