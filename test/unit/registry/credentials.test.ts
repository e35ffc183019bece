import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isFault, type Fault } from '../../../src/domain/fault.js';
import { credentialsFromSecret } from '../../../src/registry/index.js';
import { mostSpecificKey, parseRegistryKey } from '../../../src/registry/keyring.js';
import { basic, logins } from './fake-registry.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const entry = (user: string) => ({ username: user, password: 'p' });

function userFor(keys: readonly string[], registry: string, repository: string): string | undefined {
  const header = logins(Object.fromEntries(keys.map((key) => [key, entry(key)])))
    .loginFor(registry, repository)
    ?.basic();
  return header === undefined ? undefined : Buffer.from(header.slice('Basic '.length), 'base64').toString().slice(0, -':p'.length);
}

describe('which entry of a pull secret is used', () => {
  test.each([
    ['the host', ['reg.example.com'], 'reg.example.com', 'a/b', 'reg.example.com'],
    ['no other host', ['reg.example.com'], 'example.com', 'a/b', undefined],
    ['the host whatever its case', ['Reg.Example.com'], 'reg.example.com', 'a/b', 'Reg.Example.com'],
    ['the host with scheme and version', ['https://reg.example.com/v1/'], 'reg.example.com', 'a/b', 'https://reg.example.com/v1/'],
    ['the host with version 2', ['reg.example.com/v2'], 'reg.example.com', 'a/b', 'reg.example.com/v2'],
    ['the host with its port', ['reg.example.com:5000'], 'reg.example.com:5000', 'a', 'reg.example.com:5000'],
    ['not the host with another port', ['reg.example.com:5000'], 'reg.example.com', 'a', undefined],
    ['not the host without the port', ['reg.example.com'], 'reg.example.com:5000', 'a', undefined],
    ['an IPv6 address with a port', ['[::1]:5000'], '[::1]:5000', 'a', '[::1]:5000'],
    ['the longest path', ['r.io', 'r.io/a', 'r.io/a/b'], 'r.io', 'a/b/c', 'r.io/a/b'],
    ['the whole repository', ['r.io/a', 'r.io/a/b'], 'r.io', 'a/b', 'r.io/a/b'],
    ['not a longer path', ['r.io/a/b/c', 'r.io'], 'r.io', 'a/b', 'r.io'],
    ['the host before a path that ends inside a name', ['r.io', 'r.io/team'], 'r.io', 'team-a/kmod', 'r.io'],
    ['a path that ends inside a name when nothing else fits, as the kubelet does', ['r.io/team'], 'r.io', 'team-a/kmod', 'r.io/team'],
    ['a star for one label', ['*.example.com'], 'reg.example.com', 'a', '*.example.com'],
    ['a star for a part of a label', ['reg*.example.com'], 'reg-2.example.com', 'a', 'reg*.example.com'],
    ['two stars in a label', ['*e*g.example.com'], 'reg.example.com', 'a', '*e*g.example.com'],
    ['no star for two labels', ['*.example.com'], 'a.b.example.com', 'a', undefined],
    ['the literal host before the star', ['*.example.com', 'reg.example.com'], 'reg.example.com', 'a', 'reg.example.com'],
    ['Docker Hub as docker login writes it', ['https://index.docker.io/v1/'], 'docker.io', 'library/nginx', 'https://index.docker.io/v1/'],
    ['Docker Hub by its API host', ['registry-1.docker.io'], 'docker.io', 'library/nginx', 'registry-1.docker.io'],
    ['a namespace of Docker Hub', ['docker.io', 'docker.io/me'], 'docker.io', 'me/kmod', 'docker.io/me'],
    ['a host behind a user name', ['https://somebody@r.io'], 'r.io', 'a', 'https://somebody@r.io'],
  ])('%s', (_, keys, registry, repository, expected) => {
    expect(userFor(keys, registry, repository)).toBe(expected);
  });

  test('of keys that are prefixes of the repository, the longest wins in any order', () => {
    const part = fc.stringMatching(/^[a-z]{1,4}$/);
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), fc.array(fc.nat(5), { minLength: 1 }), (parts, lengths) => {
        const keys = lengths.map((length) => parseRegistryKey(['r.io', ...parts.slice(0, length)].join('/')));
        const best = mostSpecificKey(keys, parseRegistryKey(`r.io/${parts.join('/')}`));
        const longest = Math.max(...lengths.map((length) => Math.min(length, parts.length)));
        expect(best === undefined ? undefined : keys[best]?.path).toBe(longest === 0 ? '' : `/${parts.slice(0, longest).join('/')}`);
      }),
    );
  });

  test('a star fits as a naive matcher says', () => {
    const label = fc.stringMatching(/^[ab]{0,6}$/);
    const naive = (pattern: string, text: string): boolean =>
      pattern === ''
        ? text === ''
        : pattern.startsWith('*')
          ? naive(pattern.slice(1), text) || (text !== '' && naive(pattern, text.slice(1)))
          : text !== '' && pattern[0] === text[0] && naive(pattern.slice(1), text.slice(1));
    fc.assert(
      fc.property(fc.stringMatching(/^[ab*]{1,6}$/), label, (pattern, text) => {
        const key = { host: `${pattern}.io`, port: '', path: '' };
        expect(mostSpecificKey([key], { host: `${text}.io`, port: '', path: '/a' }) === 0).toBe(naive(pattern, text));
      }),
    );
  });
});

