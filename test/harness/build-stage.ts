import { join } from 'node:path';
import { execFile } from 'node:child_process';
import type { ImageStatus, ManagedClusterModuleStatus } from '../../src/api/index.js';
import { PINS_ANNOTATION } from '../../src/api/names.js';
import type { Pins } from '../../src/domain/revision.js';
import { resources, type KubernetesObject } from '../../src/kube/index.js';
import { applyDockerfile, startBuildScene, type BuildScene, type BuildSceneOptions } from './build-scene.js';
import { eventually } from './eventually.js';
import { follow } from './follow.js';
import { startGate, type Gate } from './gate.js';
import type { ContainerRun } from './kubelet/index.js';
import type { HubProcess } from './hub-process.js';
import { anMcm, applyMcm, getMcm, worksOf, type McmOptions, type StoredMcm } from './mcm.js';
import { repositoryRoot } from './parts.js';
import { pushPrebuilt, QUICK_MODULE, quickDockerfile, type QuickBuild } from './quick-build.js';
import { OPERATOR_NAMESPACE } from './stack.js';

type Status = ManagedClusterModuleStatus;

/** A build Job that was seen at some time, also when it is gone by now. */
export interface SeenJob {
  readonly name: string;
  /** Reference of the image that it makes. */
  readonly image: string;
  /** As it was last seen. */
  readonly object: KubernetesObject;
  readonly gone: boolean;
}

