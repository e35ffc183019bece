import { existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from './cluster.js';
import { variablesOf } from './environment.js';
import { expand } from './expand.js';
import type { Container, Pod } from './pod.js';
import type { SandboxMount, SandboxPlan } from './sandbox.js';
import type { ContainerImage } from './types.js';
import type { MountedVolume } from './volumes.js';

export type ContainerPlan = Omit<SandboxPlan, 'root'>;

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * What is run, with which variables and mounts.
 * @throws Error that says what is missing, in the node agent's words (the status CreateContainerConfigError). The caller tries again.
 */
export async function planContainer(
  spec: Container,
  image: ContainerImage,
  volumes: ReadonlyMap<string, MountedVolume>,
  context: { readonly cluster: Cluster; readonly pod: Pod; readonly nodeName: string },
): Promise<ContainerPlan> {
  const variables = await variablesOf(spec, context);
  const program = spec.command?.map((word) => expand(word, variables)) ?? image.entrypoint ?? [];
  const command = [...program, ...(spec.args ?? []).map((word) => expand(word, variables))];
  if (command.length === 0) throw new Error('no command specified');
  const env = new Map([
    ['PATH', PATH],
    ['HOME', '/tmp'],
    ['HOSTNAME', context.pod.metadata.name],
    ...Object.entries(image.env ?? {}),
    ...variables,
  ]);
  const mounts = [...imageMounts(image), ...volumeMounts(spec, volumes, variables)];
  return { mounts, env, workingDir: spec.workingDir ?? '/', command };
}

const kindOf = (path: string): 'file' | 'folder' => (statSync(path).isDirectory() ? 'folder' : 'file');

const imageMounts = ({ binds = [] }: ContainerImage): SandboxMount[] =>
  binds.map(({ source, target, readOnly = false }) => {
    const real = realpathSync(source);
    return { source: real, target, kind: kindOf(real), readOnly };
  });

function volumeMounts(
  spec: Container,
  volumes: ReadonlyMap<string, MountedVolume>,
  variables: ReadonlyMap<string, string>,
): SandboxMount[] {
  return (spec.volumeMounts ?? []).map(({ name, mountPath, readOnly = false, subPath, subPathExpr }) => {
    const volume = volumes.get(name);
    if (volume === undefined) throw new Error(`volume "${name}" of container ${spec.name} is not in the pod`);
    const below = subPath ?? expand(subPathExpr ?? '', variables);
    const wanted = join(volume.path, below);
    if (!existsSync(wanted)) {
      if (volume.readOnly) throw new Error(`failed to create subPath directory for volumeMount "${name}" of container "${spec.name}"`);
      mkdirSync(wanted, { recursive: true });
    }
    const source = realpathSync(wanted);
    // A link that a container has left in the volume must not lead out of it.
    if (!`${source}/`.startsWith(`${realpathSync(volume.path)}/`)) throw new Error(`subPath "${below}" leaves the volume "${name}"`);
    return { source, target: mountPath, kind: kindOf(source), readOnly: readOnly || volume.readOnly };
  });
}
