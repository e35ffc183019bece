import { setTimeout as wait } from 'node:timers/promises';
import { formatPinned, parseImageReference, type ImageReference } from '../domain/image-reference.js';
import { BoundedMap } from './bounded-map.js';
import { parseChallenges, usableChallenge, type Challenge } from './challenge.js';
import { denied, rejected, statusFault, toFault, unusableReference, type Subject } from './faults.js';
import type { Login } from './login.js';
import { ACCEPT, verifyManifest } from './manifest.js';
import { startBudget, withRetries, type Budget, type RetryPolicy } from './retry.js';
import { Schemes } from './schemes.js';
import { RealmRefused, TokenRefused, TokenSource, type TokenQuestion, type TokenScope } from './tokens.js';
import { createTransport, type HttpAnswer, type HttpQuestion, type Transport } from './transport.js';
import type { RegistryClient, RegistryClientOptions, RequestCounts, ResolvedImage, ResolveOptions } from './types.js';

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_ATTEMPTS = 3;
const DEFAULT_MAX_MANIFEST_BYTES = 4_194_304; // 4 MiB
const MAX_TOKEN_BYTES = 1_048_576; // 1 MiB
const MAX_REMEMBERED_CHALLENGES = 1_000;
/** Docker Hub is named by one host and serves its API at another: a fact of the protocol. */
const DOCKER_HUB_API = 'registry-1.docker.io';

type Found = Omit<ResolvedImage, 'image'>;

/** One resolve: what is asked, of whom, and what the spec allows for it. */
interface Call {
  readonly image: string;
  readonly reference: ImageReference;
  /** `host[:port]` of the API, as a URL writes it. */
  readonly host: string;
  readonly login: Login | undefined;
  readonly mayUseHttp: boolean;
  readonly skipVerify: boolean;
  readonly budget: Budget;
}

/** An `Authorization` header with the challenge that it answers. */
interface Answered {
  readonly header: string;
  readonly challenge: Challenge;
}

/** A client for reading what image references mean. Keeps connections and tokens, so make one for the process and close it at its end. */
export function createRegistryClient(options: RegistryClientOptions = {}): RegistryClient {
  return new HttpRegistryClient(options);
}

class HttpRegistryClient implements RegistryClient {
  readonly #options: RegistryClientOptions;
  readonly #timeoutMs: number;
  readonly #policy: RetryPolicy;
  readonly #transport: Transport;
  readonly #schemes: Schemes;
  readonly #tokens: TokenSource;
  /** How a repository asked for credentials, so that the next resolve brings them along and costs one request. By repository: the next one may be public. */
  readonly #challenges = new BoundedMap<Challenge>(MAX_REMEMBERED_CHALLENGES);
  readonly #flights = new Map<string, Promise<Found>>();
  #requests: RequestCounts = { manifests: 0, tokens: 0, total: 0 };

