import { describe, expect, test } from '@jest/globals';
import { wantedRevision, type WantedRevision } from '../../../activities/wanted-revision.js';
import type { KnownInputs } from '../../../src/domain/image-need.js';
import { revisionHash } from '../../../src/domain/revision.js';
import type { NewRevision } from '../../../src/kube/index.js';
import { aModuleSpec, sha256 } from '../domain/builders.js';
import { aBuildingSpec, aModuleHub, aNewRevision, aSpec, goneDockerfile, knownDockerfile, noInputs } from './module-hub.js';

const hashOf = (text: string): string => {
  const inputs = { 'ConfigMap/df': sha256(text) };
  return revisionHash({ spokeNamespace: 'kmm', moduleSpec: aBuildingSpec(), inputs }, sha256);
};
const recorded = (text: string, number: number): NewRevision =>
  aNewRevision({ hash: hashOf(text), number, inputs: { 'ConfigMap/df': sha256(text) } });

const wanted = (known: KnownInputs, revisions: readonly NewRevision[] = [], spec = aSpec()): Promise<WantedRevision> =>
  wantedRevision(aModuleHub({ known, revisions, spec }).deps, { name: 'kmod', spec });

describe('the revision that a spec asks for', () => {
  test('has a hash over the spec and the text of its Dockerfile', async () => {
    const { hash, frozen, recorded: standing } = await wanted(knownDockerfile('FROM a'));
    expect(hash).toBe(hashOf('FROM a'));
    expect(frozen).toEqual({ spokeNamespace: 'kmm', moduleSpec: aBuildingSpec(), inputs: { 'ConfigMap/df': sha256('FROM a') } });
    expect(standing).toBeUndefined();
  });

  test('is another one when the text changes, and the old one when the text comes back', async () => {
    const revisions = [recorded('FROM a', 1), recorded('FROM b', 2)];
    expect((await wanted(knownDockerfile('FROM b'), revisions)).recorded?.number).toBe(2);
    expect((await wanted(knownDockerfile('FROM a'), revisions)).recorded?.number).toBe(1);
    expect((await wanted(knownDockerfile('FROM c'), revisions)).recorded).toBeUndefined();
  });

  test('is, for a spec that names no input, the one that it always was', async () => {
    const moduleSpec = aModuleSpec();
    const { hash, frozen } = await wanted(noInputs, [], aSpec(moduleSpec));
    expect(hash).toBe(revisionHash({ spokeNamespace: 'kmm', moduleSpec }, sha256));
    expect(frozen.inputs).toEqual({});
  });
});

describe('while the Dockerfile is gone', () => {
  test('the newest revision of the same spec stands', async () => {
    const { hash, recorded: standing } = await wanted(goneDockerfile, [recorded('FROM b', 7), recorded('FROM a', 3)]);
    expect(hash).toBe(hashOf('FROM b'));
    expect(standing).toMatchObject({ number: 7, hash: hashOf('FROM b') });
  });

  test('a revision of another spec, or for another namespace, does not stand for it', async () => {
    const others = [
      aNewRevision({ hash: 'other-spec', number: 9, moduleSpec: aModuleSpec() }),
      aNewRevision({ hash: 'other-home', number: 8, spokeNamespace: 'elsewhere' }),
      aNewRevision({ hash: 'other-name', number: 7, module: 'another' }),
    ];
    const { hash, recorded: standing } = await wanted(goneDockerfile, others);
    expect(standing).toBeUndefined();
    expect(others.map((r) => r.hash)).not.toContain(hash);
  });

  test('a spec that was never complete has a revision of its own, which is not that of any text', async () => {
    const { hash } = await wanted(goneDockerfile);
    expect(hash).toMatch(/^[0-9a-f]{10}$/);
    expect(hash).not.toBe(hashOf(''));
    expect((await wanted(goneDockerfile)).hash).toBe(hash);
  });
});
