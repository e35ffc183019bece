import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { makeTempDir, removeTempDir } from '../harness/process.js';
import { repositoryRoot } from '../harness/parts.js';
import { REGISTRY_PASSWORD, REGISTRY_USER, startRegistry, type Registry } from '../harness/registry.js';

const MINUTE = 60_000;
const PROGRAMS = join(repositoryRoot, 'deploy', 'images', 'builder');
const KEY = '0123456789abcdef';
const ANNOTATION = `kmodflow.io/image-key=${KEY}`;
const BUSYBOX = '/bin/busybox';
/** With chroot isolation buildah does not wait for what a command printed last when it exits: on a busy machine that is lost, unless the command lives on for a moment. */
const LINGER = '/bin/busybox sleep 1';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

let registry: Registry;
let locked: Registry;
let folder: string;
/** Image with a shell and nothing else. */
let base: string;

beforeAll(async () => {
  folder = makeTempDir('builder');
  chmodSync(folder, 0o755);
  [registry, locked] = await Promise.all([startRegistry(), startRegistry({ auth: 'basic' })]);
  base = `${registry.host}/base:1`;
  const context = join(folder, 'base');
  mkdirSync(context);
  copyFileSync(BUSYBOX, join(context, 'busybox'));
  writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\n');
  const storage = ['--root', join(folder, 'base-root'), '--runroot', join(folder, 'base-run'), '--storage-driver', 'vfs'];
  const buildah = async (...args: string[]): Promise<void> => {
    const { code, output } = await execute('buildah', [...storage, ...args]);
    if (code !== 0) throw new Error(`buildah ${args[0]} ended with exit code ${code}: ${output}`);
  };
  await buildah('build', '--isolation', 'chroot', '--tag', base, context);
  await buildah('push', '--tls-verify=false', base);
  const credentials = `${REGISTRY_USER}:${REGISTRY_PASSWORD}`;
  await buildah('push', '--tls-verify=false', '--creds', credentials, base, `docker://${locked.host}/base:1`);
}, 2 * MINUTE);

afterAll(async () => {
  await registry?.stop();
  await locked?.stop();
  removeTempDir(folder);
}, MINUTE);

interface Ended {
  readonly code: number;
  readonly output: string;
}

const execute = (program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout: MINUTE, maxBuffer: 16 * 1024 * 1024 };
    execFile(program, args, options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr }),
    );
  });

interface Said {
  readonly stage?: string;
  readonly exitCode?: number;
  readonly cause?: string;
  readonly step?: string;
  readonly message?: string;
  readonly digest?: string;
}

/** The folders that a build pod has, under a folder of their own. */
class Pod {
  readonly dir: string;
  readonly layout: string;

  constructor(name: string) {
    this.dir = join(folder, name);
    this.layout = join(this.dir, 'work', 'oci');
    for (const part of ['work', 'auth', 'secrets', 'tmp']) mkdirSync(join(this.dir, part), { recursive: true });
    writeFileSync(join(this.dir, 'termination'), '');
  }

  get env(): Record<string, string> {
    return {
      KMODFLOW_AUTH_DIR: join(this.dir, 'auth'),
      KMODFLOW_SECRETS_DIR: join(this.dir, 'secrets'),
      KMODFLOW_TERMINATION_LOG: join(this.dir, 'termination'),
      KMODFLOW_RETRY_SECONDS: '0.1',
      TMPDIR: join(this.dir, 'tmp'),
    };
  }

  secret(name: string, files: Readonly<Record<string, string>>): void {
    mkdirSync(join(this.dir, 'secrets', name));
    for (const [file, content] of Object.entries(files)) writeFileSync(join(this.dir, 'secrets', name, file), content);
  }

  login(file: '.dockerconfigjson' | '.dockercfg', password = REGISTRY_PASSWORD): string {
    const auth = Buffer.from(`${REGISTRY_USER}:${password}`).toString('base64');
    const auths = { [locked.host]: { auth } };
    writeFileSync(join(this.dir, 'auth', file), JSON.stringify(file === '.dockercfg' ? auths : { auths }));
    return auth;
  }

