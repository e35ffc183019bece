import { DOCKERFILE_ANNOTATION, IMAGE_KEY_ANNOTATION, IMAGE_KEY_LABEL, MCM_GROUP, MCM_VERSION } from '../api/names.js';
import type { BuildRecipe, ImageNeed, ImageRecipe, ImageRequester, SignRecipe, TlsSettings } from './image-process.js';
import { parseImageReference } from './image-reference.js';
import { imageJobName } from './image-run.js';
import { BUILD_CONTAINER_SECURITY, PLAIN_CONTAINER_SECURITY, POD_SECURITY } from './image-job-security.js';
import { dnsSafeKernelVersion } from './kernel-version.js';
import type { OwnerReference, WritableObject } from './writable-object.js';

/** What the operator decides about every build Job. */
export interface ImageJobConfig {
  /** Image with kmodflow-build, kmodflow-fetch and kmodflow-push. */
  readonly builderImage: string;
  /** Image with kmodflow-sign. */
  readonly signerImage: string;
  /** How long one attempt may take, waiting for a node included. */
  readonly activeDeadlineSeconds: number;
  /** How long a Job stays after its end. The follower shortens it for one that did its work. */
  readonly failedJobTtlSeconds: number;
  /** Of each container: they run one after the other, so the pod needs no more than one of them. */
  readonly requests: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<string, string>>;
  /** Size of the volume with the base image, the build and the result; a Kubernetes quantity. */
  readonly storageLimit: string;
  /** Repository for the layers of single steps. Never used for an image that is signed: those layers hold unsigned modules. */
  readonly cache?: string | undefined;
  /** Secrets with which nodes pull the two images above. */
  readonly pullSecrets: readonly string[];
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never' | undefined;
  /** False: the pod gets a user namespace of its own (Kubernetes 1.33 and a runtime that can). Default: not set. */
  readonly hostUsers?: boolean | undefined;
}

export interface ImageJobInput {
  readonly need: ImageNeed;
  /** From 1. */
  readonly attempt: number;
  readonly requesters: readonly ImageRequester[];
  /** Needed when the recipe builds. */
  readonly dockerfile?: string | undefined;
  readonly config: ImageJobConfig;
  readonly namespace: string;
}

/** Bytes of UTF-8 that a Dockerfile may have: it travels as an annotation, and all annotations of an object together may have 256 KiB. */
export const MAX_DOCKERFILE_BYTES = 128 * 1024;

/** Annotations for people who look at a Job. */
const ABOUT = { image: 'kmodflow.io/image', kernels: 'kmodflow.io/kernels', attempt: 'kmodflow.io/attempt' };

const LAYOUT = '/work/oci';
const AUTH_DIR = '/run/kmodflow/auth';
const KEY_DIR = '/run/kmodflow/key';
const CERT_DIR = '/run/kmodflow/cert';
const SECRETS_DIR = '/run/secrets';
const PLAN_DIR = '/plan';
/** Owner and group of the pod may read, nobody else; volumes belong to the pod's group. */
const GROUP_READABLE = 0o440;
/** A step of a Dockerfile may run as any user. */
const WORLD_READABLE = 0o444;

/** Nodes under pressure may take the pod, as upstream has it: hubs with little disk would never build otherwise. Source: KMM `internal/module/helper.go`. */
const PRESSURE_TOLERATIONS = ['disk-pressure', 'memory-pressure', 'pid-pressure'].map((pressure) => ({
  key: `node.kubernetes.io/${pressure}`,
  operator: 'Exists',
  effect: 'NoSchedule',
}));

/**
 * The tag of an image's key, in the same repository: `registry.example.com/kmods/kmod:kmodflow-<key>`. It keeps a digest that an older revision pins from a registry's
 * garbage collection.
 * @returns undefined for a reference that nothing can be pushed to: one by digest, or one that is no reference.
 */
export function keyTagOf(image: string, key: string): string | undefined {
  const parsed = parseImageReference(image);
  if (!parsed.ok || parsed.value.tag === undefined || parsed.value.digest !== undefined) return undefined;
  return `${parsed.value.registry}/${parsed.value.repository}:kmodflow-${key}`;
}

/**
 * One attempt at an image as a `batch/v1` Job: check the signing pair → build or fetch → sign → push, over one volume. Same input, same Job.
 * @throws Error when the need has no recipe or its image has no tag, or it builds and no Dockerfile is given: callers refuse such input before.
 */
