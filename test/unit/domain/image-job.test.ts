import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { keyTagOf, ownersOf, renderImageJob, type ImageJobConfig, type ImageJobInput } from '../../../src/domain/image-job.js';
import type { BuildRecipe, ImageNeed, ImageRecipe, SignRecipe } from '../../../src/domain/image-process.js';

const KEY = '0123456789abcdef';
const IMAGE = 'registry.example.com:5000/kmods/kmod:6.1.0-18-amd64';

const config: ImageJobConfig = {
  builderImage: 'builder:1',
  signerImage: 'signer:1',
  activeDeadlineSeconds: 3_600,
  failedJobTtlSeconds: 86_400,
  requests: { cpu: '500m' },
  limits: { memory: '4Gi' },
  storageLimit: '20Gi',
  cache: 'registry.example.com:5000/cache',
  pullSecrets: [],
};

const aBuild = (change: Partial<BuildRecipe> = {}): BuildRecipe => ({
  dockerfile: { configMap: 'dockerfile', sha256: 'a'.repeat(64) },
  args: [{ name: 'KERNEL_VERSION', value: '6.1.0-18-amd64' }],
  secrets: [],
  ...change,
});
const aSign = (change: Partial<SignRecipe> = {}): SignRecipe => ({
  keySecret: 'signing-key',
  certSecret: 'signing-cert',
  certificate: 'b'.repeat(64),
  files: ['/opt/lib/modules/6.1.0-18-amd64/*.ko'],
  ...change,
});
const aNeed = (recipe: Partial<ImageRecipe>, change: Partial<ImageNeed> = {}): ImageNeed => ({
  key: KEY,
  image: IMAGE,
  kernels: ['6.1.0-18-amd64'],
  expect: { dirName: '/opt' },
  recipe: { module: 'kmod', ...recipe },
  ...change,
});
const requester = { workflowId: 'mcm/kmod', module: 'kmod', uid: 'uid-1' };

interface Container {
  name: string;
  image: string;
  command: string[];
  args: string[];
  securityContext: Record<string, unknown>;
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
}
interface PodSpec {
  initContainers: Container[];
  containers: Container[];
  volumes: { name: string; secret?: { secretName: string; items?: unknown }; [kind: string]: unknown }[];
  tolerations: unknown[];
  [field: string]: unknown;
}
interface JobSpec {
  template: { metadata: { annotations: Record<string, string>; labels: Record<string, string> }; spec: PodSpec };
  [field: string]: unknown;
}

const render = (need: ImageNeed, change: Partial<ImageJobInput> = {}) => {
  const job = renderImageJob({
    need,
    attempt: 2,
    requesters: [requester],
    dockerfile: 'FROM scratch\n',
    config,
    namespace: 'ns',
    ...change,
  });
  const spec = job['spec'] as JobSpec;
  const pod = spec.template.spec;
  const containers = [...pod.initContainers, ...pod.containers];
  const container = (name: string): Container => {
    const found = containers.find((c) => c.name === name);
    if (found === undefined) throw new Error(`no container ${name}`);
    return found;
  };
  return { job, spec, pod, containers, container, names: containers.map((c) => c.name) };
};

/** What Kubernetes does to arguments. Said again here, from its documentation, and not imported. */
const expand = (text: string): string => text.replace(/\$\$|\$\((?:[^)]*)\)/g, (found) => (found === '$$' ? '$' : '<replaced>'));

