import { z } from 'zod';
import { Condition, LabelMap, ObjectMeta } from './meta.js';
import { KMM_GROUP, KMM_VERSION } from './names.js';

const text = (description: string) => z.string().meta({ description }).optional();
const flag = (description: string) => z.boolean().meta({ description }).optional();
const texts = (description: string) => z.array(z.string()).meta({ description }).optional();
/** A core type of Kubernetes: taken as it is, judged by whoever uses it. */
const open = () => z.looseObject({});
const count = (description: string) => z.int().meta({ description, format: 'int32' }).optional();

/** A reference to an object of the same namespace by name. Upstream lets the name be absent, which means "". */
const localReference = (description: string) =>
  z
    .object({ name: z.string().meta({ description: 'Name of the object.' }).default('') })
    .meta({ description, 'x-kubernetes-map-type': 'atomic' });

export const LocalObjectReference = localReference('Refers to an object of the same namespace.');
export type LocalObjectReference = z.infer<typeof LocalObjectReference>;

export const RegistryTls = z.object({
  insecure: flag('Speak plain HTTP to the registry.'),
  insecureSkipTLSVerify: flag("Accept any certificate of the registry's."),
});
export type RegistryTls = z.infer<typeof RegistryTls>;

export const BuildArg = z.object({
  name: z.string().meta({ description: 'Name of the build argument.' }),
  value: z.string().meta({ description: 'Value of the build argument; it is passed on as it is.' }),
});
export type BuildArg = z.infer<typeof BuildArg>;

export const Build = z.object({
  dockerfileConfigMap: localReference('ConfigMap whose key "dockerfile" holds the Dockerfile.'),
  buildArgs: z.array(BuildArg).meta({ description: 'Arguments for the build.' }).optional(),
  baseImageRegistryTLS: RegistryTls.meta({ description: 'How to reach the registry of the base images.' }).optional(),
  secrets: z
    .array(localReference('A Secret that the build may read.'))
    .meta({ description: 'Secrets that the build may read while it runs; they do not end up in the image.' })
    .optional(),
  kanikoParams: z
    .object({ tag: text('Tag of the Kaniko image.') })
    .meta({ description: 'Settings of the upstream image builder; kept for compatibility.' })
    .optional(),
  selector: LabelMap.meta({ description: 'Labels of the hub nodes on which the build may run.' }).optional(),
});
export type Build = z.infer<typeof Build>;

export const Sign = z.object({
  keySecret: localReference('Secret whose key "key" holds the private key.'),
  certSecret: localReference('Secret whose key "cert" holds the certificate.'),
  filesToSign: texts('Kernel module files in the image that are signed; each lies under dirName.'),
  unsignedImage: text('Image whose files are signed, when no build makes it.'),
  unsignedImageRegistryTLS: RegistryTls.meta({ description: 'How to reach the registry of the unsigned image.' }).optional(),
});
export type Sign = z.infer<typeof Sign>;

const inTreeModuleToRemove = text('Deprecated: one in-tree module to unload first. Use inTreeModulesToRemove.');
const inTreeModulesToRemove = texts('In-tree modules that are unloaded before the kernel module is loaded.');

export const KernelMapping = z.object({
  literal: text('The kernel version that this mapping is for, exactly. Set either this or regexp.'),
  regexp: text('RE2 pattern of the kernel versions that this mapping is for; it may match anywhere in the version.'),
  containerImage: text(
    'Image with the kernel module; variables such as ${KERNEL_FULL_VERSION} are replaced. Empty: that of the container.',
  ),
  build: Build.meta({ description: 'How to build the image for these kernels when it does not exist.' }).optional(),
  sign: Sign.meta({ description: 'How to sign the kernel modules for these kernels.' }).optional(),
  registryTLS: RegistryTls.meta({ description: 'How to reach the registry of this image.' }).optional(),
  inTreeModuleToRemove,
  inTreeModulesToRemove,
});
export type KernelMapping = z.infer<typeof KernelMapping>;

const modprobeArguments = (description: string) =>
  z
    .object({
      load: z.array(z.string()).min(1).meta({ description: 'Arguments for loading.' }).optional(),
      unload: z.array(z.string()).min(1).meta({ description: 'Arguments for unloading.' }).optional(),
    })
    .meta({ description })
    .optional();

