import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { Fault, WaitTimedOut, type KmodflowClient, type StatusAnswer, type WaitOptions } from '../../../src/client/index.js';
import { aModuleSpec, aFleet, aStatus } from '../domain/builders.js';
import { aManifest } from '../client/fakes.js';
import { fakeIo } from './fake-io.js';
import { cli } from './fake-session.js';

const answer = (change: Partial<StatusAnswer> = {}): StatusAnswer => ({
  ...aStatus(),
  source: 'workflow',
  note: undefined,
  desiredGeneration: 1,
  ...change,
});
const files = { 'mcm.yaml': JSON.stringify(aManifest(aModuleSpec())) };

describe('wrong usage', () => {
  test.each([
    [['frobnicate'], "error: unknown command 'frobnicate'"],
    [['clusters'], "error: missing required argument 'name'"],
    [['start'], "error: required option '-f, --file <file>' not specified"],
    [['status', '-o', 'xml'], "error: option '-o, --output <format>' argument 'xml' is invalid. Allowed choices are table, json, yaml."],
    [['clusters', 'kmod', '--limit', '0'], `"0" is not a whole number from 1 up.`],
    [
      ['clusters', 'kmod', '--state', 'Broken'],
      '"Broken" is not a state. States are Pending, Publishing, Applied, Loading, Loaded, NoNodes, Offline, Held, Repairing, Failed, Excluded.',
    ],
    [
      ['status', 'kmod', '--timeout', '5 minutes'],
      '"5 minutes" is not a duration. Write a number and a unit, such as "90s", "10m" or "1h30m".',
    ],
    [['status', '--nope'], "error: unknown option '--nope'"],
    [['pause', 'a', 'b'], 'error: too many arguments'],
  ])('%j ends with 2 and says what is wrong', async (argv, message) => {
    const { code, out, err, opened } = await cli(argv);
    expect(err).toContain(message);
    expect({ code, out, opened }).toEqual({ code: 2, out: '', opened: 0 });
  });

  test('no command at all shows the help and ends with 2', async () => {
    const { code, err } = await cli([]);
    expect(code).toBe(2);
    expect(err).toContain('Usage: kmodflow [options] [command]');
  });
});

describe('help', () => {
  test('lists the commands, the options that all have, and the exit codes', async () => {
    const { code, out } = await cli(['--help']);
    expect(code).toBe(0);
    for (const command of [
      'start',
      'status',
      'clusters',
      'images',
      'logs',
      'history',
      'plan',
      'pause',
      'resume',
      'retry',
      'delete',
      'confirm-removal',
      'hub',
      'controller',
      'worker',
      'setup',
      'version',
    ])
      expect(out).toMatch(new RegExp(`^ {2}${command} `, 'm'));
    expect(out).toContain('--temporal-address <host:port>');
    expect(out).toContain('Exit codes:\n  0  done');
    expect(Math.max(...out.split('\n').map((l) => l.length))).toBeLessThanOrEqual(100);
  });

  test('of a command has its own options and the common ones', async () => {
    const { code, out } = await cli(['clusters', '--help']);
    expect(code).toBe(0);
    expect(out).toContain('--state <state>');
    expect(out).toContain('--kubeconfig <file>');
  });
});

describe('errors', () => {
  const failing = (error: unknown): Partial<KmodflowClient> => ({ status: () => Promise.reject(error as Error) });

  test('are sentences without a stack, the exit code says of which kind', async () => {
    const { code, out, err, opened, closed } = await cli(['status', 'kmod'], failing(new Fault('Missing', 'There is no module kmod.')));
    expect({ code, out, err, opened, closed }).toEqual({ code: 3, out: '', err: 'There is no module kmod.\n', opened: 1, closed: 1 });
  });

  test('show where they come from with --debug, causes too', async () => {
    const fault = new Fault('Unavailable', 'Temporal does not answer.', { cause: new Error('connection refused') });
    const { code, err } = await cli(['status', 'kmod', '--debug'], failing(fault));
    expect(code).toBe(4);
    expect(err).toMatch(/^Temporal does not answer\.\n[^]*at [^]*caused by: Error: connection refused\n {4}at /);
  });

  test('of our own are called that', async () => {
    const { code, err } = await cli(['status', 'kmod'], failing(new TypeError('x is undefined')));
    expect({ code, err }).toEqual({ code: 1, err: 'This should not have happened: x is undefined (--debug shows where)\n' });
  });

  test('in a manifest list every problem, and nothing is contacted', async () => {
    const { code, err, opened } = await cli(
      ['start', '-f', 'mcm.yaml'],
      {},
      { files: { 'mcm.yaml': 'kind: ManagedClusterModule\nspec: {selector: 3}\n' } },
    );
    expect({ code, opened }).toEqual({ code: 2, opened: 0 });
    expect(err.split('\n')).toEqual(
      expect.arrayContaining([
        'The ManagedClusterModule is not valid:',
        expect.stringMatching(/^ {2}apiVersion: /),
        expect.stringMatching(/^ {2}spec\.selector: /),
      ]),
    );
  });
});

