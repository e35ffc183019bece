import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { managedClusterModuleCrd, type StructuralSchema } from '../../../src/api/index.js';
import { renderCrds } from '../../../tools/generate-crds.js';
import { everyUpstreamField } from './every-field.js';

const crd = managedClusterModuleCrd();
const root = crd.spec.versions[0]!.schema.openAPIV3Schema;

interface Field {
  readonly path: string;
  readonly schema: StructuralSchema;
}

function fields(schema: StructuralSchema, path: string): Field[] {
  const below = [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, child]) => fields(child, `${path}.${name}`)),
    ...(schema.items === undefined ? [] : fields(schema.items, `${path}[]`)),
    ...(schema.additionalProperties === undefined ? [] : fields(schema.additionalProperties, `${path}{}`)),
  ];
  return [{ path, schema }, ...below];
}
const all = fields(root, '');
const at = (path: string): StructuralSchema | undefined => all.find((field) => field.path === path)?.schema;

test.each(renderCrds())('$path is what the schemas say; if not, run `npm run generate`', ({ path, text }) => {
  expect(readFileSync(path, 'utf8')).toBe(text);
});

describe('the schema is structural', () => {
  test('every field has a type, or says that it is an integer or a string', () => {
    expect(all.filter(({ schema }) => schema.type === undefined && schema['x-kubernetes-int-or-string'] !== true)).toEqual([]);
  });

  test('no object has both listed and free fields, and none refuses what it does not know', () => {
    expect(all.filter(({ schema }) => schema.properties !== undefined && 'additionalProperties' in schema)).toEqual([]);
  });

  test('nothing is nullable, referred to elsewhere, or bounded by the integers that JavaScript knows', () => {
    const text = JSON.stringify(root);
    for (const trace of ['"nullable"', '"$ref"', '"$schema"', '"oneOf"', '"propertyNames"', String(Number.MAX_SAFE_INTEGER)])
      expect(text).not.toContain(trace);
  });
});

test('every field that has a name has a description, a sentence', () => {
  const named = all.filter(({ path }) => !path.endsWith('[]') && !path.endsWith('{}') && path !== '.metadata');
  expect(named.filter(({ schema }) => !schema.description?.endsWith('.')).map(({ path }) => path)).toEqual([]);
});

test('names, scope and columns are those that people and upstream know', () => {
  expect(crd.metadata.name).toBe('managedclustermodules.hub.kmm.sigs.x-k8s.io');
  expect(crd.spec).toMatchObject({
    scope: 'Cluster',
    names: { kind: 'ManagedClusterModule', singular: 'managedclustermodule', shortNames: ['mcm'] },
  });
  expect(crd.spec.versions[0]?.additionalPrinterColumns.map(({ name }) => name)).toEqual([
    'Phase',
    'Selected',
    'Loaded',
    'Failed',
    'Revision',
    'Age',
  ]);
});

test('columns show fields that exist', () => {
  const shown = crd.spec.versions[0]!.additionalPrinterColumns.map(({ jsonPath }) => jsonPath).filter((path) => path.startsWith('.status'));
  expect(shown.filter((path) => at(path) === undefined)).toEqual([]);
});

describe('compatible with upstream', () => {
  test('the object with every upstream field has no field less than the schema, the rollout policy apart', () => {
    const objects = [everyUpstreamField('a', 'devicePlugin'), everyUpstreamField('a', 'dra')];
    const used = new Set(objects.flatMap((object) => paths(object.spec, '.spec')));
    const upstream = all
      .filter(({ path }) => path.startsWith('.spec') && !path.startsWith('.spec.rollout'))
      .map(({ path }) => path.replace('{}', ''));
    expect(upstream.filter((path) => !used.has(path))).toEqual([]);
  });

  test('an object without spec, and one without moduleSpec, is not refused', () => {
    expect(root.required).toBeUndefined();
    expect(at('.spec')?.required).toEqual(['selector', 'spokeNamespace']);
  });

  test('what must be there is what upstream wants, but containerImage of a mapping may be absent', () => {
    const container = '.spec.moduleSpec.moduleLoader.container';
    expect(at('.spec.moduleSpec')?.required).toEqual(['selector']);
    expect(at(container)?.required).toEqual(['kernelMappings', 'modprobe']);
    expect(at(`${container}.kernelMappings`)).toMatchObject({ minItems: 1 });
    expect(at(`${container}.kernelMappings[]`)?.required).toBeUndefined();
    expect(at(`${container}.modprobe.dirName`)?.['default']).toBe('/opt');
    expect(at(`${container}.sign`)?.required).toEqual(['keySecret', 'certSecret']);
    expect(at('.spec.moduleSpec.dra')?.required).toEqual(['container', 'driverName']);
    expect(at('.spec.moduleSpec')?.['x-kubernetes-validations']).toEqual([
      { rule: '!(has(self.dra) && has(self.devicePlugin))', message: 'spec.dra and spec.devicePlugin are mutually exclusive' },
    ]);
  });
});

test('a number or a percentage is written as Kubernetes does it', () => {
  expect(at('.spec.rollout.maxConcurrent')).toMatchObject({
    'x-kubernetes-int-or-string': true,
    anyOf: [{ type: 'integer' }, { type: 'string' }],
    minimum: 1,
    pattern: '^(100|[1-9][0-9]?)%$',
  });
});

/** Paths of every field of a value, list items as `[]`. */
function paths(value: unknown, path: string): string[] {
  if (Array.isArray(value)) return [path, ...value.flatMap((item) => paths(item, `${path}[]`))];
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, item]) => paths(item, `${path}.${key}`))];
}
