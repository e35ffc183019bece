/**
 * How an exchange failed below HTTP:
 * - `connect`: no connection (refused, unreachable, unknown name). `tls`: the port does not speak TLS, or no common version.
 * - `certificate`: the server's certificate does not verify.
 * - `timeout`, `interrupted`: the server got the request and did not answer in time, or broke off.
 * - `redirect`, `tooLarge`: the answer breaks a rule of ours. `closed`: our client was closed.
 */
export type TransportFailureKind = 'connect' | 'tls' | 'certificate' | 'timeout' | 'interrupted' | 'redirect' | 'tooLarge' | 'closed';

/** Thrown when there is no usable HTTP answer. `detail` is safe to show: a code or a sentence of ours, no URL and no header. */
export class TransportFailure extends Error {
  override readonly name = 'TransportFailure';
  readonly kind: TransportFailureKind;
  /** `host[:port]` that it happened with. */
  readonly peer: string;
  readonly detail: string;

  constructor(kind: TransportFailureKind, peer: string, detail: string) {
    super(`${peer}: ${detail}`);
    this.kind = kind;
    this.peer = peer;
    this.detail = detail;
  }

  /** Another attempt within the same call makes sense. */
  get mayHeal(): boolean {
    return this.kind === 'connect' || this.kind === 'timeout' || this.kind === 'interrupted';
  }

  get reachedServer(): boolean {
    return this.kind === 'timeout' || this.kind === 'interrupted';
  }
}

/** Codes of OpenSSL's verification and of Node's check of the name. The rest of TLS (`ERR_SSL_…`) is a port that speaks something else. */
const CERTIFICATE =
  /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT|CRL_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH)/;
const TLS = /^(?:ERR_SSL_|ERR_TLS_|EPROTO)/;
const CONNECT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const CLOSED = new Set(['UND_ERR_DESTROYED', 'UND_ERR_CLOSED']);

/** The failure behind an error of undici or Node. Their messages are dropped, since some quote what the server sent. */
export function classify(error: unknown, peer: string, timedOut: boolean): TransportFailure {
  if (error instanceof TransportFailure) return error;
  const code = codeOf(error);
  const failure = (kind: TransportFailureKind): TransportFailure => new TransportFailure(kind, peer, code);
  if (CLOSED.has(code)) return new TransportFailure('closed', peer, 'the registry client was closed');
  if (CONNECT.has(code)) return failure('connect');
  if (CERTIFICATE.test(code)) return failure('certificate');
  if (TLS.test(code) || isBrokenHandshake(error)) return failure('tls');
  if (timedOut || code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT')
    return new TransportFailure('timeout', peer, 'no complete answer in time');
  return failure('interrupted');
}

function codeOf(error: unknown): string {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (typeof code === 'string' && /^[A-Z0-9_]{1,60}$/.test(code)) return code;
  return cause === undefined ? 'the connection failed' : codeOf(cause);
}

/** Node has no code of its own for a server that hangs up on a TLS greeting, as some plain HTTP servers do. */
const isBrokenHandshake = (error: unknown): boolean => error instanceof Error && /before secure TLS connection/.test(error.message);
