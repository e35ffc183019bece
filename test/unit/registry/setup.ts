import { afterEach } from '@jest/globals';
import { isFault, type Fault } from '../../../src/domain/fault.js';
import { createRegistryClient, type RegistryClient, type RegistryClientOptions } from '../../../src/registry/index.js';
import { serve, type FakeServer, type Handler } from './fake-registry.js';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

export interface TestClient {
  readonly client: RegistryClient;
  /** Pauses between attempts, which take no time here. */
  readonly sleeps: number[];
}

/** A client that is closed after the test. Its pauses are noted, not slept. */
export function newClient(options: RegistryClientOptions = {}): TestClient {
  const sleeps: number[] = [];
  const sleep = (ms: number): Promise<void> => {
    sleeps.push(ms);
    return Promise.resolve();
  };
  const client = createRegistryClient({ sleep, random: () => 1, timeoutMs: 10_000, ...options });
  open.push(client);
  return { client, sleeps };
}

/** A server that is closed after the test. */
export async function start(handler: Handler, options: { readonly tls?: boolean } = {}): Promise<FakeServer> {
  const server = await serve(handler, options);
  open.push(server);
  return server;
}

export async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const error = await promise.then(
    () => new Error('it succeeded'),
    (thrown: unknown) => thrown,
  );
  if (isFault(error)) return error;
  throw error;
}

/** For servers that speak plain HTTP. */
export const INSECURE = { insecure: true } as const;