  dockerfile(text: string): string {
    const file = join(this.dir, 'dockerfile');
    writeFileSync(file, text.replaceAll('LINGER', LINGER));
    return file;
  }

  async run(program: string, args: readonly string[]): Promise<Ended & { readonly said: Said }> {
    const ended = await execute(join(PROGRAMS, program), args, this.env);
    return { ...ended, said: this.said() };
  }

  said(): Said {
    const text = readFileSync(join(this.dir, 'termination'), 'utf8');
    return text === '' ? {} : (JSON.parse(text) as Said);
  }

  buildArguments(dockerfile: string, ...more: readonly string[]): string[] {
    const image = `${registry.host}/kmods/kmod:1`;
    const file = this.dockerfile(dockerfile);
    return [
      '--image',
      image,
      '--dockerfile',
      file,
      '--layout',
      this.layout,
      '--annotation',
      ANNOTATION,
      '--base-tls-verify=false',
      ...more,
    ];
  }

  build(dockerfile: string, ...more: readonly string[]): Promise<Ended & { readonly said: Said }> {
    return this.run('kmodflow-build', this.buildArguments(dockerfile, ...more));
  }

  fetch(image: string): Promise<Ended & { readonly said: Said }> {
    return this.run('kmodflow-fetch', ['--image', image, '--layout', this.layout, '--annotation', ANNOTATION, '--tls-verify=false']);
  }

  push(image: string, keyImage: string): Promise<Ended & { readonly said: Said }> {
    return this.run('kmodflow-push', ['--layout', this.layout, '--image', image, '--key-image', keyImage, '--tls-verify=false']);
  }

  blob(digest: string): Buffer {
    return readFileSync(join(this.layout, 'blobs', 'sha256', digest.replace('sha256:', '')));
  }

  /** Every byte of the image, layers unpacked. */
  content(): Buffer {
    const blobs = readdirSync(join(this.layout, 'blobs', 'sha256')).map((name) => this.blob(name));
    return Buffer.concat(blobs.map((blob) => (blob[0] === 0x1f && blob[1] === 0x8b ? gunzipSync(blob) : blob)));
  }

  manifest(): { digest: string; count: number; annotations: Record<string, string>; layers: string[] } {
    const { manifests } = JSON.parse(readFileSync(join(this.layout, 'index.json'), 'utf8')) as { manifests: { digest: string }[] };
    const digest = manifests[0]?.digest ?? '';
    const { annotations, layers } = JSON.parse(this.blob(digest).toString()) as {
      annotations: Record<string, string>;
      layers: { digest: string }[];
    };
    return { digest, count: manifests.length, annotations, layers: layers.map((layer) => layer.digest) };
  }
}

const served = async (repository: string, tag: string): Promise<{ status: number; digest: string | null }> => {
  const answer = await fetch(`http://${registry.host}/v2/${repository}/manifests/${tag}`, { headers: { accept: MANIFEST } });
  await answer.arrayBuffer();
  return { status: answer.status, digest: answer.headers.get('docker-content-digest') };
};

