import { request } from 'node:https';

export interface RestAccess {
  readonly url: string;
  readonly token: string;
  readonly ca: string;
}

export interface RestAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * One call to an API server, without the product's own transport: whether the control plane is ready must not depend on the code under test.
 * @param path with its query. @param body is sent as JSON. @throws when there is no answer within 10 s.
 */
export function rest({ url, token, ca }: RestAccess, method: string, path: string, body?: unknown): Promise<RestAnswer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const call = request(new URL(path, url), { method, ca, headers, timeout: 10_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }));
      response.on('error', reject);
    });
    call.on('timeout', () => call.destroy(new Error(`${method} ${path} had no answer within 10 s`)));
    call.on('error', reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
