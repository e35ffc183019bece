import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type {
  FailedImageResult,
  ImageNeed,
  ImageRequest,
  JobFailure,
  ResolvedImageResult,
  RunImageJobResult,
} from '../../../src/domain/image-process.js';
import {
  afterCancellation,
  afterJob,
  afterLook,
  afterTrouble,
  attemptToFollow,
  beginAttempt,
  beginRun,
  fingerprint,
  joinRun,
  leaveRun,
  modulesOf,
  newsOf,
  renewRun,
  restRun,
  resumeRun,
  withStandingJobs,
  type ImageRun,
} from '../../../src/domain/image-run.js';

const NOW = Date.parse('2026-01-02T03:04:05.000Z');
const KEY = '0123456789abcdef';
const IMAGE = 'registry.example.com/kmods/kmod:6.1.0-56-amd64';
const PUSHED = `sha256:${'1'.repeat(64)}`;
const OTHER = `sha256:${'2'.repeat(64)}`;
const recipe = { module: 'first', build: { dockerfile: { configMap: 'source', sha256: 'a'.repeat(64) }, args: [], secrets: [] } };
const aNeed = (change: Partial<ImageNeed> = {}): ImageNeed => ({
  ...{ key: KEY, image: IMAGE, kernels: ['6.1.0-56-amd64'], expect: { dirName: '/opt' }, recipe },
  ...change,
});
const request = (module = 'first', change: Partial<ImageNeed> = {}, retry?: string): ImageRequest => ({
  need: aNeed({ recipe: { ...recipe, module }, ...change }),
  requester: { workflowId: `mcm/${module}`, module },
  ...(retry === undefined ? {} : { retry }),
});

const found = (digest = PUSHED): ResolvedImageResult => ({ image: IMAGE, key: KEY, kernels: ['6.1.0-56-amd64'], digest });
const notFound = (change: Partial<FailedImageResult> = {}): FailedImageResult => ({
  ...{ image: IMAGE, key: KEY, kernels: ['6.1.0-56-amd64'], toMake: true },
  problem: { reason: 'ImageMissing', message: 'It does not exist yet.' },
  ...change,
});
const rejected = notFound({ toMake: false, problem: { reason: 'ImageRejected', message: 'It is for another kernel.' } });
const failureOf = (deterministic: boolean): JobFailure => ({
  ...{ kind: deterministic ? 'Build' : 'Evicted', deterministic, exitCode: 2, step: '3/7: RUN make', log: ['error'] },
  ...{ reason: 'BuildFailed', message: 'It failed.' },
});
const failed = (deterministic = true): RunImageJobResult => ({
  ...{ ok: false, job: `kmod-${KEY}-1`, seconds: 1 },
  failure: failureOf(deterministic),
});
const pushed: RunImageJobResult = { ok: true, job: `kmod-${KEY}-1`, digest: PUSHED, seconds: 60 };

const fresh = (): ImageRun => beginRun(request());
/** A look that finds nothing, then a Job. */
const tried = (run: ImageRun, result: RunImageJobResult, nowMs = NOW): ImageRun =>
  afterJob(beginAttempt(afterLook(run, notFound(), nowMs)), result, nowMs);
const waitSeconds = (run: ImageRun): number | undefined => (run.nextTryAtMs === undefined ? undefined : (run.nextTryAtMs - NOW) / 1_000);

