import { describe, expect, test } from '@jest/globals';
import type { FoundModule } from '../../../src/domain/image-process.js';
import type { Pins } from '../../../src/domain/revision.js';
import { encodePins, readRevision, writeRevision, type NewRevision } from '../../../src/kube/index.js';
import { aDigest, aModuleSpec, imageOf, somePins } from '../domain/builders.js';

const aModule = (kernel: string, name = 'kmod'): FoundModule => ({
  kernel,
  name,
  sizeBytes: 4_096,
  vermagic: `${kernel} SMP mod_unload`,
  signer: 'kmod signer',
});

const pinsWithModules = (kernels: number, modulesEach: number): Pins =>
  Object.fromEntries(
    Array.from({ length: kernels }, (_, i) => {
      const kernel = `6.1.0-${i}-amd64`;
      const modules = Array.from({ length: modulesEach }, (_, m) => aModule(kernel, `kmod_${m}`));
      return [kernel, { image: imageOf(kernel), digest: aDigest('1'), origin: 'Made', modules } as const];
    }),
  );

const aNewRevision = (change: Partial<NewRevision> = {}): NewRevision => ({
  module: 'kmod',
  namespace: 'kmodflow-system',
  hash: 'aaaaaaaaaa',
  number: 3,
  spokeNamespace: 'kmm',
  moduleSpec: aModuleSpec(),
  pins: somePins(),
  ownerUid: 'mcm-uid',
  ...change,
});

describe('the pins of a revision', () => {
  test('are kept with what the inspection found', () => {
    const pins = pinsWithModules(2, 3);
    expect(JSON.parse(encodePins(pins))).toEqual(pins);
  });

  test('that take more than 200,000 bytes lose what was found, and keep every image, digest and origin', () => {
    const pins = pinsWithModules(60, 40);
    expect(JSON.stringify(pins).length).toBeGreaterThan(200_000);
    const encoded = encodePins(pins);
    expect(encoded.length).toBeLessThan(20_000);
    const kept = JSON.parse(encoded) as Pins;
    expect(Object.keys(kept)).toEqual(Object.keys(pins));
    for (const [kernel, pin] of Object.entries(kept)) expect(pin).toEqual({ image: imageOf(kernel), digest: aDigest('1'), origin: 'Made' });
  });

  test('are measured in bytes, as the API server counts them', () => {
    // 1,000 modules of about 180 characters: within the limit as letters, beyond it as bytes.
    const wide = Array.from({ length: 1_000 }, () => ({ ...aModule('k', 'ü'.repeat(80)) }));
    const pins: Pins = { k: { image: imageOf('k'), digest: aDigest('1'), modules: wide } };
    expect(JSON.stringify(pins).length).toBeLessThan(200_000);
    expect(JSON.parse(encodePins(pins))).toEqual({ k: { image: imageOf('k'), digest: aDigest('1') } });
  });
});

describe('a revision', () => {
  const inputs = { 'ConfigMap/dockerfile': 'a'.repeat(64) };

  test('reads back as it was written, with the hashes of its inputs', () => {
    const written = writeRevision(aNewRevision({ inputs, pins: pinsWithModules(1, 1) }));
    expect(readRevision(written)).toEqual({
      module: 'kmod',
      name: 'kmod-aaaaaaaaaa',
      number: 3,
      hash: 'aaaaaaaaaa',
      spokeNamespace: 'kmm',
      moduleSpec: aModuleSpec(),
      inputs,
      pins: pinsWithModules(1, 1),
      resourceVersion: '',
    });
  });

  test('without inputs says nothing of them, as the ones that were written before inputs were known', () => {
    for (const none of [undefined, {}]) {
      const written = writeRevision(aNewRevision({ inputs: none }));
      expect(written['data']).toEqual({ spokeNamespace: 'kmm', moduleSpec: aModuleSpec() });
      expect(readRevision(written).inputs).toBeUndefined();
    }
  });
});
