import { isDeepStrictEqual } from 'node:util';
import { resources, type HubApi, type KubernetesObject } from '../../src/kube/index.js';
import type { AuditEvent } from './audit.js';
import { eventually } from './eventually.js';
import type { FleetCluster } from './fleet.js';
import { follow } from './follow.js';
import { anMcm, getMcm, mappingsIn, MODULE, worksOf, type StoredMcm } from './mcm.js';
import type { ProxiedRequest } from './fault-proxy.js';
import type { Registry } from './registry.js';

/** Kernel to digest of the image that {@link pushKmods} made for it. */
export type Digests = Readonly<Record<string, string>>;

const REPOSITORY = 'kmods/simple';

/** One tiny image per kernel, under one repository that every module of a test may use. */
export async function pushKmods(registry: Registry, kernels: readonly string[]): Promise<Digests> {
  const pushed = kernels.map(async (kernel) => {
    const image = { repository: REPOSITORY, tag: kernel, kernels: [kernel], modules: [MODULE] };
    return [kernel, (await registry.pushImage(image)).digest] as const;
  });
  return Object.fromEntries(await Promise.all(pushed));
}

export interface ModuleOptions {
  readonly name: string;
  readonly registryHost: string;
  readonly maxConcurrent?: number;
  /** A module parameter: another value is another revision with the same images. */
  readonly marker?: string;
}

/** An MCM over those images. */
export const aModule = ({ name, registryHost, maxConcurrent, marker = 'one' }: ModuleOptions) =>
  anMcm({
    name,
    registryHost,
    ...(maxConcurrent === undefined ? {} : { rollout: { maxConcurrent } }),
    container: {
      modprobe: { moduleName: MODULE, parameters: [`marker=${marker}`] },
      kernelMappings: [{ regexp: '^.+$', containerImage: `${registryHost}/${REPOSITORY}:\${KERNEL_FULL_VERSION}` }],
    },
  });

export interface Expected {
  readonly name: string;
  readonly registryHost: string;
  readonly digests: Digests;
  readonly clusters: readonly FleetCluster[];
  readonly marker?: string;
  /** How often each cluster's content was meant to change: a ManifestWork that was written with other content in between has a higher generation. Default 1. */
  readonly generation?: number;
}

/** Every way in which the ManifestWorks are not what they should be, a sentence each; empty when all is right. */
export function faultsIn(works: ReadonlyMap<string, KubernetesObject>, expected: Expected): string[] {
  const names = new Set(expected.clusters.map((c) => c.name));
  const strays = [...works.keys()].flatMap((cluster) => (names.has(cluster) ? [] : [`${cluster}: has a ManifestWork and should not`]));
  return [...strays, ...expected.clusters.flatMap((cluster) => faultsAt(cluster, works.get(cluster.name), expected))];
}

function faultsAt({ name: cluster, kernels = [] }: FleetCluster, work: KubernetesObject | undefined, expected: Expected): string[] {
  if (work === undefined) return [`${cluster}: has no ManifestWork`];
  const { name, registryHost, digests, marker = 'one', generation = 1 } = expected;
  const module = moduleIn(work);
  const facts: readonly (readonly [what: string, got: unknown, wanted: unknown])[] = [
    ['the mapping', mappingsIn(work), Object.fromEntries(kernels.map((k) => [k, `${registryHost}/${REPOSITORY}@${digests[k]}`]))],
    ['the parameter', parametersIn(work), [`marker=${marker}`]],
    ['the Module name', module?.metadata?.name, name],
    ['the generation', work.metadata.generation, generation],
  ];
  return facts.flatMap(([what, got, wanted]) =>
    isDeepStrictEqual(got, wanted) ? [] : [`${cluster}: ${what} is ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`],
  );
}

interface PublishedModule {
  readonly metadata?: { readonly name?: string };
  readonly spec?: { readonly moduleLoader?: { readonly container?: { readonly modprobe?: { readonly parameters?: readonly string[] } } } };
}

const moduleIn = (work: KubernetesObject): PublishedModule | undefined =>
  (work['spec'] as { workload?: { manifests?: PublishedModule[] } } | undefined)?.workload?.manifests?.[0];

const parametersIn = (work: KubernetesObject): readonly string[] | undefined =>
  moduleIn(work)?.spec?.moduleLoader?.container?.modprobe?.parameters;

