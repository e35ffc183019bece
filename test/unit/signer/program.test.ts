import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { splitSignatures } from '../../../src/kmod/signature.js';
import { run } from '../../../src/signer/command.js';
import { fakeKmod } from '../../harness/kmod.js';
import { compileSigner } from './compiled.js';
import { archive, contentIn, everyByte, readImage, writeLayout } from './image.js';
import type { Layer } from './image.js';
import { newFolder, newPair } from './keys.js';
import type { KeyFiles } from './keys.js';

let program: string;
let pair: KeyFiles;
beforeAll(() => {
  program = compileSigner();
  pair = newPair('rsa:2048');
});

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What it left for the cluster, or undefined. */
  readonly message: unknown;
}

function runProgram(args: readonly string[], env: NodeJS.ProcessEnv = {}): Outcome {
  const log = join(newFolder(), 'termination-log');
  writeFileSync(log, '');
  const result = spawnSync(program, args, { encoding: 'utf8', env: { PATH: process.env['PATH'], TERMINATION_LOG: log, ...env } });
  const message = readFileSync(log, 'utf8');
  return { code: result.status, stdout: result.stdout, stderr: result.stderr, message: message === '' ? undefined : JSON.parse(message) };
}

const module = (name: string): Buffer => fakeKmod({ kernel: '6.1.0', name, extra: { description: `${name} `.repeat(5000) } });

async function newLayout(modules: number): Promise<string> {
  const directory = newFolder();
  const entries = Array.from({ length: modules }, (_, index) => ({ name: `m/${index}.ko`, content: module(`kmod_${index}`) }));
  const layers: Layer[] = [{ archive: await archive(entries) }, { archive: await archive([{ name: 'm/0.ko', content: module('newer') }]) }];
  writeLayout(directory, layers);
  return directory;
}

describe('check', () => {
  test('says that key and certificate belong together', () => {
    expect(runProgram(['check', '--key', pair.keyFile, '--cert', pair.certFile])).toEqual({
      code: 0,
      stdout: 'The key belongs to the certificate (O=Example, CN=kmod signer).\n',
      stderr: '',
      message: undefined,
    });
  });

  test('refuses a key of another certificate, in one sentence on both ways', () => {
    const other = newPair('P-256', '/CN=other');
    const message =
      `The private key ${other.keyFile} does not belong to the certificate ${pair.certFile} (O=Example, CN=kmod signer): their public keys differ, ` +
      'and no kernel would accept the signature. Put the key and the certificate of one pair into the two Secrets.';
    expect(runProgram(['check', '--key', other.keyFile, '--cert', pair.certFile])).toEqual({
      code: 1,
      stdout: '',
      stderr: `${message}\n`,
      message: { stage: 'Check', exitCode: 1, message },
    });
  });

  test('works where nobody collects a message', () => {
    const { code, stderr } = runProgram(['check', '--key', '/nowhere', '--cert', pair.certFile], { TERMINATION_LOG: '/nowhere/log' });
    expect(code).toBe(1);
    expect(stderr).toBe('The private key /nowhere does not exist. It comes from a Secret that the signing container mounts.\n');
  });

  test.each([
    [['check', '--key', 'x'], 'Check', /^--cert is missing\./],
    [['check', '--keys', 'x'], 'Check', /^Unknown option '--keys'/],
    [['verify'], 'Check', /^The command is check or sign, not verify\./],
    [
      ['sign', '--layout', '/x', '--file', '/a', '--key', 'k', '--cert', 'c', '--hash', 'md5'],
      'Sign',
      /^--hash must be one of sha256, sha384, sha512, but is "md5"\./,
    ],
    [['sign', '--layout', '/x', '--key', 'k', '--cert', 'c'], 'Sign', /^--file is missing: it names what is signed\./],
  ])('explains wrong arguments: %j', (args, stage, expected) => {
    const { code, message } = runProgram(args);
    expect(code).toBe(1);
    expect(message).toEqual({ stage, exitCode: 1, message: expect.stringMatching(expected) });
  });
});

