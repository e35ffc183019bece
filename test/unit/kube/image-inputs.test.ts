import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { Fault } from '../../../src/domain/fault.js';
import { inputNames } from '../../../src/domain/image-need.js';
import { certificateFingerprint } from '../../../src/kmod/index.js';
import { createImageInputs, type Fleet, type HubApi, type InputView } from '../../../src/kube/index.js';
import { newPair, type KeyFiles } from '../signer/keys.js';
import { aModuleSpec } from '../domain/builders.js';

const NAMESPACE = 'kmodflow-system';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const base64 = (bytes: string | Buffer): string => Buffer.from(bytes).toString('base64');

let pair: KeyFiles;
beforeAll(() => {
  pair = newPair('P-256');
});

/** A hub whose watch knows of each object as soon as it is stored, unless a case says otherwise. */
function aHub() {
  const stored = new Map<string, object>();
  const reads: string[] = [];
  const views = { ConfigMap: new Map<string, InputView>(), Secret: new Map<string, InputView>() };
  let version = 0;
  let outage: Fault | undefined;
  const api = {
    get: ({ kind }: { kind: string }, name: string, namespace: string) => {
      reads.push(`${kind} ${namespace}/${name}`);
      if (outage !== undefined) return Promise.reject(outage);
      const object = stored.get(`${kind}/${name}`);
      return object === undefined ? Promise.reject(new Fault('Missing', 'not found')) : Promise.resolve(object);
    },
  } as unknown as HubApi;
  const fleet = { configMaps: views.ConfigMap, secrets: views.Secret } as unknown as Pick<Fleet, 'configMaps' | 'secrets'>;
  const put = (kind: 'ConfigMap' | 'Secret', name: string, data: Record<string, string> | undefined, seen = true): void => {
    stored.set(`${kind}/${name}`, data === undefined ? {} : { data });
    version += 1;
    if (seen) views[kind].set(name, { name, uid: 'u', resourceVersion: String(version) });
  };
  const remove = (kind: 'ConfigMap' | 'Secret', name: string): void => {
    stored.delete(`${kind}/${name}`);
    views[kind].delete(name);
  };
  const inputs = createImageInputs({ api, fleet, operatorNamespace: NAMESPACE });
  return { inputs, reads, put, remove, fail: (fault?: Fault) => (outage = fault) };
}

describe('a Dockerfile', () => {
  test('is read once per version, however often the module is looked at', async () => {
    const hub = aHub();
    hub.put('ConfigMap', 'df', { dockerfile: 'FROM a' });
    const first = await hub.inputs.dockerfile('df');
    expect(first).toEqual({ text: 'FROM a', sha256: sha256('FROM a') });
    expect(await hub.inputs.dockerfile('df')).toBe(first);
    expect(hub.reads).toEqual([`ConfigMap ${NAMESPACE}/df`]);
    hub.put('ConfigMap', 'df', { dockerfile: 'FROM b' });
    expect(await hub.inputs.dockerfile('df')).toMatchObject({ text: 'FROM b' });
    expect(await hub.inputs.dockerfile('df')).toMatchObject({ text: 'FROM b' });
    expect(hub.reads).toHaveLength(2);
  });

  test('of which the watch knows nothing yet is asked for each time, and nothing old is remembered', async () => {
    const hub = aHub();
    hub.put('ConfigMap', 'df', { dockerfile: 'FROM a' }, false);
    expect(await hub.inputs.dockerfile('df')).toMatchObject({ text: 'FROM a' });
    hub.remove('ConfigMap', 'df');
    expect(await hub.inputs.dockerfile('df')).toMatchObject({ problem: expect.stringContaining('does not exist') });
    expect(hub.reads).toHaveLength(2);
  });

  test('that was deleted and made anew with the same text is the same Dockerfile', async () => {
    const hub = aHub();
    hub.put('ConfigMap', 'df', { dockerfile: 'FROM a' });
    const before = await hub.inputs.dockerfile('df');
    hub.remove('ConfigMap', 'df');
    await hub.inputs.dockerfile('df');
    hub.put('ConfigMap', 'df', { dockerfile: 'FROM a' });
    expect(await hub.inputs.dockerfile('df')).toEqual(before);
  });

  const WHERE = `ConfigMap ${NAMESPACE}/df`;
  test.each<[string, Record<string, string> | undefined, string]>([
    ['without data', undefined, `${WHERE} has no key "dockerfile". Put the Dockerfile there; the build starts by itself then.`],
    [
      'under another key',
      { Dockerfile: 'FROM a' },
      `${WHERE} has no key "dockerfile". Put the Dockerfile there; the build starts by itself then.`,
    ],
    [
      'of blanks',
      { dockerfile: ' \n\t' },
      `The Dockerfile in ${WHERE}, key "dockerfile", is empty. Write one; the build starts by itself then.`,
    ],
    [
      'of 131,073 bytes',
      { dockerfile: 'x'.repeat(131_073) },
      `The Dockerfile in ${WHERE} has 131073 bytes; at most 131072 are possible. Move sources out of it, for instance into a base image.`,
    ],
  ])('%s is said to be so', async (_what, data, problem) => {
    const hub = aHub();
    hub.put('ConfigMap', 'df', data);
    expect(await hub.inputs.dockerfile('df')).toEqual({ problem });
  });

  test('may have 131,072 bytes, counted as UTF-8', async () => {
    const hub = aHub();
    hub.put('ConfigMap', 'df', { dockerfile: 'x'.repeat(131_072) });
    hub.put('ConfigMap', 'wide', { dockerfile: 'ü'.repeat(65_537) });
    expect(await hub.inputs.dockerfile('df')).not.toHaveProperty('problem');
    expect(await hub.inputs.dockerfile('wide')).toMatchObject({ problem: expect.stringContaining('has 131074 bytes') });
  });

  test('that is not there is said to be so', async () => {
    expect(await aHub().inputs.dockerfile('df')).toEqual({
      problem: `${WHERE}, which holds the Dockerfile, does not exist. Create it; the build starts by itself then.`,
    });
  });
});

