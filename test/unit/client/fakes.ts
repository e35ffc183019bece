import { clientOf } from '../../../src/client/create-client.js';
import type { ModuleObject } from '../../../src/client/module-object.js';
import type { ClientParts, HubReads } from '../../../src/client/parts.js';
import type { KmodflowClient } from '../../../src/client/types.js';
import type { ModuleWorkflows } from '../../../src/client/workflows.js';
import { Fault } from '../../../src/domain/fault.js';
import { KERNEL_CLAIM } from '../../../src/api/names.js';
import { renderManifestWork } from '../../../src/domain/manifest-work.js';
import { renderModule } from '../../../src/domain/render-module.js';
import type { Revision } from '../../../src/domain/revision.js';
import type { PublishedMapping } from '../../../src/domain/views.js';
import { writeRevision, type KubernetesObject, type ResourceType } from '../../../src/kube/index.js';
import { aDigest, sha256 } from '../domain/builders.js';

export const NOW_MS = Date.parse('2026-01-01T01:00:00Z');

/** Workflows of which nobody knows anything; a case says what it needs. */
export const noWorkflows = (change: Partial<ModuleWorkflows> = {}): ModuleWorkflows => {
  const missing = (name: string) => (): Promise<never> => Promise.reject(new Fault('Missing', `no workflow was asked for ${name}`));
  return {
    start: (name) => Promise.resolve({ name, workflowId: `mcm/${name}`, runId: 'run-1' }),
    status: missing('status'),
    history: missing('history'),
    request: missing('request'),
    headlessSpec: missing('headlessSpec'),
    running: () => Promise.resolve([]),
    waves: () => Promise.resolve([]),
    waveSteps: () => Promise.resolve([]),
    ...change,
  };
};

/** `a=b,c`: equal, and there. */
const isSelected = ({ metadata: { labels = {} } }: KubernetesObject, selector: string): boolean =>
  selector.split(',').every((part) => {
    const [key = '', value] = part.split('=');
    return key === '' || (value === undefined ? labels[key] !== undefined : labels[key] === value);
  });

/**
 * A hub that holds these objects, by `plural/[namespace/]name`, and lists them in pages of two.
 * @param podLogs What containers wrote, by `pod/container`; a Fault is what the API server answers instead.
 */
export function fakeHub(
  objects: Readonly<Record<string, object>> = {},
  podLogs: Readonly<Record<string, string | Fault>> = {},
): HubReads & { readonly selectors: string[] } {
  const selectors: string[] = [];
  const all = ({ plural }: ResourceType): KubernetesObject[] =>
    Object.entries(objects).flatMap(([key, object]) => (key.startsWith(`${plural}/`) ? [object as KubernetesObject] : []));
  return {
    selectors,
    get: <T>({ plural, kind }: ResourceType, name: string, namespace?: string) => {
      const object = objects[[plural, ...(namespace === undefined ? [] : [namespace]), name].join('/')];
      return object === undefined
        ? Promise.reject(new Fault('Missing', `Failed to get ${kind} ${name}: not found.`))
        : Promise.resolve(object as T);
    },
    async *list(resource, options) {
      selectors.push(`${resource.plural}?${options?.labelSelector ?? ''}`);
      const items = all(resource);
      for (let i = 0; i < items.length; i += 2)
        yield await Promise.resolve({ items: items.slice(i, i + 2), resourceVersion: '1', restarted: false });
    },
    listAll: (resource, { labelSelector = '' } = {}) => {
      selectors.push(`${resource.plural}?${labelSelector}`);
      return Promise.resolve({ items: all(resource).filter((o) => isSelected(o, labelSelector)), resourceVersion: '1' });
    },
    podLog: (name, namespace, { container, tailLines }) => {
      const log = podLogs[`${name}/${container}`];
      if (log === undefined) return Promise.reject(new Fault('Missing', `No log of ${namespace}/${name}, container ${container}.`));
      if (log instanceof Fault) return Promise.reject(log);
      return Promise.resolve(`${log.trimEnd().split('\n').slice(-tailLines).join('\n')}\n`);
    },
  };
}

