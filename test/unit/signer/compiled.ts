import { transformFileSync } from '@swc/core';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { newFolder } from './keys.js';

const FOLDERS = ['src/signer', 'src/kmod', 'src/domain'];

/** The signing tool as the image has it, compiled from the sources of this moment. Gives the path of its program. */
export function compileSigner(): string {
  const home = newFolder();
  for (const folder of FOLDERS) {
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.ts'))) {
      const target = join(home, 'dist', folder, name.replace(/\.ts$/, '.js'));
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, transformFileSync(join(folder, name), { jsc: { target: 'es2022', parser: { syntax: 'typescript' } } }).code);
    }
  }
  writeFileSync(join(home, 'package.json'), '{"type":"module"}');
  symlinkSync(resolve('node_modules'), join(home, 'node_modules'));
  mkdirSync(join(home, 'deploy', 'images', 'signer'), { recursive: true });
  const program = join(home, 'deploy', 'images', 'signer', 'kmodflow-sign');
  cpSync('deploy/images/signer/kmodflow-sign', program);
  return program;
}
