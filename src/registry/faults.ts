import { Fault } from '../domain/fault.js';
import { isBusy, retryAfterMs } from './retry.js';
import { RealmRefused, TokenRefused } from './tokens.js';
import { TransportFailure } from './transport-failure.js';

/** What a sentence about a failed resolve speaks of. */
export interface Subject {
  readonly image: string;
  /** As written in the reference, with its port. */
  readonly registry: string;
  readonly hasLogin: boolean;
  readonly now: number;
  /** What did not come about. Default `resolved`. */
  readonly purpose?: 'resolved' | 'inspected';
}

/** Thrown when an image is not what it should be, whoever looks at it. The message is a clause about it: "image … at registry … ". */
export class ImageDefect extends Error {
  override readonly name = 'ImageDefect';
}

export const unusableReference = (image: string, message: string): Fault =>
  new Fault('Invalid', hideUserInfo(message || `Image reference ${image} cannot be used.`), { reason: 'InvalidSpec' });

/** A reference is no place for a password or a query, but people paste URLs, and this message ends in a status that everybody reads. */
const hideUserInfo = (text: string): string => text.replace(/:\/\/[^/\s"@]*@/g, '://…@').replace(/\?[^\s";,]*/g, '?…');

export const rejected = ({ image, registry }: Subject, defect: string): Fault =>
  new Fault('Invalid', `Image ${image} at registry ${registry} ${defect}. Push a correct image, or correct the reference.`, {
    reason: 'ImageRejected',
  });

/** `Missing`, not `Invalid`: it heals once somebody mends the Secret, so it is looked at again later. */
export function denied({ image, registry, hasLogin }: Subject, how: string): Fault {
  const message = hasLogin
    ? `Registry ${registry} denies image ${image} to the given credentials (${how}). Check the entry for ${registry} in the Secret that imageRepoSecret names, and that its user may pull this repository.`
    : `Registry ${registry} asks for credentials for image ${image}, and there are none for it (${how}). Add an entry for ${registry} to the Secret that imageRepoSecret names; if the image is public, check that the repository exists.`;
  return new Fault('Missing', message, { reason: 'RegistryDenied' });
}

const unavailable = (message: string, retryAfter?: number): Fault =>
  new Fault('Unavailable', message, { reason: 'RegistryUnavailable', retryAfterMs: retryAfter });

/** The fault for an answer that is not 200. `peer` is the host that gave it. */
export function statusFault(
  subject: Subject,
  status: number,
  headers: { readonly retryAfter: string | readonly string[] | undefined; readonly peer: string },
): Fault {
  const { image, registry, now, purpose = 'resolved' } = subject;
  if (status === 404) {
    return new Fault(
      'Missing',
      `Image ${image} does not exist at registry ${registry} (HTTP 404). Push it, or correct the repository and tag.`,
      { reason: 'ImageMissing' },
    );
  }
  if (status === 401 || status === 403) return denied(subject, `HTTP ${status}`);
  const who = headers.peer === registry ? `Registry ${registry}` : `Server ${headers.peer} (for registry ${registry})`;
  if (!isBusy(status)) {
    return unavailable(
      `${who} answered HTTP ${status} for image ${image}, which a registry does not. Check that ${registry} is a registry and what stands in front of it.`,
    );
  }
  const wait = retryAfterMs(headers.retryAfter, now);
  const what = status === 429 ? 'limits requests (HTTP 429)' : `has a fault of its own (HTTP ${status})`;
  const again = wait === undefined ? 'It is asked again later.' : `It is asked again after ${Math.ceil(wait / 1000)} s, as it demands.`;
  const advice = status === 429 && !subject.hasLogin ? ` Credentials in the Secret that imageRepoSecret names often raise the limit.` : '';
  return unavailable(`${who} ${what}, so image ${image} could not be ${purpose}. ${again}${advice}`, wait);
}

/** Turns whatever an exchange threw into the fault that a person reads. What is not ours comes back as it is: a bug keeps its stack. */
export function toFault(subject: Subject, error: unknown): unknown {
  const { image, registry, purpose = 'resolved' } = subject;
  if (error instanceof TransportFailure) return transportFault(subject, error);
  if (error instanceof ImageDefect) return rejected(subject, error.message);
  if (error instanceof RealmRefused) {
    return new Fault('Missing', `Image ${image} could not be ${purpose}, since registry ${registry} ${error.message}.`, {
      reason: 'RegistryDenied',
    });
  }
  if (error instanceof TokenRefused) {
    const { status, peer, retryAfter } = error;
    if (status === undefined)
      return unavailable(
        `The token service ${peer} of registry ${registry} answered without a usable token, so image ${image} could not be ${purpose}. Check that service.`,
      );
    // 400 is how OAuth 2 refuses a refresh token (RFC 6749, 5.2).
    if (status === 400 || status === 401 || status === 403) return denied(subject, `HTTP ${status} of the token service ${peer}`);
    if (status === 404)
      return unavailable(
        `The token service ${peer} of registry ${registry} answered HTTP 404, so image ${image} could not be ${purpose}. Check the address that the registry names.`,
      );
    return statusFault(subject, status, { retryAfter, peer });
  }
  return error;
}

function transportFault(subject: Subject, { kind, peer, detail }: TransportFailure): Fault {
  const { image, registry, purpose = 'resolved' } = subject;
  const who = peer === registry ? `registry ${registry}` : `server ${peer} (for registry ${registry})`;
  const unresolved = `so image ${image} could not be ${purpose}`;
  switch (kind) {
    case 'tooLarge':
      return rejected(subject, `has a manifest that is too large: ${detail}`);
    case 'certificate':
      return unavailable(
        `The certificate of ${who} does not verify (${detail}), ${unresolved}. Give the hub the authority that signed it (NODE_EXTRA_CA_CERTS), or set registryTLS.insecureSkipTLSVerify for this image.`,
      );
    case 'tls':
      return unavailable(
        `No TLS connection to ${who} (${detail}), ${unresolved}. If it serves plain HTTP on purpose, set registryTLS.insecure for this image.`,
      );
    case 'connect':
      return unavailable(
        `No connection to ${who} (${detail}), ${unresolved}. Check that the host name is right and that the hub reaches it.`,
      );
    case 'timeout':
      return unavailable(
        `No complete answer in time from ${who}, ${unresolved}. Check the load of the registry and what stands between it and the hub.`,
      );
    case 'interrupted':
      return unavailable(`The connection to ${who} broke (${detail}), ${unresolved}. It is asked again later.`);
    case 'redirect':
      return unavailable(`The answer of ${who} is not followed: ${detail}, ${unresolved}. Correct its configuration.`);
    case 'closed':
      return unavailable(
        `The registry client was closed before image ${image} at registry ${registry} was ${purpose}. It is asked again by the next worker.`,
      );
  }
}
