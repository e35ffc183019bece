import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DETAILS_LIMIT_BYTES, moduleDetails, rolloutDetails, shortDigest, waveDetails } from '../../../src/domain/details.js';
import type { Exception } from '../../../src/domain/fleet-summary.js';
import type { ModuleStatus } from '../../../src/domain/module-status.js';
import { aDigest, aFleet, aRecord, aStatus, imageOf, KERNELS, someTotals } from './builders.js';
import { aFailedImage, anImage, aRun, NEXT_TRY } from './image-samples.js';
import { golden } from './golden.js';

const REVISION = 'kmod-aaaaaaaaaa';
const failure = (i: number): Exception => ({
  cluster: `spoke-${String(i).padStart(2, '0')}`,
  state: 'Failed',
  reason: 'LoadTimeout',
  message: `Cluster spoke-${String(i).padStart(2, '0')} has loaded the module on 1 of 2 nodes (moduleLoader) after 31 minutes. Look at the worker pods of KMM on that cluster.`,
});
const missingImage = {
  image: imageOf(KERNELS[2]),
  kernels: [KERNELS[2]],
  problem: { reason: 'ImageMissing', message: 'registry.example.com has no tag 6.8.0-31-generic in repository kmod. Push it.' },
} as const;
const pinned = [
  { image: imageOf(KERNELS[0]), kernels: [KERNELS[0]], digest: aDigest('1') },
  { image: imageOf(KERNELS[1]), kernels: [KERNELS[1]], digest: aDigest('2') },
];

/** Mid-rollout, with failures, an offline cluster and a missing image. */
const troubled = aStatus({
  phase: 'Progressing',
  fleet: aFleet(
    { Loaded: 10, Loading: 4, Pending: 3, Failed: 5, Offline: 1, Excluded: 1 },
    {
      behind: 3,
      exceptionCount: 22,
      exceptions: [
        ...[1, 2, 3, 4, 5].map(failure),
        { cluster: 'spoke-24', state: 'Excluded', reason: 'NoKernelClaim', message: 'No claim.' },
      ],
    },
  ),
  currentRevision: 'kmod-bbbbbbbbbb',
  images: [...pinned, missingImage],
  rollout: { number: 7, revision: REVISION, phase: 'Progressing', startedAt: '2026-01-02T03:04:05.678Z' },
  history: [6, 5, 4, 3].map((number) => aRecord({ number, revision: 'kmod-bbbbbbbbbb', outcome: number === 5 ? 'Failed' : 'Completed' })),
  doing: 'Rollout 7 brings 24 clusters to revision kmod-aaaaaaaaaa.',
});

