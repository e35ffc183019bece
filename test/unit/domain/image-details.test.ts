import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { emptyQueue, enqueue, hold, nextGrants, type QueueState } from '../../../src/domain/build-queue.js';
import { DETAILS_LIMIT_BYTES } from '../../../src/domain/details.js';
import { checkImageRetry, imageDetails, imageRetryAnswer, imageStatusOf, queueDetails } from '../../../src/domain/image-details.js';
import type { ImageNeed, JobFailure } from '../../../src/domain/image-process.js';
import { afterJob, afterLook, beginAttempt, beginRun, joinRun, renewRun, resumeRun, type ImageRun } from '../../../src/domain/image-run.js';
import { utf8Bytes } from '../../../src/domain/utf8.js';
import { golden } from './golden.js';

const NOW = Date.parse('2026-01-02T03:04:05.000Z');
const KEY = '0123456789abcdef';
const KERNEL = '6.1.0-56-amd64';
const IMAGE = `registry.example.com/kmods/kmod:${KERNEL}`;
const DIGEST = `sha256:${'1'.repeat(64)}`;
const sign = { keySecret: 'key', certSecret: 'cert', certificate: 'c'.repeat(64), files: ['/opt/kmod.ko'] };
const build = { dockerfile: { configMap: 'source', sha256: 'a'.repeat(64) }, args: [], secrets: [] };
const aNeed = (change: Partial<ImageNeed> = {}): ImageNeed => ({
  ...{ key: KEY, image: IMAGE, kernels: [KERNEL], expect: { dirName: '/opt' }, recipe: { module: 'kmod', build, sign } },
  ...change,
});
const fresh = (change: Partial<ImageNeed> = {}): ImageRun =>
  beginRun({ need: aNeed(change), requester: { workflowId: 'mcm/kmod', module: 'kmod' } });
const missing = (run: ImageRun): ImageRun =>
  afterLook(
    run,
    { image: IMAGE, kernels: [KERNEL], toMake: true, problem: { reason: 'ImageMissing', message: 'It does not exist.' } },
    NOW,
  );
const failure = (change: Partial<JobFailure> = {}): JobFailure => ({
  ...{ kind: 'Build', deterministic: true, reason: 'BuildFailed', exitCode: 2, step: '5/7: RUN make -C /src' },
  message: 'Step 5/7 of the Dockerfile (RUN make -C /src) failed with exit code 2.',
  log: [
    'make: Entering directory /src',
    'kmod.c:7:3: error: implicit declaration of function `foo`',
    'make: *** [Makefile:9: all] Error 2',
  ],
  ...change,
});
const failed = (run: ImageRun, change: Partial<JobFailure> = {}): ImageRun => {
  const begun = beginAttempt(missing(run));
  return afterJob(begun, { ok: false, job: begun.job ?? '', failure: failure(change), seconds: 30 }, NOW);
};
const evicted = {
  kind: 'Evicted',
  deterministic: false,
  exitCode: undefined,
  step: undefined,
  message: 'The node evicted the pod.',
} as const;
const stuck = failed(resumeRun(failed(fresh())));
const away = { reason: 'RegistryUnavailable', message: 'registry.example.com does not answer' } as const;
const found = {
  ...{ image: IMAGE, kernels: [KERNEL], digest: DIGEST },
  modules: [
    { kernel: KERNEL, name: 'kmod', version: '1.2', sizeBytes: 1, vermagic: `${KERNEL} SMP`, signer: 'Example Signing' },
    { kernel: KERNEL, name: 'helper', sizeBytes: 1, vermagic: `${KERNEL} SMP` },
  ],
};
const page = (run: ImageRun): string => imageDetails(imageStatusOf(run));

const slots = (capacity: number, entries: readonly (readonly [id: string, ...modules: string[]])[]): QueueState => {
  const state = entries.reduce(
    (s, [id, ...modules]) =>
      enqueue(s, { workflowId: id, modules, key: id, title: `${IMAGE} for kernel ${id}`, capacity }, '2026-01-02T03:04:05.000Z'),
    emptyQueue(),
  );
  return nextGrants(state).reduce((s, id) => hold(s, id, '2026-01-02T03:05:00.000Z'), state);
};

