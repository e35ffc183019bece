import { describe, expect, test } from '@jest/globals';
import { Refusals } from '../../../src/kube/refusals.js';

const PROBLEM = { reason: 'ClusterNotAccepted', message: 'The hub has no namespace spoke-1.' } as const;

function start() {
  const clock = { ms: 1_000_000 };
  return { clock, refusals: new Refusals(() => clock.ms) };
}

describe('a refused ManifestWork', () => {
  test('is left alone for ten seconds, then twice as long each time, at most five minutes', () => {
    const { clock, refusals } = start();
    const waits = Array.from({ length: 7 }, () => {
      refusals.note('spoke-1/kmod', 'hash', PROBLEM, undefined);
      const { untilMs = 0 } = refusals.standing('spoke-1/kmod', 'hash', undefined) ?? {};
      const seconds = (untilMs - clock.ms) / 1_000;
      clock.ms = untilMs;
      return seconds;
    });
    expect(waits).toEqual([10, 20, 40, 80, 160, 300, 300]);
    expect(refusals.standing('spoke-1/kmod', 'hash', undefined)).toBeUndefined();
  });

  test('is tried at once with other content, and that counts from the beginning', () => {
    const { clock, refusals } = start();
    refusals.note('spoke-1/kmod', 'hash', PROBLEM, undefined);
    refusals.note('spoke-1/kmod', 'hash', PROBLEM, undefined);
    expect(refusals.standing('spoke-1/kmod', 'other', undefined)).toBeUndefined();
    refusals.note('spoke-1/kmod', 'other', PROBLEM, undefined);
    expect(refusals.standing('spoke-1/kmod', 'other', undefined)).toMatchObject({ problem: PROBLEM, untilMs: clock.ms + 10_000 });
  });

  test('is tried once more for every attempt that a person asks for', () => {
    const { refusals } = start();
    refusals.note('spoke-1/kmod', 'hash', PROBLEM, undefined);
    expect(refusals.standing('spoke-1/kmod', 'hash', 'first')).toBeUndefined();
    refusals.note('spoke-1/kmod', 'hash', PROBLEM, 'first');
    expect(refusals.standing('spoke-1/kmod', 'hash', 'first')).toBeDefined();
    expect(refusals.standing('spoke-1/kmod', 'hash', 'second')).toBeUndefined();
  });

  test('is forgotten once it was written, and with every module of a cluster that changed', () => {
    const { refusals } = start();
    for (const key of ['spoke-1/kmod', 'spoke-1/other', 'spoke-10/kmod']) refusals.note(key, 'hash', PROBLEM, undefined);
    refusals.forget('spoke-1/kmod');
    expect(refusals.standing('spoke-1/kmod', 'hash', undefined)).toBeUndefined();
    refusals.forgetCluster('spoke-1');
    expect(refusals.standing('spoke-1/other', 'hash', undefined)).toBeUndefined();
    expect(refusals.standing('spoke-10/kmod', 'hash', undefined)).toBeDefined();
  });
});
