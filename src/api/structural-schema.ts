import { z } from 'zod';

/** A schema as `apiextensions.k8s.io/v1` takes it: JSON with `x-kubernetes-…` extensions. */
export interface StructuralSchema {
  type?: string;
  description?: string;
  properties?: Record<string, StructuralSchema>;
  items?: StructuralSchema;
  additionalProperties?: StructuralSchema;
  required?: string[];
  [keyword: string]: unknown;
}

/**
 * The structural schema of a zod schema, as its input is written (a field with a default may be absent).
 * Rules that JSON Schema cannot say (refinements) are left to the parser and to admission.
 * Source of the demands: "Specifying a structural schema" in the Kubernetes documentation of CustomResourceDefinition.
 */
export function toStructuralSchema(schema: z.ZodType): StructuralSchema {
  const result = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    reused: 'inline',
    override: ({ jsonSchema }) => makeStructural(jsonSchema),
  });
  // JSON and back: what zod keeps beside the schema is not enumerable, and does not belong into a manifest.
  const plain = JSON.parse(JSON.stringify(result)) as StructuralSchema;
  delete plain['$schema'];
  return plain;
}

function makeStructural(schema: Record<string, unknown>): void {
  // zod says the range of a safe integer where the schema says no more than "whole".
  if (schema['minimum'] === Number.MIN_SAFE_INTEGER) delete schema['minimum'];
  if (schema['maximum'] === Number.MAX_SAFE_INTEGER) delete schema['maximum'];
  // The one union that a structural schema may have, and only in these words.
  if (schema['x-kubernetes-int-or-string'] === true) schema['anyOf'] = [{ type: 'integer' }, { type: 'string' }];
  if (schema['type'] === 'object' && schema['properties'] !== undefined) openOrClosed(schema);
}

/** `properties` and `additionalProperties` exclude one another: an object is pruned to what is listed, or says that it keeps the rest. */
function openOrClosed(schema: Record<string, unknown>): void {
  const isOpen = schema['additionalProperties'] !== undefined && schema['additionalProperties'] !== false;
  delete schema['additionalProperties'];
  if (isOpen) schema['x-kubernetes-preserve-unknown-fields'] = true;
  if (Object.keys(schema['properties'] as object).length === 0) delete schema['properties'];
}
