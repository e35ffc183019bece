/** What travels about images between workflows and activities: plain JSON, bounded in size. ConfigMaps and Secrets are named, their content never travels. */
import type { Problem } from './reasons.js';

export interface TlsSettings {
  readonly insecure?: boolean | undefined;
  readonly insecureSkipTLSVerify?: boolean | undefined;
}

/** How an image is built. */
export interface BuildRecipe {
  /** ConfigMap in the operator namespace whose key `dockerfile` is built, and the SHA-256 (hex) of that text when the need was stated. */
  readonly dockerfile: { readonly configMap: string; readonly sha256: string };
  /** The user's arguments with the automatic ones over them, in the order in which they are passed. */
  readonly args: readonly { readonly name: string; readonly value: string }[];
  /** Names of Secrets that the build reads at `/run/secrets/<name>`, each once. */
  readonly secrets: readonly string[];
  /** For the registries of the Dockerfile's base images alone. */
  readonly baseTls?: TlsSettings | undefined;
  /** Labels of the nodes that may build. */
  readonly selector?: Readonly<Record<string, string>> | undefined;
}

/** How the modules of an image are signed. */
export interface SignRecipe {
  /** Secret with the private key under `key`. The hub never reads it: the signing container alone does. */
  readonly keySecret: string;
  /** Secret with the certificate under `cert`. */
  readonly certSecret: string;
  /** SHA-256 of the certificate's DER form, lower-case hex. */
  readonly certificate: string;
  /** Absolute paths in the image, shell globs allowed, template variables expanded. */
  readonly files: readonly string[];
  /** The image to sign when nothing is built. */
  readonly unsignedImage?: string | undefined;
  /** For the registry of the unsigned image alone. */
  readonly unsignedTls?: TlsSettings | undefined;
}

/** How kmodflow makes an image itself: at least one of the two is there. */
export interface ImageRecipe {
  readonly build?: BuildRecipe | undefined;
  readonly sign?: SignRecipe | undefined;
  /** The module that it is made for: what the Job is labelled with. */
  readonly module: string;
  /** `imageRebuildTriggerGeneration`. When it is set, only an image that was made for this very key will do. */
  readonly generation?: number | undefined;
  /** The Module's tolerations, as the spec has them. */
  readonly tolerations?: readonly Readonly<Record<string, unknown>>[] | undefined;
}

/** What must be true of an image before a spoke may see it. */
export interface ImageExpectation {
  /** Directory below which `lib/modules/<kernel>` stands. */
  readonly dirName: string;
  /** `modprobe.moduleName`, if set: this module must be among the files. */
  readonly moduleName?: string | undefined;
  /** Set where the spec asks for signing: these files must carry a signature by this certificate. */
  readonly sign?: Pick<SignRecipe, 'certSecret' | 'certificate' | 'files'> | undefined;
}

/** An image that the fleet needs and that the revision has no digest for yet. */
export interface ImageNeed {
  /** 16 hex digits over everything that determines the image (and, for one that is not made here, how it is looked up). Names the workflow `image/<key>`. */
  readonly key: string;
  readonly image: string;
  /** Sorted. The first one is what a build is run for. */
  readonly kernels: readonly string[];
  /** The digest that another kernel of the same revision has pinned for this reference already: it is inspected for these kernels, and nothing is made. */
  readonly digest?: string | undefined;
  /** Name of the Secret in the operator namespace that holds registry credentials. */
  readonly secretName?: string | undefined;
  readonly tls?: TlsSettings | undefined;
  readonly expect: ImageExpectation;
  /** Absent: somebody else makes the image. */
  readonly recipe?: ImageRecipe | undefined;
  /** An input that is missing: nothing can be made before it appears. The hub watches for it. */
  readonly blocked?: Problem | undefined;
  /**
   * Changes with what does not decide the image and may decide whether it can be made: the content of the Secrets that the Job reads, and what is missing. Another value is
   * worth another try.
   */
  readonly version?: string | undefined;
}

/** A kernel module that the inspection found in an image. */
export interface FoundModule {
  readonly kernel: string;
  /** Without `.ko` and the suffix of its compression. */
  readonly name: string;
  readonly version?: string | undefined;
  /** Of the file as it stands in the image, bytes. */
  readonly sizeBytes: number;
  readonly vermagic: string;
  /** Common name (or the whole subject) of who signed it, where it is known; else the key's id as hex. */
  readonly signer?: string | undefined;
}

/** `Made`: by kmodflow for this very key. `Foreign`: somebody else pushed it. */
export type ImageOrigin = 'Made' | 'Foreign';

