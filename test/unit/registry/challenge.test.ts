import { describe, expect, test } from '@jest/globals';
import { parseChallenges, usableChallenge } from '../../../src/registry/challenge.js';

describe('WWW-Authenticate', () => {
  test.each([
    ['nothing from no header', undefined, []],
    ['Basic with a realm', 'Basic realm="kmods"', [{ scheme: 'basic', parameters: { realm: 'kmods' } }]],
    [
      'Bearer with commas inside quotes',
      'Bearer realm="https://auth.example.com/token",service="reg",scope="repository:a/b:pull,push"',
      [{ scheme: 'bearer', parameters: { realm: 'https://auth.example.com/token', service: 'reg', scope: 'repository:a/b:pull,push' } }],
    ],
    [
      'two challenges in one header',
      'Basic realm="x", Bearer realm=https://a/t , service = s',
      [
        { scheme: 'basic', parameters: { realm: 'x' } },
        { scheme: 'bearer', parameters: { realm: 'https://a/t', service: 's' } },
      ],
    ],
    [
      'two headers',
      ['Negotiate', 'BEARER Realm="r"'],
      [
        { scheme: 'negotiate', parameters: {} },
        { scheme: 'bearer', parameters: { realm: 'r' } },
      ],
    ],
    ['escaped quotes', 'Basic realm="a \\"b\\""', [{ scheme: 'basic', parameters: { realm: 'a "b"' } }]],
    ['nothing usable from rubbish', '"""', []],
  ])('reads %s', (_, header, expected) => {
    expect(parseChallenges(header)).toEqual(expected);
  });

  test('Bearer is preferred to Basic, and needs a realm', () => {
    expect(usableChallenge(parseChallenges('Basic realm="x", Bearer realm="https://a/t"'))?.scheme).toBe('bearer');
    expect(usableChallenge(parseChallenges('Bearer service="x", Basic realm="x"'))?.scheme).toBe('basic');
    expect(usableChallenge(parseChallenges('Negotiate'))).toBeUndefined();
  });

  test('a hostile header takes linear time', () => {
    const startedAt = Date.now();
    parseChallenges(`Bearer realm="${'\\"'.repeat(50_000)}`);
    parseChallenges(`Bearer ${' '.repeat(100_000)}=`);
    parseChallenges(`${'a '.repeat(50_000)}`);
    expect(Date.now() - startedAt).toBeLessThan(1_000);
  });
});
