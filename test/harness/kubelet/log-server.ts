import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerLog, LogQuery } from './container-log.js';

/** `log` is absent while the container waits; `waiting` says for what. */
export type LogLookup = (
  namespace: string,
  pod: string,
  container: string,
) => { readonly log?: ContainerLog; readonly waiting?: string } | undefined;

export interface LogServer {
  readonly port: number;
  readonly close: () => Promise<void>;
}

const FOLLOW_EVERY_MS = 100;

/** The node agent's endpoint for logs, where the API server asks. It serves with the API server's own certificate: the API server checks none by default. */
export async function startLogServer(
  certificate: { readonly caFile: string; readonly keyFile: string },
  lookup: LogLookup,
): Promise<LogServer> {
  const server = createServer({ cert: readFileSync(certificate.caFile), key: readFileSync(certificate.keyFile) }, (request, response) => {
    answer(request, response, lookup).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, lookup: LogLookup): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://node');
  const [what, namespace = '', pod = '', container = ''] = url.pathname.split('/').slice(1).map(decodeURIComponent);
  const found = what === 'containerLogs' ? lookup(namespace, pod, container) : undefined;
  const refuse = (status: number, text: string): void => {
    response.writeHead(status, { 'content-type': 'text/plain' }).end(text);
  };
  if (found === undefined) return refuse(404, `pod "${pod}" with container "${container}" not found in namespace "${namespace}"`);
  const { log, waiting = 'ContainerCreating' } = found;
  if (url.searchParams.get('previous') === 'true')
    return refuse(400, `previous terminated container "${container}" in pod "${pod}" not found`);
  if (log === undefined) return refuse(400, `container "${container}" in pod "${pod}" is waiting to start: ${waiting}`);
  response.writeHead(200, { 'content-type': 'text/plain' });
  const query = queryOf(url.searchParams, new Date());
  let seen = log.lines;
  response.write(log.read(query));
  while (url.searchParams.get('follow') === 'true' && !response.destroyed) {
    const wasClosed = log.closed;
    const fresh = log.lines - seen;
    seen += fresh;
    if (fresh > 0) response.write(log.read({ tailLines: fresh, timestamps: query.timestamps }));
    if (wasClosed) break;
    await sleep(FOLLOW_EVERY_MS);
  }
  response.end();
}

/** The parameters as the API server passes them on; `sinceSeconds` and `sinceTime` both mean a time from which on. */
export function queryOf(parameters: URLSearchParams, now: Date): LogQuery {
  const number = (name: string): number | undefined => {
    const text = parameters.get(name);
    return text === null || !/^\d+$/.test(text) ? undefined : Number(text);
  };
  const sinceSeconds = number('sinceSeconds');
  const sinceTime = parameters.get('sinceTime');
  const since =
    sinceSeconds === undefined ? (sinceTime === null ? undefined : new Date(sinceTime)) : new Date(now.getTime() - sinceSeconds * 1000);
  return { tailLines: number('tailLines'), limitBytes: number('limitBytes'), timestamps: parameters.get('timestamps') === 'true', since };
}
