import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { isFault, type Fault } from '../../src/domain/fault.js';
import { readCertificate } from '../../src/kmod/index.js';
import {
  createRegistryClient,
  credentialsFromSecret,
  type Inspection,
  type InspectionAsk,
  type RegistryClient,
} from '../../src/registry/index.js';
import { startFaultProxy, type FaultProxy } from '../harness/fault-proxy.js';
import { fakeKmod } from '../harness/kmod.js';
import type { ImageToPush, PushedImage } from '../harness/oci-push.js';
import { opensslKey, opensslSigned, type OpensslKey } from '../harness/openssl-sign.js';
import { REGISTRY_PASSWORD, REGISTRY_USER, startRegistry, type Registry } from '../harness/registry.js';
import { tar } from '../harness/tar.js';

const A = '6.1.0-13-amd64';
const B = '6.1.0-21-cloud-amd64';
const DIR = `/opt/lib/modules/${A}`;
const tls = { insecure: true };

let registry: Registry;
let client: RegistryClient;
let proxy: FaultProxy;
let ours: OpensslKey;
let number = 0;

beforeAll(async () => {
  registry = await startRegistry();
  proxy = await startFaultProxy(`http://${registry.host}`);
  client = createRegistryClient({ random: () => 0 });
  ours = opensslKey('rsa:2048', '/O=Example/CN=Example modules');
}, 60_000);
afterEach(() => proxy.set());
afterAll(async () => {
  await client.close();
  await proxy.stop();
  await registry.stop();
});

const push = (image: Partial<ImageToPush> = {}): Promise<PushedImage> =>
  registry.pushImage({ repository: 'team/kmod', tag: `t${(number += 1)}`, ...image });

type Ask = Partial<InspectionAsk> & { readonly through?: string };

async function inspect(image: PushedImage, { through = registry.host, ...ask }: Ask = {}): Promise<Inspection> {
  const reference = image.reference.replace(registry.host, through);
  const read = await client.read(reference, { tls });
  return client.inspect(read, { kernels: [A], expect: { dirName: '/opt' }, ...ask }, { tls });
}

async function rejection(image: PushedImage, ask: Ask = {}): Promise<string> {
  const { accepted, rejected, modules } = await inspect(image, ask);
  expect({ accepted, modules, reasons: rejected.map(({ kernel, reason }) => [kernel, reason]) }).toEqual({
    accepted: [],
    modules: [],
    reasons: [[A, 'ImageRejected']],
  });
  return rejected[0]?.message.replace(/^Image \S+/, 'Image …') ?? '';
}

async function faultOf(promise: Promise<unknown>): Promise<Pick<Fault, 'kind' | 'reason' | 'message'>> {
  const error = await promise.then(
    () => new Error('it succeeded'),
    (thrown: unknown) => thrown,
  );
  if (!isFault(error)) throw error;
  return { kind: error.kind, reason: error.reason, message: error.message };
}

const signExpectation = (...files: string[]): InspectionAsk['expect'] => ({
  dirName: '/opt',
  sign: { certSecret: 'signing-cert', certificate: 'not looked at here', files },
});
const kmod = (name: string, kernel = A, architecture = 'amd64'): Buffer =>
  fakeKmod({ name, kernel, architecture, extra: { version: '1.2' } });
const program =
  (name: string, ...args: string[]) =>
  (input: Buffer): Buffer =>
    execFileSync(name, args, { input });

