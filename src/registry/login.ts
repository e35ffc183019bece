import { createHash } from 'node:crypto';
import { inspect } from 'node:util';

const REDACTED = '[registry login, redacted]';

export interface LoginParts {
  readonly username: string;
  readonly password: string;
  /** A refresh token of the token service, which is used instead of the password where there is one. */
  readonly identityToken?: string | undefined;
}

/** One login. Its parts are reachable by the calls below alone: printing, serialising or copying the object shows none of them. */
export class Login {
  readonly #parts: LoginParts;

  constructor(parts: LoginParts) {
    this.#parts = parts;
  }

  /** The value of an `Authorization` header, or undefined for a login that is an identity token alone. */
  basic(): string | undefined {
    const { username, password } = this.#parts;
    return username === '' && password === '' ? undefined : `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
  }

  identityToken(): string | undefined {
    return this.#parts.identityToken;
  }

  /** Tells two logins apart without holding either. For maps inside the process: not for logs or payloads. */
  fingerprint(): string {
    const { username, password, identityToken } = this.#parts;
    return createHash('sha256')
      .update(JSON.stringify([username, password, identityToken ?? null]))
      .digest('base64url');
  }

  toJSON(): string {
    return REDACTED;
  }

  toString(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