describe('the forms of an entry', () => {
  test.each([
    ['auth', { auth: base64('u:p:with:colons') }, basic('u', 'p:with:colons')],
    ['auth before username and password', { auth: base64('u:p'), username: 'x', password: 'y' }, basic('u', 'p')],
    ['username and password', { username: 'u', password: 'p' }, basic('u', 'p')],
    ['auth padded with zeros', { auth: base64('u:p\0\0') }, basic('u', 'p')],
    ['nothing, as for a credential helper', {}, undefined],
    ['null fields', { auth: null, username: null }, undefined],
  ])('%s', (_, value, expected) => {
    expect(logins({ 'r.io': value }).loginFor('r.io', 'a')?.basic()).toBe(expected);
  });

  test.each([
    ['its own field', { auth: base64('u:'), identitytoken: 'refresh' }],
    ['the user name <token>', { auth: base64('<token>:refresh') }],
  ])('an identity token in %s', (_, value) => {
    expect(logins({ 'r.io': value }).loginFor('r.io', 'a')?.identityToken()).toBe('refresh');
  });

  test('the older .dockercfg has the entries at the top', () => {
    const secret = {
      type: 'kubernetes.io/dockercfg',
      data: { '.dockercfg': base64(JSON.stringify({ 'r.io': { auth: base64('u:p'), email: 'x' } })) },
    };
    expect(credentialsFromSecret(secret).loginFor('r.io', 'a')?.basic()).toBe(basic('u', 'p'));
  });

  test('a configuration without auths has no logins', () => {
    expect(credentialsFromSecret({ data: { '.dockerconfigjson': base64('{"credsStore":"x"}') } }).loginFor('r.io', 'a')).toBeUndefined();
  });
});

describe('a broken secret', () => {
  const faultOf = (data: Record<string, string> | undefined): Fault => {
    try {
      credentialsFromSecret({ data });
    } catch (error) {
      if (isFault(error, 'Invalid')) return error;
    }
    throw new Error('no Fault was thrown');
  };

  test.each([
    [
      'no data',
      undefined,
      'The image pull Secret has neither the key .dockerconfigjson nor the key .dockercfg. Create it with type kubernetes.io/dockerconfigjson.',
    ],
    [
      'no JSON',
      { '.dockerconfigjson': base64('hunter2') },
      'Key .dockerconfigjson of the image pull Secret is not JSON in base64. Create the Secret again, for instance with kubectl create secret docker-registry.',
    ],
    [
      'a wrong form',
      { '.dockerconfigjson': base64('{"auths":{"r.io":{"auth":["hunter2"]}}}') },
      'Key .dockerconfigjson of the image pull Secret does not have the form of a Docker configuration: field auth of an entry has the wrong type.',
    ],
    [
      'a list',
      { '.dockercfg': base64('["hunter2"]') },
      'Key .dockercfg of the image pull Secret does not have the form of a Docker configuration: the JSON has the wrong type.',
    ],
    [
      'an auth without a colon',
      { '.dockercfg': base64(JSON.stringify({ 'a.io': {}, 'r.io': { auth: base64('hunter2') } })) },
      'Key .dockercfg of the image pull Secret is broken: field auth of entry 2 is not user:password in base64.',
    ],
    [
      'a plain auth',
      { '.dockercfg': base64(JSON.stringify({ 'r.io': { auth: 'u:hunter2' } })) },
      'Key .dockercfg of the image pull Secret is broken: field auth of entry 1 is not user:password in base64.',
    ],
  ])('with %s is named by its key, never by its content', (_, data, message) => {
    const fault = faultOf(data);
    expect(fault.message).toBe(message);
    expect(fault.reason).toBe('InvalidSpec');
    expect(inspect(fault, { showHidden: true, depth: 9 })).not.toContain('hunter2');
  });
});

test('logins show nothing when printed, serialised, spread or cloned', () => {
  const credentials = logins({ 'r.io': { username: 'somebody', password: 'hunter2', identitytoken: 'refresh-me' } });
  const login = credentials.loginFor('r.io', 'a');
  for (const value of [credentials, login, { credentials, login }]) {
    const shown = [
      JSON.stringify(value),
      inspect(value, { showHidden: true, depth: 9 }),
      inspect(structuredClone({ ...(value as object) }), { showHidden: true }),
      String(value),
    ].join();
    for (const secret of ['hunter2', 'refresh-me', 'somebody', base64('somebody:hunter2')]) expect(shown).not.toContain(secret);
  }
  expect(login?.fingerprint()).not.toContain('hunter2');
});