describe('a look', () => {
  test('that finds the image pins it', () => {
    expect(afterLook(fresh(), found(), NOW)).toMatchObject({ state: 'Pinned', result: found(), problem: undefined });
  });

  test('that finds nothing has it made', () => {
    expect(afterLook(fresh(), notFound(), NOW)).toMatchObject({ state: 'Queued', attempts: 0 });
  });

  test('that finds nothing waits for who else makes it, when there is no recipe', () => {
    const run = afterLook(beginRun(request('first', { recipe: undefined })), notFound({ toMake: undefined }), NOW);
    expect(run).toMatchObject({ state: 'Waiting', problem: { reason: 'ImageMissing', message: 'It does not exist yet.' } });
    expect(waitSeconds(run)).toBe(10);
  });

  test('that finds nothing waits for a missing input, and names it', () => {
    const blocked = { reason: 'BuildFailed', message: 'ConfigMap source does not exist.' } as const;
    expect(afterLook(beginRun(request('first', { blocked })), notFound(), NOW)).toMatchObject({ state: 'Waiting', problem: blocked });
  });

  test.each([
    [1, 10],
    [2, 20],
    [3, 40],
    [6, 320],
    [7, 600],
    [50, 600],
  ])('that fails for the %dth time is repeated after %d seconds', (times, seconds) => {
    let run = fresh();
    for (let i = 0; i < times; i += 1) run = afterLook(resumeRun(run), rejected, NOW);
    expect(run.state).toBe('Waiting');
    expect(waitSeconds(run)).toBe(seconds);
  });

  test('waits as long as the registry asks, if that is longer', () => {
    expect(waitSeconds(afterLook(fresh(), { ...rejected, retryAfterMs: 90_000 }, NOW))).toBe(90);
    expect(waitSeconds(afterLook(fresh(), { ...rejected, retryAfterMs: 1_000 }, NOW))).toBe(10);
  });

  test('that could not be made at all is told as the registry being away', () => {
    expect(afterTrouble(fresh(), 'No answer.', NOW)).toMatchObject({
      state: 'Waiting',
      problem: { reason: 'RegistryUnavailable', message: 'No answer.' },
    });
  });
});

describe('an image of ours that the inspection rejects', () => {
  const made = afterLook(tried(fresh(), pushed), rejected, NOW);

  test('is not made again by itself', () => {
    expect(made).toMatchObject({ state: 'Waiting', problem: rejected.problem });
    expect(afterLook(resumeRun(made), rejected, NOW).state).toBe('Waiting');
  });

  test('is made anew when a person asks', () => {
    expect(afterLook(renewRun(made, 'person'), rejected, NOW)).toMatchObject({ state: 'Queued', remake: false });
  });

  test('is not made anew for a changed setting, nor is an image that somebody else made', () => {
    expect(afterLook(renewRun(made, 'input'), rejected, NOW).state).toBe('Waiting');
    const foreign = afterLook(fresh(), rejected, NOW);
    expect(afterLook(renewRun(foreign, 'person'), rejected, NOW).state).toBe('Waiting');
  });
});

