import { describe, expect, test } from '@jest/globals';
import { Fault } from '../../../src/domain/fault.js';
import { buildStatus } from '../../../src/domain/mcm-status.js';
import type { ImageState } from '../../../src/domain/process.js';
import { aDigest, aModuleSpec, aStatus, imageOf, KERNELS } from '../domain/builders.js';
import { aFailedImage, anImage, aPinnedImage, aRun, BUILD_PROBLEM, KEY, NEXT_TRY, WORKFLOW } from '../domain/image-samples.js';
import { aClient, anObject, fakeHub, noWorkflows } from './fakes.js';
import { recordedRevision, revisionObject } from './fleet-of.js';

const found = { kernel: KERNELS[1], name: 'kmod', version: '1.2', sizeBytes: 4_096, vermagic: `${KERNELS[1]} SMP`, signer: 'Example' };
const revision = recordedRevision({
  pins: { [KERNELS[1]]: { image: imageOf(KERNELS[1]), digest: aDigest('1'), origin: 'Made', modules: [found] } },
});
const withImages = (images: readonly ImageState[], change: object = {}) =>
  noWorkflows({ status: () => Promise.resolve(aStatus({ images, updateRevision: revision.name, ...change })) });
const hub = fakeHub(revisionObject(revision));

describe('the images of a module', () => {
  test('have a row for each kernel, with what the inspection found in those that are pinned', async () => {
    const failed = aFailedImage({ nextTryAt: NEXT_TRY, log: ['error'] }, { kernels: ['6.2', '6.1'] });
    const row = {
      image: imageOf(KERNELS[0]),
      state: 'Failed',
      digest: undefined,
      origin: undefined,
      ...BUILD_PROBLEM,
      workflow: WORKFLOW,
      attempt: 2,
      job: `kmod-${KEY}-2`,
      nextTryAt: NEXT_TRY,
      log: ['error'],
      modules: [],
    };
    const pinned = {
      image: imageOf(KERNELS[1]),
      state: 'Pinned',
      digest: aDigest('1'),
      origin: 'Made',
      attempt: 0,
      log: [],
      modules: [found],
    };
    expect(await aClient(withImages([aPinnedImage(), failed]), hub).images('kmod')).toEqual({
      module: 'kmod',
      source: 'workflow',
      notes: [],
      images: [
        { kernel: '6.1', ...row },
        { kernel: KERNELS[1], ...pinned },
        { kernel: '6.2', ...row },
      ],
    });
  });

  test('say nothing of what is in another image than the one that is pinned', async () => {
    const { images } = await aClient(withImages([aPinnedImage({ digest: aDigest('2'), origin: undefined })]), hub).images('kmod');
    expect(images).toMatchObject([{ digest: aDigest('2'), origin: undefined, modules: [] }]);
  });

  test('are shown without what is in them to whoever has no hub', async () => {
    const { images, notes } = await aClient(withImages([aPinnedImage()]), new Fault('Unavailable', 'The hub is away.')).images('kmod');
    expect(images).toMatchObject([{ state: 'Pinned', modules: [] }]);
    expect(notes).toEqual(['What is in the images is not known: The hub is away.']);
  });

  test('repeat which settings have no effect', async () => {
    expect((await aClient(withImages([], { notes: ['It has no effect.'] }), hub).images('kmod')).notes).toEqual(['It has no effect.']);
  });

  test('come from the object when no workflow answers', async () => {
    const images = [
      aPinnedImage({ origin: 'Foreign' }),
      aFailedImage({ nextTryAt: NEXT_TRY, log: ['one', 'two'] }, { kernels: ['6.1', '6.2'] }),
      anImage({ image: 'b', kernels: ['b'] }),
      anImage({ image: 'q', kernels: ['q'], run: aRun({ state: 'Queued', attempt: 0, job: undefined }) }),
    ];
    const object = anObject(aModuleSpec(), {
      status: buildStatus(aStatus({ images, updateRevision: revision.name }), undefined, NEXT_TRY),
    });
    const away = noWorkflows({ status: () => Promise.reject(new Fault('Unavailable', 'No worker answers.')) });
    const stored = await aClient(away, fakeHub({ ...revisionObject(revision), 'managedclustermodules/kmod': object })).images('kmod');
    const { images: rows } = await aClient(withImages(images), hub).images('kmod');
    expect(stored.images).toEqual(rows);
    expect(stored.source).toBe('object');
    expect(stored.notes).toEqual(['No worker answers. This is what the status of the ManagedClusterModule said last.']);
  });
});