describe('an image that is right', () => {
  test('is accepted for each of its kernels, with what was found in it', async () => {
    const image = await push({ kernels: [A, B], modules: ['kmm_ci_a', 'kmm-ci-b'] });
    expect(await inspect(image, { kernels: [B, A], expect: { dirName: '/opt/', moduleName: 'kmm_ci_b' } })).toEqual({
      accepted: [B, A],
      rejected: [],
      modules: [A, B].flatMap((kernel) =>
        ['kmm-ci-b', 'kmm_ci_a'].map((name) => ({
          kernel,
          name,
          sizeBytes: fakeKmod({ kernel, name }).length,
          vermagic: `${kernel} SMP preempt mod_unload modversions`,
        })),
      ),
    });
  });

  test('costs one manifest request and one request a blob, on the connections that are there', async () => {
    const image = await push({ kernels: [A], layers: [{ files: { '/etc/motd': 'hello' } }] });
    const [before, blobs] = [client.requests, registry.requests().blobGets];
    await inspect(image);
    const after = client.requests;
    expect([after.manifests - before.manifests, after.total - before.total, registry.requests().blobGets - blobs]).toEqual([1, 4, 3]);
  });

  test.each([
    ['none', (file: Buffer) => file, '.ko'],
    ['gz', (file: Buffer) => gzipSync(file), '.ko.gz'],
    ['xz', program('xz', '--check=crc32', '--lzma2=dict=1MiB'), '.ko.xz'],
    ['zst', (file: Buffer) => zstdCompressSync(file), '.ko.zst'],
  ] as const)('may hold its module compressed with %s, signed inside', async (_, pack, suffix) => {
    const image = await push({ files: { [`${DIR}/extra/deep/one${suffix}`]: pack(opensslSigned(kmod('one'), ours)) } });
    const ask = { certificate: readCertificate(ours.certificate), expect: { ...signExpectation(`${DIR}/extra/*/*`), moduleName: 'one' } };
    const { accepted, modules } = await inspect(image, ask);
    expect([accepted, modules.map(({ name, version, signer }) => [name, version, signer])]).toEqual([
      [A],
      [['one', '1.2', 'Example modules']],
    ]);
  });

  test.each(['none', 'gzip', 'zstd'] as const)(
    'may have layers with the compression %s, whatever their media type says',
    async (compression) => {
      const files = { [`${DIR}/one.ko`]: kmod('one') };
      const mediaType = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
      for (const layer of [
        { files, compression },
        { files, compression, mediaType },
      ])
        expect((await inspect(await push({ layers: [layer] }))).accepted).toEqual([A]);
    },
  );

  test('may reach its directory and its files through symbolic and hard links', async () => {
    const image = await push({
      files: {
        '/usr/lib/modules/placeholder': '',
        '/lib': { symlink: 'usr/lib' },
        '/real': { symlink: '/lib' },
        '/opt/lib': { symlink: '../real/.' },
        [`/usr/lib/modules/${A}/one.ko`]: kmod('one'),
        [`/usr/lib/modules/${A}/two.ko`]: { hardLink: `/usr/lib/modules/${A}/one.ko` },
        [`/usr/lib/modules/${A}/three.ko`]: { symlink: 'two.ko' },
        // The node's own modules, as people reach them: neither leads anywhere in the image.
        [`/usr/lib/modules/${A}/host`]: { symlink: `/host/lib/modules/${A}` },
        [`/usr/lib/modules/${A}/gone.ko`]: { symlink: '/host/gone.ko' },
        [`/usr/lib/modules/${A}/ring`]: { symlink: 'ring' },
      },
    });
    const { accepted, modules } = await inspect(image);
    expect([accepted, modules.map(({ name }) => name)]).toEqual([[A], ['one', 'three', 'two']]);
  });

  test('may say a "+" in its vermagic that the kernel of the spoke had', async () => {
    const image = await push({ files: { '/opt/lib/modules/5.15.0/one.ko': kmod('one', '5.15.0+') } });
    expect((await inspect(image, { kernels: ['5.15.0'] })).accepted).toEqual(['5.15.0']);
  });
});

describe('layers', () => {
  const broken = fakeKmod({ kernel: 'another', name: 'one' });

  test('an upper layer replaces a file, in both directions', async () => {
    const good = { [`${DIR}/one.ko`]: kmod('one') };
    const bad = { [`${DIR}/one.ko`]: broken };
    expect((await inspect(await push({ files: bad, layers: [{ files: good }] }))).accepted).toEqual([A]);
    expect(await rejection(await push({ files: good, layers: [{ files: bad }] }))).toContain('was built for kernel "another"');
  });

  test.each([
    ['a file', `${DIR}/.wh.bad.ko`],
    ['a directory', `${DIR}/.wh.extra`],
    ['the content of a directory', `${DIR}/extra/.wh..wh..opq`],
  ])('a whiteout hides %s of lower layers', async (what, whiteout) => {
    const bad = what === 'a file' ? `${DIR}/bad.ko` : `${DIR}/extra/bad.ko`;
    const files = { [`${DIR}/one.ko`]: kmod('one'), [bad]: broken };
    expect(await rejection(await push({ files }))).toContain(bad);
    expect((await inspect(await push({ files, layers: [{ files: { [whiteout]: '' } }] }))).accepted).toEqual([A]);
  });

  test('a whiteout hides nothing of its own layer, wherever it stands in the archive', async () => {
    const good = { [`${DIR}/one.ko`]: kmod('one') };
    const opaque = { [`${DIR}/.wh..wh..opq`]: '' };
    for (const files of [
      { ...good, ...opaque },
      { ...opaque, ...good },
    ])
      expect(
        (await inspect(await push({ files: { [`${DIR}/old.ko`]: broken }, layers: [{ files }] }))).modules.map(({ name }) => name),
      ).toEqual(['one']);
  });

  test('a file takes the place of a directory with everything in it', async () => {
    const files = { [`${DIR}/one.ko`]: kmod('one'), [`${DIR}/extra/bad.ko`]: broken };
    expect((await inspect(await push({ files, layers: [{ files: { [`${DIR}/extra`]: 'now a file' } }] }))).accepted).toEqual([A]);
  });
});