/** Applies of a module's ManifestWorks that reached the API server, whether or not the answer came back. */
export const appliesIn = (requests: readonly ProxiedRequest[], name: string): ProxiedRequest[] =>
  requests.filter(
    ({ method, path, fault }) =>
      method === 'PATCH' && isApplyOf(path, name) && (fault === undefined || fault === 'lose-answer' || fault === 'delay'),
  );

/** The same from the API server's own audit log. */
export const appliesAudited = (events: readonly AuditEvent[], name: string): AuditEvent[] =>
  events.filter(({ verb, uri, subresource, code }) => verb === 'patch' && subresource === undefined && code < 300 && isApplyOf(uri, name));

/** Only a server-side apply says `force`; the simulated agents send merge patches. */
const isApplyOf = (uri: string, name: string): boolean => uri.includes(`/manifestworks/${name}?`) && uri.includes('force=');

export const waitUntilReady = (api: HubApi, name: string, loaded: number, timeoutMs = 60_000): Promise<NonNullable<StoredMcm['status']>> =>
  eventually(
    `${name} to be Ready with ${loaded} clusters loaded`,
    async () => {
      const { status, metadata } = await getMcm(api, name);
      const upToDate = status?.observedGeneration === metadata.generation && status?.currentRevision === status?.updateRevision;
      return upToDate && status?.phase === 'Ready' && status.clusters?.loaded === loaded ? status : undefined;
    },
    { timeoutMs, seen: () => whatIsMissing(api, name) },
  );

/** What a person needs to find out why a module does not get ready: its state, and the first ManifestWorks whose spokes do not report it loaded. */
async function whatIsMissing(api: HubApi, name: string): Promise<object> {
  const { phase, clusters, rollout, exceptions = [] } = (await getMcm(api, name)).status ?? {};
  const unproven = [...(await worksOf(api, name)).values()].filter((work) => !isLoaded(work));
  const first = unproven.slice(0, 3).map((work) => ({ metadata: work.metadata, status: work['status'] }));
  return { phase, clusters, rollout, exceptions: exceptions.slice(0, 3), notReportedLoaded: unproven.length, first };
}

export interface WorkProgress {
  /** Clusters whose ManifestWork carries the marker. */
  readonly written: number;
  /** Those of them whose spoke has reported it loaded. */
  readonly reported: number;
}

/** Counts, from the API server's own watch, how far a rollout is; the newest state is always at hand, so that a test can act on an exact moment. */
export async function watchProgress(api: HubApi, name: string) {
  const works = new Map<string, KubernetesObject>();
  let listener = (): void => undefined;
  const following = follow(api, resources.manifestWorks, (key, object) => {
    if (object === undefined) works.delete(key);
    else if (object.metadata.name === name) works.set(key, object);
    listener();
  });
  await following.ready;
  const progress = (marker: string): WorkProgress => {
    const written = [...works.values()].filter((work) => parametersIn(work)?.[0] === `marker=${marker}`);
    return { written: written.length, reported: written.filter(isLoaded).length };
  };
  return {
    progress,
    /** Resolves in the very turn in which the predicate holds for the first time. */
    until: (marker: string, reached: (now: WorkProgress) => boolean, timeoutMs = 30_000) =>
      new Promise<WorkProgress>((resolve, reject) => {
        const timer = setTimeout(() => {
          listener = (): void => undefined;
          reject(
            new Error(`Waited ${timeoutMs} ms for the rollout of ${marker} to get on. Last seen: ${JSON.stringify(progress(marker))}`),
          );
        }, timeoutMs);
        listener = (): void => {
          const now = progress(marker);
          if (!reached(now)) return;
          clearTimeout(timer);
          listener = (): void => undefined;
          resolve(now);
        };
        listener();
      }),
    stop: following.stop,
  };
}

interface ReportedStatus {
  readonly conditions?: readonly { readonly type: string; readonly observedGeneration?: number }[];
  readonly resourceStatus?: {
    readonly manifests?: readonly {
      readonly statusFeedback?: {
        readonly values?: readonly {
          readonly name: string;
          readonly fieldValue: { readonly integer?: number; readonly string?: string };
        }[];
      };
    }[];
  };
}

function isLoaded(work: KubernetesObject): boolean {
  const status = work['status'] as ReportedStatus | undefined;
  const values = status?.resourceStatus?.manifests?.[0]?.statusFeedback?.values ?? [];
  const value = (name: string) => values.find((v) => v.name === name)?.fieldValue;
  const echoed = value('contentHash')?.string === work.metadata.annotations?.['kmodflow.io/content-hash'];
  return echoed && (value('moduleLoader.availableNumber')?.integer ?? 0) > 0;
}
