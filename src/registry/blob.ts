import { createHash } from 'node:crypto';
import type { Descriptor } from './image-document.js';
import { Fault } from '../domain/fault.js';
import { ImageDefect, statusFault } from './faults.js';
import { backoffMs } from './retry.js';
import type { Call, Session } from './session.js';
import { TransportFailure, type HttpStream } from './transport.js';

export interface BlobSource {
  readonly session: Session;
  readonly call: Call;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

/**
 * The bytes of a blob, whose length and digest are compared with the descriptor's: an error at the end means that nothing that was read counts. A connection
 * that breaks goes on where it broke, as often as the client tries anything.
 * @throws ImageDefect (other content), Fault (`Missing`: no such blob; and what a status means), TransportFailure
 */
export async function* readBlob(source: BlobSource, blob: Descriptor): AsyncGenerator<Buffer> {
  const { policy } = source.session;
  const hash = createHash(blob.digest.startsWith('sha512:') ? 'sha512' : 'sha256');
  let at = 0;
  for (let attempt = 1; ; attempt += 1) {
    const body = await openAt(source, blob, at);
    try {
      for await (const chunk of body) {
        at += chunk.length;
        if (at > blob.size)
          throw new ImageDefect(`has the blob ${blob.digest}, which is larger than the ${blob.size} bytes that its manifest says`);
        hash.update(chunk);
        yield chunk;
      }
      break;
    } catch (error) {
      if (!(error instanceof TransportFailure) || !error.mayHeal || attempt >= policy.maxAttempts) throw error;
      const delayMs = backoffMs(policy, attempt);
      if (source.signal.aborted || delayMs >= source.call.budget.remainingMs()) throw error;
      await policy.sleep(delayMs);
    }
  }
  const found = `${blob.digest.split(':', 1)[0]}:${hash.digest('hex')}`;
  if (found !== blob.digest) throw new ImageDefect(`has a blob with digest ${found}, where its manifest names ${blob.digest}`);
}

/** The bytes from an offset on, whether or not the registry can begin there. */
async function openAt(source: BlobSource, blob: Descriptor, offset: number): Promise<AsyncIterable<Buffer>> {
  const { session, call, signal } = source;
  const wanted = {
    path: `blobs/${blob.digest}`,
    headers: { accept: '*/*', 'accept-encoding': 'identity', ...(offset > 0 ? { range: `bytes=${offset}-` } : {}) },
  };
  const answer = await session.open(call, wanted, signal);
  const body = answer.body ?? fail(source, blob, answer);
  const isPart = answer.status === 206;
  if (isPart && !String(answer.headers['content-range']).startsWith(`bytes ${offset}-`)) {
    await body.return(undefined);
    throw new TransportFailure('interrupted', answer.url.host, 'it sent another part of the blob than was asked for');
  }
  return isPart ? body : leavingOut(offset, body);
}

async function* leavingOut(bytes: number, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let skip = bytes;
  for await (const chunk of body) {
    const rest = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - rest.length;
    if (rest.length > 0) yield rest;
  }
}

function fail({ session, call }: BlobSource, blob: Descriptor, { status, headers, url }: HttpStream): never {
  const subject = session.subject(call);
  if (status === 404) {
    throw new Fault(
      'Missing',
      `Image ${subject.image} is incomplete: registry ${subject.registry} has its manifest and not its blob ${blob.digest} (HTTP 404). Push the image again; layers that its manifest only points to elsewhere are not fetched from there.`,
      { reason: 'ImageMissing' },
    );
  }
  throw statusFault(subject, status, { retryAfter: headers['retry-after'], peer: url.host });
}