describe('an image that is not right for a kernel', () => {
  test('says which directory is missing and what is there instead', async () => {
    expect(await rejection(await push({ kernels: [B] }))).toBe(
      `Image … is not right for kernel ${A}: it has no directory ${DIR}; /opt/lib/modules holds "${B}". Install the modules of this kernel there, or correct modprobe.dirName.`,
    );
    expect(await rejection(await push())).toBe(
      `Image … is not right for kernel ${A}: it has no directory ${DIR}, and no other module in /opt/lib/modules. Install the modules of this kernel there, or correct modprobe.dirName.`,
    );
    expect(await rejection(await push({ kernels: [`${A}+`] }))).toBe(
      `Image … is not right for kernel ${A}: it has no directory ${DIR}, while it has ${DIR}+. Spokes look for the name without the "+" at its end: name the directory ${A}.`,
    );
    expect(await rejection(await push({ files: { [`${DIR}/modules.dep`]: '' } }))).toBe(
      `Image … is not right for kernel ${A}: directory ${DIR} holds no module file (.ko, .ko.gz, .ko.xz or .ko.zst). Install the modules of this kernel there.`,
    );
  });

  test('is rejected for that one alone', async () => {
    const files = { [`${DIR}/one.ko`]: kmod('one'), [`/opt/lib/modules/${B}/one.ko`]: kmod('one', A) };
    const { accepted, rejected, modules } = await inspect(await push({ files }), { kernels: [A, B] });
    expect([accepted, rejected.map(({ kernel }) => kernel), modules.map(({ kernel }) => kernel)]).toEqual([[A], [B], [A]]);
  });

  test('says which file was built for which kernel', async () => {
    const files = { [`${DIR}/one.ko`]: kmod('one'), [`${DIR}/two.ko`]: kmod('two', B), [`${DIR}/x/three.ko`]: kmod('three', B) };
    expect(await rejection(await push({ files }))).toBe(
      `Image … is not right for kernel ${A}: file ${DIR}/two.ko was built for kernel "${B}" (vermagic "${B} SMP preempt mod_unload modversions"), where "${A}" is expected. Build it against the headers of kernel ${A}. 1 other file has a defect of this kind.`,
    );
  });

  test('says which machine a file is for', async () => {
    expect(await rejection(await push({ files: { [`${DIR}/one.ko`]: kmod('one', A, 'arm64') } }))).toBe(
      `Image … is not right for kernel ${A}: file ${DIR}/one.ko is for arm64 (ELF machine 183), where the image's architecture amd64 needs ELF machine 62. Build the module for amd64, or push the image with the right architecture.`,
    );
  });

  test('says which file is no module, or not a complete one', async () => {
    const cases = [
      ['one.ko', Buffer.from('#!/bin/sh'), 'is not an ELF file'],
      ['one.ko.xz', program('xz')(kmod('one')).subarray(0, 90), 'is not a complete .xz file'],
      ['one.ko.gz', kmod('one'), 'is not a complete .gz file'],
      ['one.ko.zst', zstdCompressSync(randomBytes(5_000)).subarray(0, 4_000), 'is not a complete .zst file'],
    ] as const;
    for (const [name, content, defect] of cases)
      expect(await rejection(await push({ files: { [`${DIR}/${name}`]: content } }))).toBe(
        `Image … is not right for kernel ${A}: file ${DIR}/${name} ${defect}. Replace it by a module that was built for this kernel.`,
      );
  });

  test('says that a file is too large, stored or decompressed', async () => {
    const large = { [`${DIR}/one.ko`]: randomBytes(3_000) };
    expect(await rejection(await push({ files: large }), { maxModuleBytes: 2_000 })).toContain(
      'has 3000 bytes, where at most 2000 are read',
    );
    const bomb = { [`${DIR}/one.ko.gz`]: gzipSync(Buffer.alloc(1_000_000)) };
    expect(await rejection(await push({ files: bomb }), { maxModuleBytes: 2_000 })).toContain(
      'holds more than 2000 bytes when it is decompressed',
    );
  });

  test('says which module is missing', async () => {
    expect(await rejection(await push({ kernels: [A] }), { expect: { dirName: '/opt', moduleName: 'other' } })).toBe(
      `Image … is not right for kernel ${A}: directory ${DIR} holds no file of module other, which modprobe.moduleName names; it holds "kmm_ci_a". Add the module, or correct modprobe.moduleName.`,
    );
  });
});

