import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { contentRenderer, type ContentRules, type DesiredContent } from '../../../src/domain/desired-content.js';
import { readWork } from '../../../src/domain/read-views.js';
import { renderManifestWork } from '../../../src/domain/manifest-work.js';
import type { Problem } from '../../../src/domain/reasons.js';
import type { ClusterView, PublishedMapping, WorkView } from '../../../src/domain/views.js';
import { aCluster, aDigest, aModuleSpec, aRevision, aWork, imageOf, KERNELS, sha256, somePins } from './builders.js';

const rules = (change: Partial<ContentRules> = {}): ContentRules => ({
  name: 'kmod',
  revision: aRevision(),
  imageProblems: new Map(),
  sha256,
  ...change,
});

const mappingsOf = (content: DesiredContent): readonly PublishedMapping[] => {
  if (content.kind !== 'content') throw new Error(`excluded: ${content.problem.message}`);
  const spec = content.module.manifest.spec as { moduleLoader: { container: { kernelMappings: PublishedMapping[] } } };
  return spec.moduleLoader.container.kernelMappings;
};

const deepFreeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
};

const missing: Problem = { reason: 'ImageMissing', message: 'registry.example.com has no such tag. Push it.' };

describe('the content of a cluster', () => {
  test('holds a literal mapping with a digest for each of its own kernels and no other, sorted', () => {
    const content = contentRenderer(rules())(aCluster({ kernels: [KERNELS[2], KERNELS[0]] }), undefined);
    expect(mappingsOf(content)).toEqual([
      { literal: KERNELS[0], containerImage: `registry.example.com/kmod@${aDigest('1')}` },
      { literal: KERNELS[2], containerImage: `registry.example.com/kmod@${aDigest('3')}` },
    ]);
  });

  test('keeps the published mapping of a kernel whose new image is not ready, and says so', () => {
    const standing = { literal: KERNELS[1], containerImage: `registry.example.com/kmod@${aDigest('f')}`, inTreeModulesToRemove: ['old'] };
    const render = contentRenderer(
      rules({ revision: aRevision({ pins: somePins([KERNELS[0]]) }), imageProblems: new Map([[imageOf(KERNELS[1]), missing]]) }),
    );
    const content = render(aCluster({ kernels: [KERNELS[0], KERNELS[1]] }), aWork({ mappings: [standing] }));
    expect(mappingsOf(content)).toEqual([{ literal: KERNELS[0], containerImage: `registry.example.com/kmod@${aDigest('1')}` }, standing]);
    expect(content.problems).toEqual([{ kernel: KERNELS[1], ...missing, kept: true }]);
    expect(content).toMatchObject({ complete: false });
  });

  test('leaves a kernel out that has neither image nor published mapping, and serves the others', () => {
    const render = contentRenderer(rules({ revision: aRevision({ pins: somePins([KERNELS[0]]) }) }));
    const content = render(aCluster({ kernels: [KERNELS[0], KERNELS[1]] }), undefined);
    expect(mappingsOf(content).map((m) => m.literal)).toEqual([KERNELS[0]]);
    expect(content.problems).toEqual([
      {
        kernel: KERNELS[1],
        reason: 'ImageMissing',
        message: `The image ${imageOf(KERNELS[1])} for kernel ${KERNELS[1]} has not been resolved to a digest yet. kmodflow is looking it up.`,
        kept: false,
      },
    ]);
  });

  test('is never an empty list of mappings: a cluster for which nothing is ready is excluded with the reason', () => {
    const render = contentRenderer(rules({ revision: aRevision({ pins: {} }), imageProblems: new Map([[imageOf(KERNELS[1]), missing]]) }));
    expect(render(aCluster(), undefined)).toEqual({
      kind: 'excluded',
      problem: missing,
      problems: [{ kernel: KERNELS[1], ...missing, kept: false }],
    });
  });

  test('is not made of kept mappings alone: a healthy cluster is left as it is', () => {
    const render = contentRenderer(rules({ revision: aRevision({ pins: {} }), imageProblems: new Map([[imageOf(KERNELS[1]), missing]]) }));
    expect(render(aCluster(), aWork())).toMatchObject({ kind: 'excluded', problem: missing, problems: [{ kept: true }] });
  });

  test('of a cluster without a kernel claim does not exist', () => {
    expect(contentRenderer(rules())(aCluster({ kernels: undefined }), undefined)).toEqual({
      kind: 'excluded',
      problem: {
        reason: 'NoKernelClaim',
        message:
          'Cluster spoke-1 does not report its kernels. Check that KMM runs there with KMM_MANAGED=1 and that the ClusterClaim kernel-versions.kmm.node.kubernetes.io exists.',
      },
      problems: [],
    });
  });

  test('names each cluster in its own problem, also when many have the same', () => {
    const render = contentRenderer(rules());
    const told = ['a', 'b'].map((name) => render(aCluster({ name, kernels: undefined }), undefined));
    expect(told.map((c) => (c.kind === 'excluded' ? c.problem.message.slice(0, 9) : c))).toEqual(['Cluster a', 'Cluster b']);
  });

  test('leaves out a kernel string that cannot be parsed, and serves the others', () => {
    const content = contentRenderer(rules())(aCluster({ kernels: [KERNELS[1], 'rubbish'] }), undefined);
    expect(mappingsOf(content).map((m) => m.literal)).toEqual([KERNELS[1]]);
    expect(content.problems).toMatchObject([{ kernel: 'rubbish', reason: 'InvalidKernelVersion', kept: false }]);
  });

  test('an image that may still come says more than a kernel that nobody meant to serve', () => {
    const moduleSpec = aModuleSpec();
    moduleSpec.moduleLoader!.container.kernelMappings = [
      { regexp: 'el9', containerImage: 'registry.example.com/kmod:${KERNEL_FULL_VERSION}' },
    ];
    const render = contentRenderer(
      rules({ revision: aRevision({ moduleSpec, pins: {} }), imageProblems: new Map([[imageOf(KERNELS[0]), missing]]) }),
    );
    expect(render(aCluster({ kernels: [KERNELS[1], KERNELS[0]] }), undefined)).toMatchObject({ problem: { reason: 'ImageMissing' } });
    expect(render(aCluster({ kernels: [KERNELS[1]] }), undefined)).toMatchObject({ problem: { reason: 'NoMatchingMapping' } });
  });

  test('of a Module without moduleLoader needs no kernels', () => {
    const moduleSpec = { selector: {}, devicePlugin: { container: { image: 'registry.example.com/plugin:v1' } } };
    const content = contentRenderer(rules({ revision: aRevision({ moduleSpec, pins: {} }) }))(aCluster({ kernels: undefined }), undefined);
    expect(content).toMatchObject({ kind: 'content', complete: true, module: { manifest: { spec: moduleSpec } } });
  });

  test('that is larger than Open Cluster Management accepts is not published', () => {
    const moduleSpec = aModuleSpec();
    moduleSpec.moduleLoader!.container.modprobe.parameters = Array.from({ length: 600 }, (_, i) => `p${i}=${'x'.repeat(1_000)}`);
    const content = contentRenderer(rules({ revision: aRevision({ moduleSpec }) }))(aCluster(), undefined);
    expect(content).toMatchObject({ kind: 'excluded', problem: { reason: 'ManifestTooLarge' } });
    expect(content.kind === 'excluded' && content.problem.message).toMatch(
      /^The Module for 1 kernels is \d{6} bytes of JSON; Open Cluster Management accepts at most 512000\. /,
    );
  });

  test('a hundred clusters with three kernels get a hundred correct contents out of one MCM that nobody changes', () => {
    const revision = deepFreeze(aRevision());
    const render = contentRenderer(rules({ revision }));
    const correct = Array.from({ length: 100 }, (_, i) => {
      const kernel = KERNELS[i % 3] ?? '';
      const mappings = mappingsOf(render(deepFreeze(aCluster({ name: `spoke-${i}`, kernels: [kernel] })), undefined));
      return (
        JSON.stringify(mappings) ===
        JSON.stringify([{ containerImage: `registry.example.com/kmod@${aDigest(String((i % 3) + 1))}`, literal: kernel }])
      );
    });
    expect(correct.filter(Boolean)).toHaveLength(100);
  });

  test('what is rendered once reads back as what is wanted: nothing is written a second time', () => {
    const render = contentRenderer(rules());
    const content = render(aCluster(), undefined);
    if (content.kind !== 'content') throw new Error(content.problem.message);
    const work = renderManifestWork(content.module, { cluster: 'spoke-1', revision: 'r', workflow: 'w', publishedAt: 't', ownerUid: 'u' });
    const read = readWork(JSON.parse(JSON.stringify(work)), sha256);
    expect(read).toMatchObject({ contentHash: content.module.hash, declaredHash: content.module.hash, wellFormed: true, ownerUid: 'u' });
  });

  const aKernel = fc.constantFrom(...KERNELS, '4.18.0-1.el8.x86_64', 'rubbish', '6.1.0\u0000\u0001', '6.1.0","b');
  const aSpoke = fc.record({
    kernels: fc.option(fc.uniqueArray(aKernel, { minLength: 1, maxLength: 4 }), { nil: undefined }),
    standing: fc.option(fc.uniqueArray(aKernel, { maxLength: 3 }), { nil: undefined }),
    digit: fc.constantFrom('d', 'e'),
  });
  const viewsOf = ({
    kernels,
    standing,
    digit,
  }: {
    kernels: string[] | undefined;
    standing: string[] | undefined;
    digit: string;
  }): [ClusterView, WorkView | undefined] => [
    aCluster({ kernels }),
    standing === undefined
      ? undefined
      : aWork({ mappings: standing.map((literal) => ({ literal, containerImage: `registry.example.com/kmod@${aDigest(digit)}` })) }),
  ];

  test('a renderer that has seen other clusters before gives the same answer as a fresh one', () => {
    fc.assert(
      fc.property(fc.array(aSpoke, { minLength: 1, maxLength: 12 }), fc.subarray([...KERNELS]), (spokes, pinned) => {
        const same = rules({ revision: aRevision({ pins: somePins(pinned) }), imageProblems: new Map([[imageOf(KERNELS[2]), missing]]) });
        const experienced = contentRenderer(same);
        for (const spoke of spokes) {
          const [cluster, work] = viewsOf(spoke);
          expect(experienced(cluster, work)).toEqual(contentRenderer(same)(cluster, work));
        }
      }),
    );
  });

  test('no cluster ever gets an empty list, a tag, a kernel that is not its own, or a kernel twice', () => {
    fc.assert(
      fc.property(aSpoke, fc.subarray([...KERNELS]), (spoke, pinned) => {
        const [cluster, work] = viewsOf(spoke);
        const content = contentRenderer(rules({ revision: aRevision({ pins: somePins(pinned) }) }))(cluster, work);
        if (content.kind === 'excluded') return;
        const mappings = mappingsOf(content);
        expect(mappings.length).toBeGreaterThan(0);
        expect(mappings.every((m) => /@sha256:[0-9a-f]{64}$/.test(m.containerImage))).toBe(true);
        expect(mappings.every((m) => cluster.kernels?.includes(m.literal))).toBe(true);
        expect(new Set(mappings.map((m) => m.literal)).size).toBe(mappings.length);
      }),
    );
  });

  test('clusters with the same kernels share one rendered content', () => {
    const render = contentRenderer(rules());
    expect(render(aCluster({ name: 'a' }), undefined)).toBe(render(aCluster({ name: 'b' }), aWork()));
  });
});
