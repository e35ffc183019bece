import { execFileSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { select } from '../../../harness/kubelet/container-log.js';
import { expand } from '../../../harness/kubelet/expand.js';
import { fieldOf } from '../../../harness/kubelet/fields.js';
import { queryOf } from '../../../harness/kubelet/log-server.js';
import type { Pod, Taint } from '../../../harness/kubelet/pod.js';
import { messageLimitBytes, phaseOf, podStatus, type ContainerRecord, type PodModel } from '../../../harness/kubelet/pod-status.js';
import { bytesOf } from '../../../harness/kubelet/quantity.js';
import { quote } from '../../../harness/kubelet/sandbox.js';
import { whyNotHere } from '../../../harness/kubelet/scheduling.js';

const NOW = new Date('2026-01-02T03:04:05.678Z');

const aPod = (metadata: object = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n', uid: 'u', ...metadata },
  spec: { containers: [] },
});

describe('variables in commands', () => {
  const variables = new Map([
    ['A', 'one'],
    ['B', '$(A)'],
  ]);

  test.each([
    ['a known name is replaced, and what it gives is left alone', '$(A) $(B)', 'one $(A)'],
    ['an unknown name stays', 'x$(C)y', 'x$(C)y'],
    ['two dollars are one', '$$(A) $$', '$(A) $'],
    ['anything else stays', '$A ${A} $( $(A', '$A ${A} $( $(A'],
  ])('%s', (_what, text, expected) => expect(expand(text, variables)).toBe(expected));

  test('text without a dollar is never changed', () =>
    fc.assert(fc.property(fc.string(), (text) => expand(text.replaceAll('$', ''), variables) === text.replaceAll('$', ''))));
});

