import type { Sha256 } from '../src/domain/canonical-json.js';
import { isFault } from '../src/domain/fault.js';
import { keyTagOf, MAX_DOCKERFILE_BYTES } from '../src/domain/image-job.js';
import type { BuildRecipe, ImageNeed } from '../src/domain/image-process.js';
import type { Problem } from '../src/domain/reasons.js';
import { utf8Bytes } from '../src/domain/utf8.js';
import { resources, type HubApi } from '../src/kube/index.js';

interface Deps {
  readonly api: Pick<HubApi, 'get'>;
  readonly operatorNamespace: string;
  readonly sha256: Sha256;
}

type Inputs = { readonly dockerfile?: string | undefined; readonly blocked?: undefined } | { readonly blocked: Problem };

/**
 * What the Job takes from the hub's objects: the Dockerfile, which must still be the one that the need was stated for. Secrets are not looked at: the nodes mount them,
 * and this process has no business with a signing key.
 */
export async function checkInputs(deps: Deps, { image, key, recipe }: ImageNeed): Promise<Inputs> {
  if (recipe === undefined)
    return blocked(`Image ${image} has neither build nor sign settings, so there is nothing to make. Push it, or add one of the two.`);
  if (keyTagOf(image, key) === undefined)
    return blocked(
      `Image ${image} is to be made, and nothing can be pushed under a reference without a tag or with a digest. Use registry/repository:tag.`,
    );
  return recipe.build === undefined ? {} : readDockerfile(deps, recipe.build.dockerfile);
}

async function readDockerfile(deps: Deps, { configMap, sha256 }: BuildRecipe['dockerfile']): Promise<Inputs> {
  const where = `${deps.operatorNamespace}/${configMap}`;
  const data = await readData(deps, configMap);
  if (data === undefined)
    return blocked(
      `ConfigMap ${where} does not exist. Create it with the Dockerfile under the key "dockerfile"; the build starts by itself then.`,
    );
  const dockerfile = data['dockerfile'];
  if (typeof dockerfile !== 'string')
    return blocked(`ConfigMap ${where} has no key "dockerfile". Put the Dockerfile under that key; the build starts by itself then.`);
  if (dockerfile.trim() === '')
    return blocked(`The key "dockerfile" of ConfigMap ${where} is empty. Put the Dockerfile there; the build starts by itself then.`);
  const bytes = utf8Bytes(dockerfile);
  if (bytes > MAX_DOCKERFILE_BYTES)
    return blocked(
      `The Dockerfile in ConfigMap ${where} has ${bytes} bytes; at most ${MAX_DOCKERFILE_BYTES} (128 KiB) are possible. Let it fetch large parts instead of holding them.`,
    );
  if (deps.sha256(dockerfile) !== sha256)
    return blocked(
      `The Dockerfile in ConfigMap ${where} has changed since this build was asked for. The module asks for the new one by itself.`,
    );
  return { dockerfile };
}

async function readData({ api, operatorNamespace }: Deps, name: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const object = await api.get(resources.configMaps, name, operatorNamespace);
    const data = object['data'];
    return typeof data === 'object' && data !== null ? (data as Readonly<Record<string, unknown>>) : {};
  } catch (error) {
    if (isFault(error, 'Missing')) return undefined;
    throw error;
  }
}

const blocked = (message: string): Inputs => ({ blocked: { reason: 'BuildFailed', message } });
