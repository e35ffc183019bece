import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import { ManagedClusterModuleSpec, ManagedClusterModuleStatus, parseManagedClusterModule } from '../../../src/api/index.js';

const LEAVES = [
  '',
  'text',
  '10m',
  '1h30m',
  '5%',
  '100%',
  'gpu.example.com',
  'None',
  'AfterCanary',
  'Pause',
  'Rollback',
  'In',
  'Exists',
  0,
  1,
  7,
  true,
  false,
];

/** Values that a schema accepts, every optional field sometimes there and sometimes not. Leaves are tried against the schema itself. */
function accepted(schema: z.core.$ZodType): fc.Arbitrary<unknown> {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return accepted(schema.unwrap());
  if (schema instanceof z.ZodArray) return fc.array(accepted(schema.element), { minLength: 1, maxLength: 2 });
  if (schema instanceof z.ZodRecord) return fc.dictionary(fc.constantFrom('a', 'example.com/b'), fc.constantFrom('', 'x'));
  if (schema instanceof z.ZodObject) {
    const shape = schema.shape as Record<string, z.core.$ZodType>;
    const required = Object.keys(shape).filter((key) => !(shape[key] instanceof z.ZodOptional));
    const known = fc.record(Object.fromEntries(Object.entries(shape).map(([key, field]) => [key, accepted(field)])), {
      requiredKeys: required,
    });
    return schema.def.catchall === undefined ? known : known.map((object) => ({ ...object, unknownToUs: { deep: [1, null, 'x'] } }));
  }
  return fc.constantFrom(...LEAVES.filter((leaf) => z.safeParse(schema, leaf).success));
}

/** The one rule over several fields. */
const withoutConflict = (spec: { moduleSpec?: { dra?: unknown; devicePlugin?: unknown } }) => {
  if (spec.moduleSpec?.dra !== undefined) delete spec.moduleSpec.devicePlugin;
  return spec;
};

describe('an object that is accepted', () => {
  const object = fc.record({
    apiVersion: fc.constant('hub.kmm.sigs.x-k8s.io/v1beta1'),
    kind: fc.constant('ManagedClusterModule'),
    metadata: fc.record({ name: fc.constantFrom('a', 'simple-kmod'), labels: fc.dictionary(fc.constantFrom('a', 'b'), fc.string()) }),
    spec: accepted(ManagedClusterModuleSpec).map((spec) => withoutConflict(spec as object)),
    status: accepted(ManagedClusterModuleStatus),
  });

  test('loses no field when it is written as JSON and read again', () => {
    fc.assert(
      fc.property(object, (value) => {
        expect(parseManagedClusterModule(JSON.parse(JSON.stringify(value)))).toEqual({ ok: true, value });
      }),
      { numRuns: 200 },
    );
  });
});