export interface ModuleOptions extends Partial<Omit<McmOptions, 'name' | 'registryHost' | 'container'>> {
  /** Default: one of the module's own. An empty one: nothing is built. */
  readonly dockerfile?: string;
  /** Further settings of the build. */
  readonly build?: Readonly<Record<string, unknown>>;
  readonly sign?: Readonly<Record<string, unknown>>;
  /** Repository and tag without the host, or `://host/repository:tag` for another host; default `kmods/<module>:${KERNEL_FULL_VERSION}`. */
  readonly image?: string;
  readonly container?: Readonly<Record<string, unknown>>;
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/**
 * A build scene with one hub for a file with many cases. Each case has its own module and its own clusters, which carry the label `for: <module>`, so that cases run beside
 * each other: most of their time is waiting.
 */
export interface BuildStage extends Omit<BuildScene, 'startHub'> {
  readonly gate: Gate;
  readonly hub: () => HubProcess;
  /** The running one is stopped first (`kill`: without a chance to clean up). */
  readonly restartHub: (env?: Readonly<Record<string, string>>, how?: 'stop' | 'kill', meanwhile?: () => Promise<void>) => Promise<void>;
  readonly clusters: (module: string, kernels: Readonly<Record<string, readonly string[]>>) => Promise<void>;
  /** Applies `<name>-dockerfile`, or another ConfigMap, with a build of a second or two. */
  readonly dockerfile: (name: string, options?: Omit<QuickBuild, 'bases' | 'prebuilt'>) => Promise<unknown>;
  readonly apply: (name: string, options?: ModuleOptions) => Promise<StoredMcm>;
  readonly status: (name: string) => Promise<Status | undefined>;
  readonly until: (name: string, what: string, wanted: (status: Status) => boolean, timeoutMs?: number) => Promise<Status>;
  readonly ready: (name: string, loaded: number, timeoutMs?: number) => Promise<Status>;
  /** Waits until the image is failed for that reason. @returns Its row. */
  readonly failed: (name: string, reason: string, timeoutMs?: number) => Promise<ImageStatus>;
  readonly works: (name: string) => Promise<Map<string, KubernetesObject>>;
  readonly pins: (name: string) => Promise<Pins>;
  /** Every Job for images of `kmods/<module>`, in the order of their creation. @param host default: that of the registry. */
  readonly jobs: (module: string, host?: string) => SeenJob[];
  /**
   * Build pods that ran at the same time, from the start of their first container to the end of their last one: the most since then. Jobs themselves overlap for a moment: the
   * hub goes on when a pod tells its digest, and the Job's controller needs a little longer to call the Job complete.
   */
  readonly mostBuildsAtOnce: (since: Date) => number;
  /** Tags that were pushed to `kmods/<module>`, sorted; those of the harness are among them. */
  readonly pushes: (module: string) => string[];
  /** The pod of a Job, once that container runs. */
  readonly podOf: (job: string, container: string) => Promise<string>;
  readonly cli: (...args: string[]) => Promise<Ran>;
}

export interface BuildStageOptions extends BuildSceneOptions {
  /** What the prebuilt base image has modules for. */
  readonly prebuilt: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export async function startBuildStage({ prebuilt: kernels, env = {}, ...options }: BuildStageOptions): Promise<BuildStage> {
  const [scene, gate] = await Promise.all([startBuildScene(options), startGate()]);
  const { api, registry, bases, control, temporal, kubelet } = scene;
  const prebuilt = await pushPrebuilt(registry, kernels);
  const seen = new Map<string, SeenJob>();
  const following = follow(api, resources.jobs, (key, object) => {
    if (object === undefined) {
      for (const [uid, job] of seen) if (key.endsWith(`/${job.name}`)) seen.set(uid, { ...job, gone: true });
    } else {
      const { name, uid = '', annotations = {} } = object.metadata;
      seen.set(uid, { name, image: annotations['kmodflow.io/image'] ?? '', object, gone: false });
    }
  });
  await following.ready;
  let hub = await scene.startHub({ env });
  const status = async (name: string): Promise<Status | undefined> => (await getMcm(api, name)).status;
  const until: BuildStage['until'] = (name, what, wanted, timeoutMs = 60_000) =>
    eventually(
      `module ${name}: ${what}`,
      async () => {
        const { metadata, status: now } = await getMcm(api, name);
        return now !== undefined && now.observedGeneration === metadata.generation && wanted(now) ? now : undefined;
      },
      { timeoutMs, everyMs: 150, seen: () => status(name) },
    );
  return {
    ...scene,
    gate,
    hub: () => hub,
    async restartHub(more = env, how = 'stop', meanwhile) {
      await hub[how]();
      await meanwhile?.();
      hub = await scene.startHub({ env: more });
    },
    async clusters(module, of) {
      await Promise.all(Object.entries(of).map(([name, its]) => scene.fleet.addCluster({ name, kernels: its, labels: { for: module } })));
    },
    dockerfile: (name, more = {}) => applyDockerfile(api, `${name}-dockerfile`, quickDockerfile({ bases, prebuilt, ...more })),
    apply: (name, more = {}) => applyMcm(api, aModule(registry.host, name, more)),
    status,
    until,
    ready: (name, loaded, timeoutMs) =>
      until(name, `Ready with ${loaded} loaded`, (s) => s.phase === 'Ready' && s.clusters?.loaded === loaded, timeoutMs),
    async failed(name, reason, timeoutMs) {
      const row = (s: Status): ImageStatus | undefined => s.images?.find((i) => i.state === 'Failed' && i.reason === reason);
      const found = row(await until(name, `an image Failed with ${reason}`, (s) => row(s) !== undefined, timeoutMs));
      if (found === undefined) throw new Error(`The failed image of ${name} is gone from its status.`);
      return found;
    },
    works: (name) => worksOf(api, name),
    async pins(name) {
      const { updateRevision = '' } = (await status(name)) ?? {};
      const { metadata } = await api.get(resources.controllerRevisions, updateRevision, OPERATOR_NAMESPACE);
      return JSON.parse(metadata.annotations?.[PINS_ANNOTATION] ?? '{}') as Pins;
    },
    jobs: (module, host = registry.host) => [...seen.values()].filter(({ image }) => image.startsWith(`${host}/kmods/${module}:`)),
    mostBuildsAtOnce: (since) => mostAtOnce(kubelet.runs().filter((r) => r.startedAt >= since)),
    pushes: (module) =>
      registry
        .pushes()
        .filter((p) => p.repository === `kmods/${module}` && p.status === 201)
        .map((p) => p.reference)
        .sort(),
    podOf: (job, container) =>
      eventually(
        `the container ${container} of Job ${job}`,
        () => kubelet.runs().find((r) => r.pod.startsWith(`${job}-`) && r.container === container && r.finishedAt === undefined)?.pod,
        { timeoutMs: 60_000 },
      ),
    cli: (...args) => runCli([...args, '--kubeconfig', control.kubeconfigPath, '--temporal-address', temporal.address]),
    async stop() {
      await gate.stop();
      await following.stop();
      await scene.stop();
    },
  };
}

function aModule(registryHost: string, name: string, options: ModuleOptions): ReturnType<typeof anMcm> {
  const {
    dockerfile = `${name}-dockerfile`,
    build = {},
    sign,
    image = `kmods/${name}:\${KERNEL_FULL_VERSION}`,
    container,
    ...others
  } = options;
  const builds =
    dockerfile === '' ? {} : { build: { dockerfileConfigMap: { name: dockerfile }, baseImageRegistryTLS: { insecure: true }, ...build } };
  return anMcm({
    name,
    registryHost,
    selector: { for: name },
    ...others,
    container: {
      modprobe: { moduleName: QUICK_MODULE },
      kernelMappings: [
        { regexp: '^.+$', containerImage: image.includes('://') ? image.replace(/^.*:\/\//, '') : `${registryHost}/${image}` },
      ],
      ...builds,
      ...(sign === undefined ? {} : { sign }),
      ...container,
    },
  });
}

function mostAtOnce(runs: readonly ContainerRun[]): number {
  const pods = new Map<string, readonly [number, number]>();
  for (const { uid, startedAt, finishedAt } of runs) {
    const [from, to] = pods.get(uid) ?? [Infinity, -Infinity];
    pods.set(uid, [Math.min(from, startedAt.getTime()), Math.max(to, finishedAt?.getTime() ?? Infinity)]);
  }
  const spans = [...pods.values()];
  return Math.max(0, ...spans.map(([start]) => spans.filter(([from, to]) => from <= start && start < to).length));
}

/** Runs the built command as a process of its own. */
function runCli(args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(repositoryRoot, 'dist/src/cli/main.js'), ...args],
      { env: { ...process.env, COLUMNS: '160', KMODFLOW_SETTLE: '300ms' }, timeout: 60_000 },
      (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err }),
    );
  });
}

/** `kernel state reason` of every image in the status. */
export const imagesIn = (status: Status | undefined): string[] =>
  (status?.images ?? []).map(({ kernel, state, reason, origin }) =>
    [kernel, state, reason, origin].filter((x) => x !== undefined).join(' '),
  );
