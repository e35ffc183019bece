import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseDemoArguments, reachableOf, type DemoOptions } from '../../../../tools/demo/options.js';

const optionsOf = (...args: string[]): DemoOptions => {
  const parsed = parseDemoArguments(args);
  if (parsed.kind !== 'run') throw new Error(parsed.text);
  return parsed.options;
};

describe('the arguments of the demo', () => {
  test('without any, 24 spokes with 3 kernels, of which 2 are offline and 1 has no claim, stay up after a rollout of at most 5 minutes', () => {
    expect(optionsOf()).toEqual({
      clusters: 24,
      kernels: 3,
      offline: 2,
      withoutClaim: 1,
      once: false,
      fast: false,
      build: false,
      timeLimitMs: 300_000,
    });
  });

  test('a small fleet has fewer exceptions and kernels, so that somebody is left to roll out to', () => {
    expect(optionsOf('--clusters', '1')).toMatchObject({ kernels: 1, offline: 0, withoutClaim: 0 });
    expect(optionsOf('--clusters', '4')).toMatchObject({ kernels: 2, offline: 1, withoutClaim: 1 });
    expect(optionsOf('--clusters', '8')).toMatchObject({ kernels: 3, offline: 2, withoutClaim: 1 });
  });

  test('each can be given', () => {
    const args = ['--clusters', '100', '--kernels', '7', '--offline', '10', '--without-claim', '0', '--once', '--fast', '--timeout', '90s'];
    expect(optionsOf(...args)).toEqual({
      clusters: 100,
      kernels: 7,
      offline: 10,
      withoutClaim: 0,
      once: true,
      fast: true,
      build: false,
      timeLimitMs: 90_000,
    });
  });

  test('--build has more time, unless told otherwise, and no more kernels than Debian ships', () => {
    expect(optionsOf('--build')).toMatchObject({ build: true, kernels: 3, timeLimitMs: 900_000 });
    expect(optionsOf('--build', '--kernels', '2', '--timeout', '3m')).toMatchObject({ build: true, kernels: 2, timeLimitMs: 180_000 });
    expect(parseDemoArguments(['--build', '--kernels', '4'])).toMatchObject({
      kind: 'end',
      exitCode: 2,
      text: expect.stringContaining('error: --build knows 3 real kernels, not 4. Lower --kernels, or leave --build out.'),
    });
  });

  const refused: [args: string[], message: string][] = [
    [['--clusters', 'many'], "option '--clusters <n>' argument 'many' is invalid. It must be a whole number from 1 to 5000."],
    [['--clusters', '0'], "option '--clusters <n>' argument '0' is invalid. It must be a whole number from 1 to 5000."],
    [['--kernels', '1.5'], "option '--kernels <n>' argument '1.5' is invalid. It must be a whole number from 1 to 50."],
    [['--timeout', '5'], "option '--timeout <duration>' argument '5' is invalid. It must be a time such as 90s or 10m."],
    [['--timeout', '0s'], "option '--timeout <duration>' argument '0s' is invalid. It must be a time such as 90s or 10m."],
    [['--cluster', '3'], "unknown option '--cluster'"],
    [['now'], 'too many arguments. Expected 0 arguments but got 1'],
    [
      ['--clusters', '2', '--offline', '2'],
      'of 2 clusters 2 are offline and 0 do not say which kernel they run: none is left to roll out to. Lower --offline or --without-claim, or raise --clusters.',
    ],
    [['--clusters', '6', '--kernels', '5'], '4 reachable clusters cannot run 5 different kernels. Lower --kernels or raise --clusters.'],
  ];
  test.each(refused)('%j end with code 2, the reason and the usage', (args, message) => {
    const parsed = parseDemoArguments(args);
    expect(parsed).toMatchObject({ kind: 'end', exitCode: 2 });
    const text = parsed.kind === 'end' ? parsed.text : '';
    expect(text).toContain(`error: ${message}`);
    expect(text).toContain('Usage: make demo ARGS="…" [options]');
  });

  test('--help ends with code 0 and names every option once', () => {
    const parsed = parseDemoArguments(['--help']);
    expect(parsed).toMatchObject({ kind: 'end', exitCode: 0 });
    const text = parsed.kind === 'end' ? parsed.text : '';
    for (const option of ['--clusters', '--kernels', '--offline', '--without-claim', '--once', '--fast', '--build', '--timeout'])
      expect(text.split(`${option} `)).toHaveLength(2);
  });

  test('whatever the size of the fleet, the defaults leave at least as many reachable clusters as kernels', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), (clusters) => {
        const options = optionsOf('--clusters', String(clusters));
        expect(reachableOf(options)).toBeGreaterThanOrEqual(options.kernels);
        expect(options.kernels).toBeGreaterThanOrEqual(1);
      }),
      { numRuns: 60 },
    );
  });
});
