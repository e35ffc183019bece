import { expect, test } from '@jest/globals';
import type { ModuleSpec } from '../../../src/api/index.js';
import { settingsWithoutEffect } from '../../../src/domain/settings-without-effect.js';
import { aModuleSpec } from './builders.js';

const build = { dockerfileConfigMap: { name: 'dockerfile' } };
const kaniko = { ...build, kanikoParams: { tag: 'v1.9.0' } };
const specOf = (container: object): ModuleSpec => {
  const plain = aModuleSpec();
  return { ...plain, moduleLoader: { container: { ...plain.moduleLoader?.container, ...container } } } as ModuleSpec;
};
const sentence = (path: string): string =>
  `spec.moduleSpec.moduleLoader.container.${path}.kanikoParams is accepted and has no effect: images are built with buildah, whose image the operator's configuration names.`;

test('kanikoParams is told of wherever it stands, each place with its path', () => {
  const kernelMappings = [
    { regexp: 'a', build },
    { regexp: 'b', build: kaniko },
  ];
  expect(settingsWithoutEffect(specOf({ build: kaniko, kernelMappings }))).toEqual([
    sentence('build'),
    sentence('kernelMappings[1].build'),
  ]);
});

test('a spec without such a setting, without a build, and without a moduleLoader, has nothing to tell', () => {
  expect(settingsWithoutEffect(specOf({ build }))).toEqual([]);
  expect(settingsWithoutEffect(aModuleSpec())).toEqual([]);
  expect(settingsWithoutEffect({ selector: {} })).toEqual([]);
  expect(settingsWithoutEffect(undefined)).toEqual([]);
});