const PAGES: readonly [name: string, text: string][] = [
  ['module-ready', moduleDetails(aStatus())],
  ['module-in-trouble', moduleDetails(troubled)],
  [
    'module-build-failed',
    moduleDetails(
      aStatus({
        phase: 'Degraded',
        doing: 'Waiting for 3 images.',
        images: [
          ...pinned.map((i) => ({ ...i, origin: 'Made' as const })),
          aFailedImage(
            { nextTryAt: NEXT_TRY, log: [...Array.from({ length: 20 }, (_, i) => `cc -o file${i}.o`), 'kmod.c:3: error: <b>`x`</b> | y'] },
            { image: imageOf('failed'), kernels: ['failed'] },
          ),
          aFailedImage({ state: 'Building', attempt: 2 }, { image: imageOf('again'), kernels: ['again'] }),
          anImage({ image: imageOf('queued'), kernels: ['queued'], run: aRun({ state: 'Queued', attempt: 0 }) }),
        ],
      }),
    ),
  ],
  [
    'module-removal-held',
    moduleDetails(
      aStatus({
        phase: 'Degraded',
        removals: {
          count: 5,
          published: 6,
          token: '0123456789ab',
          sample: ['spoke-1', 'spoke-2', 'spoke-3', 'spoke-4', 'spoke-5'],
          held: true,
        },
      }),
    ),
  ],
  [
    'module-paused',
    moduleDetails(
      aStatus({
        phase: 'Paused',
        paused: { by: 'alice@example.com', reason: 'Store opening' },
        doing: 'Paused: nothing is published or removed until somebody resumes.',
      }),
    ),
  ],
  [
    'module-invalid',
    moduleDetails(
      aStatus({
        phase: 'Invalid',
        updateRevision: undefined,
        problems: [
          {
            path: 'spec.moduleSpec.moduleLoader.container.kernelMappings[0].regexp',
            message: 'kernelMappings[0].regexp "(" is not a valid RE2 expression: missing closing ).',
          },
        ],
        doing: 'Waiting for a valid spec. What is published stays as it is.',
      }),
    ),
  ],
  [
    'module-first-look',
    moduleDetails(
      aStatus({
        phase: 'Pending',
        generation: 0,
        fleet: aFleet({}),
        currentRevision: undefined,
        updateRevision: undefined,
        images: [],
        history: [],
        removals: undefined,
        doing: 'Looking at the module for the first time.',
        trouble: 'The hub does not answer: connect ECONNREFUSED 127.0.0.1:6443',
        headless: true,
      }),
    ),
  ],
  [
    'module-removing',
    moduleDetails(
      aStatus({
        phase: 'Removing',
        generation: 0,
        fleet: aFleet({}),
        updateRevision: undefined,
        images: [],
        removals: undefined,
        doing: 'The module is deleted. 2 clusters have not confirmed the removal yet: spoke-1, spoke-2.',
      }),
    ),
  ],
  [
    'rollout',
    rolloutDetails({
      title: 'kmod, rollout 7',
      revision: REVISION,
      waves: 1,
      totals: someTotals({ total: 24, loaded: 20, failed: 7, offline: 2, written: 22 }),
      failures: [1, 2, 3, 4, 5, 6].map(failure),
      paused: false,
      stop: undefined,
    }),
  ],
  [
    'rollout-stopping',
    rolloutDetails({
      title: 'kmod, rollout 7',
      revision: REVISION,
      waves: 2,
      totals: someTotals(),
      failures: [],
      paused: true,
      stop: 'The spec has changed: revision kmod-aaaaaaaaaa is superseded.',
    }),
  ],
  [
    'wave',
    waveDetails({
      title: 'kmod, rollout 7, wave 1',
      revision: REVISION,
      totals: someTotals({ total: 24, loaded: 10, inFlight: 1, pending: 13, written: 11 }),
      failures: [],
      paused: false,
      stop: undefined,
      trouble: 'The hub does not answer',
    }),
  ],
  [
    'wave-paused',
    waveDetails({
      title: 'kmod, catch-up 2',
      revision: REVISION,
      totals: someTotals({ total: 2, pending: 2 }),
      failures: [],
      paused: true,
      stop: undefined,
      trouble: undefined,
    }),
  ],
];

