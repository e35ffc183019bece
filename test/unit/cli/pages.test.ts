import { describe, expect, test } from '@jest/globals';
import type { ClusterRow, ModuleHistory, ModuleList, ModulePreview, StatusAnswer } from '../../../src/client/index.js';
import { aDigest, aFleet, aRecord, aStatus, imageOf, KERNELS } from '../domain/builders.js';
import { aFailedImage, anImage, aRun } from '../domain/image-samples.js';
import { cli } from './fake-session.js';

const [, DEB, NEW] = KERNELS;
const WIDTH = 100;

const answer = (change: Partial<StatusAnswer> = {}): StatusAnswer => ({
  ...aStatus(),
  source: 'workflow',
  note: undefined,
  desiredGeneration: 1,
  ...change,
});
const offline = {
  cluster: 'spoke-7',
  state: 'Offline',
  reason: 'ClusterUnavailable',
  message:
    'Cluster spoke-7 has not been available since 2025-12-31T12:00:00Z. Its module stays as it is and catches up when the cluster returns.',
} as const;
const failure = {
  cluster: 'spoke-2',
  state: 'Failed',
  reason: 'ApplyFailed',
  message:
    'Cluster spoke-2 could not apply the Module: namespaces "kmm-modules" not found. Its work agent tries again by itself; mend the cause on the cluster.',
} as const;

const lines = (text: string): string[] => text.split('\n');

describe('the page of a module', () => {
  test('that is ready is short', async () => {
    const { out, code } = await cli(['status', 'kmod'], { status: () => Promise.resolve(answer()) });
    expect(code).toBe(0);
    expect(lines(out)).toEqual([
      'Module    kmod',
      'Phase     Ready',
      'Doing     Everything is as it should be.',
      'Clusters  3 selected: 3 Loaded',
      'Revision  kmod-aaaaaaaaaa',
      'Last      rollout 1, 55m ago: Completed: of 3 clusters 3 loaded.',
      'Workflow  mcm/kmod',
      '',
      'STATE   KERNELS         IMAGE                                     DIGEST',
      'pinned  6.1.0-18-amd64  registry.example.com/kmod:6.1.0-18-amd64  sha256:111111111111',
      '',
    ]);
  });

  test('that is degraded says what is stuck and what to type next, within 100 columns, and ends with 1', async () => {
    const status = answer({
      phase: 'Degraded',
      updateRevision: 'kmod-bbbbbbbbbb',
      doing: 'Waiting.',
      fleet: aFleet({ Loaded: 1, Failed: 1, Offline: 1 }, { exceptions: [failure, offline], exceptionCount: 5 }),
      rollout: { number: 2, revision: 'kmod-bbbbbbbbbb', phase: 'Progressing', startedAt: '2026-01-01T00:50:00Z' },
    });
    const { out, code } = await cli(['status', 'kmod'], { status: () => Promise.resolve(status) });
    expect(code).toBe(1);
    expect(out).toContain('Clusters  3 selected: 1 Loaded, 1 Offline, 1 Failed');
    expect(out).toContain('Revision  kmod-aaaaaaaaaa → kmod-bbbbbbbbbb');
    expect(out).toContain('Rollout   2, Progressing, began 10m ago');
    expect(out).toContain('spoke-2  Failed   ApplyFailed         Cluster spoke-2 could not apply the Module: namespaces');
    expect(out).toContain('… and 3 more.');
    expect(out).toContain('  kmodflow clusters kmod\n  kmodflow retry kmod\n');
    expect(Math.max(...lines(out).map((l) => l.length))).toBeLessThanOrEqual(WIDTH);
  });

  test('begins with a note when its workflow did not answer', async () => {
    const status = answer({ source: 'object', note: 'No worker answers. This is what the status said last.', doing: '' });
    const { out } = await cli(['status', 'kmod'], { status: () => Promise.resolve(status) });
    expect(lines(out).slice(0, 3)).toEqual(['No worker answers. This is what the status said last.', '', 'Module    kmod']);
  });

  test('says who paused it, what is held and which image is missing', async () => {
    const status = answer({
      paused: { by: 'ada', reason: 'lunch' },
      removals: { count: 6, published: 8, token: '0123456789ab', sample: ['a', 'b'], held: true },
      images: [{ image: imageOf(DEB), kernels: [DEB, NEW, 'x'], problem: { reason: 'ImageMissing', message: 'There is no such tag.' } }],
    });
    const { out } = await cli(['status', 'kmod'], { status: () => Promise.resolve(status) });
    expect(out).toContain('Paused    by ada: lunch');
    expect(out).toContain('Removal   6 of 8 clusters wait for a person (token 0123456789ab): a, b …');
    expect(out).toContain('missing  6.1.0-18-amd64 +2  registry.example.com/kmod:6.1.0-18-amd64  ImageMissing');
    expect(out).toContain('There is no such tag.');
  });
});

