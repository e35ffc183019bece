import type { ImageReference } from '../domain/image-reference.js';
import { BoundedMap } from './bounded-map.js';
import { parseChallenges, usableChallenge, type Challenge } from './challenge.js';
import { denied, type Subject } from './faults.js';
import type { Login } from './login.js';
import { withRetries, type Budget, type RetryPolicy } from './retry.js';
import { Schemes } from './schemes.js';
import { RealmRefused, TokenRefused, TokenSource, type TokenQuestion, type TokenScope } from './tokens.js';
import { createTransport, type HttpAnswer, type HttpQuestion, type HttpStream, type Transport } from './transport.js';
import type { RegistryLogger, RequestCounts } from './types.js';

const MAX_TOKEN_BYTES = 1_048_576; // 1 MiB
const MAX_REMEMBERED_CHALLENGES = 1_000;

/** One look at one image: what is asked, of whom, and what the spec allows for it. */
export interface Call {
  readonly image: string;
  readonly reference: ImageReference;
  /** `host[:port]` of the API, as a URL writes it. */
  readonly host: string;
  readonly login: Login | undefined;
  readonly mayUseHttp: boolean;
  readonly skipVerify: boolean;
  readonly budget: Budget;
  readonly purpose: 'resolved' | 'inspected';
  /** Somebody gave up: nothing more is asked. */
  readonly signal?: AbortSignal | undefined;
}

/** Something in the call's repository. */
export interface Wanted {
  /** Below `/v2/<repository>/`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** An `Authorization` header with the challenge that it answers. */
interface Answered {
  readonly header: string;
  readonly challenge: Challenge;
}

type Kind = keyof Pick<RequestCounts, 'manifests' | 'tokens'> | 'blobs';
type Head = Pick<HttpAnswer, 'status' | 'headers' | 'strayed' | 'url'>;

export interface SessionOptions {
  readonly timeoutMs: number;
  /** How long a blob may send nothing. */
  readonly stallMs: number;
  readonly policy: RetryPolicy;
  readonly logger: RegistryLogger | undefined;
}

/** What keeps between questions: connections, tokens, and how each repository wants to be asked. */
export class Session {
  readonly policy: RetryPolicy;
  readonly #stallMs: number;
  readonly #logger: RegistryLogger | undefined;
  readonly #transport: Transport;
  readonly #schemes: Schemes;
  readonly #tokens: TokenSource;
  /** How a repository asked for credentials, so that the next question brings them along and costs one request. By repository: the next one may be public. */
  readonly #challenges = new BoundedMap<Challenge>(MAX_REMEMBERED_CHALLENGES);
  #requests: RequestCounts = { manifests: 0, tokens: 0, total: 0 };

  constructor({ timeoutMs, stallMs, policy, logger }: SessionOptions) {
    this.policy = policy;
    this.#stallMs = stallMs;
    this.#logger = logger;
    this.#transport = createTransport({ timeoutMs });
    this.#schemes = new Schemes(policy.clock);
    this.#tokens = new TokenSource(policy.clock);
  }