describe('sign', () => {
  test('prints a line per file, and the digest at the end', async () => {
    const directory = await newLayout(2);
    const { code, stdout, stderr } = runProgram([
      'sign',
      '--layout',
      directory,
      '--key',
      pair.keyFile,
      '--cert',
      pair.certFile,
      '--file',
      '/m/1.ko',
      '--file',
      '/m/[0].ko',
    ]);
    const { digest } = readImage(directory);
    const [one, newer] = [module('kmod_1').length, module('newer').length];
    const signature = splitSignatures(await contentIn(readImage(directory), 0, 'm/1.ko')).signatures[0]?.length ?? 0;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n')).toEqual([
      `Signed /m/1.ko (${one} → ${one + signature + 40} bytes, sha256) by O=Example, CN=kmod signer`,
      `Signed /m/0.ko (${newer} → ${newer + signature + 40} bytes, sha256) by O=Example, CN=kmod signer`,
      `2 files signed, 2 layers written anew: the image is ${digest} now.`,
      '',
    ]);
  });

  test('stops with the stage Sign and names the file that is missing', async () => {
    const directory = await newLayout(1);
    const { code, message } = runProgram([
      'sign',
      '--layout',
      directory,
      '--key',
      pair.keyFile,
      '--cert',
      pair.certFile,
      '--file',
      '/m/no.ko',
    ]);
    expect(code).toBe(1);
    expect(message).toEqual({
      stage: 'Sign',
      exitCode: 1,
      message:
        'filesToSign: /m/no.ko names no regular file in the image. Module files in it: /m/0.ko. Correct the pattern, or the Dockerfile that should put the file there.',
    });
  });

  test('killed at any moment it leaves the old image or the signed one, whole, and another run ends the work', async () => {
    const reference = await newLayout(8);
    const args = (directory: string): string[] => [
      'sign',
      '--layout',
      directory,
      '--key',
      pair.keyFile,
      '--cert',
      pair.certFile,
      '--file',
      '/m/*.ko',
    ];
    const started = process.hrtime.bigint();
    expect(runProgram(args(reference)).code).toBe(0);
    const lastsMs = Number(process.hrtime.bigint() - started) / 1e6;
    const signed = readImage(reference).digest;
    const seen = new Set<boolean>();
    for (let kill = 0; kill < 6; kill += 1) {
      const directory = await newLayout(8);
      const unsigned = readImage(directory).digest;
      const child = spawn(program, args(directory), { stdio: 'ignore' });
      const ended = once(child, 'exit');
      await wait(lastsMs * (0.3 + 0.13 * kill));
      child.kill('SIGKILL');
      await ended;
      const { digest } = readImage(directory); // checks every blob that the image names
      expect([unsigned, signed]).toContain(digest);
      seen.add(digest === signed);
      expect(runProgram(args(directory)).code).toBe(0);
      expect(readImage(directory).digest).toBe(signed);
      expect(everyByte(directory)).toHaveLength(everyByte(reference).length);
    }
    expect(seen.has(false)).toBe(true); // else no kill came in time
  }, 60_000);

  test('an index that cannot be written leaves the old image', async () => {
    const directory = await newLayout(1);
    const { digest } = readImage(directory);
    mkdirSync(join(directory, 'index.json.new'));
    const { code, message } = runProgram([
      'sign',
      '--layout',
      directory,
      '--key',
      pair.keyFile,
      '--cert',
      pair.certFile,
      '--file',
      '/m/*.ko',
    ]);
    expect(code).toBe(1);
    expect(message).toEqual({
      stage: 'Sign',
      exitCode: 1,
      message: `The image in ${directory} cannot be signed in place: the system says EISDIR.`,
    });
    expect(readImage(directory).digest).toBe(digest);
  });
});

describe('the key', () => {
  test('is in nothing that the tool says, whatever it is given', async () => {
    const key = readFileSync(pair.keyFile, 'utf8');
    const damaged = join(newFolder(), 'key');
    const lines = key.split('\n').filter((line) => line !== '' && !line.startsWith('-----'));
    const attempts = [
      key.replace('-----END', '----'),
      key.slice(0, 900),
      lines.join(''),
      Buffer.from(lines.join(''), 'base64').subarray(0, 600),
      `${key}${key}`,
      `-----BEGIN ${key}`,
    ];
    for (const content of attempts) {
      writeFileSync(damaged, content);
      for (const [keyFile, certFile] of [
        [damaged, pair.certFile],
        [pair.keyFile, damaged],
      ] as const) {
        const said: string[] = [];
        const say = (text: string): void => void said.push(text);
        const surroundings = { print: say, warn: say, leaveMessage: say, now: () => new Date(0) };
        expect(await run(['check', '--key', keyFile, '--cert', certFile], surroundings)).toBe(1);
        expect(said.length).toBeGreaterThan(0);
        expect(lines.filter((line) => said.join('\n').includes(line.slice(0, 12)))).toEqual([]);
      }
    }
  });

  test('cannot get into a core dump, a report or a debugger', () => {
    // In the place of the tool: what the program gives to the process.
    const probe = join(newFolder(), 'deploy', 'images', 'signer', 'kmodflow-sign');
    mkdirSync(dirname(probe), { recursive: true });
    writeFileSync(probe, readFileSync(program, 'utf8'), { mode: 0o755 });
    const main = join(dirname(probe), '..', '..', '..', 'dist', 'src', 'signer', 'main.js');
    mkdirSync(dirname(main), { recursive: true });
    writeFileSync(
      main,
      "const {execSync} = require('node:child_process'); console.log(JSON.stringify({core: execSync('ulimit -c').toString().trim(), options: process.env.NODE_OPTIONS ?? null, node: process.execArgv}))",
    );
    const { stdout } = spawnSync(probe, [], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], NODE_OPTIONS: '--report-uncaught-exception' },
    });
    expect(JSON.parse(stdout)).toEqual({ core: '0', options: null, node: ['--disable-sigusr1'] });
  });
});
