import { describe, expect, test } from '@jest/globals';
import type { ModuleSpec } from '../../../src/api/index.js';
import { FEEDBACK_PATHS, renderManifestWork, type WorkIdentity } from '../../../src/domain/manifest-work.js';
import { renderModule } from '../../../src/domain/render-module.js';
import { aDigest, aModuleSpec, KERNELS, sha256 } from './builders.js';

const mapping = (kernel: string, digit = '1', more: object = {}) => ({
  literal: kernel,
  containerImage: `registry.example.com/kmod@${aDigest(digit)}`,
  ...more,
});

const render = (moduleSpec: ModuleSpec = aModuleSpec(), mappings = [mapping(KERNELS[1])]) =>
  renderModule({ name: 'kmod', spokeNamespace: 'kmm-modules', moduleSpec }, mappings, sha256);

const identity: WorkIdentity = {
  cluster: 'spoke-1',
  revision: 'kmod-aaaaaaaaaa',
  workflow: 'mcm/kmod/rollout/1/wave/1',
  publishedAt: '2026-01-01T00:00:00.000Z',
  ownerUid: 'mcm-uid',
};

/** A spec that has everything that stays on the hub, and everything that goes to the spoke. */
const fullSpec = (): ModuleSpec => ({
  selector: { worker: '' },
  imageRepoSecret: { name: 'pull' },
  imageRebuildTriggerGeneration: 3,
  tolerations: [{ key: 'gpu', operator: 'Exists' }],
  devicePlugin: { container: { image: 'registry.example.com/plugin:v1', env: [{ name: 'A', value: 'b' }] } },
  moduleLoader: {
    serviceAccountName: 'loader',
    container: {
      version: '1.2',
      containerImage: 'registry.example.com/kmod:${KERNEL_FULL_VERSION}',
      imagePullPolicy: 'IfNotPresent',
      inTreeModuleToRemove: 'in_tree',
      registryTLS: { insecure: true },
      modprobe: { moduleName: 'kmod', dirName: '/opt', parameters: ['debug=1'] },
      build: { dockerfileConfigMap: { name: 'dockerfile' } },
      sign: { keySecret: { name: 'key' }, certSecret: { name: 'cert' } },
      kernelMappings: [{ regexp: '.*', build: { dockerfileConfigMap: { name: 'other' } } }],
    },
  },
});

const everyKeyAndValue = (value: unknown): unknown[] =>
  typeof value === 'object' && value !== null ? Object.entries(value).flatMap(([k, v]) => [k, v, ...everyKeyAndValue(v)]) : [];

describe('the Module for one cluster', () => {
  test("is the MCM's spec with literal mappings; what the hub does, and the deprecated field, stay behind", () => {
    const { manifest } = render(fullSpec(), [
      mapping(KERNELS[2], '3', { registryTLS: { insecure: true } }),
      mapping(KERNELS[0], '1', { inTreeModulesToRemove: ['in_tree'] }),
    ]);
    expect(manifest).toEqual({
      apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
      kind: 'Module',
      metadata: {
        name: 'kmod',
        namespace: 'kmm-modules',
        annotations: { 'kmodflow.io/content-hash': expect.stringMatching(/^[0-9a-f]{16}$/) },
      },
      spec: {
        selector: { worker: '' },
        imageRepoSecret: { name: 'pull' },
        imageRebuildTriggerGeneration: 3,
        tolerations: [{ key: 'gpu', operator: 'Exists' }],
        devicePlugin: { container: { image: 'registry.example.com/plugin:v1', env: [{ name: 'A', value: 'b' }] } },
        moduleLoader: {
          serviceAccountName: 'loader',
          container: {
            version: '1.2',
            imagePullPolicy: 'IfNotPresent',
            registryTLS: { insecure: true },
            modprobe: { moduleName: 'kmod', dirName: '/opt', parameters: ['debug=1'] },
            kernelMappings: [
              { literal: KERNELS[0], containerImage: `registry.example.com/kmod@${aDigest('1')}`, inTreeModulesToRemove: ['in_tree'] },
              { literal: KERNELS[2], containerImage: `registry.example.com/kmod@${aDigest('3')}`, registryTLS: { insecure: true } },
            ],
          },
        },
      },
    });
  });

  test('has no status, no null and nothing undefined, whatever the spec holds', () => {
    const spec = { ...fullSpec(), dra: null, devicePlugin: undefined } as unknown as ModuleSpec;
    const said = everyKeyAndValue(render(spec).manifest);
    for (const absent of ['status', 'dra', 'devicePlugin', 'build', 'sign', 'inTreeModuleToRemove', 'regexp', null, undefined])
      expect(said).not.toContain(absent);
  });

  test('leaves the spec and the mappings as they were', () => {
    const [spec, mappings] = [fullSpec(), [mapping(KERNELS[2]), mapping(KERNELS[0])]];
    render(spec, mappings);
    expect(spec).toEqual(fullSpec());
    expect(mappings).toEqual([mapping(KERNELS[2]), mapping(KERNELS[0])]);
  });

  test('hashes to the same whatever the order of mappings and keys, and to something else when an image changes', () => {
    const one = render(aModuleSpec(), [mapping(KERNELS[0]), mapping(KERNELS[1])]);
    const reversed = Object.fromEntries(Object.entries(aModuleSpec()).reverse()) as ModuleSpec;
    expect(render(reversed, [mapping(KERNELS[1]), mapping(KERNELS[0])]).hash).toBe(one.hash);
    expect(render(aModuleSpec(), [mapping(KERNELS[0]), mapping(KERNELS[1], '2')]).hash).not.toBe(one.hash);
  });

  test('knows its size in bytes of UTF-8', () => {
    const spec = aModuleSpec({ selector: { team: 'größe-ядро-🚀' } });
    const { manifest, bytes } = render(spec);
    expect(bytes).toBe(Buffer.byteLength(JSON.stringify(manifest)));
  });
});

