import { spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { newFolder, newPair } from './keys.js';

test("the signer's image holds the packages that the tool needs, no other, and runs with them alone", () => {
  const home = newFolder();
  const tsc = ['node_modules/typescript/bin/tsc', '-p', 'deploy/images/signer/tsconfig.json', '--outDir', join(home, 'dist')];
  expect(spawnSync(process.execPath, tsc, { encoding: 'utf8' }).stdout).toBe('');
  const collected = spawnSync(process.execPath, ['deploy/images/signer/collect.mjs', home], { encoding: 'utf8' });
  const packages = collected.stdout.trim().split('\n');
  expect(packages).toEqual(expect.arrayContaining(['@peculiar/asn1-cms', '@peculiar/asn1-x509', 'tar-stream', 'xz-decompress']));
  expect(packages.filter((name) => /temporal|kubernetes|pino|undici|commander|zod/.test(name))).toEqual([]);

  const program = join(newFolder(), 'kmodflow-sign'); // as /usr/local/bin has it
  symlinkSync(join(home, 'deploy', 'images', 'signer', 'kmodflow-sign'), program);
  const pair = newPair('P-256');
  const result = spawnSync(program, ['check', '--key', pair.keyFile, '--cert', pair.certFile], {
    encoding: 'utf8',
    cwd: '/',
    env: { PATH: process.env['PATH'] },
  });
  expect({ ...result, output: undefined, pid: 0 }).toMatchObject({
    status: 0,
    stdout: 'The key belongs to the certificate (O=Example, CN=kmod signer).\n',
    stderr: '',
  });
}, 120_000);
