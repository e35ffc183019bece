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

/** HTTP requests that reached a server since the client was made. A connection that could not be opened is none. */
export interface RequestCounts {
  /** Requests for a manifest, those that were answered 401 or with a redirect included. */
  readonly manifests: number;
  /** Requests to token services. */
  readonly tokens: number;
  /** All of them, and the hops of redirects. */
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
  readonly requests: RequestCounts;
  /** Ends all connections; calls in flight fail as `Unavailable`. May be called twice. */
  close(): Promise<void>;
}

/** What of a pino logger is used here. */
export interface RegistryLogger {
  debug(fields: Record<string, unknown>, message: string): void;
}

export interface RegistryClientOptions {
  /** Time for one `resolve`, token exchange and waiting between attempts included. Default 30,000 ms. One request may use half of it. */
  readonly timeoutMs?: number | undefined;
  /** Attempts at one request that meets 429, 5xx or a broken connection. Default 3. */
  readonly maxAttempts?: number | undefined;
  /** A larger manifest is rejected. Default 4,194,304 (4 MiB, what the distribution specification asks registries to take at least). */
  readonly maxManifestBytes?: number | undefined;
  readonly logger?: RegistryLogger | undefined;
  /** Wall clock, milliseconds since 1970. */
  readonly clock?: (() => number) | undefined;
  readonly sleep?: ((ms: number) => Promise<void>) | undefined;
  /** Chance for the jitter between attempts, 0 to 1. */
  readonly random?: (() => number) | undefined;
}
