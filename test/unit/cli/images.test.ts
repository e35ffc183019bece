import { describe, expect, test } from '@jest/globals';
import { Fault, type ContainerLog, type ImageLogs, type ImageRow, type ModuleImages } from '../../../src/client/index.js';
import { aDigest, imageOf, KERNELS } from '../domain/builders.js';
import { BUILD_PROBLEM, KEY, WORKFLOW } from '../domain/image-samples.js';
import { cli } from './fake-session.js';

const [RHEL, DEB, NEW] = KERNELS;
const found = { kernel: DEB, name: 'kmod', version: '1.2', sizeBytes: 20_480, vermagic: `${DEB} SMP`, signer: 'Example Signer' };
const pinned: ImageRow = {
  kernel: DEB,
  image: imageOf(DEB),
  state: 'Pinned',
  digest: aDigest('1'),
  origin: 'Made',
  reason: undefined,
  message: undefined,
  workflow: undefined,
  attempt: 0,
  job: undefined,
  nextTryAt: undefined,
  log: [],
  modules: [found, { ...found, name: 'kmod_dep', version: undefined, signer: undefined }],
};
const building: ImageRow = {
  ...pinned,
  kernel: NEW,
  image: imageOf(NEW),
  state: 'Building',
  digest: undefined,
  origin: undefined,
  attempt: 1,
  modules: [],
};
const failed: ImageRow = {
  ...building,
  kernel: RHEL,
  image: imageOf(RHEL),
  state: 'Failed',
  ...BUILD_PROBLEM,
  workflow: WORKFLOW,
  attempt: 2,
  log: ['cc -c kmod.c', '\u001b[31mkmod.c:3: error\u001b[0m', ''],
};
const answer = (images: readonly ImageRow[], notes: readonly string[] = []): { images: () => Promise<ModuleImages> } => ({
  images: () => Promise.resolve({ module: 'kmod', source: 'workflow', images, notes }),
});
const lines = (text: string): string[] => text.split('\n');

describe('the images of a module', () => {
  test('have a row each, what is in them, and the problems in full with the end of the log; a failed one ends with 1', async () => {
    const { out, code } = await cli(['images', 'kmod'], answer([failed, pinned, building], ['spec.x has no effect.']), { env: {} });
    expect(code).toBe(1);
    expect(lines(out)).toEqual([
      'KERNEL                 STATE     DIGEST               MADE BY   ATTEMPT  NEXT TRY    IMAGE',
      `${RHEL}  Failed    BuildFailed          -         2        when asked  ${imageOf(RHEL)}`,
      `${DEB}         Pinned    sha256:111111111111  kmodflow  -        -           ${imageOf(DEB)}`,
      `${NEW}       Building  -                    -         1        -           ${imageOf(NEW)}`,
      '',
      'KERNEL          MODULE    VERSION  SIZE    SIGNED BY',
      `${DEB}  kmod      1.2      20 KiB  Example Signer`,
      `${DEB}  kmod_dep  -        20 KiB  not signed`,
      '',
      `BuildFailed: ${imageOf(RHEL)} for kernel ${RHEL}`,
      BUILD_PROBLEM.message,
      'The last lines of the log:',
      '  cc -c kmod.c',
      '  kmod.c:3: error',
      '',
      `The whole log: kmodflow logs kmod --kernel ${RHEL}`,
      `Its workflow: ${WORKFLOW}`,
      '',
      '3 kernels: 1 Failed, 1 Building, 1 Pinned.',
      '',
      'spec.x has no effect.',
      '',
    ]);
  });

  test('say when a failed one is tried again, and who pushed a foreign one', async () => {
    const missing = {
      ...failed,
      attempt: 0,
      reason: 'ImageMissing',
      message: 'There is no such tag',
      workflow: undefined,
      log: [],
    } as const;
    const rows = [
      { ...missing, nextTryAt: '2026-01-01T01:09:00Z' },
      { ...missing, kernel: 'b', nextTryAt: '2026-01-01T00:59:00Z' },
      { ...missing, kernel: 'c' },
      { ...pinned, kernel: 'd', origin: 'Foreign' as const, modules: [] },
    ];
    const { out } = await cli(['images', 'kmod'], answer(rows), { env: {} });
    const cells = lines(out)
      .slice(1, 5)
      .map((l) => l.split(/ {2,}/).slice(1, 6));
    expect(cells).toEqual([
      ['Failed', 'ImageMissing', '-', '-', 'in 9m'],
      ['Failed', 'ImageMissing', '-', '-', 'now'],
      ['Failed', 'ImageMissing', '-', '-', '-'],
      ['Pinned', 'sha256:111111111111', 'somebody else', '-', '-'],
    ]);
    expect(out).toContain(`ImageMissing: ${imageOf(RHEL)} for kernels ${RHEL}, b and c\nThere is no such tag.\n\n4 kernels`);
    expect(out).not.toContain('The whole log');
  });

  test('that are all well end with 0, and are data as JSON', async () => {
    const { code, out } = await cli(['images', 'kmod', '-o', 'json'], answer([pinned]));
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      module: 'kmod',
      images: [{ kernel: DEB, state: 'Pinned', modules: [found, { name: 'kmod_dep' }] }],
    });
  });

  test('that are none are a sentence', async () => {
    const { code, out } = await cli(['images', 'kmod'], answer([], ['No worker answers.']));
    expect({ code, out }).toEqual({
      code: 0,
      out: 'Module kmod needs no image, or nobody has looked yet which ones it needs.\n\nNo worker answers.\n',
    });
  });
});

