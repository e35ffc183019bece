import { existsSync, readFileSync } from 'node:fs';

/** One finished request, as the API server itself saw it: a witness that no client library can fool. */
export interface AuditEvent {
  readonly verb: string;
  /** Plural, for instance `manifestworks`. */
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly user: string;
  readonly userAgent?: string;
  readonly uri: string;
  /** HTTP status of the answer. */
  readonly code: number;
  readonly at: string;
}

const policy = (rules: readonly object[]): object => ({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived', 'ResponseStarted', 'Panic'],
  rules,
});

const NOT_A_RESOURCE = { level: 'None', nonResourceURLs: ['*'] };
/** What the API server does for itself says nothing about the code under test. */
const BY_THE_SERVER_ITSELF = { level: 'None', users: ['system:apiserver'] };

/** `writes`: everything but get, list and watch. A watch appears in `all` only when it ends. */
export const AUDIT_POLICY = {
  writes: policy([NOT_A_RESOURCE, BY_THE_SERVER_ITSELF, { level: 'None', verbs: ['get', 'list', 'watch'] }, { level: 'Metadata' }]),
  all: policy([NOT_A_RESOURCE, BY_THE_SERVER_ITSELF, { level: 'Metadata' }]),
} as const;

interface RawEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly userAgent?: string;
  readonly requestURI: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string; readonly namespace?: string; readonly name?: string };
  readonly responseStatus?: { readonly code?: number };
  readonly stageTimestamp: string;
}

/** @throws Error when the control plane runs without an audit log. */
export function readAuditLog(file: string | undefined): AuditEvent[] {
  if (file === undefined) throw new Error('This control plane keeps no audit log. Start it with { auditLog: true }.');
  if (!existsSync(file)) return []; // the server creates it with the first event
  const lines = readFileSync(file, 'utf8').split('\n');
  lines.pop(); // empty, or a line that is being written
  return lines.map((line) => toEvent(JSON.parse(line) as RawEvent));
}

const toEvent = (raw: RawEvent): AuditEvent => ({
  verb: raw.verb,
  resource: raw.objectRef?.resource ?? '',
  ...(raw.objectRef?.subresource !== undefined && { subresource: raw.objectRef.subresource }),
  ...(raw.objectRef?.namespace !== undefined && { namespace: raw.objectRef.namespace }),
  ...(raw.objectRef?.name !== undefined && { name: raw.objectRef.name }),
  user: raw.user.username,
  ...(raw.userAgent !== undefined && { userAgent: raw.userAgent }),
  uri: raw.requestURI,
  code: raw.responseStatus?.code ?? 0,
  at: raw.stageTimestamp,
});