describe('the Job of an attempt', () => {
  test('has a name of its own, no second try, an end, and a time to live', () => {
    const { job, spec } = render(aNeed({ build: aBuild() }));
    expect(job).toMatchObject({ apiVersion: 'batch/v1', kind: 'Job', metadata: { name: `kmod-${KEY}-2`, namespace: 'ns' } });
    expect(spec).toMatchObject({ backoffLimit: 0, activeDeadlineSeconds: 3_600, ttlSecondsAfterFinished: 86_400 });
    expect(spec.template.spec).toMatchObject({ restartPolicy: 'Never', automountServiceAccountToken: false });
  });

  test('is labelled for selection, and for people who know the upstream operator', () => {
    const { job, spec } = render(aNeed({ build: aBuild(), module: `${'m'.repeat(62)}.-${'n'.repeat(40)}` }));
    expect(job.metadata.labels).toEqual({
      'kmodflow.io/image-key': KEY,
      'app.kubernetes.io/managed-by': 'kmodflow',
      'app.kubernetes.io/name': 'kmm',
      'app.kubernetes.io/part-of': 'kmm',
      'app.kubernetes.io/component': 'BuildImage',
      'kmm.node.kubernetes.io/module.name': 'm'.repeat(62),
      'kmm.node.kubernetes.io/target-kernel': expect.stringMatching(/^6-1-0-18-amd64-[0-9a-f]{8}$/),
      'kmm.node.kubernetes.io/resource-type': 'BuildImage',
    });
    expect(spec.template.metadata.labels).toEqual(job.metadata.labels);
    expect(spec.template.metadata.annotations).toEqual({
      'kmodflow.io/image': IMAGE,
      'kmodflow.io/kernels': '6.1.0-18-amd64',
      'kmodflow.io/attempt': '2',
      'kmodflow.io/dockerfile': 'FROM scratch\n',
    });
  });

  test('belongs to every module that needs it, and to none as soon as one of them has no object', () => {
    const owners = ownersOf([requester, { workflowId: 'mcm/other', module: 'other', uid: 'uid-2' }, requester]);
    expect(owners.map(({ name, uid, controller, blockOwnerDeletion }) => [name, uid, controller, blockOwnerDeletion])).toEqual([
      ['kmod', 'uid-1', false, false],
      ['other', 'uid-2', false, false],
    ]);
    expect(owners[0]).toMatchObject({ apiVersion: 'hub.kmm.sigs.x-k8s.io/v1beta1', kind: 'ManagedClusterModule' });
    expect(ownersOf([requester, { workflowId: 'mcm/headless', module: 'headless' }])).toEqual([]);
    expect(render(aNeed({ build: aBuild() }), { requesters: [] }).job.metadata.ownerReferences).toBeUndefined();
  });

  test.each([
    ['a build', { build: aBuild() }, ['build', 'push']],
    ['a build that is signed', { build: aBuild(), sign: aSign() }, ['sign-check', 'build', 'sign', 'push']],
    ['an image that is signed', { sign: aSign({ unsignedImage: 'vendor/driver:1' }) }, ['sign-check', 'fetch', 'sign', 'push']],
  ])('runs the containers of %s in their order', (_what, recipe, names) => {
    expect(render(aNeed(recipe)).names).toEqual(names);
  });

  test('calls each program as it wants to be called', () => {
    const { container } = render(
      aNeed(
        {
          build: aBuild({ secrets: ['token', 'token'], baseTls: { insecure: true }, args: [{ name: 'A', value: '1 = 2' }] }),
          sign: aSign({ files: ['/opt/a.ko', '/opt/b*.ko'] }),
        },
        { tls: { insecureSkipTLSVerify: true } },
      ),
    );
    const pair = ['--key', '/run/kmodflow/key/key', '--cert', '/run/kmodflow/cert/cert'];
    expect([container('sign-check').command, container('sign-check').args]).toEqual([['/usr/local/bin/kmodflow-sign'], ['check', ...pair]]);
    expect([container('build').command, container('build').args]).toEqual([
      ['/usr/local/bin/kmodflow-build'],
      [
        ...['--image', IMAGE, '--dockerfile', '/plan/dockerfile', '--layout', '/work/oci'],
        ...['--build-arg', 'A=1 = 2', '--secret', 'token', '--base-tls-verify=false', '--annotation', `kmodflow.io/image-key=${KEY}`],
      ],
    ]);
    expect(container('sign').args).toEqual(['sign', '--layout', '/work/oci', '--file', '/opt/a.ko', '--file', '/opt/b*.ko', ...pair]);
    expect([container('push').command, container('push').args]).toEqual([
      ['/usr/local/bin/kmodflow-push'],
      [
        ...['--layout', '/work/oci', '--image', IMAGE],
        ...['--key-image', `registry.example.com:5000/kmods/kmod:kmodflow-${KEY}`, '--tls-verify=false'],
      ],
    ]);
    expect(container('build').image).toBe('builder:1');
    expect(container('sign').image).toBe('signer:1');
  });

  test('lets each TLS setting hold where it belongs and nowhere else', () => {
    const verify = (recipe: Partial<ImageRecipe>, change: Partial<ImageNeed> = {}): Record<string, string[]> =>
      Object.fromEntries(render(aNeed(recipe, change)).containers.map((c) => [c.name, c.args.filter((a) => a.endsWith('verify=false'))]));
    const insecure = { insecure: true };
    expect(verify({ build: aBuild({ baseTls: insecure }) })).toEqual({ build: ['--base-tls-verify=false'], push: [] });
    expect(verify({ build: aBuild() }, { tls: insecure })).toEqual({ build: [], push: ['--tls-verify=false'] });
    expect(verify({ sign: aSign({ unsignedImage: 'a:1', unsignedTls: insecure }) })).toEqual({
      'sign-check': [],
      fetch: ['--tls-verify=false'],
      sign: [],
      push: [],
    });
    expect(verify({ build: aBuild({ baseTls: { insecure: false } }) }, { tls: {} })).toEqual({ build: [], push: [] });
  });

  test('shows the signing key to the signing containers alone, and the credentials to the others alone', () => {
    const { containers } = render(aNeed({ build: aBuild({ secrets: ['registry', 'token'] }), sign: aSign() }, { secretName: 'registry' }));
    const mounts = Object.fromEntries(
      containers.map((c) => [c.name, c.volumeMounts.map((m) => `${m.name}${m.readOnly === true ? '' : ' rw'} ${m.mountPath}`)]),
    );
    expect(mounts).toEqual({
      'sign-check': ['tmp rw /tmp', 'key /run/kmodflow/key', 'cert /run/kmodflow/cert'],
      build: [
        'work rw /work',
        'tmp rw /tmp',
        'plan /plan',
        'auth /run/kmodflow/auth',
        'secret-0 /run/secrets/registry',
        'secret-1 /run/secrets/token',
      ],
      sign: ['work rw /work', 'tmp rw /tmp', 'key /run/kmodflow/key', 'cert /run/kmodflow/cert'],
      push: ['work /work', 'tmp rw /tmp', 'auth /run/kmodflow/auth'],
    });
  });

  test('mounts of the key and the certificate one file each, also out of one Secret', () => {
    const { pod } = render(aNeed({ sign: aSign({ certSecret: 'signing-key', unsignedImage: 'a:1' }) }));
    expect(pod.volumes.filter((v) => v.secret !== undefined)).toEqual([
      { name: 'key', secret: { secretName: 'signing-key', defaultMode: 0o440, items: [{ key: 'key', path: 'key' }] } },
      { name: 'cert', secret: { secretName: 'signing-key', defaultMode: 0o440, items: [{ key: 'cert', path: 'cert' }] } },
    ]);
  });

  test('shows the Dockerfile through the pod itself, and limits the disk', () => {
    const { pod } = render(aNeed({ build: aBuild() }));
    expect(pod.volumes).toEqual([
      { name: 'work', emptyDir: { sizeLimit: '20Gi' } },
      { name: 'tmp', emptyDir: {} },
      {
        name: 'plan',
        downwardAPI: { items: [{ path: 'dockerfile', fieldRef: { fieldPath: "metadata.annotations['kmodflow.io/dockerfile']" } }] },
      },
    ]);
  });

  test('names volumes by labels of their own, whatever Secrets are called', () => {
    const secretName = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?$/);
    fc.assert(
      fc.property(fc.array(secretName, { maxLength: 8 }), secretName, (secrets, auth) => {
        const { pod, container } = render(
          aNeed({ build: aBuild({ secrets: [...secrets, ...secrets] }), sign: aSign() }, { secretName: auth }),
        );
        const names = pod.volumes.map((v) => v.name);
        expect(new Set(names).size).toBe(names.length);
        for (const name of names) expect(name).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
        const paths = container('build').volumeMounts.map((m) => m.mountPath);
        expect(new Set(paths).size).toBe(paths.length);
        expect(paths.filter((p) => p.startsWith('/run/secrets/')).sort()).toEqual(
          [...new Set(secrets)].map((s) => `/run/secrets/${s}`).sort(),
        );
        for (const mount of [...pod.initContainers, ...pod.containers].flatMap((c) => c.volumeMounts)) expect(names).toContain(mount.name);
      }),
    );
  });

  test('hands every argument over as it was written, dollar signs included', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom('$(PATH)', '$$', '$$(A)', '$', '$(')), { maxLength: 6 }), (parts) => {
        const value = parts.join('');
        const { container } = render(aNeed({ build: aBuild({ args: [{ name: 'A', value }] }) }));
        const { args } = container('build');
        expect(expand(args[args.indexOf('--build-arg') + 1] ?? '')).toBe(`A=${value}`);
      }),
    );
  });

  test('uses the layer cache for what is not signed and not asked to be rebuilt', () => {
    const cacheOf = (recipe: Partial<ImageRecipe>): boolean => render(aNeed(recipe)).container('build').args.includes('--cache');
    expect([
      cacheOf({ build: aBuild() }),
      cacheOf({ build: aBuild(), sign: aSign() }),
      cacheOf({ build: aBuild(), generation: 3 }),
    ]).toEqual([true, false, false]);
  });

  test('goes where builds may run, also to nodes under pressure', () => {
    const tolerations = [{ key: 'build', operator: 'Exists' }];
    const { pod } = render(aNeed({ build: aBuild({ selector: { 'node-role': 'build' } }), tolerations }), {
      config: { ...config, pullSecrets: ['a', 'b', 'a'], hostUsers: false },
    });
    expect(pod).toMatchObject({
      nodeSelector: { 'node-role': 'build' },
      imagePullSecrets: [{ name: 'a' }, { name: 'b' }],
      hostUsers: false,
    });
    expect(pod.tolerations).toEqual([
      ...tolerations,
      { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
      { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
      { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
    ]);
  });

  test('gives rights beyond the restricted level to the container that builds alone', () => {
    const { containers, pod } = render(aNeed({ build: aBuild(), sign: aSign() }));
    const restricted = {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    };
    expect(pod['securityContext']).toMatchObject({ runAsUser: 1_000, fsGroup: 1_000, runAsNonRoot: true });
    expect(Object.fromEntries(containers.map((c) => [c.name, c.securityContext]))).toEqual({
      'sign-check': restricted,
      build: {
        allowPrivilegeEscalation: true,
        capabilities: { drop: ['ALL'], add: ['SETUID', 'SETGID'] },
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        seccompProfile: { type: 'Unconfined' },
        appArmorProfile: { type: 'Unconfined' },
      },
      sign: restricted,
      push: restricted,
    });
  });

  test('is not rendered for what nothing can be made of', () => {
    expect(() => render(aNeed({ build: aBuild() }, { image: `registry.example.com/a@sha256:${'a'.repeat(64)}` }))).toThrow(
      'is none that a Job can make',
    );
    expect(() => render(aNeed({ build: aBuild() }), { dockerfile: undefined })).toThrow('lacks its Dockerfile');
  });
});

describe('the tag of a key', () => {
  test.each([
    ['registry.example.com/a/b:1', `registry.example.com/a/b:kmodflow-${KEY}`],
    ['localhost:5000/b:1', `localhost:5000/b:kmodflow-${KEY}`],
    ['kmod:1', `docker.io/library/kmod:kmodflow-${KEY}`],
    [`registry.example.com/a/b@sha256:${'a'.repeat(64)}`, undefined],
    [`registry.example.com/a/b:1@sha256:${'a'.repeat(64)}`, undefined],
    ['registry.example.com/a/b', undefined],
    ['', undefined],
  ])('of %s is %s', (image, tag) => {
    expect(keyTagOf(image, KEY)).toBe(tag);
  });
});