describe('the images on the page of a module', () => {
  test('that are on their way say so, and only failures are listed as such', async () => {
    const images = [
      anImage({ image: 'a', kernels: ['ka'], problem: { reason: 'ImageMissing', message: 'There is no such tag.' } }),
      anImage({ image: 'b', kernels: ['kb'], run: aRun({ state: 'Queued', attempt: 0 }) }),
      aFailedImage({ attempt: 2 }, { image: 'c', kernels: ['kc'] }),
      { image: 'd', kernels: ['kd'] },
    ];
    const { out } = await cli(['status', 'kmod'], { status: () => Promise.resolve(answer({ images })) });
    const rows = lines(out).filter((l) => /^(building|queued|missing) /.test(l));
    expect(rows.map((l) => l.split(/ {2,}/))).toEqual([
      ['building', 'ka', 'a', 'attempt 1'],
      ['queued', 'kb', 'b', '-'],
      ['missing', 'kc', 'c', 'BuildFailed, attempt 2'],
      ['missing', 'kd', 'd', 'being looked up'],
    ]);
    expect(out).not.toContain('There is no such tag.');
    expect(out).toContain('ended with exit code 2.');
  });
});

describe('the list of modules', () => {
  const list: ModuleList = {
    modules: [
      {
        name: 'kmod',
        headless: false,
        phase: 'Ready',
        selected: 24,
        loaded: 21,
        failed: 0,
        offline: 2,
        revision: 'kmod-aaaaaaaaaa',
        running: true,
        createdAt: '2026-01-01T00:00:00Z',
      },
      {
        name: 'other',
        headless: true,
        phase: 'Unknown',
        selected: undefined,
        loaded: undefined,
        failed: undefined,
        offline: undefined,
        revision: undefined,
        running: undefined,
        createdAt: undefined,
      },
    ],
    notes: ['ManagedClusterModules are not listed: the hub is away.'],
  };

  test('has a row for each, a question mark for what nobody knows, and notes on what is missing', async () => {
    const { out, code } = await cli(['status'], { list: () => Promise.resolve(list) });
    expect(code).toBe(0);
    expect(lines(out)).toEqual([
      'NAME   PHASE    SELECTED  LOADED  FAILED  OFFLINE  REVISION         SPEC      RUNNING  AGE',
      'kmod   Ready    24        21      0       2        kmod-aaaaaaaaaa  object    yes      1h',
      'other  Unknown  ?         ?       ?       ?                         headless  ?',
      '',
      'ManagedClusterModules are not listed: the hub is away.',
      '',
    ]);
  });

  test('that is empty says what to do', async () => {
    const { out } = await cli(['status'], { list: () => Promise.resolve({ modules: [], notes: [] }) });
    expect(out).toBe('There are no modules. Apply a ManagedClusterModule, or start one with "kmodflow start -f".\n');
  });

  test('keeps notes out of the JSON', async () => {
    const { out, err } = await cli(['status', '-o', 'json'], { list: () => Promise.resolve(list) });
    expect(JSON.parse(out)).toMatchObject({ modules: [{ name: 'kmod' }, { name: 'other' }] });
    expect(err).toBe('ManagedClusterModules are not listed: the hub is away.\n');
  });
});