export function renderImageJob({ need, attempt, requesters, dockerfile, config, namespace }: ImageJobInput): WritableObject {
  const { recipe } = need;
  const keyTag = keyTagOf(need.image, need.key);
  if (recipe === undefined || keyTag === undefined) throw new Error(`Image ${need.image} (key ${need.key}) is none that a Job can make.`);
  if (recipe.build !== undefined && dockerfile === undefined) throw new Error(`The Job for ${need.image} lacks its Dockerfile.`);
  const labels = labelsOf(need, recipe);
  const about = { [ABOUT.image]: need.image, [ABOUT.kernels]: need.kernels.join(','), [ABOUT.attempt]: String(attempt) };
  const owners = ownersOf(requesters);
  const containers = containersOf({ need, recipe, keyTag, config });
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: imageJobName(need.key, attempt),
      namespace,
      labels,
      annotations: about,
      ...(owners.length === 0 ? {} : { ownerReferences: owners }),
    },
    spec: {
      completions: 1,
      parallelism: 1,
      backoffLimit: 0, // attempts are the workflow's: it knows what failed
      activeDeadlineSeconds: config.activeDeadlineSeconds,
      ttlSecondsAfterFinished: config.failedJobTtlSeconds,
      template: {
        metadata: { labels, annotations: { ...about, ...(dockerfile === undefined ? {} : { [DOCKERFILE_ANNOTATION]: dockerfile }) } },
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 5, // nothing is worth saving
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: POD_SECURITY,
          ...(config.hostUsers === undefined ? {} : { hostUsers: config.hostUsers }),
          ...(recipe.build?.selector === undefined ? {} : { nodeSelector: recipe.build.selector }),
          tolerations: [...(recipe.tolerations ?? []), ...PRESSURE_TOLERATIONS],
          ...(config.pullSecrets.length === 0 ? {} : { imagePullSecrets: [...new Set(config.pullSecrets)].map((name) => ({ name })) }),
          initContainers: containers.slice(0, -1),
          containers: containers.slice(-1),
          volumes: volumesOf(need, recipe, config),
        },
      },
    },
  };
}

/**
 * Who an attempt belongs to: all of them, so that the cluster removes it only when the last one is gone.
 * Empty as soon as one requester has no object: owners that are all gone would take the Job away from it.
 */
export function ownersOf(requesters: readonly ImageRequester[]): OwnerReference[] {
  if (requesters.some(({ uid }) => uid === undefined)) return [];
  const byUid = new Map(requesters.map(({ uid = '', module }) => [uid, module]));
  return [...byUid].map(([uid, name]) => ({
    apiVersion: `${MCM_GROUP}/${MCM_VERSION}`,
    kind: 'ManagedClusterModule',
    name,
    uid,
    controller: false,
    blockOwnerDeletion: false,
  }));
}

function labelsOf({ key, kernels: [kernel = ''] }: ImageNeed, { module, build }: ImageRecipe): Record<string, string> {
  const work = build === undefined ? 'SignImage' : 'BuildImage';
  return {
    [IMAGE_KEY_LABEL]: key,
    'app.kubernetes.io/managed-by': 'kmodflow',
    'app.kubernetes.io/name': 'kmm',
    'app.kubernetes.io/part-of': 'kmm',
    'app.kubernetes.io/component': work,
    'kmm.node.kubernetes.io/module.name': labelValue(module),
    'kmm.node.kubernetes.io/target-kernel': dnsSafeKernelVersion(kernel),
    'kmm.node.kubernetes.io/resource-type': work,
  };
}

/** Names of objects may be longer than a label's value; the annotations have the rest. */
const labelValue = (name: string): string => name.slice(0, 63).replace(/[^A-Za-z0-9]+$/, '');

interface ContainerInput {
  readonly need: ImageNeed;
  readonly recipe: ImageRecipe;
  readonly keyTag: string;
  readonly config: ImageJobConfig;
}

