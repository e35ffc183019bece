import type { Cluster, DataMap } from './cluster.js';
import { expand } from './expand.js';
import { fieldOf } from './fields.js';
import type { Container, EnvFrom, EnvVar, KeyRef, Pod } from './pod.js';

interface Context {
  readonly cluster: Cluster;
  readonly pod: Pod;
  readonly nodeName: string;
}

/**
 * The variables that the pod gives a container: `envFrom`, then `env` in its order, where a value may use those before it.
 * @throws Error that names the missing object or key, in the node agent's words (the status CreateContainerConfigError).
 */
export async function variablesOf(container: Container, context: Context): Promise<Map<string, string>> {
  const variables = new Map<string, string>();
  for (const source of container.envFrom ?? []) {
    for (const [key, value] of await allOf(source, context)) variables.set(`${source.prefix ?? ''}${key}`, value.toString('utf8'));
  }
  for (const variable of container.env ?? []) {
    const value = await valueOf(variable, variables, context);
    if (value !== undefined) variables.set(variable.name, value);
  }
  return variables;
}

async function valueOf(variable: EnvVar, before: ReadonlyMap<string, string>, context: Context): Promise<string | undefined> {
  const { cluster, pod, nodeName } = context;
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? '', before);
  const { namespace } = pod.metadata;
  if (from.secretKeyRef !== undefined) {
    return keyOf('secret', 'Secret', from.secretKeyRef, namespace, await cluster.secret(namespace, from.secretKeyRef.name ?? ''));
  }
  if (from.configMapKeyRef !== undefined) {
    return keyOf(
      'configmap',
      'ConfigMap',
      from.configMapKeyRef,
      namespace,
      await cluster.configMap(namespace, from.configMapKeyRef.name ?? ''),
    );
  }
  return fieldOf(pod, nodeName, from.fieldRef?.fieldPath ?? 'resourceFieldRef');
}

function keyOf(plural: string, kind: string, ref: KeyRef, namespace: string, data: DataMap | undefined): string | undefined {
  const value = data?.get(ref.key);
  if (value !== undefined) return value.toString('utf8');
  if (ref.optional === true) return undefined;
  throw new Error(
    data === undefined ? `${plural} "${ref.name}" not found` : `couldn't find key ${ref.key} in ${kind} ${namespace}/${ref.name}`,
  );
}

async function allOf({ secretRef, configMapRef }: EnvFrom, { cluster, pod }: Context): Promise<DataMap> {
  const { namespace } = pod.metadata;
  const ref = secretRef ?? configMapRef;
  const name = ref?.name ?? '';
  const data = await (secretRef === undefined ? cluster.configMap(namespace, name) : cluster.secret(namespace, name));
  if (data === undefined && ref?.optional !== true)
    throw new Error(`${secretRef === undefined ? 'configmap' : 'secret'} "${name}" not found`);
  return data ?? new Map();
}
