import type { X509Certificate } from 'node:crypto';
import type { FoundModule, ImageExpectation } from '../domain/image-process.js';
import type { Problem } from '../domain/reasons.js';
import type { RegistryCredentials } from './credentials.js';

/** `registryTLS` of a Module, container or mapping: what the spec allows for the registry of this one image, and for nothing else. */
export interface RegistryTls {
  /** Plain HTTP may be used when the registry does not answer HTTPS on its port. HTTPS is always tried first. Default false. */
  readonly insecure?: boolean | undefined;
  /** The registry's certificate is not verified. Holds for the registry's own host and port alone. Default false. */
  readonly insecureSkipTLSVerify?: boolean | undefined;
}

export interface ResolveOptions {
  readonly credentials?: RegistryCredentials | undefined;
  readonly tls?: RegistryTls | undefined;
}

export interface ResolvedImage {
  /** The reference as it was asked for. */
  readonly image: string;
  /** `sha256:<hex>` of the manifest's bytes; the digest in the reference itself where it had one. An index keeps its own digest. */
  readonly digest: string;
  /** `registry/repository@digest`: the only form that is ever published to a spoke. */
  readonly pinned: string;
  readonly mediaType: string;
  /** Size of the manifest (not of the image), bytes. */
  readonly sizeBytes: number;
}

/** An image with its manifest: what `inspect` begins with, so that the manifest is asked for once. */
export interface ReadImage extends ResolvedImage {
  /** Of the manifest or index itself. */
  readonly annotations: Readonly<Record<string, string>>;
  /** The manifest or index as JSON; its form is looked at by `inspect`. */
  readonly document: unknown;
}

export interface InspectionAsk {
  /** As spokes report them, without a `+` at the end. */
  readonly kernels: readonly string[];
  readonly expect: ImageExpectation;
  /** Must be given where `expect.sign` is set. */
  readonly certificate?: X509Certificate | undefined;
  /** Of one layer, uncompressed. Default: what `maxImageBytes` is. */
  readonly maxLayerBytes?: number | undefined;
  /** Of all layers of one platform, uncompressed. Default 4,294,967,296 (4 GiB). */
  readonly maxImageBytes?: number | undefined;
  /** Of one module file, as it is stored and when it is decompressed. Default 134,217,728 (128 MiB). So much memory may be needed, twice. */
  readonly maxModuleBytes?: number | undefined;
  /** Files and directories, in all layers of one platform. Default 2,000,000. */
  readonly maxEntries?: number | undefined;
}

export interface InspectOptions extends ResolveOptions {
  /** Default: the client's `inspectTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** Ends the inspection, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface Inspection {
  /** Of the accepted kernels, by kernel and name; at most 1,000. A name that several platforms have stands once. */
  readonly modules: FoundModule[];
  /** Kernels that the image may be used for, in the order asked. */
  readonly accepted: string[];
  /** The others, each with what is wrong: the reason is `ImageRejected`. */
  readonly rejected: ({ readonly kernel: string } & Problem)[];
}

/** HTTP requests that reached a server since the client was made. A connection that could not be opened is none. */
export interface RequestCounts {
  /** Requests for a manifest, those that were answered 401 or with a redirect included. */
  readonly manifests: number;
  /** Requests to token services. */
  readonly tokens: number;
  /** All of them, blobs and the hops of redirects included. */
  readonly total: number;
}