export const Modprobe = z.object({
  moduleName: text('Name of the kernel module. Leave it out only together with rawArgs.'),
  dirName: z.string().meta({ description: 'Directory of the image under which lib/modules/<kernel> lies.' }).default('/opt'),
  parameters: texts('Parameters of the kernel module, such as "debug=1".'),
  args: modprobeArguments('Arguments for modprobe before the name of the module.'),
  rawArgs: modprobeArguments('All arguments for modprobe, instead of moduleName, parameters and args.'),
  firmwarePath: text('Directory of the image with firmware files for the host.'),
  modulesLoadingOrder: texts('Modules in the order of loading, moduleName first; for dependencies that modprobe cannot see.'),
});
export type Modprobe = z.infer<typeof Modprobe>;

export const Container = z.object({
  version: text('Version of the kernel module, for ordered upgrades on the nodes of a spoke.'),
  containerImage: text('Image for every mapping that names none; variables such as ${KERNEL_FULL_VERSION} are replaced.'),
  imagePullPolicy: text('When nodes pull the image: Always, IfNotPresent or Never.'),
  kernelMappings: z
    .array(KernelMapping)
    .min(1)
    .meta({ description: 'Which image is for which kernel; the first mapping that fits a kernel is taken.' }),
  modprobe: Modprobe.meta({ description: 'How the kernel module is loaded and unloaded.' }),
  build: Build.meta({ description: 'How to build an image that does not exist, for every mapping.' }).optional(),
  sign: Sign.meta({ description: 'How to sign the kernel modules, for every mapping.' }).optional(),
  registryTLS: RegistryTls.meta({ description: 'How to reach the registry of the images.' }).optional(),
  inTreeModuleToRemove,
  inTreeModulesToRemove,
});
export type Container = z.infer<typeof Container>;

export const ModuleLoader = z.object({
  container: Container.meta({ description: 'What is loaded, and from which image.' }),
  serviceAccountName: text('Service account on the spoke under which the loading pods run.'),
});
export type ModuleLoader = z.infer<typeof ModuleLoader>;

/** A pod volume. Only what the rules of admission look at is named; the rest is kept as it is. */
export const Volume = z.looseObject({
  name: z.string().meta({ description: 'Name of the volume.' }),
  hostPath: z
    .looseObject({ path: z.string().meta({ description: 'Path on the node.' }) })
    .meta({ description: 'A directory or file of the node.' })
    .optional(),
});
export type Volume = z.infer<typeof Volume>;

const volumes = z.array(Volume).meta({ description: 'Volumes of the pods.' }).optional();
const serviceAccountName = text('Service account on the spoke under which the pods run.');
const automountServiceAccountToken = flag('Whether the pods get a token of their service account.');

const environmentVariable = z.looseObject({ name: z.string().meta({ description: 'Name of the variable.' }) });
const volumeMount = z.looseObject({
  name: z.string().meta({ description: 'Name of the volume.' }),
  mountPath: z.string().meta({ description: 'Path in the container.' }),
});

/** A container of a device plugin or of a DRA driver. */
export const PluginContainer = z.object({
  image: z.string().meta({ description: 'Image of the container.' }),
  imagePullPolicy: text('When nodes pull the image: Always, IfNotPresent or Never.'),
  command: texts('Command of the container.'),
  args: texts('Arguments of the command.'),
  env: z.array(environmentVariable).meta({ description: 'Environment variables, as in a pod.' }).optional(),
  resources: open().meta({ description: 'Requests and limits, as in a pod.' }).optional(),
  volumeMounts: z.array(volumeMount).meta({ description: 'Where the volumes are mounted, as in a pod.' }).optional(),
});
export type PluginContainer = z.infer<typeof PluginContainer>;

const pluginContainers = {
  container: PluginContainer.meta({ description: 'The main container.' }),
  initContainer: PluginContainer.meta({ description: 'A container that runs to its end before the main one.' }).optional(),
};

export const DevicePlugin = z.object({ ...pluginContainers, serviceAccountName, automountServiceAccountToken, volumes });
export type DevicePlugin = z.infer<typeof DevicePlugin>;