describe('where the spec asks for signatures', () => {
  const ask = (...files: string[]): Ask => ({ certificate: readCertificate(ours.certificate), expect: signExpectation(...files) });
  const expected = 'where a signature by Example modules (Secret signing-cert) is expected. Sign it with the key of that certificate.';

  test('an unsigned file is named', async () => {
    expect(await rejection(await push({ kernels: [A] }), ask(`${DIR}/*.ko`))).toBe(
      `Image … is not right for kernel ${A}: file ${DIR}/kmm_ci_a.ko carries no signature, ${expected}`,
    );
  });

  test('a file that somebody else signed is named, with who it was', async () => {
    const theirs = opensslKey('rsa:2048', '/CN=Somebody else');
    const image = await push({ kernels: [A], process: (module) => opensslSigned(module, theirs) });
    expect(await rejection(image, ask(`${DIR}/*.ko`))).toMatch(
      /file \S+ is signed by Somebody else \(serial number \w+\), not with the key of Example modules \(serial number \w+\), where a signature by Example modules \(Secret signing-cert\) is expected\./,
    );
  });

  test('a file that was changed after it was signed is named', async () => {
    const process = (module: Buffer): Buffer => {
      const signed = opensslSigned(module, ours);
      signed[72] = 'B'.charCodeAt(0); // license=BPL
      return signed;
    };
    expect(await rejection(await push({ kernels: [A], process }), ask(`${DIR}/*.ko`))).toBe(
      `Image … is not right for kernel ${A}: file ${DIR}/kmm_ci_a.ko was changed after it was signed, or its signature is damaged: it does not verify, ${expected}`,
    );
  });

  test('the last of several signatures counts', async () => {
    const theirs = opensslKey('P-256', '/CN=Somebody else');
    const oursLast = await push({ kernels: [A], process: (module) => opensslSigned(opensslSigned(module, theirs), ours) });
    expect((await inspect(oursLast, ask(`${DIR}/*.ko`))).modules.map(({ signer }) => signer)).toEqual(['Example modules']);
    const theirsLast = await push({ kernels: [A], process: (module) => opensslSigned(opensslSigned(module, ours), theirs) });
    expect(await rejection(theirsLast, ask(`${DIR}/*.ko`))).toContain('is signed by Somebody else');
  });

  test('a pattern that matches nothing is named', async () => {
    const image = await push({ kernels: [A], process: (module) => opensslSigned(module, ours) });
    expect(await rejection(image, ask(`${DIR}/*.ko`, '/opt/lib/modules/*/other.ko'))).toBe(
      `Image … is not right for kernel ${A}: no file matches "/opt/lib/modules/*/other.ko" of sign.filesToSign. Correct the pattern, or add the file to the image.`,
    );
  });

  test('the file of modprobe.moduleName must be signed even when no pattern names it', async () => {
    const image = await push({ files: { [`${DIR}/a.ko`]: opensslSigned(kmod('a'), ours), [`${DIR}/b.ko`]: kmod('b') } });
    expect((await inspect(image, ask(`${DIR}/a.ko`))).accepted).toEqual([A]);
    const named = { ...ask(`${DIR}/a.ko`), expect: { ...signExpectation(`${DIR}/a.ko`), moduleName: 'b' } };
    expect(await rejection(image, named)).toContain(`file ${DIR}/b.ko carries no signature`);
  });

  test('files of another kernel count for that one alone', async () => {
    const other = `/opt/lib/modules/${B}`;
    const files = { [`${DIR}/a.ko`]: opensslSigned(kmod('a'), ours), [`${other}/a.ko`]: kmod('a', B) };
    const patterns = ['/opt/lib/modules/*/a.ko', `${other}/missing.ko`];
    const { accepted, rejected } = await inspect(await push({ files }), { ...ask(...patterns), kernels: [A, B] });
    expect([accepted, rejected.map(({ kernel }) => kernel)]).toEqual([[A], [B]]);
  });

  test('a file outside of the directory counts when a pattern matches it', async () => {
    const image = await push({ kernels: [A], files: { '/firmware/tool.bin': 'unsigned' } });
    expect(await rejection(image, ask('/firmware/*.bin'))).toContain('file /firmware/tool.bin carries no signature');
  });
});

