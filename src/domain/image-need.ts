import type { ManagedClusterModuleSpec, ModuleSpec } from '../api/index.js';
import { canonicalJson, type Sha256 } from './canonical-json.js';
import { resolveKernel, type EffectiveKernel } from './effective-module.js';
import type { BuildRecipe, ImageExpectation, ImageNeed, ImageRecipe, SignRecipe } from './image-process.js';
import { mergeBuildArgs } from './merge-build-sign.js';
import type { Problem } from './reasons.js';
import type { InputHashes } from './revision.js';

/** A thing that the spec names: what the rules need of it, or why it cannot be had. */
export type Known<T> = (T & { readonly problem?: undefined }) | { readonly problem: string };

/** What the hub knows of the ConfigMaps and Secrets that a spec names. Every one of `inputNames` is there. */
export interface KnownInputs {
  readonly dockerfiles: ReadonlyMap<string, Known<{ readonly text: string; readonly sha256: string }>>;
  readonly certificates: ReadonlyMap<string, Known<{ readonly fingerprint: string }>>;
  /** Of Secrets that only the Job reads, the hub knows no more than whether they are there, */
  readonly missingSecrets: ReadonlySet<string>;
  /** and which version of each that is there. */
  readonly secretVersions?: ReadonlyMap<string, string> | undefined;
}

export interface InputNames {
  readonly dockerfiles: readonly string[];
  readonly certificates: readonly string[];
  /** Keys, build secrets: never read by the hub. */
  readonly secrets: readonly string[];
}

const isNamed = (name: string | undefined): name is string => name !== undefined && name !== '';
const distinct = (names: readonly (string | undefined)[]): string[] => [...new Set(names.filter(isNamed))].sort();

/** Every ConfigMap and Secret that making the module's images may need, at either level of the spec. */
export function inputNames(moduleSpec: ModuleSpec | undefined): InputNames {
  const container = moduleSpec?.moduleLoader?.container;
  const levels = container === undefined ? [] : [container, ...container.kernelMappings];
  const keys = levels.map((l) => l.sign?.keySecret.name);
  const builds = levels.flatMap((l) => l.build?.secrets?.map((s) => s.name) ?? []);
  return {
    dockerfiles: distinct(levels.map((l) => l.build?.dockerfileConfigMap.name)),
    // One Secret for both would bring the key into the hub's memory: such a certificate is not read (see the recipe's problem).
    certificates: distinct(levels.map((l) => l.sign?.certSecret.name)).filter((name) => !keys.includes(name)),
    secrets: distinct([...keys, ...builds]),
  };
}

/** The objects whose change may change the module, as `Kind/name`. */
export function watchedInputs(moduleSpec: ModuleSpec | undefined): string[] {
  const { dockerfiles, certificates, secrets } = inputNames(moduleSpec);
  const pull = moduleSpec?.imageRepoSecret?.name;
  const names = distinct([...certificates, ...secrets, pull]);
  return [...dockerfiles.map((name) => `ConfigMap/${name}`), ...names.map((name) => `Secret/${name}`)];
}

/**
 * What of the inputs belongs to the revision: the Dockerfiles' text and the certificates.
 * @returns `complete: false` while one of them cannot be read; the hashes then stand for what is missing too.
 */
export function inputHashes({ dockerfiles, certificates }: KnownInputs): { readonly hashes: InputHashes; readonly complete: boolean } {
  const entries = [
    ...[...dockerfiles].map(([name, d]) => [`ConfigMap/${name}`, d.problem === undefined ? d.sha256 : 'missing'] as const),
    ...[...certificates].map(([name, c]) => [`Secret/${name}`, c.problem === undefined ? c.fingerprint : 'missing'] as const),
  ];
  return { hashes: Object.fromEntries(entries), complete: entries.every(([, hash]) => hash !== 'missing') };
}

export interface NeedsInput {
  /** Name of the MCM. */
  readonly name: string;
  readonly spec: ManagedClusterModuleSpec;
  /** Distinct, sorted. */
  readonly kernels: readonly string[];
  readonly inputs: KnownInputs;
  readonly sha256: Sha256;
}