/** In the order in which they run; the last one is the pod's only regular container. */
function containersOf({ need, recipe: { build, sign, generation }, keyTag, config }: ContainerInput): object[] {
  const common = {
    ...(config.imagePullPolicy === undefined ? {} : { imagePullPolicy: config.imagePullPolicy }),
    resources: { requests: config.requests, limits: config.limits },
  };
  const work = mount('work', '/work', false);
  const tmp = mount('tmp', '/tmp', false);
  const auth = need.secretName === undefined ? [] : [mount('auth', AUTH_DIR)];
  const pair = [mount('key', KEY_DIR), mount('cert', CERT_DIR)];
  const builder = (name: string, program: string, args: readonly string[], more: object): object => ({
    name,
    image: config.builderImage,
    command: [`/usr/local/bin/${program}`],
    args: args.map(literalArgument),
    ...common,
    ...more,
  });
  const signer = (name: string, args: readonly string[], mounts: readonly object[]): object => ({
    name,
    image: config.signerImage,
    command: ['/usr/local/bin/kmodflow-sign'],
    args: [...args, '--key', `${KEY_DIR}/key`, '--cert', `${CERT_DIR}/cert`].map(literalArgument),
    ...common,
    securityContext: PLAIN_CONTAINER_SECURITY,
    volumeMounts: [...mounts, tmp, ...pair],
  });
  const annotation = ['--annotation', `${IMAGE_KEY_ANNOTATION}=${need.key}`];
  // A rebuild that was asked for must not be answered from the layers of the build before.
  const cache = sign === undefined && generation === undefined ? config.cache : undefined;
  const made =
    build === undefined
      ? builder(
          'fetch',
          'kmodflow-fetch',
          ['--image', sign?.unsignedImage ?? '', ...annotation, '--layout', LAYOUT, ...noTls('--tls-verify', sign?.unsignedTls)],
          { securityContext: PLAIN_CONTAINER_SECURITY, volumeMounts: [work, tmp, ...auth] },
        )
      : builder('build', 'kmodflow-build', [...buildArguments(need, build, cache), ...annotation], {
          securityContext: BUILD_CONTAINER_SECURITY,
          volumeMounts: [
            work,
            tmp,
            mount('plan', PLAN_DIR),
            ...auth,
            ...secretsOf(build).map((s) => mount(s.volume, `${SECRETS_DIR}/${s.name}`)),
          ],
        });
  const push = builder(
    'push',
    'kmodflow-push',
    ['--layout', LAYOUT, '--image', need.image, '--key-image', keyTag, ...noTls('--tls-verify', need.tls)],
    { securityContext: PLAIN_CONTAINER_SECURITY, volumeMounts: [mount('work', '/work'), tmp, ...auth] },
  );
  if (sign === undefined) return [made, push];
  const files = sign.files.flatMap((file) => ['--file', file]);
  return [signer('sign-check', ['check'], []), made, signer('sign', ['sign', '--layout', LAYOUT, ...files], [work]), push];
}

function buildArguments({ image }: ImageNeed, build: BuildRecipe, cache: string | undefined): string[] {
  return [
    ...['--image', image, '--dockerfile', `${PLAN_DIR}/dockerfile`, '--layout', LAYOUT],
    ...build.args.flatMap(({ name, value }) => ['--build-arg', `${name}=${value}`]),
    ...secretsOf(build).flatMap(({ name }) => ['--secret', name]),
    ...noTls('--base-tls-verify', build.baseTls),
    ...(cache === undefined ? [] : ['--cache', cache]),
  ];
}

function volumesOf({ secretName }: ImageNeed, { build, sign }: ImageRecipe, config: ImageJobConfig): object[] {
  const plan = {
    name: 'plan',
    downwardAPI: { items: [{ path: 'dockerfile', fieldRef: { fieldPath: `metadata.annotations['${DOCKERFILE_ANNOTATION}']` } }] },
  };
  return [
    { name: 'work', emptyDir: { sizeLimit: config.storageLimit } },
    { name: 'tmp', emptyDir: {} },
    ...(build === undefined ? [] : [plan, ...secretsOf(build).map((s) => secretVolume(s.volume, s.name, WORLD_READABLE))]),
    ...(secretName === undefined ? [] : [secretVolume('auth', secretName, GROUP_READABLE)]),
    ...(sign === undefined ? [] : pairVolumes(sign)),
  ];
}

/** One file of each alone: where both are in one Secret, and other Secrets hold more than is needed. */
const pairVolumes = ({ keySecret, certSecret }: SignRecipe): object[] => [
  secretVolume('key', keySecret, GROUP_READABLE, 'key'),
  secretVolume('cert', certSecret, GROUP_READABLE, 'cert'),
];

/** Volumes are named by number: a Secret's name may be longer than a volume's, and may be that of another volume. */
const secretsOf = ({ secrets }: BuildRecipe): { name: string; volume: string }[] =>
  [...new Set(secrets)].map((name, i) => ({ name, volume: `secret-${i}` }));

const secretVolume = (name: string, secretName: string, defaultMode: number, key?: string): object => ({
  name,
  secret: { secretName, defaultMode, ...(key === undefined ? {} : { items: [{ key, path: key }] }) },
});

const mount = (name: string, mountPath: string, readOnly = true): object => ({ name, mountPath, ...(readOnly ? { readOnly } : {}) });

/** Both settings mean for the tools: neither TLS nor its certificate is insisted on. */
const noTls = (option: string, tls: TlsSettings | undefined): string[] =>
  tls?.insecure === true || tls?.insecureSkipTLSVerify === true ? [`${option}=false`] : [];

/** Kubernetes replaces `$(NAME)` in arguments and takes `$$` for a dollar sign: what a user wrote must arrive as it is. */
const literalArgument = (text: string): string => (/\$[$(]/.test(text) ? text.replaceAll('$', () => '$$') : text);