describe('building', () => {
  test(
    'leaves one annotated manifest in the layout, keeps secrets out of the log and the image, and pushes nothing',
    async () => {
      const pod = new Pod('secrets');
      pod.secret('token', { value: 'first-line-of-it\nshort\n  second line, $& and \\1  \n' });
      const { code, output, said } = await pod.build(
        [
          `FROM ${base}`,
          'ARG KERNEL_VERSION',
          "RUN /bin/busybox cat /run/secrets/token/value; /bin/busybox echo 'at the end: second line, $& and \\1.'; LINGER",
          'RUN /bin/busybox echo "made for $KERNEL_VERSION" > /made',
        ].join('\n'),
        ...['--build-arg', 'KERNEL_VERSION=6.1.0 a=b', '--secret', 'token'],
      );
      expect([code, said]).toEqual([0, {}]);
      expect(output).toContain('[redacted]\nshort\n  [redacted]  \nat the end: [redacted].\n');
      expect(output).not.toMatch(/first-line|second line/);
      const { count, annotations } = pod.manifest();
      expect([count, annotations['kmodflow.io/image-key']]).toEqual([1, KEY]);
      const content = pod.content();
      expect(content.includes('made for 6.1.0 a=b\n')).toBe(true);
      expect(content.includes('first-line-of-it')).toBe(false);
      expect(await served('kmods/kmod', '1')).toMatchObject({ status: 404 });
    },
    MINUTE,
  );

  test.each([
    ['a command of the only stage', 'RUN exit 3', 3, '2/2: RUN exit 3', 'The step "2/2: RUN exit 3" ended with exit code 3.'],
    ['a command that is not there', 'RUN nothere', 127, '2/2: RUN nothere', 'The step "2/2: RUN nothere" ended with exit code 127.'],
    [
      'a file of the context, which is empty',
      'COPY a /a',
      125,
      '2/2: COPY a /a',
      expect.stringMatching(/^The step "2\/2: COPY a \/a" cannot be done: .*no such file or directory\.$/),
    ],
    [
      'an instruction that does not exist',
      'COMPILE all',
      125,
      '2/2: COMPILE all',
      'The step "2/2: COMPILE all" cannot be done: Build error: Unknown instruction: "COMPILE".',
    ],
  ])('names the step and the exit code of %s', async (_name, step, exitCode, shown, message) => {
    const { code, said } = await new Pod(`step-${exitCode}-${step.length}`).build(`FROM ${base}\n${step}\n`);
    expect([code, said]).toEqual([exitCode, { stage: 'Build', exitCode, cause: 'step', step: shown, message }]);
  });

  test('names the stage of a step where there are several', async () => {
    const { said } = await new Pod('stages').build(`FROM ${base} AS a\nRUN exit 4\nFROM ${base}\nCOPY --from=a /x /x\n`);
    expect(said).toMatchObject({ stage: 'Build', exitCode: 4, step: '[1/2] 2/2: RUN exit 4' });
  });

  test(
    'tells a process that was killed, a network that fails and a full disk from a wrong Dockerfile',
    async () => {
      const killed = await new Pod('killed').build(`FROM ${base}\nRUN exit 137\n`);
      expect(killed.said).toEqual({
        stage: 'Build',
        exitCode: 137,
        cause: 'memory',
        step: '2/2: RUN exit 137',
        message: 'A process of the step "2/2: RUN exit 137" was killed, most likely for want of memory.',
      });
      const network = await new Pod('network').build(`FROM ${base}\nRUN /bin/busybox wget http://127.0.0.1:1/ || { LINGER; exit 1; }\n`);
      expect(network.said).toMatchObject({ stage: 'Build', exitCode: 1, cause: 'network' });
      const pod = new Pod('full');
      const args = pod.buildArguments(`FROM ${base}\nRUN /bin/busybox dd if=/dev/zero of=/big bs=1M count=64 || { LINGER; exit 1; }\n`);
      const small = `mount -t tmpfs -o size=24m tmpfs ${join(pod.dir, 'work')} && exec "$@"`;
      await execute('unshare', ['--mount', 'sh', '-c', small, 'sh', join(PROGRAMS, 'kmodflow-build'), ...args], pod.env);
      expect(pod.said()).toMatchObject({ stage: 'Build', cause: 'disk' });
    },
    MINUTE,
  );

  test(
    'says that a base image is missing, out of reach or refused, and pulls it with either form of credentials',
    async () => {
      const causeFor = async (name: string, image: string, prepare: (pod: Pod) => void = () => undefined): Promise<unknown[]> => {
        const pod = new Pod(name);
        prepare(pod);
        const { code, said } = await pod.build(`FROM ${image}\nRUN /bin/busybox true\n`);
        return [code, said.stage, said.cause];
      };
      expect(await causeFor('missing', `${registry.host}/nothing:1`)).toEqual([125, 'Fetch', 'missing']);
      expect(await causeFor('unreachable', '127.0.0.1:1/nothing:1')).toEqual([125, 'Fetch', 'unavailable']);
      expect(await causeFor('denied', `${locked.host}/base:1`)).toEqual([125, 'Fetch', 'denied']);
      expect(await causeFor('json', `${locked.host}/base:1`, (pod) => pod.login('.dockerconfigjson'))).toEqual([0, undefined, undefined]);
      expect(await causeFor('cfg', `${locked.host}/base:1`, (pod) => pod.login('.dockercfg'))).toEqual([0, undefined, undefined]);
      const { said } = await new Pod('missing again').build(`FROM ${registry.host}/nothing:1\n`);
      expect(said.message).toMatch(/^A base image could not be pulled: .*\/nothing:1: .*manifest unknown\.$/);
    },
    MINUTE,
  );

  test(
    'keeps registry credentials out of the log, also where a step prints them',
    async () => {
      const pod = new Pod('credentials');
      const auth = pod.login('.dockerconfigjson', 'another-password');
      const { code, output } = await pod.build(`FROM ${base}\nRUN /bin/busybox echo ${auth} another-password; LINGER\n`);
      expect(code).toBe(0);
      expect(output).toContain('\n[redacted] [redacted]\n');
      expect(output).not.toMatch(new RegExp(`${auth}|another-password`));
    },
    MINUTE,
  );

  test('refuses what is not there before anything runs', async () => {
    const empty = await new Pod('empty').build('');
    expect(empty.said).toMatchObject({ stage: 'Build', cause: 'step', message: expect.stringMatching(/is empty or missing\.$/) });
    const secret = await new Pod('no secret').build(`FROM ${base}\n`, '--secret', 'token');
    expect(secret.said).toMatchObject({ cause: 'input', message: expect.stringMatching(/^The build secret token is not there/) });
    const pod = new Pod('bad login');
    writeFileSync(join(pod.dir, 'auth', '.dockerconfigjson'), 'hunter2');
    const { said, output } = await pod.build(`FROM ${base}\n`);
    expect(said).toMatchObject({
      cause: 'input',
      message: expect.stringMatching(/^The registry credentials of imageRepoSecret are not JSON/),
    });
    expect(output).not.toContain('hunter2');
  });

  test(
    'keeps the layers of steps in a cache, and finds them there in another pod',
    async () => {
      const dockerfile = `FROM ${base}\nRUN /bin/busybox date +%s%N > /when\n`;
      const cache = `${registry.host}/cache`;
      const [first, second] = [new Pod('cache 1'), new Pod('cache 2')];
      expect((await first.build(dockerfile, '--cache', cache)).code).toBe(0);
      expect((await second.build(dockerfile, '--cache', cache)).code).toBe(0);
      expect(second.manifest().layers).toEqual(first.manifest().layers);
      const { said } = await new Pod('cache 3').build(dockerfile, '--cache', '127.0.0.1:1/cache');
      expect(said).toMatchObject({
        stage: 'Push',
        cause: 'unavailable',
        message: expect.stringMatching(/^The layer cache 127.0.0.1:1\/cache cannot be written: /),
      });
    },
    MINUTE,
  );

  test(
    'works as a user without rights, with the capabilities of the build container and a read-only root',
    async () => {
      const pod = new Pod('rootless');
      cpSync(PROGRAMS, join(pod.dir, 'bin'), { recursive: true });
      chmodSync(join(pod.dir, 'bin', 'kmodflow-common.sh'), 0o644);
      pod.secret('token', { value: 'very-secret' });
      const args = pod.buildArguments(
        `FROM ${base}\nRUN /bin/busybox cat /run/secrets/token/value; /bin/busybox id; LINGER\nRUN /bin/busybox chown 65534 /bin/sh\n`,
      );
      // What the image does with accounts and newuidmap, and what the pod's security context says, done to a mount namespace of this machine.
      const script = `
      set -e
      cd ${JSON.stringify(pod.dir)}
      printf 'root:x:0:0::/root:/bin/sh\\nbuild:x:1000:1000::/home/build:/bin/sh\\n' >passwd
      printf 'root:x:0:\\nbuild:x:1000:\\n' >group
      printf 'build:1:999\\nbuild:1001:64535\\n' >subuid
      mount --bind passwd /etc/passwd; mount --bind group /etc/group
      touch /etc/subuid /etc/subgid; mount --bind subuid /etc/subuid; mount --bind subuid /etc/subgid
      for m in uid gid; do
        cp "$(command -v new\${m}map)" new\${m}map; chmod 755 new\${m}map; setcap cap_set\${m}+ep new\${m}map; mount --bind new\${m}map "$(command -v new\${m}map)"
      done
      chown -R 1000:1000 work tmp termination; chmod -R a+rX .
      dir=$PWD
      mount -t tmpfs -o mode=1777 tmpfs /tmp
      mkdir -p "$dir"; mount -c --bind . "$dir"; cd /; cd "$dir"
      mount -o remount,bind,ro /
      exec setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps -all --bounding-set -all,+setuid,+setgid ./bin/kmodflow-build "$@"`;
      const { code, output } = await execute('unshare', ['--mount', 'bash', '-c', script, 'bash', ...args, '--secret', 'token'], pod.env);
      expect([code, pod.said(), output]).toEqual([0, {}, expect.stringContaining('[redacted]uid=0 gid=0')]);
      expect(pod.manifest().annotations['kmodflow.io/image-key']).toBe(KEY);
    },
    MINUTE,
  );
});

