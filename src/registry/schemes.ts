import { BoundedMap } from './bounded-map.js';
import { TransportFailure } from './transport.js';

const REMEMBER_MS = 600_000; // 10 minutes

export type Scheme = 'https' | 'http';

/**
 * Chooses between HTTPS and plain HTTP for one `host[:port]`, as Docker and Podman do for registries that are declared insecure: HTTPS first, HTTP when no TLS
 * connection comes about. HTTP is never tried unless the spec allows it. What worked is kept for ten minutes, in both directions: a registry that spoke HTTPS
 * is not talked to in the clear because its port was shut for a moment. A certificate that does not verify is no reason for HTTP: that server speaks TLS.
 */
export class Schemes {
  readonly #worked = new BoundedMap<{ readonly scheme: Scheme; readonly until: number }>(1_000);
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  async over<Answer>(host: string, mayUseHttp: boolean, ask: (scheme: Scheme) => Promise<Answer>): Promise<Answer> {
    if (!mayUseHttp) return ask('https');
    const known = this.#worked.get(host);
    if (known !== undefined && known.until > this.#clock()) return this.#try(host, known.scheme, ask);
    try {
      return await this.#try(host, 'https', ask);
    } catch (error) {
      if (!(error instanceof TransportFailure) || error.peer !== host || (error.kind !== 'connect' && error.kind !== 'tls')) throw error;
      return this.#try(host, 'http', ask);
    }
  }

  async #try<Answer>(host: string, scheme: Scheme, ask: (scheme: Scheme) => Promise<Answer>): Promise<Answer> {
    try {
      const answer = await ask(scheme);
      this.#worked.set(host, { scheme, until: this.#clock() + REMEMBER_MS });
      return answer;
    } catch (error) {
      if (scheme === 'http') this.#worked.delete(host); // it may speak HTTPS by now
      throw error;
    }
  }
}