describe('a Job', () => {
  test('that pushed is believed when the registry serves its digest', () => {
    const run = tried(fresh(), pushed);
    expect(run).toMatchObject({ state: 'Looking', attempts: 1 });
    expect(afterLook(run, found(), NOW)).toMatchObject({ state: 'Pinned', result: { digest: PUSHED }, made: undefined });
  });

  test('is not believed when the registry serves another digest, now and later', () => {
    const run = afterLook(tried(fresh(), pushed), found(OTHER), NOW);
    expect(run.problem).toEqual({
      reason: 'ImageRejected',
      message:
        `For ${IMAGE} the registry accepted the push and serves another digest: Job kmod-${KEY}-1 pushed ${PUSHED}, the registry serves ${OTHER}. ` +
        'Nothing is pinned until it serves what was pushed. See what has changed it there; kmodflow retry first takes what it serves then, if it passes.',
    });
    expect(waitSeconds(run)).toBe(10);
    const later = afterLook(resumeRun(run), found(OTHER), NOW);
    expect(later.state).toBe('Waiting');
    expect(waitSeconds(later)).toBe(20);
    expect(afterLook(resumeRun(later), found(PUSHED), NOW).state).toBe('Pinned');
  });

  test('whose push cannot be found is told first, and made again when that stays so', () => {
    const run = afterLook(tried(fresh(), pushed), notFound(), NOW);
    expect(run).toMatchObject({ state: 'Waiting', problem: { reason: 'ImageRejected' } });
    expect(run.problem?.message).toContain(`Job kmod-${KEY}-1 pushed ${PUSHED}, the registry serves none of this image`);
    expect(afterLook(resumeRun(run), notFound(), NOW).state).toBe('Queued');
  });

  test('whose push cannot be looked at now is judged by the next look', () => {
    const away = notFound({ toMake: undefined, problem: { reason: 'RegistryUnavailable', message: 'Away.' } });
    const run = afterLook(tried(fresh(), pushed), away, NOW);
    expect(run).toMatchObject({ state: 'Waiting', problem: away.problem });
    expect(afterLook(resumeRun(run), notFound(), NOW).problem?.reason).toBe('ImageRejected');
  });

  test('that failed as the same inputs will fail again is repeated once after ten seconds, then waits', () => {
    const once = tried(fresh(), failed());
    expect(once).toMatchObject({ state: 'Waiting', attempts: 1, problem: { reason: 'BuildFailed', message: 'It failed.' } });
    expect(waitSeconds(once)).toBe(10);
    const twice = tried(resumeRun(once), failed());
    expect(twice).toMatchObject({ state: 'Waiting', attempts: 2, failure: failureOf(true) });
    expect(waitSeconds(twice)).toBeUndefined();
  });

  test('that failed so after a person asked is repeated once again', () => {
    const twice = tried(resumeRun(tried(fresh(), failed())), failed());
    const asked = tried(renewRun(twice, 'person'), failed());
    expect(asked.attempts).toBe(3);
    expect(waitSeconds(asked)).toBe(10);
    expect(waitSeconds(tried(resumeRun(asked), failed()))).toBeUndefined();
  });

  test('that failed for what may pass is repeated without an end, ever more slowly, whatever the looks between find', () => {
    const waits = [];
    let run = fresh();
    for (let i = 0; i < 9; i += 1) {
      run = tried(resumeRun(run), failed(false));
      waits.push(waitSeconds(run));
    }
    expect(waits).toEqual([10, 20, 40, 80, 160, 320, 600, 600, 600]);
    expect(run.attempts).toBe(9);
  });

  test('that lacks an input was not begun: its number is free', () => {
    const blocked = { reason: 'BuildFailed', message: 'Secret token does not exist.' } as const;
    const run = tried(fresh(), { ok: false, blocked });
    expect(run).toMatchObject({ state: 'Waiting', attempts: 0, job: undefined, problem: blocked });
    const second = tried(resumeRun(tried(fresh(), failed())), { ok: false, blocked });
    expect(second).toMatchObject({ attempts: 1, job: `kmod-${KEY}-1`, problem: blocked, failure: undefined });
  });

  test('that cannot be begun or followed is told by what it was for', () => {
    const build = beginAttempt(afterLook(fresh(), notFound(), NOW));
    expect(afterTrouble(build, 'Refused.', NOW).problem).toEqual({ reason: 'BuildFailed', message: 'Refused.' });
    const sign = { keySecret: 'key', certSecret: 'cert', certificate: 'a'.repeat(64), files: ['/opt/a.ko'], unsignedImage: IMAGE };
    const signing = beginAttempt(afterLook(beginRun(request('first', { recipe: { module: 'first', sign } })), notFound(), NOW));
    expect(afterTrouble(signing, 'Refused.', NOW).problem?.reason).toBe('SignFailed');
  });

  test('that stands on the hub is counted', () => {
    expect(withStandingJobs(fresh(), { attempts: 4 }).attempts).toBe(4);
    expect(withStandingJobs(fresh(), { attempts: 4, running: 4 }).attempts).toBe(4);
    expect(withStandingJobs({ ...fresh(), attempts: 6 }, { attempts: 4 }).attempts).toBe(6);
    expect(beginAttempt(withStandingJobs(fresh(), { attempts: 4 }))).toMatchObject({ attempts: 5, job: `kmod-${KEY}-5` });
    expect(beginAttempt(withStandingJobs(fresh(), { attempts: 4, running: 4 }), 4)).toMatchObject({ attempts: 4, state: 'Building' });
  });

  test('is followed when it runs, unless its end is known and only its controller does not know of it yet', () => {
    expect(attemptToFollow(fresh(), { attempts: 4 })).toBeUndefined();
    expect(attemptToFollow(fresh(), { attempts: 4, running: 4 })).toBe(4);
    const building = beginAttempt({ ...fresh(), attempts: 3 });
    expect(attemptToFollow(afterTrouble(building, 'The API server is away.', NOW), { attempts: 4, running: 4 })).toBe(4);
    expect(attemptToFollow(afterJob(building, { ok: false, blocked: rejected.problem }, NOW), { attempts: 4, running: 4 })).toBe(4);
    for (const result of [failed(), failed(false)])
      expect(attemptToFollow(afterJob(building, result, NOW), { attempts: 4, running: 4 })).toBeUndefined();
    expect(attemptToFollow(afterJob(building, failed(), NOW), { attempts: 5, running: 5 })).toBe(5);
  });
});