describe('what people decide', () => {
  test.each([
    ['pause', 'pause'],
    ['resume', 'resume'],
    ['retry', 'retry'],
    ['delete', 'delete'],
    ['confirm-removal', 'confirmRemoval'],
  ])('%s is asked of the client with who and why, and answered with its sentence', async (command, method) => {
    const asked: unknown[] = [];
    const client = { [method]: (...args: unknown[]) => Promise.resolve(`Done: ${asked.push(args)}.`) };
    const { code, out } = await cli([command, 'kmod', '--reason', 'lunch'], client);
    expect({ code, out }).toEqual({ code: 0, out: 'Done: 1.\n' });
    expect(asked).toMatchObject([['kmod', { by: 'ada', reason: 'lunch' }]]);
    const { out: json } = await cli([command, 'kmod', '-o', 'json'], client);
    expect(JSON.parse(json)).toEqual({ module: 'kmod', request: command, answer: 'Done: 2.' });
  });

  test('a removal can be confirmed for the clusters that were seen', async () => {
    const asked: unknown[] = [];
    await cli(['confirm-removal', 'kmod', '--token', '0123456789ab'], {
      confirmRemoval: (...args) => Promise.resolve(String(asked.push(args))),
    });
    expect(asked).toEqual([['kmod', { by: 'ada', reason: undefined, token: '0123456789ab' }]]);
  });

  test('one that is refused ends with 1', async () => {
    const { code, err } = await cli(['pause', 'kmod'], {
      pause: () => Promise.reject(new Fault('Conflict', 'Module kmod is paused already, by ada.')),
    });
    expect({ code, err }).toEqual({ code: 1, err: 'Module kmod is paused already, by ada.\n' });
  });
});

describe('start', () => {
  const started = { name: 'kmod', workflowId: 'mcm/kmod', runId: 'run-1' };

  test('starts from a manifest and says how to go on', async () => {
    const { code, out } = await cli(['start', '-f', 'mcm.yaml'], { start: () => Promise.resolve(started) }, { files });
    expect({ code, out }).toEqual({ code: 0, out: 'Module kmod has been started. See how far it is with "kmodflow status kmod".\n' });
    const json = await cli(['start', '-f', 'mcm.yaml', '-o', 'json'], { start: () => Promise.resolve(started) }, { files });
    expect(JSON.parse(json.out)).toEqual(started);
  });

  test('gives a module that runs another spec with --update', async () => {
    const asked: unknown[] = [];
    const client: Partial<KmodflowClient> = {
      setSpec: (name, spec, person) => Promise.resolve(`Spec ${asked.push([name, spec.spokeNamespace, person])}.`),
    };
    const { out } = await cli(['start', '-f', 'mcm.yaml', '--update', '--reason', 'newer'], client, { files });
    expect(out).toBe('Spec 1.\n');
    expect(asked).toEqual([['kmod', 'kmm-modules', { by: 'ada', reason: 'newer' }]]);
  });
});

describe('--wait', () => {
  const waiting = (
    end: (options: WaitOptions) => Promise<{ status: StatusAnswer; failed: string | undefined }>,
  ): Partial<KmodflowClient> => ({
    retry: () => Promise.resolve('1 images are looked up again now.'),
    waitFor: (_name, _until, options = {}) => end(options),
  });

  test('shows progress on standard error, the end on standard output', async () => {
    const { code, out, err } = await cli(
      ['retry', 'kmod', '--wait', '--timeout', '90s'],
      waiting((options) => {
        expect(options.timeoutMs).toBe(90_000);
        options.onProgress?.(answer({ phase: 'Progressing', doing: 'Rollout 1 is under way.', fleet: aFleet({ Loaded: 1, Loading: 2 }) }));
        return Promise.resolve({ status: answer({ fleet: aFleet({ Loaded: 2, NoNodes: 1, Offline: 1 }) }), failed: undefined });
      }),
    );
    expect(code).toBe(0);
    expect(out).toBe('Module kmod is ready: loaded on 2 of 4 clusters; 1 have no matching nodes; 1 are offline and catch up later.\n');
    expect(err).toBe('1 images are looked up again now.\n[  0s] Progressing: 1 of 3 loaded, 2 loading. Rollout 1 is under way.\n');
  });

  test('ends with 1 and the reason when the module does not get there, with the status as data', async () => {
    const failed = waiting(() => Promise.resolve({ status: answer({ phase: 'Degraded' }), failed: 'Module kmod is degraded.' }));
    const { code, out, err } = await cli(['retry', 'kmod', '--wait', '-o', 'json'], failed);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ name: 'kmod', phase: 'Degraded' });
    expect(err).toContain('Module kmod is degraded.\n');
  });

  test('ends with 5 when the time is over', async () => {
    const { code, err } = await cli(
      ['retry', 'kmod', '--wait'],
      waiting(() => Promise.reject(new WaitTimedOut('Module kmod is not ready after 30 minutes.', undefined))),
    );
    expect(code).toBe(5);
    expect(err).toContain('Module kmod is not ready after 30 minutes.\n');
  });

  test('ends with 130 when it is interrupted, and says that the workflow goes on', async () => {
    const io = fakeIo();
    const client = waiting(({ signal }) => {
      io.interrupt();
      return new Promise((_resolve, reject) => reject(signal?.reason as Error));
    });
    const { code, err } = await cli(['retry', 'kmod', '--wait'], client, io);
    expect(code).toBe(130);
    expect(err).toContain('Interrupted. What was asked for goes on in the workflow.\n');
  });

  test('of a status shows the page at the end', async () => {
    const { code, out } = await cli(
      ['status', 'kmod', '--wait'],
      waiting(() => Promise.resolve({ status: answer(), failed: undefined })),
    );
    expect(code).toBe(0);
    expect(out).toContain('Phase     Ready\n');
  });
});

test('the version is the one of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
  const { code, out, opened } = await cli(['version']);
  expect({ code, out, opened }).toEqual({ code: 0, out: `kmodflow ${version} (Node ${process.versions.node})\n`, opened: 0 });
});