describe('the clusters of a module', () => {
  const row = (change: Partial<ClusterRow>): ClusterRow => ({
    cluster: 'spoke-1',
    kernels: [DEB],
    state: 'Loaded',
    reason: undefined,
    message: undefined,
    since: '2026-01-01T00:57:00Z',
    revision: 'kmod-aaaaaaaaaa',
    contentHash: '7ab6ae3400000000',
    behind: false,
    kernelNotes: [],
    ...change,
  });
  const rows = [
    row({}),
    row({ cluster: 'spoke-2', state: 'Pending', since: undefined, behind: true, kernels: [DEB, NEW, 'x'] }),
    row({ cluster: 'spoke-3', kernelNotes: [{ kernel: NEW, reason: 'ImageMissing', message: 'There is no such tag.' }] }),
    row({
      cluster: 'spoke-7',
      kernels: [],
      state: 'Offline',
      reason: offline.reason,
      message: offline.message,
      contentHash: undefined,
      revision: undefined,
    }),
  ];
  const client = { clusters: () => Promise.resolve(rows) };

  test('have a row each, with the sentences below', async () => {
    const { out, code } = await cli(['clusters', 'kmod'], client);
    expect(code).toBe(0);
    expect(lines(out)).toEqual([
      'CLUSTER  KERNELS            STATE    REASON              SINCE   CONTENT',
      'spoke-1  6.1.0-18-amd64     Loaded                       3m ago  7ab6ae34',
      'spoke-2  6.1.0-18-amd64 +2  Pending                              7ab6ae34 (behind)',
      'spoke-3  6.1.0-18-amd64     Loaded   ImageMissing        3m ago  7ab6ae34',
      'spoke-7  -                  Offline  ClusterUnavailable  3m ago  -',
      '',
      `Cluster spoke-3 is served without kernel ${NEW}: There is no such tag.`,
      offline.message,
      '',
      '4 clusters: 1 Pending, 2 Loaded, 1 Offline.',
      '',
    ]);
  });

  test('can be picked by state, in any case, and cut', async () => {
    const picked = await cli(['clusters', 'kmod', '--state', 'loaded', '--state', 'Pending', '--limit', '2'], client);
    expect(
      lines(picked.out)
        .slice(1, 3)
        .map((l) => l.slice(0, 7)),
    ).toEqual(['spoke-1', 'spoke-2']);
    expect(picked.out).toContain('3 of 4 clusters: 1 Pending, 2 Loaded. The first 2 are shown.');
    const none = await cli(['clusters', 'kmod', '--state', 'Failed'], client);
    expect(none.out).toBe('None of 4 clusters is in that state.\n');
    const json = await cli(['clusters', 'kmod', '--state', 'Failed', '-o', 'json'], client);
    expect(json.out).toBe('[]\n');
  });

  test('that do not exist are a selector without labels', async () => {
    const { out } = await cli(['clusters', 'kmod'], { clusters: () => Promise.resolve([]) });
    expect(out).toBe('No ManagedCluster has the labels of spec.selector.\n');
  });

  test('show ten sentences at most', async () => {
    const many = Array.from({ length: 12 }, (_, i) => row({ cluster: `spoke-${i}`, state: 'Failed', message: `Sentence ${i}.` }));
    const { out } = await cli(['clusters', 'kmod'], { clusters: () => Promise.resolve(many) });
    expect(out).toContain('Sentence 9.\n… and 2 more; "-o json" has them all.\n');
  });
});

