import { describe, expect, test } from '@jest/globals';
import { createObserve } from '../../../activities/observe.js';
import type { ImageProblem } from '../../../src/domain/image-process.js';
import type { ObservedModule } from '../../../src/domain/process.js';
import { revisionHash, type Pins } from '../../../src/domain/revision.js';
import { aCluster, aDigest, aModuleSpec, imageOf, sha256 } from '../domain/builders.js';
import { aBuildingSpec, aModuleHub, aNewRevision, aSpec, DOCKERFILE, GONE, goneDockerfile, noInputs } from './module-hub.js';

type Options = Parameters<typeof aModuleHub>[0] & { readonly imageProblems?: readonly ImageProblem[] };

async function observe({ imageProblems = [], ...hub }: Options): Promise<ObservedModule> {
  const observation = await createObserve(aModuleHub(hub).deps)({ name: 'kmod', imageProblems });
  if (observation.kind !== 'module') throw new Error(`the observation says ${observation.kind}`);
  return observation;
}

const kernelsOf = (count: number): string[] => Array.from({ length: count }, (_, i) => `6.1.0-${String(i).padStart(3, '0')}-amd64`);
const inputs = { 'ConfigMap/df': sha256(DOCKERFILE) };
const hash = revisionHash({ spokeNamespace: 'kmm', moduleSpec: aBuildingSpec(), inputs }, sha256);
const missing = (image: string): ImageProblem => ({ image, reason: 'ImageMissing', message: `Image ${image} does not exist.` });

describe('the images that are needed', () => {
  test('are stated with their recipe, each once, whatever the number of clusters', async () => {
    const clusters = ['a', 'b', 'c'].map((name) => aCluster({ name, kernels: ['6.1.0-1', '6.1.0-2'] }));
    const { needs } = await observe({ clusters });
    expect(needs.map((n) => [n.image, n.kernels, n.recipe?.build?.dockerfile])).toEqual([
      [imageOf('6.1.0-1'), ['6.1.0-1'], { configMap: 'df', sha256: sha256(DOCKERFILE) }],
      [imageOf('6.1.0-2'), ['6.1.0-2'], { configMap: 'df', sha256: sha256(DOCKERFILE) }],
    ]);
  });

  test('never carry the text of a Dockerfile', async () => {
    expect(JSON.stringify(await observe({ clusters: [aCluster()] }))).not.toContain(DOCKERFILE);
  });

  test('are at most a hundred at once, those that nobody looked for yet before those that failed', async () => {
    const kernels = kernelsOf(150);
    const clusters = [aCluster({ kernels })];
    const first = await observe({ clusters });
    expect(first.needs.map((n) => n.image)).toEqual(kernels.slice(0, 100).map(imageOf));
    const tried = kernels.slice(0, 80).map((kernel) => missing(imageOf(kernel)));
    const second = await observe({ clusters, imageProblems: tried });
    const wanted = [...kernels.slice(80), ...kernels.slice(0, 30)];
    expect(second.needs.map((n) => n.image)).toEqual(wanted.map(imageOf));
    expect(Buffer.byteLength(JSON.stringify(second))).toBeLessThan(256 * 1024);
  });

  test('say what they wait for while the Dockerfile is gone', async () => {
    const { needs } = await observe({ clusters: [aCluster()], known: goneDockerfile });
    expect(needs.map((n) => n.blocked)).toEqual([{ reason: 'BuildFailed', message: GONE }]);
  });

  test('leave out clusters that are not accepted or are being removed', async () => {
    const clusters = [
      aCluster({ name: 'a', kernels: ['6.1.0-1'], accepted: false }),
      aCluster({ name: 'b', kernels: ['6.1.0-2'], deleting: true }),
    ];
    expect((await observe({ clusters })).needs).toEqual([]);
  });
});

describe('images that the revision has pinned', () => {
  const pins: Pins = { '6.1.0-1': { image: imageOf('6.1.0-1'), digest: aDigest('1'), origin: 'Made', modules: [] } };

  test('are no need any more; the observation names their digest and origin, and not what was found in them', async () => {
    const revisions = [aNewRevision({ hash, inputs, pins, number: 4 })];
    const seen = await observe({ clusters: [aCluster({ kernels: ['6.1.0-1', '6.1.0-2'] })], revisions });
    expect(seen.revision).toEqual({ hash, name: `kmod-${hash}`, number: 4 });
    expect(seen.needs.map((n) => n.image)).toEqual([imageOf('6.1.0-2')]);
    expect(seen.pinned).toEqual([{ kernel: '6.1.0-1', image: imageOf('6.1.0-1'), digest: aDigest('1'), origin: 'Made' }]);
    expect(seen.pinnedCount).toBe(1);
  });

  test('give their digest to a new kernel that shares the reference', async () => {
    const plain = aModuleSpec();
    const kernelMappings = [{ regexp: '^.+$', containerImage: 'registry.example.com/kmod:v1' }];
    const moduleSpec = { ...plain, moduleLoader: { container: { ...plain.moduleLoader?.container, kernelMappings } } } as typeof plain;
    const shared = { image: 'registry.example.com/kmod:v1', digest: aDigest('5') };
    const sharedHash = revisionHash({ spokeNamespace: 'kmm', moduleSpec }, sha256);
    const seen = await observe({
      spec: aSpec(moduleSpec),
      known: noInputs,
      clusters: [aCluster({ kernels: ['6.1.0-1', '6.1.0-2'] })],
      revisions: [aNewRevision({ hash: sharedHash, moduleSpec, pins: { '6.1.0-1': shared } })],
    });
    expect(seen.needs.map(({ image, kernels, digest }) => ({ image, kernels, digest }))).toEqual([{ ...shared, kernels: ['6.1.0-2'] }]);
  });
});

test('settings that are accepted and have no effect are told of', async () => {
  const kaniko = aBuildingSpec({ build: { dockerfileConfigMap: { name: 'df' }, kanikoParams: { tag: 'v1' } } });
  expect((await observe({ spec: aSpec(kaniko) })).notes).toEqual([
    "spec.moduleSpec.moduleLoader.container.build.kanikoParams is accepted and has no effect: images are built with buildah, whose image the operator's configuration names.",
  ]);
  expect((await observe({})).notes).toEqual([]);
});
