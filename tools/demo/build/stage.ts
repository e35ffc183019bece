import { applyDockerfile, applySecret, toolImages, BUILD_ENV } from '../../../test/harness/build-scene.js';
import { pushBaseImages, type BaseImages } from '../../../test/harness/base-images.js';
import { startKubelet, type Kubelet } from '../../../test/harness/kubelet/index.js';
import { sampleDockerfile } from '../../../test/harness/sample-module.js';
import { makeSigningPair } from '../../../test/harness/signing-pair.js';
import { OPERATOR_NAMESPACE, type Stack } from '../../../test/harness/stack.js';
import type { HubApi } from '../../../src/kube/index.js';
import { step, type Demo } from '../steps.js';
import * as texts from './texts.js';

export const DOCKERFILE_CONFIG_MAP = 'sample-kmod-dockerfile';
const SIGNING_SECRETS = { key: 'sample-kmod-signing-key', cert: 'sample-kmod-signing-cert' } as const;
export const SIGNER = 'kmodflow demo signing key';

/** For the hub. A Job that did its work stays for as long as people may want to read its log. */
export const BUILD_HUB_ENV: Readonly<Record<string, string>> = { ...BUILD_ENV, KMODFLOW_JOB_GC_DELAY: '4h' };

export interface BuildInputs {
  /** Text of the Dockerfile that the images are built from. */
  readonly dockerfile: string;
}

export interface BuildStage extends BuildInputs {
  readonly kubelet: Kubelet;
}

/** What builds need on the hub: a node for their Jobs, base images in the registry, and the Dockerfile and the signing pair that the module names. */
export async function setBuildStage(demo: Demo, { api, control, registry }: Stack): Promise<BuildStage> {
  const kubelet = await step(
    demo,
    texts.startingNode,
    () => startKubelet(control, { images: toolImages() }),
    (started) => started.stop(),
  );
  const bases = await step(demo, texts.pushingBases, () => pushBaseImages(registry.host));
  const names = { namespace: OPERATOR_NAMESPACE, configMap: DOCKERFILE_CONFIG_MAP, ...SIGNING_SECRETS };
  const inputs = await step(demo, texts.applyingInputs(names), () => applyInputs(api, bases));
  return { kubelet, ...inputs };
}

async function applyInputs(api: HubApi, images: BaseImages): Promise<BuildInputs> {
  const dockerfile = sampleDockerfile({ images });
  const pair = makeSigningPair(SIGNER);
  await applyDockerfile(api, DOCKERFILE_CONFIG_MAP, dockerfile);
  await applySecret(api, SIGNING_SECRETS.key, { key: pair.key });
  await applySecret(api, SIGNING_SECRETS.cert, { cert: pair.certificate });
  return { dockerfile };
}