export const aClient = (
  workflows: ModuleWorkflows,
  hub: HubReads | Fault = fakeHub(),
  imageInputs: ClientParts['imageInputs'] = () => Promise.reject(new Fault('Unavailable', 'no inputs were asked for')),
): KmodflowClient =>
  clientOf({
    imageInputs,
    workflows,
    kube: () => {
      if (hub instanceof Fault) throw hub;
      return hub;
    },
    operatorNamespace: 'kmodflow-system',
    settleMs: 120_000,
    now: () => NOW_MS,
  });

export const SELECTOR = { site: 'edge' };

/** A manifest as a person writes it, for {@link aModuleSpec}. */
export const aManifest = (moduleSpec: object, change: object = {}) => ({
  apiVersion: 'hub.kmm.sigs.x-k8s.io/v1beta1',
  kind: 'ManagedClusterModule',
  metadata: { name: 'kmod' },
  spec: { selector: SELECTOR, spokeNamespace: 'kmm-modules', moduleSpec, ...change },
});

export const anObject = (moduleSpec: object, change: Partial<ModuleObject> = {}): ModuleObject =>
  ({
    ...aManifest(moduleSpec),
    ...change,
    metadata: { name: 'kmod', uid: 'mcm-uid', generation: 1, creationTimestamp: '2026-01-01T00:00:00Z', ...change.metadata },
  }) as ModuleObject;

export interface ClusterChange {
  readonly available?: boolean;
  readonly kernels?: readonly string[] | undefined;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A ManagedCluster as OCM shows it. */
export const aManagedCluster = (name: string, { available = true, kernels, labels = SELECTOR }: ClusterChange = {}): object => ({
  metadata: { name, labels },
  spec: { hubAcceptsClient: true },
  status: {
    conditions: [
      { type: 'ManagedClusterConditionAvailable', status: available ? 'True' : 'Unknown', lastTransitionTime: '2025-12-31T12:00:00Z' },
    ],
    ...(kernels === undefined ? {} : { clusterClaims: [{ name: KERNEL_CLAIM, value: kernels.join('\n') }] }),
  },
});

export interface WorkChange {
  readonly publishedAt?: string;
  /** When the agent last wrote the status. */
  readonly reportedAt?: string;
  readonly available?: number;
  readonly ownerUid?: string | undefined;
}

/** What the hub published to a cluster at a revision, and what its agent reports: two of two nodes loaded. */
export function aManifestWork(cluster: string, revision: Revision, kernels: readonly string[], change: WorkChange = {}): object {
  const { publishedAt = '2026-01-01T00:00:00.000Z', reportedAt = '2026-01-01T00:01:00Z', available = 2 } = change;
  const ownerUid = 'ownerUid' in change ? change.ownerUid : 'mcm-uid';
  const mappings: PublishedMapping[] = kernels.map((literal) => ({
    literal,
    containerImage: `registry.example.com/kmod@${revision.pins[literal]?.digest ?? aDigest('f')}`,
  }));
  const { spokeNamespace, moduleSpec } = revision;
  const module = renderModule({ name: 'kmod', spokeNamespace, moduleSpec }, mappings, sha256);
  const work = renderManifestWork(module, {
    cluster,
    revision: revision.name,
    workflow: 'mcm/kmod/rollout/1/wave/1',
    publishedAt,
    ownerUid,
  });
  const counter = (name: string, integer: number): object => ({ name: `moduleLoader.${name}`, fieldValue: { type: 'Integer', integer } });
  const applied = { type: 'Applied', status: 'True', observedGeneration: 1, message: '' };
  return {
    ...work,
    metadata: { ...work.metadata, uid: `work-${cluster}`, generation: 1, managedFields: [{ subresource: 'status', time: reportedAt }] },
    status: {
      conditions: [applied],
      resourceStatus: {
        manifests: [
          {
            conditions: [applied],
            statusFeedback: {
              values: [
                counter('availableNumber', available),
                counter('desiredNumber', 2),
                counter('nodesMatchingSelectorNumber', 2),
                { name: 'contentHash', fieldValue: { type: 'String', string: module.hash } },
              ],
            },
          },
        ],
      },
    },
  };
}

/** A revision as the hub recorded it. */
export const aStoredRevision = ({ hash, number, pins, spokeNamespace, moduleSpec, inputs }: Revision): object =>
  writeRevision({
    module: 'kmod',
    namespace: 'kmodflow-system',
    hash,
    number,
    pins,
    spokeNamespace,
    moduleSpec,
    inputs,
    ownerUid: 'mcm-uid',
  });