describe('a certificate', () => {
  const WHERE = `Secret ${NAMESPACE}/cert`;

  test.each(['PEM', 'DER'])('is read in %s form, once per version', async (form) => {
    const hub = aHub();
    const { certificate } = pair;
    hub.put('Secret', 'cert', { cert: base64(form === 'PEM' ? certificate.toString() : certificate.raw) });
    const known = await hub.inputs.certificate('cert');
    expect(known).toMatchObject({ fingerprint: certificateFingerprint(certificate) });
    expect(await hub.inputs.certificate('cert')).toBe(known);
    expect(hub.reads).toEqual([WHERE]);
  });

  test('that is not there, has no data key, or is none, is said to be so, and its content is not repeated', async () => {
    const hub = aHub();
    expect(await hub.inputs.certificate('cert')).toEqual({
      problem: `${WHERE}, which holds the certificate, does not exist. Create it; the signing starts by itself then.`,
    });
    hub.put('Secret', 'cert', { 'tls.crt': 'x' });
    expect(await hub.inputs.certificate('cert')).toEqual({
      problem: `${WHERE} has no data key "cert". Put the certificate there, in PEM or DER form; the signing starts by itself then.`,
    });
    hub.put('Secret', 'cert', { cert: base64('-----BEGIN PRIVATE KEY-----') });
    expect(await hub.inputs.certificate('cert')).toEqual({
      problem: `The data key "cert" of ${WHERE} is no X.509 certificate in PEM or DER form. Correct it.`,
    });
  });
});

describe('everything that a spec names', () => {
  const plain = aModuleSpec().moduleLoader?.container;
  const names = (certSecret: string) =>
    inputNames(
      aModuleSpec({
        moduleLoader: {
          container: {
            ...plain,
            build: { dockerfileConfigMap: { name: 'df' }, secrets: [{ name: 'token' }] },
            sign: { keySecret: { name: 'key' }, certSecret: { name: certSecret } },
          },
        } as never,
      }),
    );

  test('is read, but the Secrets with keys and those of the build: of them the watch tells whether they are there', async () => {
    const hub = aHub();
    hub.put('ConfigMap', 'df', { dockerfile: 'FROM a' });
    hub.put('Secret', 'cert', { cert: base64(pair.certificate.raw) });
    hub.put('Secret', 'key', { key: 'never to be read' });
    const known = await hub.inputs.read(names('cert'));
    expect([...known.dockerfiles]).toEqual([['df', { text: 'FROM a', sha256: sha256('FROM a') }]]);
    expect([...known.certificates]).toEqual([['cert', { fingerprint: certificateFingerprint(pair.certificate) }]]);
    expect([...known.missingSecrets]).toEqual(['token']);
    expect(hub.reads.sort()).toEqual([`ConfigMap ${NAMESPACE}/df`, `Secret ${NAMESPACE}/cert`]);
  });

  test('never includes the key, also where the spec names one Secret for both', async () => {
    const hub = aHub();
    hub.put('Secret', 'key', { key: 'never to be read', cert: base64(pair.certificate.raw) });
    expect([...(await hub.inputs.read(names('key'))).certificates]).toEqual([]);
    expect(hub.reads).toEqual([`ConfigMap ${NAMESPACE}/df`]);
  });

  test('cannot be read while the API server is away, and then nothing is said to be missing', async () => {
    const hub = aHub();
    const outage = new Fault('Unavailable', 'The API server does not answer.');
    hub.fail(outage);
    await expect(hub.inputs.read(names('cert'))).rejects.toBe(outage);
    hub.put('ConfigMap', 'df', { dockerfile: 'FROM a' });
    hub.fail();
    expect(await hub.inputs.dockerfile('df')).toMatchObject({ text: 'FROM a' });
  });
});