describe('the plan', () => {
  const preview: ModulePreview = {
    name: 'kmod',
    exists: true,
    revision: { name: 'kmod-bbbbbbbbbb', recorded: false, current: 'kmod-aaaaaaaaaa' },
    counts: { create: 0, update: 1, unchanged: 0, remove: 1, offline: 0, excluded: 1 },
    clusters: [
      {
        cluster: 'a',
        action: 'update',
        kernels: [{ kernel: DEB, image: imageOf(DEB), digest: undefined }],
        reason: undefined,
        message: undefined,
        kernelNotes: [],
      },
      {
        cluster: 'b',
        action: 'remove',
        kernels: [],
        reason: undefined,
        message: 'spec.selector does not match this cluster.',
        kernelNotes: [],
      },
      {
        cluster: 'c',
        action: 'excluded',
        kernels: [],
        reason: 'NoKernelClaim',
        message: 'Cluster c does not report its kernels.',
        kernelNotes: [],
      },
    ],
    images: [
      { image: imageOf(DEB), kernels: [DEB], clusters: 1, state: 'would be resolved', digest: undefined, message: undefined },
      { image: imageOf(NEW), kernels: [NEW], clusters: 2, state: 'pinned', digest: aDigest('3'), message: undefined },
    ],
    removalHeld: true,
  };
  const files = { 'mcm.yaml': 'kind: ManagedClusterModule\n' };

  test('says what would happen to each cluster, which images it needs, and ends with the sum', async () => {
    const { out, code } = await cli(['plan', '-f', 'mcm.yaml'], { plan: () => Promise.resolve(preview) }, { files });
    expect(code).toBe(0);
    expect(lines(out)).toEqual([
      'CLUSTER  ACTION    KERNELS         WHY',
      'a        update    6.1.0-18-amd64',
      'b        remove    -               spec.selector does not match this cluster.',
      'c        excluded  -               NoKernelClaim: Cluster c does not report its kernels.',
      '',
      'IMAGE                                       STATE              CLUSTERS  DIGEST OR KERNELS',
      'registry.example.com/kmod:6.1.0-18-amd64    would be resolved  1         6.1.0-18-amd64',
      'registry.example.com/kmod:6.8.0-31-generic  pinned             2         sha256:333333333333',
      '',
      'Module kmod goes from revision kmod-aaaaaaaaaa to kmod-bbbbbbbbbb. Of 3 clusters: 1 update, 1 remove, 1 excluded.',
      'So many removals at once would wait for "kmodflow confirm-removal kmod".',
      '',
    ]);
  });

  test('can be cut, and says so', async () => {
    const { out } = await cli(['plan', '-f', 'mcm.yaml', '--limit', '1'], { plan: () => Promise.resolve(preview) }, { files });
    expect(out).toContain('The first 1 clusters are listed.');
    expect(out).not.toContain('b        remove');
  });
});

describe('the history', () => {
  const history: ModuleHistory = {
    source: 'workflow',
    rollouts: [aRecord({ number: 2, outcome: 'Failed', message: 'Ended with failures.' }), aRecord()],
    events: [],
    notes: [],
  };

  test('has a row for each rollout, newest first', async () => {
    const { out } = await cli(['history', 'kmod'], { history: () => Promise.resolve(history) });
    expect(lines(out)).toEqual([
      'ROLLOUT  REVISION         OUTCOME    STARTED  TOOK  MESSAGE',
      '2        kmod-aaaaaaaaaa  Failed     1h ago   5m    Ended with failures.',
      '1        kmod-aaaaaaaaaa  Completed  1h ago   5m    Completed: of 3 clusters 3 loaded.',
      '',
    ]);
  });

  test('of a cluster tells what happened to it, and what nobody knows any more', async () => {
    const event = {
      revision: 'kmod-aaaaaaaaaa',
      kind: 'rollout',
      number: 1,
      reason: undefined,
      message: undefined,
      workflowId: 'w',
      runId: 'r',
    } as const;
    const asked: unknown[] = [];
    const events = [
      { ...event, at: '2026-01-01T00:00:00Z', what: 'published' },
      { ...event, at: '2026-01-01T00:02:00Z', what: 'Loaded' },
    ];
    const notes = ["Temporal's retention has dropped the details of rollout 1."];
    const client = {
      history: (...args: unknown[]) => {
        asked.push(args);
        return Promise.resolve({ ...history, cluster: 'a', events, notes });
      },
    };
    const { out } = await cli(['history', 'kmod', '--cluster', 'a'], client);
    expect(asked).toEqual([['kmod', { cluster: 'a' }]]);
    expect(lines(out)).toEqual([
      'WHEN     WHAT       IN         REVISION         MESSAGE',
      '1h ago   published  rollout 1  kmod-aaaaaaaaaa  The ManifestWork was written.',
      '58m ago  Loaded     rollout 1  kmod-aaaaaaaaaa  Loading is proven.',
      '',
      ...notes,
      '',
    ]);
  });
});