describe('the logs of an image', () => {
  const check: ContainerLog = { container: 'check', state: 'succeeded', exitCode: 0, text: '', note: undefined };
  const build: ContainerLog = {
    container: 'build',
    state: 'failed',
    exitCode: 2,
    text: 'one\n\u001b[31mtwo\u001b[0m\n\n',
    note: undefined,
  };
  const push: ContainerLog = { container: 'push', state: 'waiting', exitCode: undefined, text: undefined, note: 'It has not begun.' };
  const logs: ImageLogs = {
    module: 'kmod',
    image: imageOf(DEB),
    kernels: [DEB],
    job: `kmod-${KEY}-2`,
    attempt: 2,
    containers: [check, build, push],
    remembered: [],
    notes: [],
  };
  const client = (change: Partial<ImageLogs> = {}) => ({ logs: () => Promise.resolve({ ...logs, ...change }) });

  test('stand one after the other, each under a heading', async () => {
    const { code, out, err } = await cli(['logs', 'kmod', '--kernel', DEB], client());
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(lines(out)).toEqual([
      '== check, attempt 2: succeeded ==',
      'It wrote nothing.',
      '',
      '== build, attempt 2: failed, exit code 2 ==',
      'one',
      'two',
      '',
      '== push, attempt 2: waiting ==',
      'It has not begun.',
      '',
    ]);
  });

  test('are asked for by kernel, container, attempt and number of lines', async () => {
    const asked: unknown[] = [];
    const spy = { logs: (...args: unknown[]) => Promise.resolve((asked.push(args), logs)) };
    await cli(['logs', 'kmod', '--kernel', DEB, '--container', 'build', '--attempt', '1', '--tail', '20'], spy);
    await cli(['logs', 'kmod'], spy);
    expect(asked).toEqual([
      ['kmod', { kernel: DEB, container: 'build', attempt: 1, tail: 20 }],
      ['kmod', { kernel: undefined, container: undefined, attempt: undefined, tail: undefined }],
    ]);
  });

  test('of a Job that is gone are what the status has, and standard error says why', async () => {
    const gone = client({ job: undefined, attempt: undefined, containers: [], remembered: ['one', 'two'], notes: ['The Jobs are gone.'] });
    const { code, out, err } = await cli(['logs', 'kmod'], gone);
    expect({ code, out, err }).toEqual({
      code: 0,
      out: '== the last lines that the status has ==\none\ntwo\n',
      err: 'The Jobs are gone.\n',
    });
    const json = await cli(['logs', 'kmod', '-o', 'json'], gone);
    expect(JSON.parse(json.out)).toMatchObject({ remembered: ['one', 'two'], notes: ['The Jobs are gone.'] });
    expect(json.err).toBe('');
  });

  test('that are nowhere end with 1', async () => {
    const none = client({ job: undefined, attempt: undefined, containers: [], notes: ['There is no log.'] });
    expect(await cli(['logs', 'kmod'], none)).toMatchObject({ code: 1, out: '', err: 'There is no log.\n' });
  });

  test('without a kernel where there are several end with 2 and the list', async () => {
    const message = 'Module kmod has 2 images: say which one with --kernel. Its kernels are:\n  a  Failed\n  b  Pinned';
    const { code, err } = await cli(['logs', 'kmod'], { logs: () => Promise.reject(new Fault('Invalid', message)) });
    expect({ code, err }).toEqual({ code: 2, err: `${message}\n` });
  });

  test('of a container that no Job has are wrong usage', async () => {
    const { code, err } = await cli(['logs', 'kmod', '--container', 'make']);
    expect(code).toBe(2);
    expect(err).toContain('Allowed choices are check, fetch, build, sign, push.');
  });
});

test('the help of retry says that it tries failed images again too', async () => {
  const { out } = await cli(['retry', '--help']);
  expect(out.replace(/\s+/g, ' ')).toContain('look up missing images, make failed images and try failed clusters again now');
});
