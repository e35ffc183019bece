import { z } from 'zod';
import { BoundedMap } from './bounded-map.js';
import type { Challenge } from './challenge.js';
import type { Login } from './login.js';
import type { HttpAnswer } from './transport.js';

/** Source: the token authentication specification of the distribution project: a token without `expires_in` lives 60 seconds. */
const DEFAULT_LIFE_SECONDS = 60;
const MAX_SKEW_MS = 30_000;
const MAX_TOKENS = 1_000;

/** Thrown when the token service answers something else than a token. `status` is its HTTP status, or undefined for an answer without a usable token. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
  /** `host[:port]` of the token service. */
  readonly peer: string;
  readonly status: number | undefined;
  readonly retryAfter: string | readonly string[] | undefined;

  constructor(peer: string, answer?: HttpAnswer) {
    super(`${peer} gave no token`);
    this.peer = peer;
    this.status = answer?.status;
    this.retryAfter = answer?.headers['retry-after'];
  }
}

/** Thrown when the registry names a token service that a credential or a token must not travel to or from. */
export class RealmRefused extends Error {
  override readonly name = 'RealmRefused';
}

export interface TokenQuestion {
  readonly url: URL;
  readonly authorization: string | undefined;
  /** Form fields of a POST, for an identity token. */
  readonly form: string | undefined;
}

export interface TokenScope {
  readonly challenge: Challenge;
  readonly repository: string;
  readonly login: Login | undefined;
  /** The spec allows plain HTTP for the registry that named the realm, and so for the token service it relies on. */
  readonly mayUseHttp: boolean;
}

const Answer = z.object({ token: z.string().nullish(), access_token: z.string().nullish(), expires_in: z.number().nullish() });
/** RFC 6750 `b64token` and what else a header can carry: anything wider would be a broken header. */
const TOKEN = /^[\x21-\x7e]+$/;

/** Bearer tokens by realm, service, scope and login, kept until shortly before they expire. One request in flight for each. */
export class TokenSource {
  readonly #known = new BoundedMap<{ readonly token: string; readonly until: number }>(MAX_TOKENS);
  readonly #flights = new Map<string, Promise<string>>();
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** @throws RealmRefused, TokenRefused, and what `ask` throws. */
  async get(scope: TokenScope, ask: (question: TokenQuestion) => Promise<HttpAnswer>): Promise<string> {
    const key = tokenKey(scope);
    const known = this.#known.get(key);
    if (known !== undefined && known.until > this.#clock()) return known.token;
    const flying = this.#flights.get(key);
    if (flying !== undefined) return flying;
    const flight = this.#fetch(key, scope, ask).finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }

  /** For a token that was refused before its time. */
  forget(scope: TokenScope): void {
    this.#known.delete(tokenKey(scope));
  }

  async #fetch(key: string, scope: TokenScope, ask: (question: TokenQuestion) => Promise<HttpAnswer>): Promise<string> {
    const question = tokenQuestion(scope);
    const askedAt = this.#clock();
    const answer = await ask(question);
    if (answer.status !== 200) throw new TokenRefused(answer.url.host, answer);
    const { token, lifeMs } = readToken(answer);
    this.#known.set(key, { token, until: askedAt + lifeMs - Math.min(MAX_SKEW_MS, lifeMs / 4) });
    return token;
  }
}

const scopeOf = ({ challenge, repository }: TokenScope): string => challenge.parameters['scope'] ?? `repository:${repository}:pull`;

const tokenKey = (scope: TokenScope): string => {
  const { realm, service } = scope.challenge.parameters;
  return JSON.stringify([realm, service, scopeOf(scope), scope.login?.fingerprint(), scope.mayUseHttp]);
};

/** Where to ask and with what: GET with Basic, or without for an anonymous token; POST for an identity token, which must not stand in a URL. */
function tokenQuestion(scope: TokenScope): TokenQuestion {
  const url = realmUrl(scope);
  const service = scope.challenge.parameters['service'];
  const identityToken = scope.login?.identityToken();
  if (identityToken !== undefined) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'kmodflow',
      scope: scopeOf(scope),
      refresh_token: identityToken,
    });
    if (service !== undefined) form.set('service', service);
    return { url, authorization: undefined, form: form.toString() };
  }
  if (service !== undefined) url.searchParams.set('service', service);
  for (const part of scopeOf(scope).split(' ')) url.searchParams.append('scope', part);
  return { url, authorization: scope.login?.basic(), form: undefined };
}

function realmUrl({ challenge, mayUseHttp }: TokenScope): URL {
  const realm = challenge.parameters['realm'] ?? '';
  if (!URL.canParse(realm)) throw new RealmRefused('names a token service whose address is not a URL');
  const url = new URL(realm);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new RealmRefused('names a token service that is not reached by HTTPS');
  // A realm is the registry's to choose, on any host; but whether passwords and tokens may travel in the clear is the spec's.
  if (url.protocol === 'http:' && !mayUseHttp) {
    throw new RealmRefused(
      `names the token service ${url.host} at plain HTTP. Set registryTLS.insecure if that network is trusted, or give the token service HTTPS`,
    );
  }
  url.username = '';
  url.password = '';
  url.hash = '';
  return url;
}

function readToken(answer: HttpAnswer): { token: string; lifeMs: number } {
  let json: unknown;
  try {
    json = JSON.parse(answer.body.toString('utf8'));
  } catch {
    throw new TokenRefused(answer.url.host);
  }
  const parsed = Answer.safeParse(json).data;
  const token = parsed?.token || parsed?.access_token;
  if (!token || !TOKEN.test(token)) throw new TokenRefused(answer.url.host);
  return { token, lifeMs: Math.max(parsed?.expires_in ?? DEFAULT_LIFE_SECONDS, 0) * 1000 };
}
