/** `put-dockerfile`, in the folder `.demo/bin` while a demo with --build is up: puts a file into the ConfigMap that the module is built from. */
import { readFileSync } from 'node:fs';
import { isFault } from '../../../src/domain/fault.js';
import { createHubApi, loadKubeConfig, resources } from '../../../src/kube/index.js';
import { OPERATOR_NAMESPACE } from '../../../test/harness/stack.js';
import { DOCKERFILE_CONFIG_MAP } from './stage.js';

const [path] = process.argv.slice(2);

async function put(file: string): Promise<void> {
  const api = createHubApi({ kubeConfig: loadKubeConfig({}), fieldManager: 'kubectl' });
  try {
    const metadata = { name: DOCKERFILE_CONFIG_MAP, namespace: OPERATOR_NAMESPACE };
    await api.apply(resources.configMaps, { metadata, data: { dockerfile: readFileSync(file, 'utf8') } }, { force: true });
    console.log(`The ConfigMap ${DOCKERFILE_CONFIG_MAP} holds ${file} now. "kmodflow images sample-kmod" shows what becomes of it.`);
  } finally {
    await api.close();
  }
}

if (path === undefined) {
  console.error('usage: put-dockerfile <file>, for instance put-dockerfile .demo/Dockerfile');
  process.exitCode = 2;
} else {
  try {
    await put(path);
  } catch (error) {
    if (!isFault(error) && !(error instanceof Error && 'code' in error)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