  get requests(): RequestCounts {
    return { ...this.#requests };
  }

  /** A manifest, whole. The answer may have any status. */
  ask(call: Call, wanted: Wanted, maxBytes: number): Promise<HttpAnswer> {
    return this.#authorized(call, (authorization) =>
      this.#retried(call, (scheme) =>
        this.#noted(call, 'manifests', (onRequest) =>
          this.#transport.ask({ ...this.#question(call, wanted, scheme), method: 'GET', authorization, maxBytes, onRequest }),
        ),
      ),
    );
  }

  /** A blob as a stream. The answer may have any status; a body is there for 200 and 206 alone. */
  open(call: Call, wanted: Wanted, signal: AbortSignal): Promise<HttpStream> {
    return this.#authorized(call, (authorization) =>
      this.#retried(call, (scheme) =>
        this.#noted(call, 'blobs', (onRequest) =>
          this.#transport.open({
            ...this.#question(call, wanted, scheme),
            timeoutMs: Math.min(call.budget.requestMs(), this.#stallMs),
            stallMs: this.#stallMs,
            authorization,
            onRequest,
            signal,
          }),
        ),
      ),
    );
  }

  subject({ image, reference, login, purpose }: Call): Subject {
    return { image, registry: reference.registry, hasLogin: login !== undefined, now: this.policy.clock(), purpose };
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  /** The answer, after the registry was given the credentials it asked for. */
  async #authorized<Answer extends Head>(call: Call, send: (authorization: string | undefined) => Promise<Answer>): Promise<Answer> {
    const brought = await this.#bringAlong(call);
    const answer = await send(brought?.header);
    if (answer.status !== 401) return this.#learn(call, answer, brought);
    const answered = await this.#answerChallenge(call, answer, brought);
    return this.#learn(call, await send(answered.header), answered);
  }

  /** Keeps what worked. What was refused is forgotten with its token, so that a permission granted a minute later counts at once. */
  #learn<Answer extends Head>(call: Call, answer: Answer, answered: Answered | undefined): Answer {
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

  async #answerChallenge(call: Call, answer: Head, brought: Answered | undefined): Promise<Answered> {
    const subject = this.subject(call);
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

  #retried<Answer extends Head>(call: Call, ask: (scheme: 'http' | 'https') => Promise<Answer>): Promise<Answer> {
    return withRetries(this.policy, call.budget, () => {
      call.signal?.throwIfAborted();
      return this.#schemes.over(urlHost(call.host), call.mayUseHttp, ask);
    });
  }

  #askToken(call: Call, { url, authorization, form }: TokenQuestion): Promise<HttpAnswer> {
    return withRetries(this.policy, call.budget, () =>
      this.#noted(call, 'tokens', (onRequest) =>
        this.#transport.ask({
          ...this.#common(call),
          url,
          method: form === undefined ? 'GET' : 'POST',
          headers: {
            ...USER_AGENT,
            accept: 'application/json',
            ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
          },
          authorization,
          body: form,
          maxBytes: MAX_TOKEN_BYTES,
          onRequest,
        }),
      ),
    );
  }

  #question(call: Call, { path, headers }: Wanted, scheme: 'http' | 'https'): Common & Pick<HttpQuestion, 'url' | 'headers'> {
    return {
      ...this.#common(call),
      url: new URL(`${scheme}://${call.host}/v2/${call.reference.repository}/${path}`),
      headers: { ...USER_AGENT, ...headers },
    };
  }

  #common(call: Call): Common {
    return {
      timeoutMs: call.budget.requestMs(),
      mayUseHttp: call.mayUseHttp,
      unverifiedHost: call.skipVerify ? urlHost(call.host) : undefined,
    };
  }

  async #noted<Answer extends Head>(call: Call, kind: Kind, ask: (onRequest: (hop: number) => void) => Promise<Answer>): Promise<Answer> {
    const answer = await ask((hop) => this.#count(kind, hop));
    this.#logger?.debug({ image: call.image, host: answer.url.host, status: answer.status, kind }, 'registry answered');
    return answer;
  }

  #count(kind: Kind, hop: number): void {
    const { total } = this.#requests;
    const counted = hop === 0 && kind !== 'blobs' ? { [kind]: this.#requests[kind] + 1 } : {};
    this.#requests = { ...this.#requests, total: total + 1, ...counted };
  }

  #challengeKey({ host, reference, login }: Call): string {
    return JSON.stringify([host, reference.repository, login?.fingerprint()]);
  }
}

type Common = Pick<HttpQuestion, 'timeoutMs' | 'mayUseHttp' | 'unverifiedHost'>;

const USER_AGENT = { 'user-agent': 'kmodflow' };

const tokenScope = (call: Call, challenge: Challenge): TokenScope => ({
  challenge,
  repository: call.reference.repository,
  login: call.login,
  mayUseHttp: call.mayUseHttp,
});

const urlHost = (host: string): string => new URL(`https://${host}/`).host;
