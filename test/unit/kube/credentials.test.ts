import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';
import { createCredentialSource } from '../../../src/kube/credentials.js';
import { loadKubeConfig } from '../../../src/kube/index.js';
import { failureOf } from './helpers.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmodflow-credentials-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const cluster = { name: 'hub', server: 'https://hub.example', skipTLSVerify: false, caData: Buffer.from('ca-1').toString('base64') };
function kubeConfigWith(user: object, hub: object = cluster): KubeConfig {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(hub as typeof cluster, { name: 'user', ...user });
  return kubeConfig;
}

/** An exec plugin: a shell script that prints a credential. */
function plugin(script: string): object {
  const file = join(folder, 'plugin.sh');
  writeFileSync(file, script);
  return { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: [file] } };
}

describe('credentials', () => {
  test.each([
    ['token', { token: 't-1' }, { authorization: 'Bearer t-1' }],
    ['user name and password', { username: 'u', password: 'p' }, { authorization: `Basic ${Buffer.from('u:p').toString('base64')}` }],
    ['impersonation', { token: 't-1', impersonateUser: 'jane' }, { authorization: 'Bearer t-1', 'impersonate-user': 'jane' }],
    ['nothing', {}, {}],
  ])('of a %s', async (_what, user, headers) => {
    expect((await createCredentialSource(kubeConfigWith(user)).current()).headers).toEqual(headers);
  });

  test('of a token file, without its line end, and again after a refusal', async () => {
    const file = join(folder, 'token');
    writeFileSync(file, 't-1\n');
    const source = createCredentialSource(kubeConfigWith({ authProvider: { name: 'tokenFile', config: { tokenFile: file } } }));
    const first = await source.current();
    expect(first.headers).toEqual({ authorization: 'Bearer t-1' });
    writeFileSync(file, 't-2\n');
    source.refused(first);
    expect((await source.current()).headers).toEqual({ authorization: 'Bearer t-2' });
  });

  test('of an exec plugin, run once for many requests, and once more when the server refuses them', async () => {
    const runs = join(folder, 'runs');
    const status = JSON.stringify({ kind: 'ExecCredential', status: { token: 'from-plugin' } });
    const source = createCredentialSource(kubeConfigWith(plugin(`echo run >> ${runs}\necho '${status}'`)));
    const many = await Promise.all(Array.from({ length: 20 }, () => source.current()));
    expect(many.map(({ headers }) => headers['authorization'])).toEqual(Array(20).fill('Bearer from-plugin'));
    expect(readFileSync(runs, 'utf8')).toBe('run\n');
    for (const stale of many) source.refused(stale);
    const fresh = await source.current();
    for (const stale of many) source.refused(stale);
    expect(await source.current()).toBe(fresh);
    expect(readFileSync(runs, 'utf8')).toBe('run\nrun\n');
  });

  test('a plugin that fails is told without the rest of what it printed, and asked again', async () => {
    const source = createCredentialSource(kubeConfigWith(plugin('echo "login expired" >&2; echo "token=hunter2" >&2; exit 1')));
    expect((await failureOf(source.current())).message).toBe(
      'Cannot get credentials for the API server from the kubeconfig: login expired.',
    );
    plugin(`echo '${JSON.stringify({ kind: 'ExecCredential', status: { token: 'now-it-works' } })}'`);
    expect((await source.current()).headers).toEqual({ authorization: 'Bearer now-it-works' });
  });

  test('connections are built anew when a certificate changes, and not when a token does', async () => {
    const certFile = join(folder, 'tls.crt');
    writeFileSync(certFile, 'certificate-1');
    const kubeConfig = kubeConfigWith({ token: 't-1', certFile, keyData: Buffer.from('key').toString('base64') });
    const source = createCredentialSource(kubeConfig);
    const first = await source.current();
    kubeConfig.users = [{ ...(kubeConfig.users[0] as KubeConfig['users'][number]), token: 't-2' }];
    source.refused(first);
    const second = await source.current();
    expect(second.headers).toEqual({ authorization: 'Bearer t-2' });
    expect(second.fingerprint).toBe(first.fingerprint);
    writeFileSync(certFile, 'certificate-2');
    source.refused(second);
    expect((await source.current()).fingerprint).not.toBe(first.fingerprint);
    expect(first.fingerprint).not.toContain('certificate');
  });

  test('a proxy of the kubeconfig is used', async () => {
    const { dispatcher } = await createCredentialSource(
      kubeConfigWith({ token: 't' }, { ...cluster, proxyUrl: 'http://proxy.example:3128' }),
    ).current();
    expect(dispatcher).toMatchObject({ type: 'proxy', uri: 'http://proxy.example:3128' });
  });
});

describe('a kubeconfig file', () => {
  const write = (text: string): string => {
    const file = join(folder, 'kubeconfig');
    writeFileSync(file, text);
    return file;
  };
  const two = `apiVersion: v1
kind: Config
current-context: one
clusters: [{name: a, cluster: {server: 'https://a.example'}}, {name: b, cluster: {server: 'https://b.example'}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: one, context: {cluster: a, user: u}}, {name: two, context: {cluster: b, user: u}}]
`;

  test('gives its current context, or the one asked for', () => {
    const path = write(two);
    expect(loadKubeConfig({ path }).getCurrentCluster()?.server).toBe('https://a.example');
    expect(loadKubeConfig({ path, context: 'two' }).getCurrentCluster()?.server).toBe('https://b.example');
  });

  test('without the context asked for says which it has', () => {
    expect(() => loadKubeConfig({ path: write(two), context: 'three' })).toThrow(
      'The kubeconfig has no context "three"; it has: one, two.',
    );
  });

  test.each([
    ['that is not YAML', 'token: [hunter2'],
    ['that is empty', ''],
    ['of another shape', '- token: hunter2'],
  ])('%s is refused without quoting it', (_what, text) => {
    const path = write(text);
    expect(() => loadKubeConfig({ path })).toThrow(
      /^(Cannot read the kubeconfig .*: it is not a valid kubeconfig file\.|The kubeconfig names no server)/,
    );
    expect(() => loadKubeConfig({ path })).not.toThrow(/hunter2/);
  });
});