describe('the ManifestWork', () => {
  test("keeps upstream's contract, with the content hash and its echo", () => {
    const module = render();
    expect(renderManifestWork(module, identity)).toEqual({
      apiVersion: 'work.open-cluster-management.io/v1',
      kind: 'ManifestWork',
      metadata: {
        name: 'kmod',
        namespace: 'spoke-1',
        labels: { 'kmm.node.kubernetes.io/managedclustermodule.name': 'kmod' },
        annotations: {
          'kmodflow.io/content-hash': module.hash,
          'kmodflow.io/revision': 'kmod-aaaaaaaaaa',
          'kmodflow.io/workflow': 'mcm/kmod/rollout/1/wave/1',
          'kmodflow.io/published-at': '2026-01-01T00:00:00.000Z',
        },
        ownerReferences: [
          {
            apiVersion: 'hub.kmm.sigs.x-k8s.io/v1beta1',
            kind: 'ManagedClusterModule',
            name: 'kmod',
            uid: 'mcm-uid',
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      spec: {
        workload: { manifests: [module.manifest] },
        manifestConfigs: [
          {
            resourceIdentifier: { group: 'kmm.sigs.x-k8s.io', resource: 'modules', name: 'kmod', namespace: 'kmm-modules' },
            feedbackRules: [
              {
                type: 'JSONPaths',
                jsonPaths: [
                  { name: 'devicePlugin.availableNumber', path: '.status.devicePlugin.availableNumber' },
                  { name: 'devicePlugin.desiredNumber', path: '.status.devicePlugin.desiredNumber' },
                  { name: 'devicePlugin.nodesMatchingSelectorNumber', path: '.status.devicePlugin.nodesMatchingSelectorNumber' },
                  { name: 'dra.availableNumber', path: '.status.dra.availableNumber' },
                  { name: 'dra.desiredNumber', path: '.status.dra.desiredNumber' },
                  { name: 'dra.nodesMatchingSelectorNumber', path: '.status.dra.nodesMatchingSelectorNumber' },
                  { name: 'moduleLoader.availableNumber', path: '.status.moduleLoader.availableNumber' },
                  { name: 'moduleLoader.desiredNumber', path: '.status.moduleLoader.desiredNumber' },
                  { name: 'moduleLoader.nodesMatchingSelectorNumber', path: '.status.moduleLoader.nodesMatchingSelectorNumber' },
                  { name: 'contentHash', path: '.metadata.annotations.kmodflow\\.io/content-hash' },
                ],
              },
            ],
          },
        ],
      },
    });
  });

  test('of a headless module has no owner, so nothing collects it as garbage', () => {
    expect(renderManifestWork(render(), { ...identity, ownerUid: undefined }).metadata).not.toHaveProperty('ownerReferences');
  });

  test('carries the attempt that a person asked for as a label value that Kubernetes accepts', () => {
    const { metadata } = renderManifestWork(render(), { ...identity, retry: '2026-01-01T00:00:00.000Z' }) as {
      metadata: { labels?: object };
    };
    expect(metadata.labels).toEqual({
      'kmm.node.kubernetes.io/managedclustermodule.name': 'kmod',
      'kmodflow.io/retry': '2026-01-01T00-00-00.000Z',
    });
  });

  test('asks for each value once', () => {
    expect(new Set(FEEDBACK_PATHS.map((p) => p.name)).size).toBe(10);
  });
});
