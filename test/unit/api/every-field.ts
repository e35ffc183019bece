import type { ManagedClusterModule } from '../../../src/api/index.js';

const registryTLS = { insecure: true, insecureSkipTLSVerify: true };
const build = {
  dockerfileConfigMap: { name: 'dockerfile' },
  buildArgs: [{ name: 'A', value: '1' }],
  baseImageRegistryTLS: registryTLS,
  secrets: [{ name: 'source' }],
  kanikoParams: { tag: 'v1' },
  selector: { arch: 'arm64' },
};
const sign = {
  keySecret: { name: 'key' },
  certSecret: { name: 'cert' },
  filesToSign: ['/modules/lib/modules/${KERNEL_FULL_VERSION}/x.ko'],
  unsignedImage: 'example.com/unsigned:1',
  unsignedImageRegistryTLS: registryTLS,
};
const container = {
  image: 'example.com/plugin:1',
  imagePullPolicy: 'Always',
  command: ['/plugin'],
  args: ['-v'],
  env: [{ name: 'NODE', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'spec.nodeName' } } }],
  resources: { limits: { cpu: '1', memory: '64Mi' }, requests: { cpu: 1 } },
  volumeMounts: [{ name: 'dev', mountPath: '/dev/x', readOnly: true }],
};
const plugin = {
  container,
  initContainer: container,
  serviceAccountName: 'plugin',
  automountServiceAccountToken: false,
  volumes: [
    { name: 'dev', hostPath: { path: '/dev/x', type: 'Directory' } },
    { name: 'config', configMap: { name: 'config', items: [{ key: 'a', path: 'b' }], optional: true } },
  ],
};

/** Every field that upstream's ManagedClusterModule has. `devicePlugin` and `dra` exclude one another, so there are two objects. */
export function everyUpstreamField(name: string, extra: 'devicePlugin' | 'dra'): ManagedClusterModule {
  return {
    apiVersion: 'hub.kmm.sigs.x-k8s.io/v1beta1',
    kind: 'ManagedClusterModule',
    metadata: { name },
    spec: {
      selector: { site: 'edge', 'example.com/region': 'north' },
      spokeNamespace: 'kmm-modules',
      moduleSpec: {
        selector: { 'feature.example.com/x': 'true' },
        tolerations: [{ key: 'a', operator: 'Equal', value: 'b', effect: 'NoExecute', tolerationSeconds: 30 }],
        imageRepoSecret: { name: 'pull' },
        imageRebuildTriggerGeneration: 3,
        moduleLoader: {
          serviceAccountName: 'loader',
          container: {
            version: '1',
            containerImage: 'example.com/kmod:${KERNEL_FULL_VERSION}',
            imagePullPolicy: 'IfNotPresent',
            inTreeModuleToRemove: 'old',
            inTreeModulesToRemove: ['older'],
            registryTLS,
            build,
            sign,
            modprobe: {
              moduleName: 'x',
              dirName: '/modules',
              parameters: ['p=1'],
              args: { load: ['-v'], unload: ['-r'] },
              rawArgs: { load: ['x'], unload: ['-r', 'x'] },
              firmwarePath: '/firmware',
              modulesLoadingOrder: ['x', 'y'],
            },
            kernelMappings: [
              { literal: '6.1.0-56-amd64', containerImage: '', build, sign, registryTLS, inTreeModulesToRemove: ['older'] },
              { regexp: '^.+$', containerImage: 'example.com/kmod@sha256:00', inTreeModuleToRemove: 'old', inTreeModulesToRemove: [] },
            ],
          },
        },
        ...(extra === 'devicePlugin'
          ? { devicePlugin: plugin }
          : {
              dra: {
                ...plugin,
                driverName: 'gpu.example.com',
                deviceClasses: [
                  {
                    name: 'gpu.example.com',
                    selectors: [{ cel: { expression: 'device.driver == "gpu.example.com"' } }],
                    config: [{ opaque: { driver: 'gpu.example.com', parameters: { apiVersion: 'v1', mode: { deep: [1, null] } } } }],
                  },
                ],
              },
            }),
      },
    },
  };
}