describe('who needs an image', () => {
  const stuck = tried(resumeRun(tried(fresh(), failed())), failed());

  test('is known once, in the order in which they came', () => {
    const run = joinRun(joinRun(joinRun(fresh(), request('second')), request('first')), request('second'));
    expect(run.requesters.map((r) => r.workflowId)).toEqual(['mcm/first', 'mcm/second']);
    expect(modulesOf(run)).toEqual(['first', 'second']);
    expect(leaveRun(run, 'mcm/first').requesters.map((r) => r.module)).toEqual(['second']);
    expect(leaveRun(run, 'mcm/other').requesters).toHaveLength(2);
  });

  test('asks again without waking a run that waits', () => {
    expect(joinRun(stuck, request())).toEqual(stuck);
    expect(joinRun(stuck, request('second')).state).toBe('Waiting');
  });

  test('wakes it with a changed setting, which wins', () => {
    const run = joinRun(stuck, request('first', { secretName: 'other' }));
    expect(run).toMatchObject({ state: 'Looking', need: { secretName: 'other' }, problem: undefined, failure: undefined });
    expect(run.failures).toEqual({ looks: 0, passing: 0, deterministic: 0 });
  });

  test('wakes it with an input that has appeared', () => {
    const blocked = { reason: 'BuildFailed', message: 'ConfigMap source does not exist.' } as const;
    const waiting = afterLook(beginRun(request('first', { blocked })), notFound({ problem: blocked }), NOW);
    expect(joinRun(waiting, request())).toMatchObject({ state: 'Looking', need: aNeed() });
  });

  test('with other settings than another does not wake it again and again', () => {
    const withOther = tried(joinRun(stuck, request('second', { tls: { insecure: true } })), failed());
    const settled = tried(resumeRun(withOther), failed());
    expect(joinRun(settled, request('first')).state).toBe('Waiting');
    expect(joinRun(settled, request('second', { tls: { insecure: true } })).state).toBe('Waiting');
    expect(settled.need.tls).toEqual({ insecure: true });
  });

  test('wakes it with a kernel that nobody has named; kernels add up', () => {
    const run = joinRun(stuck, request('second', { kernels: ['6.1.0-56-rt-amd64'] }));
    expect(run).toMatchObject({ state: 'Looking', need: { kernels: ['6.1.0-56-amd64', '6.1.0-56-rt-amd64'] } });
  });

  test('wakes it with a wish, and one wish counts once', () => {
    const run = joinRun(stuck, request('first', {}, 'wish-1'));
    expect(run.state).toBe('Looking');
    const again = tried(resumeRun(tried(run, failed())), failed());
    expect(joinRun(again, request('first', {}, 'wish-1')).state).toBe('Waiting');
    expect(joinRun(again, request('second', {}, 'wish-1')).state).toBe('Waiting');
    expect(joinRun(again, request('first', {}, 'wish-2')).state).toBe('Looking');
  });

  test('leaves a Job alone that runs, and one that waits for its slot', () => {
    const queued = afterLook(fresh(), notFound(), NOW);
    const building = beginAttempt(queued);
    expect(joinRun(queued, request('first', { secretName: 'other' }, 'wish-1')).state).toBe('Queued');
    expect(joinRun(building, request('first', { secretName: 'other' }, 'wish-1'))).toMatchObject({ state: 'Building', attempts: 1 });
  });

  test('may wish for as long as they like: what is remembered stays bounded', () => {
    let run = fresh();
    for (let i = 0; i < 200; i += 1) run = joinRun(run, request('first', {}, `wish-${i}`));
    expect(run.wishes).toHaveLength(50);
    expect(run.wishes.at(-1)).toBe('wish-199');
  });
});