test('a quoted word is one word of the shell, whatever is in it', () =>
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', "'", '"', '\\', '$', '`', ' ', '\n', '*', ';', 'ä') }), (word) => {
      const program = `printf '%s|' ${quote(word)} end`;
      expect(execFileSync('/bin/sh', ['-c', program], { encoding: 'utf8' })).toBe(`${word}|end|`);
    }),
    { numRuns: 50, examples: [["it's"], ["'"], ["\\'"], ['']] },
  ));

describe('fields of the pod', () => {
  const pod = aPod({ labels: { b: '2', a: 'x"y' }, annotations: { 'k/y': 'line\nline' } });

  test.each([
    ['metadata.name', 'p'],
    ['metadata.namespace', 'n'],
    ['spec.nodeName', 'node-1'],
    ['metadata.labels', 'a="x\\"y"\nb="2"'],
    ["metadata.annotations['k/y']", 'line\nline'],
    ["metadata.labels['absent']", ''],
  ])('%s', (path, expected) => expect(fieldOf(pod, 'node-1', path)).toBe(expected));

  test('others are refused', () => expect(() => fieldOf(pod, 'node-1', 'spec.x')).toThrow('unsupported fieldPath: spec.x'));
});

test.each([
  ['1Gi', 2 ** 30],
  ['500M', 5e8],
  ['1.5Ki', 1536],
  ['7', 7],
])('%s are %d bytes', (quantity, bytes) => expect(bytesOf(quantity)).toBe(bytes));

test.each(['', '1 Gi', '-1', '1Gb'])('"%s" is no quantity', (quantity) =>
  expect(() => bytesOf(quantity)).toThrow(`not a quantity of bytes: ${quantity}`),
);

describe('where a pod fits', () => {
  const taint: Taint = { key: 'kind', value: 'gpu', effect: 'NoSchedule' };
  const node = { name: 'node-1', labels: { disk: 'ssd' }, taints: [taint], maxPods: 2 };
  const tolerant = { containers: [], tolerations: [{ key: 'kind', operator: 'Equal', value: 'gpu' }] };

  test.each([
    ['nothing to tolerate', { containers: [] }, '0/1 nodes are available: 1 node(s) had untolerated taint {kind: gpu}.'],
    ['another value', { containers: [], tolerations: [{ key: 'kind', value: 'cpu' }] }, expect.stringContaining('untolerated taint')],
    [
      'another effect',
      { containers: [], tolerations: [{ operator: 'Exists', effect: 'NoExecute' }] },
      expect.stringContaining('untolerated taint'),
    ],
    ['the very taint', tolerant, undefined],
    ['everything', { containers: [], tolerations: [{ operator: 'Exists' }] }, undefined],
  ])('tolerating %s', (_what, spec, expected) => expect(whyNotHere(spec, node, 0)).toEqual(expected));

  test('a selector has to match in all its labels', () => {
    const selecting = (nodeSelector: Record<string, string>) => whyNotHere({ ...tolerant, nodeSelector }, node, 0);
    expect(selecting({ disk: 'ssd' })).toBeUndefined();
    expect(selecting({ disk: 'ssd', zone: 'a' })).toBe("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.");
  });

  test('a full node takes no more', () => {
    expect(whyNotHere(tolerant, node, 1)).toBeUndefined();
    expect(whyNotHere(tolerant, node, 2)).toBe('0/1 nodes are available: 1 Too many pods.');
  });
});

describe('logs', () => {
  const records = ['2026-01-02T03:04:05.000Z F one', '2026-01-02T03:04:06.000Z F  two', '2026-01-02T03:04:07.000Z P three'];

  test.each([
    ['everything', {}, 'one\n two\nthree'],
    ['the last lines', { tailLines: 2 }, ' two\nthree'],
    ['more lines than there are', { tailLines: 9 }, 'one\n two\nthree'],
    ['no lines', { tailLines: 0 }, ''],
    ['a number of bytes', { limitBytes: 5 }, 'one\n '],
    ['what came since then', { since: new Date('2026-01-02T03:04:06Z') }, ' two\nthree'],
    ['times', { tailLines: 1, timestamps: true }, '2026-01-02T03:04:07.000Z three'],
  ])('%s', (_what, query, expected) => expect(select(records, query)).toBe(expected));

  test('parameters of the request are read, and nonsense is left out', () => {
    const query = (text: string) => queryOf(new URLSearchParams(text), NOW);
    expect(query('tailLines=5&limitBytes=6&timestamps=true')).toEqual({ tailLines: 5, limitBytes: 6, timestamps: true });
    expect(query('sinceSeconds=60').since).toEqual(new Date(NOW.getTime() - 60_000));
    expect(query('sinceTime=2026-01-01T00:00:00Z').since).toEqual(new Date('2026-01-01T00:00:00Z'));
    expect(query('tailLines=x')).toEqual({ timestamps: false });
  });
});

describe('the status of a pod', () => {
  const record = (name: string, init: boolean, state: ContainerRecord['state']): ContainerRecord => ({
    spec: { name, image: 'i' },
    init,
    state,
  });
  const waiting = { waiting: { reason: 'PodInitializing' } };
  const running = { running: { startedAt: '2026-01-02T03:04:05Z' } };
  const exited = (exitCode: number) => ({ terminated: { exitCode, reason: 'x' } });
  const model = (records: ContainerRecord[], changes: Partial<PodModel> = {}): PodModel => ({
    pod: aPod(),
    records,
    startedAt: NOW,
    ready: true,
    over: false,
    verdict: undefined,
    ...changes,
  });

  test.each([
    ['Pending', 'while init containers run', model([record('i', true, running), record('m', false, waiting)])],
    ['Running', 'when a container runs', model([record('i', true, exited(0)), record('m', false, running), record('n', false, waiting)])],
    ['Running', 'until all processes are gone', model([record('m', false, exited(1))])],
    ['Succeeded', 'when all have exited with 0', model([record('m', false, exited(0))], { over: true })],
    ['Failed', 'when one has not', model([record('m', false, exited(0)), record('n', false, exited(2))], { over: true })],
    ['Failed', 'when an init container has not', model([record('i', true, exited(1)), record('m', false, waiting)], { over: true })],
    ['Failed', 'when it was evicted', model([record('m', false, exited(0))], { over: true, verdict: { reason: 'Evicted', message: 'm' } })],
  ])('is %s %s', (phase, _when, of) => expect(phaseOf(of)).toBe(phase));

  test("keeps the time of a condition that has not changed, and other people's conditions", () => {
    const before = [
      { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' },
      { type: 'Initialized', status: 'False', lastTransitionTime: '2026-01-01T00:00:00Z' },
      { type: 'Theirs', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' },
    ] as const;
    const status = podStatus(model([record('m', false, running)]), before, NOW) as { conditions: object[] };
    expect(status.conditions).toEqual(
      expect.arrayContaining([before[0], { type: 'Initialized', status: 'True', lastTransitionTime: '2026-01-02T03:04:05Z' }, before[2]]),
    );
  });

  test('limits messages to 4,096 bytes, and to their share of 12 KiB in a pod with many containers', () => {
    expect([1, 3, 4].map(messageLimitBytes)).toEqual([4096, 4096, 3072]);
  });
});
