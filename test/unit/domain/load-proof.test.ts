import { describe, expect, test } from '@jest/globals';
import { proveLoaded, type Proof } from '../../../src/domain/load-proof.js';
import type { WorkView } from '../../../src/domain/views.js';
import { aWork, KERNELS } from './builders.js';

const KERNEL = KERNELS[1];
const counters = (available: number | undefined, desired: number | undefined, matching: number | undefined, part = 'moduleLoader') =>
  Object.fromEntries(
    [
      [`${part}.availableNumber`, available],
      [`${part}.desiredNumber`, desired],
      [`${part}.nodesMatchingSelectorNumber`, matching],
    ].filter((pair): pair is [string, number] => pair[1] !== undefined),
  );

const CASES: readonly [sentence: string, change: Partial<WorkView>, expected: Proof, kernels?: readonly string[] | undefined][] = [
  ['all nodes report the published content', {}, { verdict: 'Holds' }],
  ['the work agent has said nothing yet', { applied: undefined }, { verdict: 'Unapplied' }],
  [
    'the work agent speaks of the generation before',
    { applied: { status: 'True', observedGeneration: 2, message: '' } },
    { verdict: 'Unapplied' },
  ],
  [
    'the condition names no generation at all',
    { applied: { status: 'True', observedGeneration: undefined, message: '' } },
    { verdict: 'Unapplied' },
  ],
  [
    'the failure of the generation before is not held against this one',
    { applied: { status: 'False', observedGeneration: 2, message: 'old' } },
    { verdict: 'Unapplied' },
  ],
  [
    'a failed apply carries the message of the manifest, which says what to do',
    {
      applied: { status: 'False', observedGeneration: 3, message: 'Failed to apply manifest work' },
      manifestApplied: { status: 'False', observedGeneration: 3, message: 'namespaces "kmm" not found' },
    },
    { verdict: 'ApplyFailed', message: 'namespaces "kmm" not found' },
  ],
  [
    'a failed apply without a message on the manifest carries that of the work',
    {
      applied: { status: 'False', observedGeneration: 3, message: 'Failed to apply manifest work' },
      manifestApplied: { status: 'False', observedGeneration: 3, message: '' },
    },
    { verdict: 'ApplyFailed', message: 'Failed to apply manifest work' },
  ],
  [
    'the work counts as applied while its only manifest does not',
    { manifestApplied: { status: 'False', observedGeneration: 3, message: 'forbidden' } },
    { verdict: 'ApplyFailed', message: 'forbidden' },
  ],
  ['no hash is echoed', { echoedHash: undefined }, { verdict: 'NotEchoed' }],
  ['the hash of the content before is echoed', { echoedHash: 'hash-before' }, { verdict: 'NotEchoed' }],
  ['the annotation is gone, and so is the echo', { declaredHash: undefined, echoedHash: undefined }, { verdict: 'NotEchoed' }],
  ['one of two nodes is ready', { counters: counters(1, 2, 2) }, { verdict: 'Behind', available: 1, desired: 2, part: 'moduleLoader' }],
  [
    'upstream omits zeros: an absent counter is 0',
    { counters: counters(undefined, 2, 2) },
    { verdict: 'Behind', available: 0, desired: 2, part: 'moduleLoader' },
  ],
  [
    'the spoke has configured no node yet although three match',
    { counters: counters(undefined, undefined, 3) },
    { verdict: 'Behind', available: 0, desired: 3, part: 'moduleLoader' },
  ],
  ['no node matches the selector', { counters: {} }, { verdict: 'NoNodes' }],
  [
    'a node of a kernel that has no mapping matches, so the spoke knows better how many',
    { counters: counters(2, 2, 3) },
    { verdict: 'Holds' },
    [KERNEL, KERNELS[2]],
  ],
  [
    'under ordered upgrade the administrator decides which nodes load',
    { ordered: true, counters: counters(1, 1, 3) },
    { verdict: 'Holds' },
  ],
  [
    'the kernel module is loaded and the device plugin is not',
    {
      parts: { moduleLoader: true, devicePlugin: true, dra: false },
      counters: { ...counters(2, 2, 2), ...counters(0, 2, 2, 'devicePlugin') },
    },
    { verdict: 'Behind', available: 0, desired: 2, part: 'devicePlugin' },
  ],
  [
    'counters of a part that the Module does not have mean nothing',
    { counters: { ...counters(2, 2, 2), ...counters(0, 2, 2, 'dra') } },
    { verdict: 'Holds' },
  ],
  [
    'a Module with a DRA driver alone',
    { mappings: [], parts: { moduleLoader: false, devicePlugin: false, dra: true }, counters: counters(4, 4, 4, 'dra') },
    { verdict: 'Holds' },
  ],
];

describe('the proof of loading', () => {
  test.each(CASES)('%s', (_sentence, change, expected, kernels = [KERNEL]) => {
    expect(proveLoaded(aWork(change), kernels)).toEqual(expected);
  });
});