describe('fetching an image that is to be signed', () => {
  test('adds the annotation to the manifest and leaves the layers as they are', async () => {
    const pod = new Pod('fetch');
    const pushed = await registry.pushImage({ repository: 'vendor/driver', tag: '1', kernels: ['6.1.0'], annotations: { vendor: 'yes' } });
    const { code } = await pod.fetch(pushed.reference);
    expect(code).toBe(0);
    const { digest, count, annotations, layers } = pod.manifest();
    expect([count, annotations]).toEqual([1, { vendor: 'yes', 'kmodflow.io/image-key': KEY }]);
    expect(digest).not.toBe(pushed.digest);
    expect(layers).toHaveLength(1);
    expect(readdirSync(join(pod.layout, 'blobs', 'sha256'))).toHaveLength(3); // the manifest before is gone
    const byDigest = new Pod('fetch by digest');
    expect((await byDigest.fetch(`${pushed.reference}@${pushed.digest}`)).code).toBe(0);
    expect(byDigest.manifest().digest).toBe(digest);
  });

  test('takes the image for this machine out of an index', async () => {
    const own = process.arch === 'arm64' ? 'arm64' : 'amd64';
    const images = await Promise.all(
      ['amd64', 'arm64'].map((architecture) =>
        registry.pushImage({ repository: 'vendor/both', tag: architecture, files: { arch: architecture }, architecture }),
      ),
    );
    const index = await registry.pushIndex({ repository: 'vendor/both', tag: '1', images });
    const pod = new Pod('index');
    expect((await pod.fetch(index.reference)).code).toBe(0);
    expect(pod.content().includes(`"architecture":"${own}"`)).toBe(true);
  });

  test('says that the image is missing', async () => {
    const { code, said } = await new Pod('fetch missing').fetch(`${registry.host}/vendor/none:1`);
    expect([code, said]).toEqual([
      1,
      {
        stage: 'Fetch',
        exitCode: 1,
        cause: 'missing',
        message: expect.stringMatching(/^The image .*\/vendor\/none:1 could not be pulled: .*manifest unknown\.$/),
      },
    ]);
  });
});

