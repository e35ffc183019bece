import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Cluster, DataMap } from './cluster.js';
import { fieldOf } from './fields.js';
import type { DownwardItem, Pod, ProjectedSource, Volume } from './pod.js';

export interface MountedVolume {
  readonly path: string;
  /** Secrets, ConfigMaps and fields of the pod are read-only whatever the mount says. */
  readonly readOnly: boolean;
  /** Of an emptyDir. */
  readonly sizeLimit?: string;
}

interface PayloadFile {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
}

type ObjectSource = NonNullable<ProjectedSource['secret']>;

interface Context {
  readonly cluster: Cluster;
  readonly pod: Pod;
  readonly nodeName: string;
}

const DEFAULT_MODE = 0o644;
/** The ConfigMap that a controller, which the harness does not run, puts into every namespace. */
const ROOT_CA = 'kube-root-ca.crt';

/**
 * Makes one volume of a pod in a folder of its own.
 * @throws Error that says what is missing, in the node agent's words. The caller tries again: whatever was written is written over.
 */
export async function makeVolume(volume: Volume, folder: string, context: Context): Promise<MountedVolume> {
  if (volume.emptyDir !== undefined) {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o777);
    return { path: folder, readOnly: false, ...(volume.emptyDir.sizeLimit === undefined ? {} : { sizeLimit: volume.emptyDir.sizeLimit }) };
  }
  writePayload(folder, await filesOf(volume, context));
  return { path: folder, readOnly: true };
}

async function filesOf(volume: Volume, context: Context): Promise<PayloadFile[]> {
  const { source, mode } = asProjected(volume);
  const parts = await Promise.all(source.map((part) => sourceFiles(part, mode, context)));
  return parts.flat();
}

/** The other types are projections of one source. */
function asProjected({ secret, configMap, downwardAPI, projected }: Volume): { source: readonly ProjectedSource[]; mode: number } {
  const mode = (secret ?? configMap ?? downwardAPI ?? projected)?.defaultMode ?? DEFAULT_MODE;
  if (secret !== undefined) return { source: [{ secret: { ...secret, name: secret.secretName ?? '' } }], mode };
  if (configMap !== undefined) return { source: [{ configMap }], mode };
  if (downwardAPI !== undefined) return { source: [{ downwardAPI }], mode };
  if (projected !== undefined) return { source: projected.sources ?? [], mode };
  throw new Error('this node agent has volumes of the types emptyDir, secret, configMap, downwardAPI and projected alone');
}

async function sourceFiles(source: ProjectedSource, mode: number, context: Context): Promise<PayloadFile[]> {
  const { cluster, pod, nodeName } = context;
  if (source.secret !== undefined) return secretFiles(source.secret, mode, context);
  if (source.configMap !== undefined) return configMapFiles(source.configMap, mode, context);
  if (source.serviceAccountToken !== undefined) {
    const token = await cluster.serviceAccountToken(pod, source.serviceAccountToken);
    return [{ path: source.serviceAccountToken.path, content: Buffer.from(token), mode: 0o600 }];
  }
  return (source.downwardAPI?.items ?? []).map((item) => downwardFile(item, mode, pod, nodeName));
}

async function secretFiles(source: ObjectSource, mode: number, { cluster, pod }: Context): Promise<PayloadFile[]> {
  const { name = '', optional } = source;
  const data = await cluster.secret(pod.metadata.namespace, name);
  if (data === undefined && optional !== true) throw new Error(`secret "${name}" not found`);
  return chosen(data ?? new Map(), source, mode, 'references non-existent secret key');
}

async function configMapFiles(source: ObjectSource, mode: number, { cluster, pod }: Context): Promise<PayloadFile[]> {
  const { name = '', optional } = source;
  const stored = await cluster.configMap(pod.metadata.namespace, name);
  const data = stored ?? (name === ROOT_CA ? new Map([['ca.crt', Buffer.from(cluster.certificate)]]) : undefined);
  if (data === undefined && optional !== true) throw new Error(`configmap "${name}" not found`);
  return chosen(data ?? new Map(), source, mode, 'configmap references non-existent config key');
}

const downwardFile = (item: DownwardItem, mode: number, pod: Pod, nodeName: string): PayloadFile => ({
  path: item.path,
  content: Buffer.from(fieldOf(pod, nodeName, item.fieldRef?.fieldPath ?? 'resourceFieldRef')),
  mode: item.mode ?? mode,
});

function chosen(data: DataMap, { items, optional }: ObjectSource, mode: number, complaint: string): PayloadFile[] {
  if (items === undefined || items.length === 0) return [...data].map(([path, content]) => ({ path, content, mode }));
  return items.flatMap((item) => {
    const content = data.get(item.key);
    if (content === undefined && optional !== true) throw new Error(`${complaint}: ${item.key}`);
    return content === undefined ? [] : [{ path: item.path, content, mode: item.mode ?? mode }];
  });
}

/**
 * The layout of the real agent, since programs that list such a folder meet it: the files stand in a folder `..<time>`, `..data` points there,
 * and each name points into `..data`.
 */
function writePayload(folder: string, files: readonly PayloadFile[]): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const stamp = `..${new Date().toISOString().replaceAll(/[-:T]/g, '_').replace('Z', '')}`;
  mkdirSync(join(folder, stamp));
  for (const { path, content, mode } of files) {
    const file = join(folder, stamp, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content, { mode: 0o600 });
    chmodSync(file, mode);
  }
  symlinkSync(stamp, join(folder, '..data'));
  for (const name of new Set(files.map(({ path }) => path.split('/')[0] ?? path))) symlinkSync(join('..data', name), join(folder, name));
}