/**
 * The distinct images of a fleet's kernels, each once, whoever needs it. Kernels without a mapping are left out. Of several kernels that share a reference, the first one is
 * what a build is run for, as upstream has it; whether the image serves the others too is for the inspection to say.
 */
export function imageNeeds({ name, spec, kernels, inputs, sha256 }: NeedsInput): ImageNeed[] {
  const { moduleSpec } = spec;
  if (moduleSpec?.moduleLoader === undefined) return [];
  const byImage = new Map<string, ImageNeed & { kernels: string[] }>();
  for (const kernel of kernels) {
    const effective = resolveKernel({ moduleSpec, modName: name, modNamespace: spec.spokeNamespace, kernel });
    if ('problem' in effective) continue;
    const known = byImage.get(effective.containerImage);
    if (known !== undefined) known.kernels.push(kernel);
    else byImage.set(effective.containerImage, { ...describeNeed({ name, spec, effective, inputs, sha256 }), kernels: [kernel] });
  }
  return [...byImage.values()];
}

interface Describe extends Pick<NeedsInput, 'name' | 'spec' | 'inputs' | 'sha256'> {
  readonly effective: EffectiveKernel;
}

function describeNeed(input: Describe): Omit<ImageNeed, 'kernels'> {
  const { spec, effective, sha256 } = input;
  const image = effective.containerImage;
  const secretName = spec.moduleSpec?.imageRepoSecret?.name || undefined;
  const { recipe, expect, blocked } = recipeOf(input);
  const tls = effective.registryTLS;
  const generation = spec.moduleSpec?.imageRebuildTriggerGeneration;
  const how =
    recipe === undefined
      ? { image, generation, secretName, tls, expect, blocked: blocked?.message }
      : { image, generation, kernel: effective.kernel, build: contentOf(recipe.build), sign: contentOfSign(recipe.sign), expect };
  const version = versionOf(input, recipe, blocked);
  return { key: sha256(canonicalJson(how)).slice(0, 16), image, secretName, tls, expect, recipe, blocked, version };
}

/** Undefined where nothing but the registry decides whether the image can be had. */
function versionOf({ inputs, sha256 }: Describe, recipe: ImageRecipe | undefined, blocked: Problem | undefined): string | undefined {
  if (recipe === undefined && blocked === undefined) return undefined;
  const secrets = [recipe?.sign?.keySecret, ...(recipe?.build?.secrets ?? [])].filter(isNamed).sort();
  const versions = secrets.map((name) => [name, inputs.secretVersions?.get(name) ?? null]);
  return sha256(JSON.stringify([versions, blocked?.message ?? null])).slice(0, 8);
}

/** What of a build decides the image. How base images are fetched and where the build runs does not. */
const contentOf = (build: BuildRecipe | undefined) =>
  build === undefined ? undefined : { dockerfile: build.dockerfile.sha256, args: build.args, secrets: build.secrets };

const contentOfSign = (sign: SignRecipe | undefined) =>
  sign === undefined ? undefined : { certificate: sign.certificate, files: sign.files, unsignedImage: sign.unsignedImage };

interface Recipe {
  readonly recipe?: ImageRecipe | undefined;
  readonly expect: ImageExpectation;
  readonly blocked?: Problem | undefined;
}

function recipeOf(input: Describe): Recipe {
  const { name, spec, effective } = input;
  const moduleName = spec.moduleSpec?.moduleLoader?.container.modprobe.moduleName || undefined;
  const build = effective.build === undefined ? {} : buildRecipe(input, effective.build);
  const sign = effective.sign === undefined ? {} : signRecipe(input, effective.sign);
  const blocked = build.blocked ?? sign.blocked;
  const expect = { dirName: effective.dirName, moduleName, sign: sign.expect };
  if (build.made === undefined && sign.made === undefined) return { expect, blocked };
  const { tolerations, imageRebuildTriggerGeneration: generation } = spec.moduleSpec ?? {};
  return { expect, blocked, recipe: { build: build.made, sign: sign.made, module: name, generation, tolerations } };
}

type EffectiveBuild = NonNullable<EffectiveKernel['build']>;