describe('pushing', () => {
  /** A registry that does not keep to what it said, in front of the real one. */
  async function startLiar(
    answer: (request: IncomingMessage, response: ServerResponse) => boolean,
  ): Promise<{ host: string; server: Server }> {
    const server = createServer((request, response) => {
      if (answer(request, response)) return;
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => void pass(request, Buffer.concat(chunks), response));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, server };
  }

  async function pass(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const headers = Object.fromEntries(
      Object.entries(request.headers).flatMap(([name, value]) =>
        typeof value === 'string' && ['accept', 'content-type', 'content-range', 'authorization'].includes(name) ? [[name, value]] : [],
      ),
    );
    const hasBody = request.method !== 'GET' && request.method !== 'HEAD';
    const answer = await fetch(`http://${registry.host}${request.url ?? ''}`, {
      method: request.method ?? 'GET',
      headers,
      ...(hasBody ? { body: new Uint8Array(body) } : {}),
    });
    const own = `http://${request.headers.host ?? ''}`;
    const location = answer.headers.get('location')?.replace(`http://${registry.host}`, own);
    response.writeHead(answer.status, {
      ...Object.fromEntries(
        [...answer.headers].filter(([name]) => ['content-type', 'docker-content-digest', 'range', 'docker-upload-uuid'].includes(name)),
      ),
      ...(location === undefined ? {} : { location }),
      ...(request.method === 'HEAD' ? { 'content-length': answer.headers.get('content-length') ?? '0' } : {}),
    });
    response.end(Buffer.from(await answer.arrayBuffer()));
  }

  const close = (server: Server): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });

  test(
    'sets both tags to the digest of the layout, and says that digest',
    async () => {
      const pod = new Pod('push');
      await pod.build(`FROM ${base}\nRUN /bin/busybox echo push > /made\n`);
      const { code, said } = await pod.push(`${registry.host}/kmods/push:v1`, `${registry.host}/kmods/push:kmodflow-${KEY}`);
      const { digest } = pod.manifest();
      expect([code, said]).toEqual([0, { digest }]);
      expect(await served('kmods/push', 'v1')).toEqual({ status: 200, digest });
      expect(await served('kmods/push', `kmodflow-${KEY}`)).toEqual({ status: 200, digest });
      const again = await pod.push(`${registry.host}/kmods/push:v1`, `${registry.host}/kmods/push:kmodflow-${KEY}`);
      expect(again.said).toEqual({ digest });
    },
    MINUTE,
  );

  test(
    'is refused without credentials, at once and without a second try',
    async () => {
      const pod = new Pod('push denied');
      await pod.build(`FROM ${base}\n`);
      const { code, said, output } = await pod.push(`${locked.host}/kmods/x:1`, `${locked.host}/kmods/x:kmodflow-${KEY}`);
      expect([code, said.stage, said.cause]).toEqual([1, 'Push', 'denied']);
      expect(said.message).toMatch(new RegExp(`^The image could not be pushed to ${locked.host}/kmods/x:kmodflow-${KEY}: `));
      expect(output).not.toContain('asked again');
      pod.login('.dockerconfigjson');
      expect((await pod.push(`${locked.host}/kmods/x:1`, `${locked.host}/kmods/x:kmodflow-${KEY}`)).code).toBe(0);
    },
    MINUTE,
  );

  test(
    'lasts over faults of the registry that pass, and gives up after four tries',
    async () => {
      const pod = new Pod('push flaky');
      await pod.build(`FROM ${base}\n`);
      let puts = 0;
      let faults = 2;
      const { host, server } = await startLiar(({ method, url = '' }, response) => {
        if (method !== 'PUT' || !url.includes('/manifests/')) return false;
        puts += 1;
        if (puts > faults) return false;
        response.writeHead(503).end();
        return true;
      });
      try {
        const { code, said } = await pod.push(`${host}/kmods/flaky:1`, `${host}/kmods/flaky:kmodflow-${KEY}`);
        expect([code, said, puts]).toEqual([0, { digest: pod.manifest().digest }, 4]);
        [puts, faults] = [0, Infinity];
        const never = await pod.push(`${host}/kmods/never:1`, `${host}/kmods/never:kmodflow-${KEY}`);
        expect([never.said.stage, never.said.cause, puts]).toEqual(['Push', 'unavailable', 4]);
        expect((await served('kmods/never', '1')).status).toBe(404);
      } finally {
        await close(server);
      }
    },
    MINUTE,
  );

  test(
    'does not believe a registry that takes one image and serves another',
    async () => {
      const pod = new Pod('push lie');
      await pod.build(`FROM ${base}\n`);
      const other = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config: {}, layers: [] });
      const { host, server } = await startLiar(({ method, url = '' }, response) => {
        if (method !== 'GET' || !url.includes('/manifests/kmodflow-')) return false;
        response.writeHead(200, { 'content-type': MANIFEST }).end(other);
        return true;
      });
      try {
        const { code, said } = await pod.push(`${host}/kmods/lie:1`, `${host}/kmods/lie:kmodflow-${KEY}`);
        expect([code, said.stage, said.cause]).toEqual([1, 'Push', 'digest']);
        expect(said.message).toContain(`serves another one: ${pod.manifest().digest} was pushed, sha256:`);
        expect((await served('kmods/lie', '1')).status).toBe(404); // the spec's tag is never set
      } finally {
        await close(server);
      }
    },
    MINUTE,
  );
});
