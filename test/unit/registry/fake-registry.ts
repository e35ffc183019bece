import { createHash } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { credentialsFromSecret, type RegistryCredentials } from '../../../src/registry/index.js';
import { selfSigned } from './self-signed.js';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

export interface FakeServer {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly seen: Seen[];
  /** PEM; only a server with TLS presents it. */
  readonly certificate: string;
  close(): Promise<void>;
}

export type Handler = (seen: Seen, response: ServerResponse, number: number) => void;

/** A server that notes every request and answers by the handler; `number` counts from 1. */
export async function serve(handler: Handler, options: { readonly tls?: boolean } = {}): Promise<FakeServer> {
  const seen: Seen[] = [];
  const listener: RequestListener = (request, response) => {
    collect(request).then(
      (body) => {
        const note = { method: request.method ?? '', url: request.url ?? '', authorization: request.headers.authorization, body };
        seen.push(note);
        handler(note, response, seen.length);
      },
      () => response.destroy(),
    );
  };
  const identity = selfSigned();
  const server = options.tls === true ? createHttpsServer(identity, listener) : createHttpServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    certificate: identity.cert,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function collect(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

export const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

export const imageManifest = (note = 'a', mediaType = OCI_MANIFEST): string =>
  JSON.stringify({ schemaVersion: 2, mediaType, config: { digest: sha256(note) }, layers: [] });

export const imageIndex = (mediaType = OCI_INDEX): string =>
  JSON.stringify({ schemaVersion: 2, mediaType, manifests: [{ digest: sha256('arm64') }] });

/** Answers with a manifest as a registry does. */
export function sendManifest(response: ServerResponse, body = imageManifest(), contentType = OCI_MANIFEST, digest = sha256(body)): void {
  response
    .writeHead(200, { 'content-type': contentType, 'docker-content-digest': digest, 'content-length': Buffer.byteLength(body) })
    .end(body);
}

export function sendJson(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

export const unauthorized = (response: ServerResponse, challenge: string): void =>
  sendJson(response, 401, { errors: [{ code: 'UNAUTHORIZED' }] }, { 'www-authenticate': challenge });

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A pull secret's logins, from entries as they stand in `.dockerconfigjson`. */
export const logins = (auths: Record<string, unknown>): RegistryCredentials =>
  credentialsFromSecret({ type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': base64(JSON.stringify({ auths })) } });

export const basic = (user: string, password: string): string => `Basic ${base64(`${user}:${password}`)}`;