function buildRecipe(
  { name, spec, effective, inputs }: Describe,
  build: EffectiveBuild,
): { made?: BuildRecipe; blocked?: Problem | undefined } {
  const configMap = build.dockerfileConfigMap.name ?? '';
  const dockerfile = inputs.dockerfiles.get(configMap) ?? {
    problem: 'The build names no ConfigMap. Set dockerfileConfigMap.name to the one with the Dockerfile.',
  };
  const secrets = distinct(build.secrets?.map((s) => s.name) ?? []);
  const missing = secrets.find((s) => inputs.missingSecrets.has(s));
  const text = dockerfile.problem === undefined ? dockerfile.text : '';
  const automatic = [
    { name: 'KERNEL_FULL_VERSION', value: effective.kernel },
    { name: 'KERNEL_VERSION', value: effective.kernel },
    { name: 'MOD_NAME', value: name },
    { name: 'MOD_NAMESPACE', value: spec.spokeNamespace },
    // One that the Dockerfile does not mention changes nothing, and modules that differ in nothing else share the image.
  ].filter((arg) => text.includes(arg.name));
  const problem = dockerfile.problem ?? (missing === undefined ? undefined : missingSecret(missing, 'the build mounts', 'starts'));
  return {
    made: {
      dockerfile: { configMap, sha256: dockerfile.problem === undefined ? dockerfile.sha256 : '' },
      args: mergeBuildArgs(build.buildArgs ?? [], automatic),
      secrets,
      baseTls: build.baseImageRegistryTLS,
      selector: build.selector,
    },
    blocked: problem === undefined ? undefined : { reason: 'BuildFailed', message: problem },
  };
}

const missingSecret = (name: string, who: string, what: string): string =>
  `Secret ${name}, which ${who}, does not exist in the operator namespace. Create it there; the build ${what} by itself then.`;

interface Signing {
  readonly made?: SignRecipe;
  readonly expect?: ImageExpectation['sign'];
  readonly blocked?: Problem | undefined;
}

function signRecipe({ effective, inputs }: Describe, sign: NonNullable<EffectiveKernel['sign']>): Signing {
  const keySecret = sign.keySecret.name ?? '';
  const certSecret = sign.certSecret.name ?? '';
  const known = inputs.certificates.get(certSecret);
  const certificate = known?.problem === undefined ? (known?.fingerprint ?? '') : '';
  const files = sign.filesToSign ?? [];
  const expect = { certSecret, certificate, files };
  const { unsignedImage } = sign;
  const hasSource = effective.build !== undefined || isNamed(unsignedImage);
  const problem = signProblem({ keySecret, certSecret, known, hasSource, inputs, image: effective.containerImage });
  const blocked: Problem | undefined = problem === undefined ? undefined : { reason: 'SignFailed', message: problem };
  if (!hasSource) return { expect, blocked };
  const fromImage = effective.build === undefined ? { unsignedImage, unsignedTls: sign.unsignedImageRegistryTLS } : {};
  return { expect, blocked, made: { keySecret, certSecret, certificate, files, ...fromImage } };
}

interface SignInputs {
  readonly keySecret: string;
  readonly certSecret: string;
  readonly known: Known<{ readonly fingerprint: string }> | undefined;
  readonly hasSource: boolean;
  readonly inputs: KnownInputs;
  readonly image: string;
}

function signProblem({ keySecret, certSecret, known, hasSource, inputs, image }: SignInputs): string | undefined {
  if (keySecret === '' || certSecret === '')
    return 'The signing settings name no Secret for the key or none for the certificate. Set keySecret.name and certSecret.name.';
  if (keySecret === certSecret)
    return `sign.keySecret and sign.certSecret both name Secret ${keySecret}. The hub reads the certificate and must never read the key: put the certificate into a Secret of its own, under the data key "cert".`;
  if (known?.problem !== undefined) return known.problem;
  if (!hasSource)
    return `Image ${image} is to be signed, and there is nothing to sign: set sign.unsignedImage, or build it by setting build, or push the signed image yourself.`;
  return inputs.missingSecrets.has(keySecret) ? missingSecret(keySecret, 'holds the signing key', 'goes on') : undefined;
}

/** A certificate is needed to say anything about the image, and it cannot be had. */
export const cannotBeJudged = ({ expect, blocked }: Pick<ImageNeed, 'expect' | 'blocked'>): boolean =>
  blocked !== undefined && expect.sign !== undefined && expect.sign.certificate === '';