test('the news say how far it is, and when it is tried next', () => {
  expect(newsOf(tried(fresh(), failed()))).toEqual({
    ...{ key: KEY, image: IMAGE, state: 'Waiting', attempt: 1, job: `kmod-${KEY}-1`, log: ['error'], result: undefined },
    problem: { reason: 'BuildFailed', message: 'It failed.' },
    nextTryAt: '2026-01-02T03:04:15.000Z',
  });
});

test('a run that is let go of begins with a look, and one that was cancelled waits for a person', () => {
  const building = beginAttempt(afterLook(fresh(), notFound(), NOW));
  expect(restRun(building)).toMatchObject({ state: 'Looking', attempts: 1 });
  expect(afterCancellation(building)).toMatchObject({ state: 'Waiting', nextTryAtMs: undefined, problem: { reason: 'BuildFailed' } });
});

describe('a fingerprint', () => {
  test('is the same for equal values, whatever the order of their keys', () => {
    expect(fingerprint({ a: 1, b: [2, undefined] })).toBe(fingerprint({ b: [2, undefined], a: 1, c: undefined }));
    expect(fingerprint({ a: 1 })).toMatch(/^[0-9a-f]{16}$/);
  });

  test('is another for another value', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        if (a !== b) expect(fingerprint(a)).not.toBe(fingerprint(b));
      }),
    );
  });
});

describe('whatever happens', () => {
  const aLook = fc.constantFrom(found(), found(OTHER), notFound(), rejected);
  const anEnd = fc.constantFrom<RunImageJobResult>(pushed, failed(true), failed(false), {
    ok: false,
    blocked: { reason: 'BuildFailed', message: 'A Secret is missing.' },
  });
  const aStep = fc.record({ look: aLook, end: anEnd, minutes: fc.nat(20), asks: fc.boolean() });

  test('a run that waits has said why, waits at most ten minutes or for a person, and never begins an attempt twice', () => {
    fc.assert(
      fc.property(fc.array(aStep, { maxLength: 40 }), (steps) => {
        let run = fresh();
        let nowMs = NOW;
        let begun = 0;
        for (const { look, end, minutes, asks } of steps) {
          nowMs += minutes * 60_000;
          if (run.state === 'Looking') run = afterLook(run, look, nowMs);
          else if (run.state === 'Queued') run = beginAttempt(run);
          else if (run.state === 'Building') {
            expect(run.attempts).toBe(begun + 1);
            run = afterJob(run, end, nowMs);
            begun = run.attempts;
          } else if (run.state === 'Waiting') {
            expect(run.problem).toBeDefined();
            if (run.nextTryAtMs === undefined) expect(run.failures.deterministic).toBeGreaterThanOrEqual(2);
            if (asks) run = renewRun(run, 'person');
            else if (run.nextTryAtMs !== undefined && run.nextTryAtMs <= nowMs) run = resumeRun(run);
          }
          if (run.state === 'Waiting' && run.nextTryAtMs !== undefined) expect(run.nextTryAtMs - nowMs).toBeLessThanOrEqual(600_000);
          if (run.state === 'Pinned') expect(run.result?.digest).toMatch(/^sha256:/);
        }
      }),
    );
  });
});
