import { Client, Connection } from '@temporalio/client';
import { Fault } from '../domain/fault.js';
import type { Config } from '../config.js';

/** A client whose connection also reaches the operator service, which `Client` alone does not promise. */
export type TemporalClient = Client & { readonly connection: Connection };

export type ConnectionConfig = Pick<Config, 'temporalAddress' | 'temporalNamespace'>;

/** How long to wait for the server before giving up, milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Connects to Temporal.
 * @throws Fault `Unavailable` when no server answers within ten seconds. The caller closes `client.connection`.
 */
export async function connectTemporal({ temporalAddress, temporalNamespace }: ConnectionConfig): Promise<TemporalClient> {
  try {
    const connection = await Connection.connect({ address: temporalAddress, connectTimeout: CONNECT_TIMEOUT_MS });
    return new Client({ connection, namespace: temporalNamespace }) as TemporalClient;
  } catch (error) {
    const message = `Temporal does not answer at ${temporalAddress}. Check that the server runs and that TEMPORAL_ADDRESS (or --temporal-address) names it.`;
    throw new Fault('Unavailable', message, { cause: error });
  }
}
