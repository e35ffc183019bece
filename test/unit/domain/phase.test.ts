import { describe, expect, test } from '@jest/globals';
import { phaseOf, type PhaseInput } from '../../../src/domain/phase.js';
import type { Observation, Phase } from '../../../src/domain/process.js';
import { aFleet, aModule, aNeed, aRollout } from './builders.js';

const held = { count: 5, published: 6, token: 't', sample: [], held: true };
const gone: Observation = { kind: 'gone', published: 3, sample: [] };
const invalid: Observation = {
  kind: 'invalid',
  uid: 'u',
  generation: 1,
  problems: [],
  fleet: aFleet({ Loaded: 3 }),
  remembered: { currentRevision: undefined, rolloutNumber: 0, history: [] },
};

const CASES: readonly [string, Observation | undefined, Partial<PhaseInput>, Phase][] = [
  ['before the first look', undefined, {}, 'Pending'],
  ['the MCM is deleted', gone, { paused: true }, 'Removing'],
  ['the spec is not valid, whatever runs', invalid, { paused: true, active: aRollout() }, 'Invalid'],
  ['somebody paused it, also in mid-rollout', aModule(), { paused: true, active: aRollout() }, 'Paused'],
  [
    'a rollout runs, also when a cluster has failed already',
    aModule({ fleet: aFleet({ Failed: 1, Loading: 2 }) }),
    { active: aRollout() },
    'Progressing',
  ],
  ['the selector matches nothing', aModule({ fleet: aFleet({}) }), {}, 'Pending'],
  ['no image has a digest yet', aModule({ revision: { hash: 'a' }, fleet: aFleet({ Pending: 3 }) }), {}, 'Pending'],
  ['every cluster is loaded', aModule(), {}, 'Ready'],
  ['clusters without matching nodes have all they need', aModule({ fleet: aFleet({ Loaded: 2, NoNodes: 1 }) }), {}, 'Ready'],
  ['an offline cluster catches up later', aModule({ fleet: aFleet({ Loaded: 2, Offline: 1 }) }), {}, 'Ready'],
  ['of a fleet that is offline as a whole nothing can be said', aModule({ fleet: aFleet({ Offline: 3 }) }), {}, 'Pending'],
  ['a cluster failed', aModule({ fleet: aFleet({ Loaded: 2, Failed: 1 }) }), {}, 'Degraded'],
  [
    'a cluster failed while another catches up',
    aModule({ fleet: aFleet({ Loading: 2, Failed: 1 }) }),
    { active: aRollout({ kind: 'catchUp' }) },
    'Degraded',
  ],
  ['a removal waits for a person', aModule({ removals: held }), {}, 'Degraded'],
  ['clusters catch up', aModule(), { active: aRollout({ kind: 'catchUp' }) }, 'Progressing'],
  ['clusters wait to be published', aModule({ fleet: aFleet({ Loaded: 2, Pending: 1 }, { behind: 1 }) }), {}, 'Progressing'],
  ['nodes are loading', aModule({ fleet: aFleet({ Loaded: 2, Loading: 1 }) }), {}, 'Progressing'],
  ['a cluster gets nothing', aModule({ fleet: aFleet({ Loaded: 2, Excluded: 1 }) }), {}, 'Degraded'],
  ['an image is missing for some kernel', aModule({ needs: [aNeed()] }), {}, 'Degraded'],
  ['the first image is being made', aModule({ revision: { hash: 'a' }, fleet: aFleet({ Pending: 3 }) }), { making: true }, 'Progressing'],
  [
    'the first image is being made, and the clusters are left out until it is there',
    aModule({ revision: { hash: 'a' }, fleet: aFleet({ Excluded: 3 }) }),
    { making: true },
    'Progressing',
  ],
  ['the first image cannot be had', aModule({ revision: { hash: 'a' }, fleet: aFleet({ Excluded: 3 }) }), { making: false }, 'Degraded'],
  [
    'an image for one more kernel is being made, and its cluster is left out until it is there',
    aModule({ needs: [aNeed()], fleet: aFleet({ Loaded: 2, Excluded: 1 }) }),
    { making: true },
    'Progressing',
  ],
  [
    'a cluster failed while an image is being made',
    aModule({ needs: [aNeed()], fleet: aFleet({ Failed: 1 }) }),
    { making: true },
    'Degraded',
  ],
  ['a removal waits for a person while an image is being made', aModule({ removals: held }), { making: true }, 'Degraded'],
  ['an image is made for a selector that matches nothing any more', aModule({ fleet: aFleet({}) }), { making: true }, 'Pending'],
  ['an image is made for a fleet that is offline as a whole', aModule({ fleet: aFleet({ Offline: 3 }) }), { making: true }, 'Pending'],
  ['somebody paused it while an image is being made', aModule({ needs: [aNeed()] }), { paused: true, making: true }, 'Paused'],
];

describe('the phase', () => {
  test.each(CASES)('%s', (_sentence, seen, input, expected) => {
    expect(phaseOf(seen, { active: undefined, paused: false, currentRevision: undefined, ...input })).toBe(expected);
  });
});
