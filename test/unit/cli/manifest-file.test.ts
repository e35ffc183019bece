import { describe, expect, test } from '@jest/globals';
import { readManifest } from '../../../src/cli/manifest-file.js';
import { fakeIo } from './fake-io.js';

const MCM = 'apiVersion: hub.kmm.sigs.x-k8s.io/v1beta1\nkind: ManagedClusterModule\nmetadata: {name: kmod}\n';
const read = (text: string) => readManifest(fakeIo({ files: { 'mcm.yaml': text } }), 'mcm.yaml');

describe('a manifest', () => {
  test('is read from YAML, from JSON and from standard input', async () => {
    const wanted = { apiVersion: 'hub.kmm.sigs.x-k8s.io/v1beta1', kind: 'ManagedClusterModule', metadata: { name: 'kmod' } };
    expect(await read(MCM)).toEqual(wanted);
    expect(await read(JSON.stringify(wanted))).toEqual(wanted);
    expect(await readManifest(fakeIo({ files: { '-': MCM } }), '-')).toEqual(wanted);
  });

  test('may begin and end with the marks of a document', async () => {
    expect(await read(`---\n# a comment\n${MCM}---\n`)).toMatchObject({ kind: 'ManagedClusterModule' });
  });

  test.each([
    ['several documents', `${MCM}---\n${MCM}`, 'mcm.yaml holds 2 YAML documents; exactly one ManagedClusterModule is expected.'],
    ['nothing', '# nothing yet\n', 'mcm.yaml is empty; exactly one ManagedClusterModule is expected.'],
    ['another kind', 'kind: ConfigMap\n', 'mcm.yaml holds a ConfigMap; a ManagedClusterModule is expected.'],
  ])('with %s is refused', async (_name, text, message) => {
    await expect(read(text)).rejects.toMatchObject({ kind: 'Invalid', message });
  });

  test('that is no YAML is refused with the place', async () => {
    await expect(read('kind: [ManagedClusterModule\nspec: {}\n')).rejects.toThrow(
      /^mcm\.yaml is not valid YAML: .* at line \d+, column \d+/,
    );
  });

  test('with a key that stands there twice is refused', async () => {
    await expect(read(`${MCM}kind: ManagedClusterModule\n`)).rejects.toThrow(
      'mcm.yaml is not valid YAML: Map keys must be unique at line 4, column 1',
    );
  });

  test('that cannot be read is refused with the reason', async () => {
    await expect(readManifest(fakeIo(), 'nowhere.yaml')).rejects.toMatchObject({
      kind: 'Invalid',
      message: 'Cannot read nowhere.yaml: there is no such file.',
    });
  });
});
