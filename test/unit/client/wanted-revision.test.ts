import { describe, expect, test } from '@jest/globals';
import type { ManagedClusterModuleSpec } from '../../../src/api/index.js';
import { revisionOf } from '../../../src/client/revision-of.js';
import { Fault } from '../../../src/domain/fault.js';
import type { KnownInputs } from '../../../src/domain/image-need.js';
import { revisionHash, revisionName, type Revision } from '../../../src/domain/revision.js';
import { aModuleSpec, aRevision, aStatus, sha256 } from '../domain/builders.js';
import { aClient, aManifest, fakeHub, noWorkflows } from './fakes.js';
import { revisionObject } from './fleet-of.js';

const plain = aModuleSpec();
const moduleSpec = aModuleSpec({
  moduleLoader: {
    container: { ...plain.moduleLoader?.container, build: { dockerfileConfigMap: { name: 'kmod-dockerfile' } } },
  } as never,
});
const spokeNamespace = 'kmm-modules';
const known = (text: string): KnownInputs => ({
  dockerfiles: new Map([['kmod-dockerfile', { text, sha256: sha256(text) }]]),
  certificates: new Map(),
  missingSecrets: new Set(),
});
const gone: KnownInputs = { ...known(''), dockerfiles: new Map([['kmod-dockerfile', { problem: 'It does not exist.' }]]) };
const revisionFor = (text: string, number: number): Revision => {
  const inputs = { 'ConfigMap/kmod-dockerfile': sha256(text) };
  const hash = revisionHash({ spokeNamespace, moduleSpec, inputs }, sha256);
  return aRevision({ hash, name: revisionName('kmod', hash), number, moduleSpec, inputs });
};
const [first, second] = [revisionFor('FROM one', 1), revisionFor('FROM two', 2)];
const hub = fakeHub({ ...revisionObject(first), ...revisionObject(second) });
const planned = async (inputs: () => Promise<KnownInputs>) => {
  const client = aClient(noWorkflows({ status: () => Promise.resolve(aStatus()) }), hub, inputs);
  return (await client.plan(aManifest(moduleSpec))).revision;
};

describe('the revision that a plan is about', () => {
  test('is the one with the Dockerfile as it is now', async () => {
    expect(await planned(() => Promise.resolve(known('FROM one')))).toMatchObject({ name: first.name, recorded: true });
    expect(await planned(() => Promise.resolve(known('FROM two')))).toMatchObject({ name: second.name, recorded: true });
  });

  test('is a new one when the Dockerfile has changed', async () => {
    expect(await planned(() => Promise.resolve(known('FROM three')))).toMatchObject({
      name: revisionFor('FROM three', 3).name,
      recorded: false,
    });
  });

  test('is the newest of the same spec while the Dockerfile is gone, and for a person who may not read it', async () => {
    expect(await planned(() => Promise.resolve(gone))).toMatchObject({ name: second.name, recorded: true });
    expect(await planned(() => Promise.reject(new Fault('Unavailable', 'Forbidden.')))).toMatchObject({
      name: second.name,
      recorded: true,
    });
  });
});

test('the name of a revision is known without the hub only where the spec names no inputs', () => {
  const spec = (module: object): ManagedClusterModuleSpec => ({ selector: {}, spokeNamespace, moduleSpec: module as never });
  expect(revisionOf('kmod', spec(moduleSpec))).toBeUndefined();
  expect(revisionOf('kmod', spec(plain))).toBe(revisionName('kmod', revisionHash({ spokeNamespace, moduleSpec: plain }, sha256)));
});
