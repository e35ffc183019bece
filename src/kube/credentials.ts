import { createHash } from 'node:crypto';
import type { RequestOptions } from 'node:https';
import { KubeConfig, type DispatcherOptions } from '@kubernetes/client-node';
import { Fault } from '../domain/fault.js';
import { messageOf } from './faults.js';

/** What a connection and a request need to be accepted. */
export interface Credentials {
  /** Authorization and impersonation, lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatcher: DispatcherOptions;
  /** Changes exactly when connections must be built anew: CA, client certificate, key, proxy. */
  readonly fingerprint: string;
}

export interface CredentialSource {
  current(): Promise<Credentials>;
  /** The server refused these: look again before the next request, unless that has happened meanwhile. */
  refused(stale: Credentials): void;
}

/** Credentials are looked up again after this time (10 s). client-node caches tokens itself; this spares reading certificate files per request. */
const FRESH_MS = 10_000;

const digest = (value: unknown): string =>
  createHash('sha256')
    .update(Buffer.isBuffer(value) || typeof value === 'string' ? value : JSON.stringify(value ?? null))
    .digest('hex');

function fingerprintOf(options: DispatcherOptions): string {
  const tls = options.type === 'agent' ? options.connect : options.type === 'none' ? {} : options.requestTls;
  const { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername } = tls;
  return [
    options.type,
    'uri' in options ? options.uri : '',
    rejectUnauthorized,
    servername,
    ...[ca, cert, key, pfx, passphrase].map(digest),
  ].join('|');
}

async function lookUp(kubeConfig: KubeConfig): Promise<Credentials> {
  const options: RequestOptions = { headers: {} };
  try {
    await kubeConfig.applyToHTTPSOptions(options);
  } catch (error) {
    // No cause: what a credential plugin prints may contain the credential.
    const text = messageOf(error).split('\n')[0]?.slice(0, 200);
    throw new Fault(
      'Unavailable',
      `Cannot get credentials for the API server from the kubeconfig: ${text || 'the credential plugin failed'}.`,
    );
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers as Record<string, string>)) headers[name.toLowerCase()] = `${value}`.trim();
  if (options.auth) headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  // The agent that client-node made is left unused: it belongs to node:https.
  const { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername } = options;
  const dispatcher = kubeConfig.createDispatcherOptions(kubeConfig.getCurrentCluster(), {
    ca,
    cert,
    key,
    pfx,
    passphrase,
    rejectUnauthorized,
    servername,
  });
  return { headers, dispatcher, fingerprint: fingerprintOf(dispatcher) };
}

/** A copy that has cached nothing: client-node keeps tokens of plugins and files, some for ever, and offers no way to drop them. */
function withoutCaches({ clusters, users, contexts, currentContext }: KubeConfig): KubeConfig {
  const copy = new KubeConfig();
  copy.loadFromOptions({ clusters, users, contexts, currentContext });
  return copy;
}

/** Credentials of a kubeconfig: bearer token, token file, client certificate, exec plugin, basic. One lookup at a time. */
export function createCredentialSource(kubeConfig: KubeConfig): CredentialSource {
  let source = kubeConfig;
  let pending: Promise<Credentials> | undefined;
  let latest: Credentials | undefined;
  let fetchedAt = -Infinity;
  const fetch = async (): Promise<Credentials> => {
    try {
      latest = await lookUp(source);
      return latest;
    } catch (error) {
      pending = undefined;
      throw error;
    }
  };
  return {
    current() {
      if (pending === undefined || performance.now() - fetchedAt > FRESH_MS) {
        fetchedAt = performance.now();
        pending = fetch();
      }
      return pending;
    },
    refused(stale) {
      // Many requests may learn of one outdated token; only the first of them causes a lookup.
      if (stale !== latest) return;
      latest = undefined;
      pending = undefined;
      source = withoutCaches(kubeConfig);
    },
  };
}
