import { describe, expect, test } from '@jest/globals';
import { createRecordRevision } from '../../../activities/record-revision.js';
import { revisionHash, type Pin } from '../../../src/domain/revision.js';
import { aDigest, imageOf, sha256 } from '../domain/builders.js';
import { aBuildingSpec, aModuleHub, aNewRevision, DOCKERFILE, goneDockerfile, knownDockerfile } from './module-hub.js';

const hashOf = (text: string): string =>
  revisionHash({ spokeNamespace: 'kmm', moduleSpec: aBuildingSpec(), inputs: { 'ConfigMap/df': sha256(text) } }, sha256);
const hash = hashOf(DOCKERFILE);
const inputs = { 'ConfigMap/df': sha256(DOCKERFILE) };
const found = [{ kernel: '6.1.0-1', name: 'kmod', sizeBytes: 4_096, vermagic: '6.1.0-1 SMP' }];
const aPin = (kernel: string, digit = '1', change: Partial<Pin> = {}): Pin => ({
  kernel,
  image: imageOf(kernel),
  digest: aDigest(digit),
  origin: 'Made',
  ...change,
});
const record = (hub: ReturnType<typeof aModuleHub>, pins: readonly Pin[], wanted = hash) =>
  createRecordRevision(hub.deps)({ name: 'kmod', hash: wanted, pins });

describe('recording a revision', () => {
  test('freezes the hashes of its inputs, and keeps what was found in each image with its digest', async () => {
    const hub = aModuleHub();
    expect(await record(hub, [aPin('6.1.0-1', '1', { modules: found })])).toEqual({ name: `kmod-${hash}`, number: 1 });
    expect(hub.all()).toMatchObject([
      { hash, inputs, pins: { '6.1.0-1': { image: imageOf('6.1.0-1'), digest: aDigest('1'), origin: 'Made', modules: found } } },
    ]);
  });

  test('does nothing when the Dockerfile has changed since the workflow looked: it looks again', async () => {
    const hub = aModuleHub({ known: knownDockerfile('FROM b') });
    expect(await record(hub, [aPin('6.1.0-1')])).toBeUndefined();
    expect(hub.all()).toEqual([]);
    hub.know(knownDockerfile(DOCKERFILE));
    expect(await record(hub, [aPin('6.1.0-1')])).toEqual({ name: `kmod-${hash}`, number: 1 });
  });

  test('goes on with the one that stands while the Dockerfile is gone', async () => {
    const hub = aModuleHub({ known: goneDockerfile, revisions: [aNewRevision({ hash, inputs })] });
    expect(await record(hub, [aPin('6.1.0-1')])).toEqual({ name: `kmod-${hash}`, number: 1 });
    expect(Object.keys(hub.all()[0]?.pins ?? {})).toEqual(['6.1.0-1']);
  });
});

describe('a revision that stands', () => {
  const standing = aNewRevision({ hash, inputs, pins: { '6.1.0-1': { image: imageOf('6.1.0-1'), digest: aDigest('1') } } });

  test('gets new pins, guarded by its version, and is left alone when there is none', async () => {
    const hub = aModuleHub({ revisions: [standing] });
    await record(hub, [aPin('6.1.0-1')]);
    expect(hub.patches).toEqual([]);
    await record(hub, [aPin('6.1.0-2', '2')]);
    expect(hub.patches).toMatchObject([{ metadata: { resourceVersion: '1' }, revision: 1 }]);
    expect(Object.keys(hub.all()[0]?.pins ?? {}).sort()).toEqual(['6.1.0-1', '6.1.0-2']);
  });

  test('never changes a digest, whatever the registry says now, and logs what it refused', async () => {
    const hub = aModuleHub({ revisions: [standing] });
    await record(hub, [aPin('6.1.0-1', '9'), aPin('6.1.0-2', '2')]);
    expect(hub.all()[0]?.pins['6.1.0-1']?.digest).toBe(aDigest('1'));
    expect(hub.warnings).toMatchObject([{ revision: `kmod-${hash}`, kernel: '6.1.0-1', digest: aDigest('9') }]);
  });

  test('gets the next number when its Dockerfile comes back after another one, and keeps its pins', async () => {
    const other = aNewRevision({ hash: hashOf('FROM b'), number: 2, inputs: { 'ConfigMap/df': sha256('FROM b') } });
    const hub = aModuleHub({ revisions: [standing, other] });
    expect(await record(hub, [])).toEqual({ name: `kmod-${hash}`, number: 3 });
    expect(hub.all().find((r) => r.hash === hash)).toMatchObject({ number: 3, pins: { '6.1.0-1': { digest: aDigest('1') } } });
  });
});
