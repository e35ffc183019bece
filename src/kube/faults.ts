import { Fault, type FaultKind } from '../domain/fault.js';

/** What was tried on what; becomes the beginning of every message. */
export interface Attempt {
  readonly verb: string;
  readonly kind: string;
  /** `namespace/name`, or empty for a collection. */
  readonly key: string;
}

export interface KubeFaultOptions {
  /** The server's own word, such as `NotFound`, `AlreadyExists`, `Conflict`, `Expired`; ours are `NoAnswer` (timeout), `ConnectionError` and `Unreadable`. */
  readonly code: string;
  /** HTTP status, absent when there was no answer. */
  readonly status?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** Thrown when the API server refused a request or did not answer it. `code` tells AlreadyExists from Conflict. */
export class KubeFault extends Fault {
  readonly code: string;
  readonly status: number | undefined;

  constructor(kind: FaultKind, message: string, { code, status, retryAfterMs, cause }: KubeFaultOptions) {
    super(kind, message, { retryAfterMs, cause });
    this.code = code;
    this.status = status;
  }

  /** The resource version that was asked for is gone: list again. */
  get expired(): boolean {
    return this.status === 410 || this.code === 'Expired' || this.code === 'Gone';
  }
}

/** The object was there already: the name is taken, as opposed to a version that has moved on. */
export const isAlreadyExists = (error: unknown): boolean => error instanceof KubeFault && error.code === 'AlreadyExists';

const describe = ({ verb, kind, key }: Attempt): string => `Failed to ${verb} ${kind}${key === '' ? '' : ` ${key}`}`;

interface Status {
  readonly reason?: string;
  readonly message?: string;
  readonly code?: number;
  readonly details?: { readonly retryAfterSeconds?: number; readonly causes?: readonly { readonly field?: string }[] };
}

/** Status object in an error's body; an empty one when the body is something else, such as the HTML page of a proxy. */
export function parseStatus(body: string): Status {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && (parsed as { kind?: unknown }).kind === 'Status') return parsed as Status;
  } catch {
    // not JSON: whatever answered was not the API server
  }
  return {};
}

const KIND_OF_STATUS: Readonly<Record<number, FaultKind>> = {
  // 401 is Unavailable: tokens rotate, and a workflow that failed for good over an expired one could not be told to go on.
  400: 'Invalid',
  403: 'Invalid',
  404: 'Missing',
  405: 'Invalid',
  406: 'Invalid',
  409: 'Conflict',
  410: 'Conflict',
  413: 'Invalid',
  415: 'Invalid',
  422: 'Invalid',
};

/** Longest message of the server that is passed on, characters. */
const MAX_SERVER_MESSAGE = 2_000;

/** Answers whose message names objects and people but never quotes content. */
const QUOTES_NOTHING: ReadonlySet<number> = new Set([401, 403, 404, 409, 410, 429, 503]);

/** The server's sentence, unless it may quote a Secret's content: validation messages repeat the offending value. */
function serverMessage(attempt: Attempt, status: number, { message, details }: Status): string | undefined {
  if (attempt.kind === 'Secret' && !QUOTES_NOTHING.has(status)) {
    const fields = (details?.causes ?? []).map(({ field }) => field).filter((field) => field !== undefined);
    return fields.length === 0 ? undefined : `refused fields ${fields.join(', ')}`;
  }
  return message === undefined || message === '' ? undefined : message.slice(0, MAX_SERVER_MESSAGE);
}

/**
 * Refusals that the API server sends as a 500 although no retry can help: an object that etcd will not store (over 1.5 MiB),
 * and a server-side apply whose fields do not fit the schema.
 */
const REFUSED_AS_500 = /request is too large|message larger than max|failed to create typed patch object|failed to convert new object/;

/** Retry-After in milliseconds: seconds or an HTTP date (RFC 9110, 10.2.3), else what the Status says. */
export function retryAfterMs(
  header: string | undefined,
  now: number,
  details?: { readonly retryAfterSeconds?: number },
): number | undefined {
  if (header !== undefined && /^\d+$/.test(header.trim())) return Number(header) * 1_000;
  const date = header === undefined ? NaN : Date.parse(header);
  if (!Number.isNaN(date)) return Math.max(0, date - now);
  const seconds = details?.retryAfterSeconds;
  return typeof seconds === 'number' && seconds > 0 ? seconds * 1_000 : undefined;
}

/** A fault from an answer of status 300 or more, or from the Status in a watch stream. */
export function faultOfStatus(attempt: Attempt, httpStatus: number, status: Status, retryAfterHeader?: string): KubeFault {
  const said = serverMessage(attempt, httpStatus, status);
  const refused = httpStatus === 500 && REFUSED_AS_500.test(status.message ?? '');
  const kind = refused ? 'Invalid' : (KIND_OF_STATUS[httpStatus] ?? 'Unavailable');
  const reason = status.reason === undefined || status.reason === '' ? '' : ` ${status.reason}`;
  return new KubeFault(
    kind,
    `${describe(attempt)}: the API server answered ${httpStatus}${reason}${said === undefined ? '.' : `: ${said}`}`,
    {
      code: status.reason ?? String(httpStatus),
      status: httpStatus,
      retryAfterMs: kind === 'Unavailable' ? retryAfterMs(retryAfterHeader, Date.now(), status.details) : undefined,
    },
  );
}

/** The message of whatever was thrown. By shape, since an error of another realm is no `instanceof Error`. */
export const messageOf = (error: unknown): string => {
  const message = (error as { message?: unknown } | null)?.message;
  return typeof message === 'string' && message !== '' ? message : String(error);
};

const codeOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
};

/** True when the connection broke before an answer came, so that a read may be sent again at once. */
export const isConnectionReset = (error: unknown): boolean => ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(codeOf(error) ?? '');

export function timeoutFault(attempt: Attempt, timeoutMs: number): KubeFault {
  return new KubeFault('Unavailable', `${describe(attempt)}: the API server did not answer within ${timeoutMs / 1_000} s.`, {
    code: 'NoAnswer',
  });
}

/** A fault from an error of the network, the TLS layer or the credential plugin. */
export function faultOfError(attempt: Attempt, error: unknown): Fault {
  if (error instanceof Fault) return error;
  const code = codeOf(error);
  // undici's own codes say less than its messages ("other side closed"); neither holds headers or bodies.
  const text = messageOf(error);
  const detail = code === undefined || text.includes(code) ? text : `${text} (${code})`;
  return new KubeFault('Unavailable', `${describe(attempt)}: no answer from the API server: ${detail}`, {
    code: 'ConnectionError',
    cause: error,
  });
}

/** An answer of status 200 that is not what the API server would send. */
export function unreadableFault(attempt: Attempt, what: string): KubeFault {
  return new KubeFault('Unavailable', `${describe(attempt)}: ${what}`, { code: 'Unreadable' });
}
