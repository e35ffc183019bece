import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { figuresOf, median, medians, partsOf, type HandTimes, type Marks, type RoundFigures } from '../../../bench/build-times.js';
import { timedLoop, workSecondsIn } from '../../../bench/by-hand.js';

const marks: Marks = {
  appliedMs: 0,
  slotAskedMs: 400,
  slotGrantedMs: 500,
  jobCreatedMs: 550,
  containers: [
    { name: 'sign-check', startedMs: 750, finishedMs: 1_000 },
    { name: 'build', startedMs: 1_100, finishedMs: 11_100 },
    { name: 'sign', startedMs: 11_150, finishedMs: 11_400 },
    { name: 'push', startedMs: 11_500, finishedMs: 12_500 },
  ],
  followedMs: 13_000,
  inspectionBeganMs: 13_100,
  inspectedMs: 13_350,
  pinnedMs: 13_500,
};
const byHand: HandTimes = { buildSeconds: 9, signSeconds: 0.5, pushSeconds: 0.5, workSeconds: 8 };

describe('the parts of a build', () => {
  test('are the times between one mark and the next', () => {
    expect(partsOf(marks)).toEqual({
      lookSeconds: 0.4,
      queueSeconds: 0.1,
      createSeconds: 0.05,
      startSeconds: 0.2,
      signCheckSeconds: 0.25,
      buildSeconds: 10,
      signSeconds: 0.25,
      pushSeconds: 1,
      betweenSeconds: expect.closeTo(0.25),
      noticeSeconds: 0.5,
      handOverSeconds: 0.1,
      inspectSeconds: 0.25,
      pinSeconds: 0.15,
    });
  });

  test('add up to the whole time, whatever each of them takes', () => {
    const pauses = fc.array(fc.nat(100_000), { minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(pauses, fc.boolean(), (steps, signed) => {
        let now = 0;
        const queue = [...steps];
        const next = (): number => (now += queue.shift() ?? 0);
        const names = signed ? ['sign-check', 'build', 'sign', 'push'] : ['build', 'push'];
        const drawn: Marks = {
          appliedMs: next(),
          slotAskedMs: next(),
          slotGrantedMs: next(),
          jobCreatedMs: next(),
          containers: names.map((name) => ({ name, startedMs: next(), finishedMs: next() })),
          followedMs: next(),
          inspectionBeganMs: next(),
          inspectedMs: next(),
          pinnedMs: next(),
        };
        const total = Object.values(partsOf(drawn)).reduce((sum: number, part: number) => sum + part, 0);
        expect(total).toBeCloseTo((drawn.pinnedMs - drawn.appliedMs) / 1000, 6);
      }),
    );
  });

  test.each<[string, Partial<Marks>, string]>([
    ['a mark that nobody saw', { slotGrantedMs: NaN }, 'The time of slotGrantedMs is not known.'],
    ['a mark before the one that it follows', { jobCreatedMs: 480 }, 'jobCreatedMs lies 20 ms before slotGrantedMs.'],
    [
      'a container that has not ended',
      { containers: [{ name: 'build', startedMs: 800, finishedMs: NaN }] },
      'The time of the end of build is not known.',
    ],
    [
      'a container of no part',
      { containers: [{ name: 'scan', startedMs: 800, finishedMs: 900 }] },
      'The container scan is in no part of the time.',
    ],
    ['no container at all', { containers: [] }, 'No container of the Job has run.'],
  ])('are refused for %s', (_, wrong, message) => {
    expect(() => partsOf({ ...marks, ...wrong })).toThrow(new Error(message));
  });
});

describe('the figures of a round', () => {
  test('compare the whole with the mean of what was built by hand before and after', () => {
    const after = { ...byHand, buildSeconds: 11, workSeconds: 10 };
    expect(figuresOf({ byHand: [byHand, after], parts: partsOf(marks), workSeconds: 9.5 })).toMatchObject({
      byHandSeconds: 11,
      byHandBuildSeconds: 10,
      byHandWorkSeconds: 9,
      kmodflowSeconds: expect.closeTo(13.5),
      overheadSeconds: expect.closeTo(2.5),
      ratio: expect.closeTo(13.5 / 11),
      workSeconds: 9.5,
    });
  });
});

describe('the median', () => {
  test.each([
    [[3], 3],
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    [[10, 9], 9.5],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  test('is taken of each figure on its own', () => {
    const one = figuresOf({ byHand: [byHand, byHand], parts: partsOf(marks), workSeconds: 8 });
    const rounds: RoundFigures[] = [one, { ...one, ratio: 9, pushSeconds: 0.1 }, { ...one, ratio: 1.01234, pushSeconds: 7 }];
    expect(medians(rounds)).toMatchObject({ ratio: 1.35, pushSeconds: 1, byHandSeconds: 10 });
  });

  test('of no round is refused', () => {
    expect(() => medians([])).toThrow('There is no round to take the median of.');
  });
});

describe('the work step', () => {
  test('says how long it took, and that is found among the other lines of the build', () => {
    expect(timedLoop(3, 'true')).toContain('seq 3');
    expect(workSecondsIn('STEP 7/8: RUN begin && echo bench-work-ms 1\nbench-work-ms 15250\nCOMMIT\n')).toBe(15.25);
  });

  test('whose line is missing is told, not taken for 0', () => {
    expect(() => workSecondsIn('bench-work-ms\n')).toThrow('there is no line "bench-work-ms <number>"');
  });
});