export const DeviceClass = z.object({
  name: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, { error: 'a DNS name such as "gpu.example.com"' })
    .meta({ description: 'Name of the DeviceClass.' }),
  selectors: z.array(open()).max(32).meta({ description: 'Which devices belong to the class, as in resource.k8s.io/v1.' }).optional(),
  config: z.array(open()).max(32).meta({ description: 'Configuration of the devices, as in resource.k8s.io/v1.' }).optional(),
});
export type DeviceClass = z.infer<typeof DeviceClass>;

export const Dra = z.object({
  ...pluginContainers,
  driverName: z.string().meta({ description: 'Name of the DRA driver, a DNS name.' }),
  deviceClasses: z.array(DeviceClass).meta({ description: 'DeviceClasses that the spoke makes for the driver.' }).optional(),
  serviceAccountName,
  automountServiceAccountToken,
  volumes,
});
export type Dra = z.infer<typeof Dra>;

export const Toleration = z.looseObject({
  key: text('Taint that is tolerated; empty with operator Exists: every one.'),
  operator: text('Exists or Equal.'),
  value: text('Value of the taint, for Equal.'),
  effect: text('NoSchedule, PreferNoSchedule or NoExecute; empty: all of them.'),
  tolerationSeconds: z.int().meta({ description: 'How long NoExecute is tolerated, seconds.', format: 'int64' }).optional(),
});
export type Toleration = z.infer<typeof Toleration>;

const hasBoth = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  'dra' in value &&
  'devicePlugin' in value &&
  value.dra !== undefined &&
  value.devicePlugin !== undefined;

export const ModuleSpec = z
  .object({
    selector: LabelMap.meta({ description: 'Labels of the spoke nodes on which the module is wanted.' }),
    moduleLoader: ModuleLoader.meta({ description: 'The kernel module and its images. Without it no kernel module is loaded.' }).optional(),
    devicePlugin: DevicePlugin.meta({ description: 'A device plugin that runs where the module is loaded.' }).optional(),
    dra: Dra.meta({ description: 'A dynamic resource allocation driver that runs where the module is loaded.' }).optional(),
    imageRepoSecret: localReference('Secret with credentials for the registries, on the hub and on the spoke.').optional(),
    imageRebuildTriggerGeneration: z
      .int()
      .meta({ description: 'Change this number to have every image resolved, built and signed anew.' })
      .optional(),
    tolerations: z.array(Toleration).meta({ description: 'Taints that the pods of the module tolerate.' }).optional(),
  })
  // Looked at even when other fields are wrong: a person wants to hear of every problem at once.
  .refine((spec) => !hasBoth(spec), { error: 'Got both dra and devicePlugin; only one of them may be set.', when: () => true })
  .meta({
    'x-kubernetes-validations': [
      { rule: '!(has(self.dra) && has(self.devicePlugin))', message: 'spec.dra and spec.devicePlugin are mutually exclusive' },
    ],
  });
export type ModuleSpec = z.infer<typeof ModuleSpec>;

const counters = (what: string) =>
  z
    .object({
      nodesMatchingSelectorNumber: count('Nodes that the selector matches; absent means 0.'),
      desiredNumber: count('Nodes that should have it; absent means 0.'),
      availableNumber: count('Nodes that have it; absent means 0.'),
    })
    .meta({ description: `Nodes of the spoke, as to the ${what}.` })
    .optional();

export const ModuleStatus = z.looseObject({
  moduleLoader: counters('kernel module'),
  devicePlugin: counters('device plugin'),
  dra: counters('DRA driver'),
  imageRebuildTriggerGeneration: z.int().optional(),
  conditions: z.array(Condition).optional(),
});
export type ModuleStatus = z.infer<typeof ModuleStatus>;

/** The object that a spoke's operator acts on. */
export const Module = z.object({
  apiVersion: z.literal(`${KMM_GROUP}/${KMM_VERSION}`),
  kind: z.literal('Module'),
  metadata: ObjectMeta,
  spec: ModuleSpec,
  status: ModuleStatus.optional(),
});
export type Module = z.infer<typeof Module>;
