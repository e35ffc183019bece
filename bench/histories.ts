import type { temporal } from '@temporalio/proto';
import { connectTemporal } from '../src/temporal/connection.js';

export interface HistoryFigures {
  readonly maxHistoryEvents: number;
  readonly maxPayloadBytes: number;
}

type Payload = temporal.api.common.v1.IPayload;

/** The longest run and the largest payload of all workflows that the server knows. */
export async function measureHistories(address: string): Promise<HistoryFigures> {
  const client = await connectTemporal({ temporalAddress: address, temporalNamespace: 'default' });
  let maxHistoryEvents = 0;
  let maxPayloadBytes = 0;
  try {
    for await (const { workflowId, runId } of client.workflow.list()) {
      const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      maxHistoryEvents = Math.max(maxHistoryEvents, events?.length ?? 0);
      for (const payload of payloadsIn(events)) maxPayloadBytes = Math.max(maxPayloadBytes, payload.data?.length ?? 0);
    }
  } finally {
    await client.connection.close();
  }
  return { maxHistoryEvents, maxPayloadBytes };
}

function* payloadsIn(value: unknown): Iterable<Payload> {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return;
  if ('data' in value && value.data instanceof Uint8Array) yield value as Payload;
  for (const part of Object.values(value)) yield* payloadsIn(part);
}