const PAGES: readonly [name: string, text: string][] = [
  ['image-building', page(beginAttempt(missing(joinRun(fresh(), { need: aNeed(), requester: { workflowId: 'mcm/b', module: 'b' } }))))],
  ['image-failed', page(stuck)],
  ['image-evicted', page(failed(fresh(), evicted))],
  ['image-pinned', page(afterLook(fresh(), found, NOW))],
  ['image-of-somebody-else', page(afterLook(fresh({ recipe: undefined }), { image: IMAGE, kernels: [KERNEL], problem: away }, NOW))],
  [
    'queue-busy',
    queueDetails(
      slots(2, [
        ['k1', 'a'],
        ['k2', 'a'],
        ['k3', 'a'],
        ['k4', 'a'],
        ['k5', 'b', 'c'],
      ]),
    ),
  ],
];

describe('the page in the Temporal UI', () => {
  test.each(PAGES)('%s reads as written down', (name, text) => {
    expect(text).toBe(golden(name, text));
  });

  test('of an empty queue says that it ends', () => {
    expect(queueDetails(emptyQueue())).toBe(
      '### 0 of 1 build slot taken, 0 waiting\n\n**Now:** nothing is built. This workflow ends when that stays so for a minute.',
    );
  });

  test('of a queue names the first ones, and how many more there are', () => {
    const text = queueDetails(
      slots(
        12,
        Array.from({ length: 60 }, (_, i) => [`k${i}`, 'a'] as const),
      ),
    );
    expect(text).toContain('### 12 of 12 build slots taken, 48 waiting');
    expect(text).toContain('\nand 2 more\n');
    expect(text).toContain('• 20. ');
    expect(text).toContain('\nand 28 more\n');
  });

  test('shows the last fifty lines of a log, and nothing in it is markup', () => {
    const log = [...Array.from({ length: 80 }, (_, i) => `line ${i + 1}`), '```', '**bold** [link](https://example.com)'];
    const text = page(failed(fresh(), { log }));
    expect(text).toContain('**The last 50 lines of the log of attempt 1**\n```text\nline 33\n');
    expect(text.endsWith("line 80\n'''\n**bold** [link](https://example.com)\n```")).toBe(true);
  });

  test('keeps what went wrong apart from the attempt that runs now', () => {
    const text = page(beginAttempt(resumeRun(failed(fresh()))));
    expect(text).toContain(`**Now:** Attempt 2 is running as Job kmod-${KEY}-2.`);
    expect(text).toContain('\n• attempt 1: Build, exit code 2\n');
    expect(text).toContain('it is tried once more, to be sure.');
    expect(text).toContain('of the log of attempt 1**');
    expect(text).not.toContain('attempt 2,');
  });

  test('stays small whatever is on it, and keeps what is wrong and what to do', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary', maxLength: 300 }), { maxLength: 60 }),
        fc.string({ unit: 'binary', maxLength: 3_000 }),
        fc.array(fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }), { minLength: 1, maxLength: 30 }),
        (log, message, kernels) => {
          const text = page(failed(fresh({ kernels }), { log, message }));
          expect(utf8Bytes(text)).toBeLessThanOrEqual(DETAILS_LIMIT_BYTES);
          expect(text).toContain('**BuildFailed:**');
          expect(text).toContain('`kmodflow retry kmod`');
        },
      ),
    );
  });
});

describe('the answer to a retry', () => {
  test('is refused while a Job runs', () => {
    expect(checkImageRetry(imageStatusOf(beginAttempt(missing(fresh()))))).toBe(
      `Image ${IMAGE} is being made: attempt 1 is running as Job kmod-${KEY}-1. Wait for its end, or follow it with kmodflow logs kmod --kernel ${KERNEL}.`,
    );
    expect(checkImageRetry(imageStatusOf(stuck))).toBeUndefined();
  });

  test.each([
    [
      'waiting',
      stuck,
      `Image ${IMAGE} is looked for in its registry now; if it is not there, attempt 3 begins as soon as a build slot is free.`,
    ],
    ['made by somebody else', fresh({ recipe: undefined }), `Image ${IMAGE} is looked for in its registry now.`],
    ['in the queue', missing(fresh()), `Attempt 1 of image ${IMAGE} waits for a free build slot and begins as soon as there is one.`],
    ['pinned', afterLook(fresh(), found, NOW), `Image ${IMAGE} is there already: ${DIGEST}.`],
  ])('of an image that is %s says what happens next', (_what, run, answer) => {
    expect(imageRetryAnswer(imageStatusOf(renewRun(run, 'person')))).toBe(answer);
  });
});

test('the status says how the image is made', () => {
  const making = (change: Partial<ImageNeed>) => imageStatusOf(fresh(change)).making;
  expect(making({})).toBe('build and sign');
  expect(making({ recipe: { module: 'kmod', build } })).toBe('build');
  expect(making({ recipe: { module: 'kmod', sign } })).toBe('sign');
  expect(making({ recipe: undefined })).toBeUndefined();
});