export interface RegistryClient {
  /**
   * The digest that the registry serves for an image reference now.
   * @param image `[registry/]repository:tag` or `…@sha256:<hex>`; a digest is checked against the registry and returned.
   * @throws Fault `Invalid` (`InvalidSpec`: unusable reference; `ImageRejected`: wrong digest, not an image, too large), `Missing` (`ImageMissing`: no such
   * image; `RegistryDenied`: credentials are missing or refused, which heals once somebody mends the Secret), `Unavailable` (`RegistryUnavailable`: no
   * connection, TLS, timeout, 429 or 5xx; `retryAfterMs` if the registry named a time).
   * Costs one GET in a healthy case, one more and a token request when the registry first asks for credentials. Caches no manifest. Concurrent calls for one
   * reference with the same credentials and TLS settings share one request.
   * Source: OCI Distribution Specification 1.1, "Pulling manifests".
   */
  resolve(image: string, options?: ResolveOptions): Promise<ResolvedImage>;
  /** As `resolve`, with the manifest. Costs the same, and shares requests with it. */
  read(image: string, options?: ResolveOptions): Promise<ReadImage>;
  /**
   * Whether an image is right for kernels, by reading its layers from the registry: each layer is streamed once, nothing is stored, and only one
   * module file at a time is held in memory. Of an index, every image is inspected, one after the other, attestations left out: a kernel is accepted when at
   * least one image has its directory, and each image that has it passes. An image passes for a kernel when all of these hold:
   * - `<dirName>/lib/modules/<kernel>` exists with at least one module file (`.ko`, `.ko.gz`, `.ko.xz`, `.ko.zst`) below it. Spokes look for the name without
   *   a `+` at its end.
   * - Each of these files is a kernel module whose `vermagic` names this kernel (a `+` at the end is not compared) and whose ELF machine is that of the image's
   *   architecture. An architecture that we have no machine for is not compared.
   * - With `expect.moduleName`: this module is among them (`-` and `_` are the same).
   * - With `expect.sign`: each pattern matches a file; each file it matches, and the file of `expect.moduleName`, ends with a signature by `ask.certificate`
   *   (for compressed modules: within). Files and patterns below the directory of another kernel count for that one alone.
   *
   * Symbolic links are followed within the image where they are part of a directory's path, and from one `.ko` file to another. Not followed: links to
   * directories below the kernel's directory (spokes copy them as links, and people use them to reach the node's own modules), links to files that are neither
   * named like a module nor matched by a pattern, and links that lead nowhere, which count as absent. A hard link is followed to any such file.
   *
   * @throws Fault `Invalid` (`ImageRejected`: a blob with another digest or size than the manifest says, a layer that is no tar archive or is too large, an
   * image without architecture), `Missing` (`ImageMissing`: a blob is gone; `RegistryDenied`), `Unavailable` (`RegistryUnavailable`). A connection that breaks
   * within a layer goes on where it broke, as often as `maxAttempts` allows.
   */
  inspect(read: ReadImage, ask: InspectionAsk, options?: InspectOptions): Promise<Inspection>;
  readonly requests: RequestCounts;
  /** Ends all connections; calls in flight fail as `Unavailable`. May be called twice. */
  close(): Promise<void>;
}

/** What of a pino logger is used here. */
export interface RegistryLogger {
  debug(fields: Record<string, unknown>, message: string): void;
}

export interface RegistryClientOptions {
  /** Time for one `resolve` or `read`, token exchange and waiting between attempts included. Default 30,000 ms. One request may use half of it. */
  readonly timeoutMs?: number | undefined;
  /** Attempts at one request that meets 429, 5xx or a broken connection. Default 3. */
  readonly maxAttempts?: number | undefined;
  /** A larger manifest is rejected. Default 4,194,304 (4 MiB, what the distribution specification asks registries to take at least). */
  readonly maxManifestBytes?: number | undefined;
  /** Time for one `inspect`, all layers and retries included. Default 600,000 ms (10 minutes). */
  readonly inspectTimeoutMs?: number | undefined;
  /** How long a registry may send nothing while an image is inspected. Default 30,000 ms. */
  readonly stallMs?: number | undefined;
  /** Images that are inspected at the same time; more wait in line, and their time does not run meanwhile. Default 2, since one costs up to 100 MiB. */
  readonly maxInspections?: number | undefined;
  readonly logger?: RegistryLogger | undefined;
  /** Wall clock, milliseconds since 1970. */
  readonly clock?: (() => number) | undefined;
  readonly sleep?: ((ms: number) => Promise<void>) | undefined;
  /** Chance for the jitter between attempts, 0 to 1. */
  readonly random?: (() => number) | undefined;
}
