import { describe, expect, test } from '@jest/globals';
import type { SpokeObject } from '../../../harness/spoke.js';
import { wrongOnSpoke } from '../../../../tools/demo/spoke-check.js';

const CLUSTER = { name: 'spoke-1', kernels: ['6.1.0-56-amd64'], offline: false };
const EXPECTED = {
  module: 'simple',
  pinned: new Map([
    ['6.1.0-56-amd64', 'r/simple@sha256:1'],
    ['6.1.0-57-amd64', 'r/simple@sha256:2'],
  ]),
};

function aModule(literal: string, containerImage: string, availableNumber = 1): SpokeObject {
  return {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'Module',
    metadata: { name: 'simple', uid: 'u', generation: 1, creationTimestamp: '2026-11-22T17:00:00Z' },
    spec: { moduleLoader: { container: { kernelMappings: [{ literal, containerImage }] } } },
    status: { moduleLoader: { desiredNumber: 1, availableNumber } },
  };
}

describe('what is wrong on a spoke', () => {
  const cases: [what: string, modules: SpokeObject[], wrong: string | undefined][] = [
    ['nothing, with its own image loaded on every node', [aModule('6.1.0-56-amd64', 'r/simple@sha256:1')], undefined],
    ['no Module', [], 'spoke-1 has no Module where simple alone is right.'],
    [
      'the image of another kernel',
      [aModule('6.1.0-57-amd64', 'r/simple@sha256:2')],
      'spoke-1 maps 6.1.0-57-amd64 → r/simple@sha256:2 where 6.1.0-56-amd64 → r/simple@sha256:1 is right.',
    ],
    [
      'a tag in place of a digest',
      [aModule('6.1.0-56-amd64', 'r/simple:6.1.0-56-amd64')],
      'spoke-1 maps 6.1.0-56-amd64 → r/simple:6.1.0-56-amd64 where 6.1.0-56-amd64 → r/simple@sha256:1 is right.',
    ],
    ['a node that has not loaded it', [aModule('6.1.0-56-amd64', 'r/simple@sha256:1', 0)], 'spoke-1 has loaded it on 0 of 1 nodes.'],
  ];
  test.each(cases)('%s', (_what, modules, wrong) => expect(wrongOnSpoke(CLUSTER, modules, EXPECTED)).toBe(wrong));
});