export interface ResolvedImageResult {
  readonly image: string;
  readonly key?: string | undefined;
  /** Kernels that the image may be used for. */
  readonly kernels: readonly string[];
  readonly digest: string;
  readonly origin?: ImageOrigin | undefined;
  readonly modules?: readonly FoundModule[] | undefined;
  /** Kernels that asked for it and that it is not right for. */
  readonly rejected?: readonly ({ readonly kernel: string } & Problem)[] | undefined;
}

export interface FailedImageResult {
  readonly image: string;
  readonly key?: string | undefined;
  readonly kernels: readonly string[];
  readonly problem: Problem;
  readonly retryAfterMs?: number | undefined;
  /** Of the need. */
  readonly version?: string | undefined;
  /** The image is not there (or it is not the one of this key), and there is a recipe: making it is what helps. */
  readonly toMake?: boolean | undefined;
}

export type ImageResult = ResolvedImageResult | FailedImageResult;

/** One image's problem: it holds for every kernel that waits for the image. */
export interface ImageProblem extends Problem {
  readonly image: string;
}

/** `Waiting`: for a person, a changed input or the next attempt. `Queued`: for a free build slot. */
export type ImageRunState = 'Looking' | 'Queued' | 'Building' | 'Waiting' | 'Pinned';

/** What a `kmodImage` workflow tells those who need its image, after every change. */
export interface ImageNews {
  readonly key: string;
  readonly image: string;
  readonly state: ImageRunState;
  /** Jobs that were begun so far. */
  readonly attempt: number;
  readonly job?: string | undefined;
  readonly problem?: Problem | undefined;
  /** The last lines of the failed container's log: at most 50 lines and 4,000 characters. */
  readonly log?: readonly string[] | undefined;
  /** RFC 3339. Absent: not before an input changes or somebody asks. */
  readonly nextTryAt?: string | undefined;
  readonly result?: ResolvedImageResult | undefined;
}

/** Who needs an image: a module's workflow, or a preflight's. */
export interface ImageRequester {
  readonly workflowId: string;
  /** Name of the MCM, for fairness in the queue and for owner references. */
  readonly module: string;
  /** Uid of the MCM object; undefined for a headless module. */
  readonly uid?: string | undefined;
}

export interface ImageRequest {
  readonly need: ImageNeed;
  readonly requester: ImageRequester;
  /** A person asked to try now: names the attempt, so that one wish counts once. */
  readonly retry?: string | undefined;
}

/** Where a Job ended that did not do what it should. */
export type JobFailureKind =
  | 'Check' // the signing key does not belong to the certificate, or one of the two cannot be read
  | 'Fetch' // the unsigned image could not be pulled
  | 'Build' // a step of the Dockerfile failed
  | 'Sign' // a file is missing or cannot be signed
  | 'Push' // the registry refused the image or could not be reached
  | 'OutOfMemory'
  | 'DiskFull'
  | 'Evicted'
  | 'NodeLost'
  | 'BuilderImage' // the builder's or signer's own image cannot be pulled
  | 'Input' // a Secret or key that the pod mounts is missing
  | 'Unschedulable'
  | 'Deadline'
  | 'Deleted' // by hand
  | 'Unknown';

export interface JobFailure extends Problem {
  readonly kind: JobFailureKind;
  /** The same inputs will fail in the same way: once more to be sure, then only a changed input or a person helps. */
  readonly deterministic: boolean;
  readonly exitCode?: number | undefined;
  /** The Dockerfile's step as the builder prints it: `3/7: RUN make`. */
  readonly step?: string | undefined;
  /** At most 50 lines and 4,000 characters. */
  readonly log: readonly string[];
}

export interface RunImageJobInput {
  readonly need: ImageNeed;
  /** Counts from 1; part of the Job's name. */
  readonly attempt: number;
  readonly requesters: readonly ImageRequester[];
}

export type RunImageJobResult =
  | { readonly ok: true; readonly job: string; readonly digest: string; readonly startedAt?: string | undefined; readonly seconds: number }
  | { readonly ok: false; readonly job: string; readonly failure: JobFailure; readonly seconds: number }
  /** An input is missing or has changed since the need was stated: nothing was started. */
  | { readonly ok: false; readonly blocked: Problem };

/** Jobs of a key that stand on the hub: a workflow that has forgotten everything goes on from here. */
export interface StandingJobs {
  /** Highest attempt number that was used; 0 when there is none. */
  readonly attempts: number;
  /** The attempt whose Job still runs: it is followed, never started twice. */
  readonly running?: number | undefined;
}
