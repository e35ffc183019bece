import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { adaptExample } from '../../../../tools/demo/example.js';

const EXAMPLE = readFileSync(new URL('../../../../examples/simple-kmod.yaml', import.meta.url), 'utf8');

test('the example is pointed at the registry of the demo, nothing else is changed, and each change is told', () => {
  const adapted = adaptExample(EXAMPLE, '127.0.0.1:5000');
  const expected = parse(EXAMPLE) as { spec: { moduleSpec: { moduleLoader: { container: Record<string, unknown> } } } };
  Object.assign(expected.spec.moduleSpec.moduleLoader.container, {
    kernelMappings: [{ regexp: '^.+$', containerImage: '127.0.0.1:5000/kmods/simple-kmod:${KERNEL_FULL_VERSION}' }],
    registryTLS: { insecure: true },
  });
  expect(adapted.manifest).toEqual(expected);
  expect(parse(adapted.yaml)).toEqual(expected);
  expect(adapted.yaml).toContain('# must exist on each spoke');
  expect(adapted.selector).toEqual({ site: 'edge' });
  expect(adapted.changes).toEqual([
    'containerImage names the registry of this demo: registry.example.com is now 127.0.0.1:5000.',
    'registryTLS.insecure is true, since that registry speaks plain HTTP.',
  ]);
});

test('of a module that is built, the base images are taken from the registry of the demo, too', () => {
  const adapted = adaptExample(readFileSync(new URL('../../../../tools/demo/sample-kmod.yaml', import.meta.url), 'utf8'), '127.0.0.1:5000');
  expect(adapted).toMatchObject({
    name: 'sample-kmod',
    moduleName: 'kmodflow_sample',
    manifest: { spec: { moduleSpec: { moduleLoader: { container: { build: { baseImageRegistryTLS: { insecure: true } } } } } } },
  });
  expect(adapted.changes.at(-1)).toBe('build.baseImageRegistryTLS.insecure is true, since the base images lie in the same registry.');
});

test('the image of a kernel is pushed to where the mapping looks for it', () => {
  expect(adaptExample(EXAMPLE, '127.0.0.1:5000').imageFor('6.1.0-56-amd64')).toEqual({
    registry: '127.0.0.1:5000',
    repository: 'kmods/simple-kmod',
    tag: '6.1.0-56-amd64',
  });
});

test('an example without a kernel mapping is refused with the path that is missing', () => {
  expect(() => adaptExample('metadata: {name: x}\nspec: {}\n', '127.0.0.1:5000')).toThrow(
    'The example has no text at spec.moduleSpec.moduleLoader.container.kernelMappings.0.containerImage; the demo needs one there.',
  );
});

test('an example with one image for all kernels is refused, since the demo pushes one per kernel', () => {
  expect(() => adaptExample(EXAMPLE.replace('${KERNEL_FULL_VERSION}', 'v1'), '127.0.0.1:5000')).toThrow(
    "The example's image registry.example.com/kmods/simple-kmod:v1 has no tag with ${KERNEL_FULL_VERSION}; the demo pushes one image per kernel.",
  );
});
