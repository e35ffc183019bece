import { describe, expect, test } from '@jest/globals';
import { nextStep, type Progress, type Step } from '../../../src/domain/next-step.js';
import type { ObservedModule } from '../../../src/domain/process.js';
import { aFleet, aModule, aNeed, aRollout, someProgress } from './builders.js';

const aMadeNeed = aNeed({ recipe: { module: 'kmod', build: { dockerfile: { configMap: 'd', sha256: '0' }, args: [], secrets: [] } } });
const NAME = 'kmod-aaaaaaaaaa';
const BEFORE = 'kmod-bbbbbbbbbb';
const unrecorded = { revision: { hash: 'aaaaaaaaaa' } };
const removal = (held: boolean) => ({ removals: { count: 5, published: 6, token: 'token-1', sample: ['a'], held } });
const behind = (n: number) => ({ fleet: aFleet({ Pending: n, Loaded: 1 }, { behind: n }) });
const fresh = { currentRevision: undefined, lastRolled: undefined };
const rolled = { currentRevision: BEFORE, lastRolled: BEFORE };

const CASES: readonly [rule: string, sentence: string, seen: Partial<ObservedModule>, progress: Partial<Progress>, step: Step][] = [
  [
    'abandonTheOldRevision',
    'a rollout of a revision that the spec no longer asks for is stopped',
    {},
    { active: aRollout({ revision: BEFORE }) },
    { do: 'stop', why: `The spec has changed: revision ${BEFORE} is superseded.` },
  ],
  [
    'abandonTheOldRevision',
    'also before the new revision is recorded, and before its images are looked up',
    { ...unrecorded, needs: [aNeed()] },
    { active: aRollout({ revision: BEFORE }), dueImages: [aNeed()] },
    { do: 'stop', why: `The spec has changed: revision ${BEFORE} is superseded.` },
  ],
  [
    'abandonTheOldRevision',
    'but is told only once',
    {},
    { active: aRollout({ revision: BEFORE, stopping: true, number: 4 }) },
    { do: 'wait', why: 'Rollout 4 is under way.' },
  ],
  [
    'resolveImages',
    'images that are due are looked up',
    { needs: [aNeed()] },
    { dueImages: [aNeed()] },
    { do: 'resolve', images: [aNeed()] },
  ],
  [
    'resolveImages',
    'also while a rollout is under way, or the module is paused: a lookup changes no cluster',
    { needs: [aNeed()] },
    { dueImages: [aNeed()], paused: true, active: aRollout() },
    { do: 'resolve', images: [aNeed()] },
  ],
  [
    'recordWhatNeedsNoImage',
    'a Module without moduleLoader is recorded at once',
    { ...unrecorded, needsNoImage: true },
    fresh,
    { do: 'record' },
  ],
  [
    'recordWhatNeedsNoImage',
    'so is a module that no kernel of the fleet needs an image for',
    { ...unrecorded, pinnedCount: 0 },
    fresh,
    { do: 'record' },
  ],
  [
    'respectThePause',
    'nothing is published while it is paused',
    behind(3),
    { paused: true, ...fresh },
    { do: 'wait', why: 'Paused: nothing is published or removed until somebody resumes.' },
  ],
  [
    'respectThePause',
    'nothing is removed either',
    removal(false),
    { paused: true },
    { do: 'wait', why: 'Paused: nothing is published or removed until somebody resumes.' },
  ],
  ['removeWhatIsNotSelected', 'what is not selected any more is removed', removal(false), {}, { do: 'remove', token: 'token-1', count: 5 }],
  [
    'removeWhatIsNotSelected',
    'also while a rollout is under way',
    removal(false),
    { active: aRollout() },
    { do: 'remove', token: 'token-1', count: 5 },
  ],
  [
    'removeWhatIsNotSelected',
    'a mass removal waits for a person',
    removal(true),
    {},
    { do: 'wait', why: 'Waiting for a person: 5 of 6 clusters would lose the module at once.' },
  ],
  [
    'removeWhatIsNotSelected',
    'a mass removal that a person has confirmed is carried out',
    removal(true),
    { confirmedRemoval: 'token-1' },
    { do: 'remove', token: 'token-1', count: 5 },
  ],
  [
    'removeWhatIsNotSelected',
    'a confirmation of another set of clusters is none',
    removal(true),
    { confirmedRemoval: 'token-0' },
    { do: 'wait', why: 'Waiting for a person: 5 of 6 clusters would lose the module at once.' },
  ],
  [
    'removeWhatIsNotSelected',
    'a held removal does not hold up the rollout',
    { ...removal(true), ...behind(2) },
    rolled,
    { do: 'rollout', revision: NAME },
  ],
  [
    'letTheActiveWorkFinish',
    'a rollout is left alone',
    behind(3),
    { active: aRollout(), ...fresh },
    { do: 'wait', why: 'Rollout 1 is under way.' },
  ],
  [
    'letTheActiveWorkFinish',
    'so is a catch-up',
    behind(3),
    { active: aRollout({ kind: 'catchUp' }) },
    { do: 'wait', why: 'Single clusters are catching up.' },
  ],
  [
    'waitForTheFirstImage',
    'without a digest nothing can be published',
    { ...unrecorded, needs: [aNeed()] },
    fresh,
    { do: 'wait', why: 'No image of this revision has a digest yet.' },
  ],
  ['rollOut', 'a new revision is rolled out', behind(3), rolled, { do: 'rollout', revision: NAME }],
  ['rollOut', 'the first revision is rolled out', behind(3), fresh, { do: 'rollout', revision: NAME }],
  [
    'rollOut',
    'what is published and not proven is part of a rollout: its workflow may have been lost',
    { fleet: aFleet({ Loading: 2, Loaded: 1 }) },
    fresh,
    { do: 'rollout', revision: NAME },
  ],
  [
    'rollOut',
    'a rollout that failed is not begun again by itself',
    { fleet: aFleet({ Failed: 2, Loaded: 1 }) },
    { currentRevision: BEFORE, lastRolled: NAME },
    { do: 'wait', why: 'Failed: 2 of 3 clusters. They are tried again when somebody asks for it.' },
  ],
  [
    'rollOut',
    "after the loss of Temporal's database a revision that the status remembers as complete is not rolled out again",
    { fleet: aFleet({ Loading: 1, Loaded: 2 }) },
    { currentRevision: NAME, lastRolled: undefined },
    { do: 'wait', why: 'Waiting for the proof of loading from 1 cluster.' },
  ],
  [
    'catchUp',
    'a cluster that joined or changed after the rollout catches up',
    behind(1),
    {},
    { do: 'catchUp', revision: NAME, clusters: 1 },
  ],
  ['catchUp', 'also after a rollout that failed', behind(1), { currentRevision: BEFORE }, { do: 'catchUp', revision: NAME, clusters: 1 }],
  [
    'completeWhatIsLoadedEverywhere',
    'a revision that every cluster has already needs no rollout',
    {},
    fresh,
    { do: 'complete', revision: NAME },
  ],
  [
    'completeWhatIsLoadedEverywhere',
    'clusters without matching nodes count as done',
    { fleet: aFleet({ NoNodes: 2, Offline: 1 }) },
    fresh,
    { do: 'complete', revision: NAME },
  ],
  [
    'completeWhatIsLoadedEverywhere',
    'an unreachable fleet completes nothing',
    { fleet: aFleet({ Offline: 3 }) },
    fresh,
    { do: 'wait', why: 'Everything is as it should be.' },
  ],
  [
    'nothing',
    'a missing image is waited for, and said to be',
    { needs: [aNeed()] },
    {},
    { do: 'wait', why: 'Waiting for 1 image. What is missing is looked up again by itself.' },
  ],
  [
    'nothing',
    'images that are made here are waited for, and it is said who makes them',
    { needs: [aMadeNeed, aMadeNeed] },
    {},
    { do: 'wait', why: 'Waiting for 2 images. Their own workflows build and sign them, and say how far they are.' },
  ],
  [
    'nothing',
    'images of both kinds are told apart',
    { needs: [aNeed(), aMadeNeed] },
    {},
    {
      do: 'wait',
      why: 'Waiting for 2 images. What is missing is looked up again by itself. Their own workflows build and sign what is made here, and say how far they are.',
    },
  ],
  [
    'nothing',
    'clusters that get nothing are told of',
    { fleet: aFleet({ Loaded: 2, Excluded: 1 }) },
    {},
    { do: 'wait', why: 'Left out, for a reason of their own: 1 of 3 clusters. All others are as they should be.' },
  ],
  ['nothing', 'a module that is ready waits', {}, {}, { do: 'wait', why: 'Everything is as it should be.' }],
];

describe('the next step', () => {
  test.each(CASES)('%s: %s', (_rule, _sentence, seen, progress, step) => {
    expect(nextStep(aModule(seen), someProgress(progress))).toEqual(step);
  });
});
