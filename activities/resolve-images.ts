import { Fault, isFault } from '../src/domain/fault.js';
import type { ImageNeed, ImageResult } from '../src/domain/process.js';
import { resources } from '../src/kube/index.js';
import { credentialsFromSecret, type RegistryCredentials } from '../src/registry/index.js';
import type { Deps } from './deps.js';

const AT_ONCE = 8;

interface StoredSecret {
  readonly type?: string;
  readonly data?: Record<string, string>;
}

/**
 * Asks the registry for each image's digest, one manifest request per image. One image's failure says nothing of the others: each gets its own result, and the
 * activity itself fails only when Kubernetes cannot be reached for the credentials.
 */
export const createResolveImages =
  (deps: Pick<Deps, 'api' | 'registry' | 'operatorNamespace'>) =>
  async ({ images }: { readonly images: readonly ImageNeed[] }): Promise<ImageResult[]> => {
    const results: ImageResult[] = [];
    const secrets = new Map<string, Promise<RegistryCredentials>>();
    const credentials = (name: string) => {
      const known = secrets.get(name) ?? readCredentials(deps, name);
      secrets.set(name, known);
      return known;
    };
    const queue = [...images];
    const work = async (): Promise<void> => {
      for (let need = queue.shift(); need !== undefined; need = queue.shift()) {
        results.push(await resolveOne(deps, need, credentials));
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, images.length) }, work));
    return results.sort((a, b) => (a.image < b.image ? -1 : 1));
  };

async function resolveOne(
  { registry }: Pick<Deps, 'registry'>,
  { image, kernels, key, digest: pinned, secretName, tls }: ImageNeed,
  credentials: (name: string) => Promise<RegistryCredentials>,
): Promise<ImageResult> {
  if (pinned !== undefined) return { image, kernels, digest: pinned };
  try {
    const options = {
      ...(secretName === undefined ? {} : { credentials: await credentials(secretName) }),
      ...(tls === undefined ? {} : { tls }),
    };
    const { digest } = await registry.resolve(image, options);
    return { image, kernels, digest };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (error.reason === undefined && error.kind === 'Unavailable') throw error; // Kubernetes, not the registry
    return {
      image,
      kernels,
      key,
      problem: { reason: error.reason ?? 'RegistryUnavailable', message: error.message },
      retryAfterMs: error.retryAfterMs,
    };
  }
}

async function readCredentials(
  { api, operatorNamespace }: Pick<Deps, 'api' | 'operatorNamespace'>,
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