describe('an index', () => {
  const images = (files: Record<string, ImageToPush['files']>): Promise<PushedImage[]> =>
    Promise.all(
      Object.entries(files).map(([architecture, content]) => push({ architecture, files: { '/etc/arch': architecture, ...content } })),
    );
  const index = async (files: Record<string, ImageToPush['files']>): Promise<PushedImage> =>
    registry.pushIndex({ repository: 'team/kmod', tag: `t${(number += 1)}`, images: await images(files) });
  const right = (architecture: string) => ({ [`${DIR}/one.ko`]: kmod('one', A, architecture) });

  test('is accepted when every platform that has the kernel is right', async () => {
    const both = await index({ amd64: right('amd64'), arm64: right('arm64') });
    expect(await inspect(both)).toMatchObject({ accepted: [A], rejected: [], modules: [{ name: 'one' }] });
    expect((await inspect(await index({ amd64: right('amd64'), s390x: {} }))).accepted).toEqual([A]);
  });

  test('is rejected when one platform is wrong, or none has the kernel', async () => {
    expect(await rejection(await index({ amd64: right('amd64'), arm64: right('amd64') }))).toContain(
      'Image … platform linux/arm64, is not right for kernel',
    );
    expect(await rejection(await index({ amd64: {}, arm64: {} }))).toContain(`it has no directory ${DIR}`);
  });
});

