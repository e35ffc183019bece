import { defineSearchAttributeKey } from '@temporalio/common';
import { upsertSearchAttributes } from '@temporalio/workflow';

const KEYS = {
  module: defineSearchAttributeKey('KmodModule', 'KEYWORD'),
  phase: defineSearchAttributeKey('KmodPhase', 'KEYWORD'),
  revision: defineSearchAttributeKey('KmodRevision', 'KEYWORD'),
} as const;
const KERNEL = defineSearchAttributeKey('KmodKernel', 'KEYWORD_LIST');
const FAILED = defineSearchAttributeKey('KmodFailed', 'INT');

export interface Attributes {
  readonly module?: string;
  readonly phase?: string;
  readonly revision?: string | undefined;
  readonly kernels?: readonly string[];
  readonly failed?: number;
}

/** What people search by in the Temporal UI. Call only when something changed: each call is an event. */
export function upsertAttributes({ failed, kernels, ...texts }: Attributes): void {
  const pairs = Object.entries(texts).flatMap(([name, value]) =>
    value === undefined ? [] : [{ key: KEYS[name as keyof typeof KEYS], value }],
  );
  upsertSearchAttributes([
    ...pairs,
    ...(kernels === undefined ? [] : [{ key: KERNEL, value: [...kernels] }]),
    ...(failed === undefined ? [] : [{ key: FAILED, value: failed }]),
  ]);
}