describe('the page in the Temporal UI', () => {
  test.each(PAGES)('%s reads as reviewed', (name, text) => {
    expect(text).toBe(golden(name, text));
  });

  test('fits one screen when everything is wrong at once', () => {
    expect(moduleDetails(troubled).split('\n').length).toBeLessThanOrEqual(45);
  });

  test('shows the last ten lines of the log as an indented block, an empty line before it', () => {
    const log = Array.from({ length: 12 }, (_, i) => (i === 11 ? 'x'.repeat(500) : `line ${i}`));
    const lines = moduleDetails(aStatus({ images: [aFailedImage({ log })] })).split('\n');
    const at = lines.indexOf(`**Last lines of the log** of \`${imageOf(KERNELS[0])}\``);
    expect(lines.slice(at + 1, at + 13)).toEqual(['', ...log.slice(2, 11).map((l) => `    ${l}`), `    ${'x'.repeat(159)}…`, '']);
  });

  test('names no command for a person who need not act', () => {
    expect(moduleDetails(aStatus())).toContain('**What to do:** nothing.');
  });

  test.each([
    ['spec', aStatus({ problems: [{ path: 'spec', message: 'x' }] }), 'kubectl edit managedclustermodule kmod'],
    [
      'spec of a headless module',
      aStatus({ headless: true, problems: [{ path: 'spec', message: 'x' }] }),
      'kmodflow start -f <file> --update',
    ],
    [
      'held removal',
      aStatus({ removals: { count: 5, published: 6, token: 'abc', sample: [], held: true } }),
      'kmodflow confirm-removal kmod --token abc',
    ],
    ['pause', aStatus({ paused: { by: 'alice', reason: '' } }), 'kmodflow resume kmod'],
    [
      'pause by the spec',
      aStatus({ paused: { by: 'spec.rollout.paused', reason: '' } }),
      `kubectl patch managedclustermodule kmod --type merge -p '{"spec":{"rollout":{"paused":false}}}'`,
    ],
    ['missing image', aStatus({ images: [missingImage] }), 'kmodflow retry kmod'],
    ['failed cluster', aStatus({ fleet: aFleet({ Failed: 1 }) }), 'kmodflow clusters kmod'],
    [
      'cluster that gets nothing',
      aStatus({
        fleet: aFleet({ Excluded: 1 }, { exceptions: [{ cluster: 'a', state: 'Excluded', reason: 'NoKernelClaim', message: 'No.' }] }),
      }),
      'kmodflow clusters kmod',
    ],
  ] as const)('for a %s names the command', (_what, status, command) => {
    expect(moduleDetails(status)).toContain(`\`${command}\``);
  });

  test('lets no message break its line, smuggle markup in or hide where a link leads', () => {
    const evil: Exception = {
      cluster: 'a|b',
      state: 'Failed',
      reason: 'ApplyFailed',
      message: 'one | two\nthree <img src=x onerror="alert(1)"> [click](https://evil.example) `code` **bold** \\',
    };
    const row = moduleDetails(aStatus({ fleet: aFleet({ Failed: 1 }, { exceptions: [evil], exceptionCount: 1 }) }))
      .split('\n')
      .find((line) => line.includes('ApplyFailed'));
    expect(row).toBe(
      '• **a\\|b** ApplyFailed: one \\| two three &lt;img src=x onerror="alert(1)"&gt; [click]\\(https://evil.example) \\`code\\` \\*\\*bold\\*\\* \\\\',
    );
  });

  test('is below 8 KB whatever the fleet and whatever the texts', () => {
    const text = fc.string({ unit: fc.constantFrom('<', '|', '`', '\n', '&', 'ä', '🚀', 'x', '\\'), minLength: 0, maxLength: 900 });
    const anException = fc
      .record({ cluster: text, kernel: text, message: text })
      .map((e): Exception => ({ ...e, state: 'Failed', reason: 'ApplyFailed' }));
    const status = fc
      .record({
        exceptions: fc.array(anException, { maxLength: 20 }),
        doing: text,
        trouble: text,
        image: text,
        path: text,
        by: text,
        kernels: fc.array(text, { maxLength: 20 }),
      })
      .map(({ exceptions, doing, trouble, image, path, by, kernels }): ModuleStatus => ({
        ...troubled,
        doing,
        trouble,
        fleet: { ...troubled.fleet, exceptions, exceptionCount: 5_000 },
        images: Array.from({ length: 100 }, () => aFailedImage({ log: kernels }, { image, kernels })),
        problems: Array.from({ length: 20 }, () => ({ path, message: doing })),
        paused: { by, reason: trouble },
        history: Array.from({ length: 10 }, () => aRecord({ message: doing, revision: image })),
      }));
    fc.assert(
      fc.property(status, (s) => {
        const page = moduleDetails(s);
        expect(Buffer.byteLength(page)).toBeLessThanOrEqual(DETAILS_LIMIT_BYTES);
        expect(page).toContain('**What to do**');
        // Nothing in a code span is markup, and nothing in an indented block.
        expect(page.replace(/^ {4}.*$/gm, '').replace(/`[^`\n]*`/g, '')).not.toContain('<');
      }),
    );
    expect(DETAILS_LIMIT_BYTES).toBeLessThan(8 * 1024);
  });

  test('shortens a digest so that two can still be told apart', () => {
    expect(shortDigest(aDigest('a'))).toBe('sha256:aaaaaaaaaaaa');
    expect(shortDigest('v1')).toBe('v1');
  });
});
