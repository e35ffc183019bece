import { setTimeout as wait } from 'node:timers/promises';
import { formatPinned, parseImageReference } from '../domain/image-reference.js';
import { rejected, statusFault, toFault, unusableReference } from './faults.js';
import { Gate } from './gate.js';
import { inspectImage } from './inspect.js';
import { ACCEPT, readDocument, verifyManifest } from './manifest.js';
import { startBudget, type Budget, type RetryPolicy } from './retry.js';
import { Session, type Call } from './session.js';
import type { HttpAnswer } from './transport.js';
import type {
  Inspection,
  InspectionAsk,
  InspectOptions,
  ReadImage,
  RegistryClient,
  RegistryClientOptions,
  RequestCounts,
  ResolvedImage,
  ResolveOptions,
} from './types.js';

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_INSPECT_TIMEOUT_MS = 600_000; // 10 minutes
const DEFAULT_STALL_MS = 30_000;
const DEFAULT_MAX_ATTEMPTS = 3;
const DEFAULT_MAX_MANIFEST_BYTES = 4_194_304; // 4 MiB
const DEFAULT_MAX_INSPECTIONS = 2;
/** Docker Hub is named by one host and serves its API at another: a fact of the protocol. */
const DOCKER_HUB_API = 'registry-1.docker.io';

type Found = Omit<ReadImage, 'image'>;

/** A client for reading what image references mean. Keeps connections and tokens, so make one for the process and close it at its end. */
export function createRegistryClient(options: RegistryClientOptions = {}): RegistryClient {
  return new HttpRegistryClient(options);
}

class HttpRegistryClient implements RegistryClient {
  readonly #options: RegistryClientOptions;
  readonly #policy: RetryPolicy;
  readonly #session: Session;
  readonly #flights = new Map<string, Promise<Found>>();
  readonly #inspections: Gate;

  constructor(options: RegistryClientOptions) {
    this.#options = options;
    this.#policy = {
      maxAttempts: options.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
      clock: options.clock ?? Date.now,
      sleep: options.sleep ?? ((ms) => wait(ms)),
      random: options.random ?? Math.random,
    };
    this.#session = new Session({
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      stallMs: options.stallMs ?? DEFAULT_STALL_MS,
      policy: this.#policy,
      logger: options.logger,
    });
    this.#inspections = new Gate(options.maxInspections ?? DEFAULT_MAX_INSPECTIONS);
  }

  get requests(): RequestCounts {
    return this.#session.requests;
  }

  async resolve(image: string, options: ResolveOptions = {}): Promise<ResolvedImage> {
    const { digest, pinned, mediaType, sizeBytes } = await this.#find(image, options);
    return { image, digest, pinned, mediaType, sizeBytes };
  }

  async read(image: string, options: ResolveOptions = {}): Promise<ReadImage> {
    return { image, ...(await this.#find(image, options)) };
  }

  inspect(read: ReadImage, ask: InspectionAsk, options: InspectOptions = {}): Promise<Inspection> {
    return this.#inspections.pass(options.signal, async () => {
      const timeoutMs = options.timeoutMs ?? this.#options.inspectTimeoutMs ?? DEFAULT_INSPECT_TIMEOUT_MS;
      const stallMs = this.#options.stallMs ?? DEFAULT_STALL_MS;
      const call: Call = {
        ...this.#prepare(read.image, options, startBudget(timeoutMs, this.#policy.clock, stallMs)),
        purpose: 'inspected',
        signal: options.signal,
      };
      const overall = AbortSignal.timeout(timeoutMs);
      const signal = options.signal === undefined ? overall : AbortSignal.any([overall, options.signal]);
      try {
        return await inspectImage({ session: this.#session, call, signal, maxManifestBytes: this.#maxManifestBytes }, read, ask);
      } catch (error) {
        options.signal?.throwIfAborted(); // whoever gave up gets their own reason, not that of the connection they ended
        throw toFault(this.#session.subject(call), error);
      }
    });
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  get #maxManifestBytes(): number {
    return this.#options.maxManifestBytes ?? DEFAULT_MAX_MANIFEST_BYTES;
  }

  async #find(image: string, options: ResolveOptions): Promise<Found> {
    const budget = startBudget(this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS, this.#policy.clock);
    const call = this.#prepare(image, options, budget);
    const { registry, repository, tag, digest } = call.reference;
    const key = JSON.stringify([registry, repository, digest ?? tag, call.login?.fingerprint(), call.mayUseHttp, call.skipVerify]);
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      flight = this.#ask(call).finally(() => this.#flights.delete(key));
      this.#flights.set(key, flight);
    }
    return flight;
  }

  #prepare(image: string, { credentials, tls }: ResolveOptions, budget: Budget): Call {
    const parsed = parseImageReference(image);
    if (!parsed.ok) throw unusableReference(image, parsed.message);
    const reference = parsed.value;
    const host = reference.registry === 'docker.io' ? DOCKER_HUB_API : reference.registry;
    const base = `https://${host}/`;
    if (!URL.canParse(base))
      throw unusableReference(image, `Image reference "${image}" names the registry "${host}", whose port is not between 1 and 65535.`);
    return {
      image,
      reference,
      host,
      login: credentials?.loginFor(reference.registry, reference.repository),
      mayUseHttp: tls?.insecure === true,
      skipVerify: tls?.insecureSkipTLSVerify === true,
      budget,
      purpose: 'resolved',
    };
  }

  async #ask(call: Call): Promise<Found> {
    try {
      const { tag, digest } = call.reference;
      const wanted = { path: `manifests/${digest ?? tag ?? ''}`, headers: { accept: ACCEPT } };
      return this.#judge(call, await this.#session.ask(call, wanted, this.#maxManifestBytes));
    } catch (error) {
      throw toFault(this.#session.subject(call), error);
    }
  }

  #judge(call: Call, answer: HttpAnswer): Found {
    const subject = this.#session.subject(call);
    if (answer.status !== 200)
      throw statusFault(subject, answer.status, { retryAfter: answer.headers['retry-after'], peer: answer.url.host });
    const verdict = verifyManifest({
      body: answer.body,
      contentType: first(answer.headers['content-type']),
      digestHeader: first(answer.headers['docker-content-digest']),
      expectedDigest: call.reference.digest,
    });
    if (!verdict.ok) throw rejected(subject, verdict.defect);
    return {
      digest: verdict.digest,
      pinned: formatPinned(call.reference, verdict.digest),
      mediaType: verdict.mediaType,
      sizeBytes: answer.body.length,
      ...readDocument(answer.body),
    };
  }
}

const first = (header: string | readonly string[] | undefined): string | undefined => (typeof header === 'string' ? header : header?.[0]);
