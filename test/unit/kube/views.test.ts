import { describe, expect, test } from '@jest/globals';
import { readInput } from '../../../src/kube/input-view.js';
import { readModule } from '../../../src/kube/module-view.js';

describe('a ConfigMap or Secret as the hub watches it', () => {
  test('is its name and version; whatever it holds is dropped', () => {
    const metadata = { name: 'key', namespace: 'kmodflow-system', uid: 'u-1', resourceVersion: '7', annotations: { a: 'b' } };
    const view = readInput({ metadata, data: { key: 'c2VjcmV0' } });
    expect(view).toEqual({ name: 'key', uid: 'u-1', resourceVersion: '7' });
    expect(JSON.stringify(view)).not.toContain('c2VjcmV0');
  });

  test('without uid and version has empty ones', () => {
    expect(readInput({ metadata: { name: 'key' } })).toEqual({ name: 'key', uid: '', resourceVersion: '' });
  });
});

describe('the inputs of an MCM', () => {
  const sign = { keySecret: { name: 'key' }, certSecret: { name: 'cert' } };
  const inputsOf = (moduleSpec?: object): readonly string[] => readModule({ metadata: { name: 'kmod' }, spec: { moduleSpec } }).inputs;

  test('are the objects that either level of the spec names, each once', () => {
    expect(
      inputsOf({
        imageRepoSecret: { name: 'pull' },
        moduleLoader: {
          container: {
            build: { dockerfileConfigMap: { name: 'df' }, secrets: [{ name: 'token' }, { name: 'pull' }] },
            sign,
            kernelMappings: [
              { regexp: 'a', build: { dockerfileConfigMap: { name: 'df' } } },
              { regexp: 'b', build: { dockerfileConfigMap: { name: 'df-2' } }, sign: { ...sign, certSecret: { name: 'cert-2' } } },
            ],
          },
        },
      }),
    ).toEqual(['ConfigMap/df', 'ConfigMap/df-2', 'Secret/cert', 'Secret/cert-2', 'Secret/key', 'Secret/pull', 'Secret/token']);
  });

  test('are none where the spec names none', () => {
    expect(inputsOf()).toEqual([]);
    expect(inputsOf({ moduleLoader: { container: { kernelMappings: [] } } })).toEqual([]);
    expect(readModule({ metadata: { name: 'kmod' } }).inputs).toEqual([]);
  });
});