  constructor(options: RegistryClientOptions) {
    const clock = options.clock ?? Date.now;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#policy = {
      maxAttempts: options.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
      clock,
      sleep: options.sleep ?? ((ms) => wait(ms)),
      random: options.random ?? Math.random,
    };
    this.#transport = createTransport({ timeoutMs: this.#timeoutMs });
    this.#schemes = new Schemes(clock);
    this.#tokens = new TokenSource(clock);
  }

  get requests(): RequestCounts {
    return { ...this.#requests };
  }

  async resolve(image: string, options: ResolveOptions = {}): Promise<ResolvedImage> {
    const call = this.#prepare(image, options);
    const { registry, repository, tag, digest } = call.reference;
    const key = JSON.stringify([registry, repository, digest ?? tag, call.login?.fingerprint(), call.mayUseHttp, call.skipVerify]);
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      flight = this.#find(call).finally(() => this.#flights.delete(key));
      this.#flights.set(key, flight);
    }
    return { image, ...(await flight) };
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  #prepare(image: string, { credentials, tls }: ResolveOptions): Call {
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
      budget: startBudget(this.#timeoutMs, this.#policy.clock),
    };
  }

  #subject({ image, reference, login }: Call): Subject {
    return { image, registry: reference.registry, hasLogin: login !== undefined, now: this.#policy.clock() };
  }

  async #find(call: Call): Promise<Found> {
    try {
      const answer = await this.#askAuthorized(call);
      return this.#judge(call, answer);
    } catch (error) {
      throw toFault(this.#subject(call), error);
    }
  }

  /** The answer for the manifest, after the registry was given the credentials it asked for. */
  async #askAuthorized(call: Call): Promise<HttpAnswer> {
    const brought = await this.#bringAlong(call);
    const answer = await this.#askManifest(call, brought?.header);
    if (answer.status !== 401) return this.#learn(call, answer, brought);
    const answered = await this.#answerChallenge(call, answer, brought);
    return this.#learn(call, await this.#askManifest(call, answered.header), answered);
  }

  /** Keeps what worked. What was refused is forgotten with its token, so that a permission granted a minute later counts at once. */
  #learn(call: Call, answer: HttpAnswer, answered: Answered | undefined): HttpAnswer {
    if (answered === undefined) return answer;
    if (answer.status === 401 || answer.status === 403) {
      this.#challenges.delete(this.#challengeKey(call));
      this.#tokens.forget(tokenScope(call, answered.challenge));
    } else {
      this.#challenges.set(this.#challengeKey(call), answered.challenge);
    }
    return answer;
  }

  /** What the repository asked for last time. If it cannot be had now, the registry is asked without, and says what it wants. */
  async #bringAlong(call: Call): Promise<Answered | undefined> {
    const key = this.#challengeKey(call);
    const challenge = this.#challenges.get(key);
    if (challenge === undefined) return undefined;
    try {
      return await this.#authorize(call, challenge);
    } catch (error) {
      if (!(error instanceof TokenRefused) && !(error instanceof RealmRefused)) throw error;
      this.#challenges.delete(key);
      return undefined;
    }
  }

  async #answerChallenge(call: Call, answer: HttpAnswer, brought: Answered | undefined): Promise<Answered> {
    const subject = this.#subject(call);
    // Only the registry itself may ask: after a redirect the credentials would be somebody else's.
    if (answer.strayed) throw denied(subject, `HTTP 401 of ${answer.url.host}, where it redirects to`);
    const challenge = usableChallenge(parseChallenges(answer.headers['www-authenticate']));
    if (challenge === undefined) throw denied(subject, 'HTTP 401 that offers neither Basic nor Bearer');
    if (brought !== undefined) this.#learn(call, answer, brought); // it was refused before its time
    const answered = await this.#authorize(call, challenge);
    if (answered === undefined || answered.header === brought?.header) throw denied(subject, 'HTTP 401');
    return answered;
  }

  async #authorize(call: Call, challenge: Challenge): Promise<Answered | undefined> {
    if (challenge.scheme === 'basic') {
      const header = call.login?.basic();
      return header === undefined ? undefined : { header, challenge };
    }
    const token = await this.#tokens.get(tokenScope(call, challenge), (question) => this.#askToken(call, question));
    return { header: `Bearer ${token}`, challenge };
  }

  #askManifest(call: Call, authorization: string | undefined): Promise<HttpAnswer> {
    const { repository, tag, digest } = call.reference;
    const path = `/v2/${repository}/manifests/${digest ?? tag ?? ''}`;
    return withRetries(this.#policy, call.budget, () =>
      this.#schemes.over(urlHost(call.host), call.mayUseHttp, (scheme) =>
        this.#ask(call, 'manifests', {
          url: new URL(`${scheme}://${call.host}${path}`),
          method: 'GET',
          headers: { accept: ACCEPT },
          authorization,
          maxBytes: this.#options.maxManifestBytes ?? DEFAULT_MAX_MANIFEST_BYTES,
        }),
      ),
    );
  }

  #askToken(call: Call, { url, authorization, form }: TokenQuestion): Promise<HttpAnswer> {
    return withRetries(this.#policy, call.budget, () =>
      this.#ask(call, 'tokens', {
        url,
        method: form === undefined ? 'GET' : 'POST',
        headers: { accept: 'application/json', ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }) },
        authorization,
        body: form,
        maxBytes: MAX_TOKEN_BYTES,
      }),
    );
  }

  async #ask(
    call: Call,
    kind: 'manifests' | 'tokens',
    question: Omit<HttpQuestion, 'timeoutMs' | 'mayUseHttp' | 'unverifiedHost' | 'onRequest'>,
  ): Promise<HttpAnswer> {
    const answer = await this.#transport.ask({
      ...question,
      timeoutMs: call.budget.requestMs(),
      headers: { 'user-agent': 'kmodflow', ...question.headers },
      mayUseHttp: call.mayUseHttp,
      unverifiedHost: call.skipVerify ? urlHost(call.host) : undefined,
      onRequest: (hop) => this.#count(kind, hop),
    });
    this.#options.logger?.debug({ image: call.image, host: answer.url.host, status: answer.status, kind }, 'registry answered');
    return answer;
  }

  #count(kind: 'manifests' | 'tokens', hop: number): void {
    const { total } = this.#requests;
    this.#requests = { ...this.#requests, total: total + 1, ...(hop === 0 ? { [kind]: this.#requests[kind] + 1 } : {}) };
  }

  #judge(call: Call, answer: HttpAnswer): Found {
    const subject = this.#subject(call);
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
    };
  }

  #challengeKey({ host, reference, login }: Call): string {
    return JSON.stringify([host, reference.repository, login?.fingerprint()]);
  }
}

const tokenScope = (call: Call, challenge: Challenge): TokenScope => ({
  challenge,
  repository: call.reference.repository,
  login: call.login,
  mayUseHttp: call.mayUseHttp,
});

const urlHost = (host: string): string => new URL(`https://${host}/`).host;

const first = (header: string | readonly string[] | undefined): string | undefined => (typeof header === 'string' ? header : header?.[0]);