describe('a registry that misbehaves', () => {
  const blob = /\/blobs\//;

  test('lies about the content of a layer', async () => {
    const image = await push({ kernels: [A] });
    const { layers } = await manifestOf(image);
    const lie = tar({ [`${DIR}/one.ko`]: fakeKmod({ kernel: B, name: 'one' }) }).toString('latin1');
    for (const body of [lie.padEnd(layers[0]?.size ?? 0, '\0').slice(0, layers[0]?.size), 'not a layer at all']) {
      proxy.set({ path: `/v2/team/kmod/blobs/${layers[0]?.digest}`, fault: { kind: 'status', status: 200, body } });
      const found = `sha256:${createHash('sha256').update(Buffer.from(body)).digest('hex')}`;
      const { kind, reason, message } = await faultOf(inspect(image, { through: proxy.host }));
      expect([kind, reason]).toEqual(['Invalid', 'ImageRejected']);
      expect(message).toContain(`has a blob with digest ${found}, where its manifest names ${layers[0]?.digest}`);
    }
  });

  test('breaks the connection within a layer, which goes on where it broke', async () => {
    const image = await push({ kernels: [A], files: { '/noise': randomBytes(400_000) } });
    const [layer] = (await manifestOf(image)).layers;
    proxy.set({ path: `/v2/team/kmod/blobs/${layer?.digest}`, times: 1, fault: { kind: 'cut', afterBytes: 200_000 } });
    const before = proxy.requests.length;
    expect((await inspect(image, { through: proxy.host })).accepted).toEqual([A]);
    expect(
      proxy.requests
        .slice(before)
        .filter(({ path }) => path.endsWith(layer?.digest ?? '-'))
        .map(({ fault }) => fault),
    ).toEqual(['cut', undefined]);
  });

  test('breaks the connection again and again: unavailable after the last attempt', async () => {
    const image = await push({ kernels: [A], files: { '/noise': randomBytes(400_000) } });
    proxy.set({ path: blob, fault: { kind: 'cut', afterBytes: 1 } });
    const before = proxy.requests.length;
    expect(await faultOf(inspect(image, { through: proxy.host }))).toEqual({
      kind: 'Unavailable',
      reason: 'RegistryUnavailable',
      message: expect.stringMatching(
        /^The connection to registry \S+ broke \(\S+\), so image \S+ could not be inspected\. It is asked again later\.$/,
      ),
    });
    expect(proxy.requests.slice(before).filter(({ path }) => blob.test(path))).toHaveLength(3);
  });

  test('has lost a blob', async () => {
    const image = await push({ kernels: [A] });
    const { layers } = await manifestOf(image);
    proxy.set({ path: `/v2/team/kmod/blobs/${layers[0]?.digest}`, fault: { kind: 'status', status: 404 } });
    expect(await faultOf(inspect(image, { through: proxy.host }))).toEqual({
      kind: 'Missing',
      reason: 'ImageMissing',
      message: `Image ${proxy.host}/team/kmod:t${number} is incomplete: registry ${proxy.host} has its manifest and not its blob ${layers[0]?.digest} (HTTP 404). Push the image again; layers that its manifest only points to elsewhere are not fetched from there.`,
    });
  });

  test('never answers: the time of the inspection ends it, and who gives up gets their own reason', async () => {
    const image = await push({ kernels: [A] });
    const read = await client.read(image.reference.replace(registry.host, proxy.host), { tls });
    const ask = { kernels: [A], expect: { dirName: '/opt' } };
    proxy.set({ path: blob, fault: { kind: 'hang' } });
    expect(await faultOf(client.inspect(read, ask, { tls, timeoutMs: 300 }))).toMatchObject({
      kind: 'Unavailable',
      reason: 'RegistryUnavailable',
    });
    const reason = new Error('the worker stops');
    await expect(client.inspect(read, ask, { tls, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const pending = client.inspect(read, ask, { tls, signal: controller.signal });
    setTimeout(() => controller.abort(reason), 100);
    await expect(pending).rejects.toBe(reason);
  });

  async function manifestOf(image: PushedImage): Promise<{ layers: { digest: string; size: number }[] }> {
    const [name, tag] = image.reference.slice(registry.host.length + 1).split(':');
    const answer = await fetch(`http://${registry.host}/v2/${name}/manifests/${tag}`, { headers: { accept: image.mediaType } });
    return (await answer.json()) as { layers: { digest: string; size: number }[] };
  }
});

describe('an image that cannot be read', () => {
  const rejected = async (image: PushedImage, ask: Ask = {}): Promise<string> => {
    const { kind, reason, message } = await faultOf(inspect(image, ask));
    expect([kind, reason]).toEqual(['Invalid', 'ImageRejected']);
    return message;
  };

  test('has layers that are too large', async () => {
    const image = await push({ kernels: [A], files: { '/zeros': Buffer.alloc(500_000) } });
    expect(await rejected(image, { maxImageBytes: 400_000 })).toContain('larger than 400000 bytes when it is unpacked');
    expect(
      await rejected(await push({ files: { '/a': Buffer.alloc(300_000) }, layers: [{ files: { '/b': Buffer.alloc(300_000) } }] }), {
        maxImageBytes: 400_000,
        maxLayerBytes: 350_000,
      }),
    ).toContain('has layers of more than 400000 bytes when they are unpacked');
    expect(await rejected(image, { maxEntries: 3 })).toContain('has more than 3 files');
  });

  test('has a layer that is no archive, or one that is cut off', async () => {
    const whole = gzipSync(tar({ [`${DIR}/one.ko`]: kmod('one') }));
    for (const bytes of [randomBytes(2_000), whole.subarray(0, -10), zstdCompressSync(randomBytes(3_000)).subarray(0, 2_000)])
      expect(await rejected(await push({ layers: [{ bytes }] }))).toMatch(
        /has the layer sha256:\S+ \(.*\), which is no complete tar archive/,
      );
  });

  test('has an entry that leads out of it', async () => {
    expect(await rejected(await push({ files: { '../../etc/one.ko': kmod('one') } }))).toContain(
      'whose entry "../" leads out of the image',
    );
  });
});

test('with credentials, blobs are fetched with them; without, nothing is', async () => {
  const locked = await startRegistry({ auth: 'basic' });
  const fresh = createRegistryClient();
  try {
    const image = await locked.pushImage({ repository: 'team/kmod', tag: '1', kernels: [A] });
    const config = { auths: { [locked.host]: { username: REGISTRY_USER, password: REGISTRY_PASSWORD } } };
    const credentials = credentialsFromSecret({ data: { '.dockerconfigjson': Buffer.from(JSON.stringify(config)).toString('base64') } });
    const read = await fresh.read(image.reference, { tls, credentials });
    const ask = { kernels: [A], expect: { dirName: '/opt' } };
    expect((await fresh.inspect(read, ask, { tls, credentials })).accepted).toEqual([A]);
    expect(await faultOf(fresh.inspect(read, ask, { tls }))).toMatchObject({ kind: 'Missing', reason: 'RegistryDenied' });
  } finally {
    await fresh.close();
    await locked.stop();
  }
});
