// Completes a folder in which the signing tool was compiled to `dist`: the program, and of the installed packages those alone that the tool imports, with
// what they need themselves. What is not in the image of the container that sees the key cannot do harm there.
//
//   node deploy/images/signer/collect.mjs <folder>
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';

const [home] = process.argv.slice(2);
if (home === undefined) throw new Error('Name the folder that holds dist.');

const isPackage = (name) => !name.startsWith('.') && !name.startsWith('node:') && !builtinModules.includes(name);
/** `@scope/name/file` → `@scope/name` */
const packageOf = (name) =>
  name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');

/** The bare-* packages stand in for Node's own modules in another runtime, and bring native code. */
const isForNode = (name) => !name.startsWith('bare-');

const compiled = readdirSync(join(home, 'dist'), { recursive: true }).filter((file) => file.endsWith('.js'));
/** Each import as tsc writes it: on one line, or with the last line of several. */
const IMPORT = /^(?:import|export|\}).*\bfrom ['"]([^'"]+)['"];$/gm;
/** And packages that are loaded when they are needed. */
const REQUIRE = /\bcreateRequire\(import\.meta\.url\)\(['"]([^'"]+)['"]\)/g;
const imported = compiled.flatMap((file) => {
  const text = readFileSync(join(home, 'dist', file), 'utf8');
  return [...text.matchAll(IMPORT), ...text.matchAll(REQUIRE)];
});

const packages = new Set(
  imported
    .map(([, name]) => name)
    .filter(isPackage)
    .map(packageOf),
);
// A set that grows while it is walked: the packages of packages come in turn.
for (const name of packages) {
  const folder = join('node_modules', name);
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  for (const dependency of Object.keys(dependencies).filter(isForNode)) packages.add(dependency);
  mkdirSync(join(home, dirname(folder)), { recursive: true });
  cpSync(folder, join(home, folder), { recursive: true });
}

writeFileSync(join(home, 'package.json'), '{ "type": "module" }\n');
const program = 'deploy/images/signer/kmodflow-sign';
mkdirSync(join(home, dirname(program)), { recursive: true });
cpSync(program, join(home, program));
console.log([...packages].sort().join('\n'));
