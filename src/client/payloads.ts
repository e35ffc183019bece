import type { LoadedDataConverter, Payload } from '@temporalio/common';

/** Reads the first of an event's payloads, whatever codec the client has. */
export type PayloadReader = <T>(payloads: { readonly payloads?: readonly Payload[] | null } | null | undefined) => Promise<T | undefined>;

export const payloadReader =
  ({ payloadConverter, payloadCodecs }: Pick<LoadedDataConverter, 'payloadConverter' | 'payloadCodecs'>): PayloadReader =>
  async <T>(payloads: { readonly payloads?: readonly Payload[] | null } | null | undefined): Promise<T | undefined> => {
    let encoded = [...(payloads?.payloads ?? [])].slice(0, 1);
    // The last codec encoded last, so it decodes first.
    for (const codec of [...payloadCodecs].reverse()) encoded = await codec.decode(encoded);
    const [first] = encoded;
    return first === undefined ? undefined : payloadConverter.fromPayload<T>(first);
  };

interface Timestamp {
  readonly seconds?: { toString(): string } | number | null;
  readonly nanos?: number | null;
}

export const eventTime = (time: Timestamp | null | undefined): Date =>
  new Date(Number(String(time?.seconds ?? 0)) * 1_000 + Math.floor((time?.nanos ?? 0) / 1_000_000));
