/**
 * Runs every check and test, and ends with the line `N passed, N failed`. A step that fails does not stop the ones after it.
 *
 *   node tools/test.mjs [--only lint,unit,…] [-- <jest arguments>]
 *
 * Steps: lint, typecheck, build (each counts as one test), then the jest projects unit, workflow and replay, then integration and e2e one file
 * at a time, since each of their files starts a control plane of its own. Exit code 0 only if nothing failed and something ran.
 * Plain JavaScript, because it runs before anything is compiled.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const toolsBin = join(root, '.tools', 'bin');
const linkedNode = join(toolsBin, 'node');
const node = existsSync(linkedNode) ? linkedNode : process.execPath;
/** Longest honest run of one step (60 minutes): a test that hangs must fail, not hold the machine. */
const STEP_TIMEOUT_MS = 60 * 60 * 1000;

const CHECKS = ['lint', 'typecheck', 'build'];
const FAST_PROJECTS = ['unit', 'workflow', 'replay'];
const SERIAL_PROJECTS = ['integration', 'e2e'];

/** Runs a command with the terminal as its output; returns its exit code, or the reason why there is none. */
function run(command, args) {
  const { status, signal, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    timeout: STEP_TIMEOUT_MS,
    env: { ...process.env, PATH: [toolsBin, process.env.PATH].join(delimiter) },
  });
  if (error) console.error(`${command} did not run: ${error.message}`);
  else if (signal) console.error(`${command} was ended by ${signal}`);
  return status ?? 1;
}

function check(name) {
  const npm = existsSync(join(toolsBin, 'npm')) ? join(toolsBin, 'npm') : 'npm';
  const failed = run(npm, ['run', '--silent', name]) === 0 ? 0 : 1;
  return { passed: 1 - failed, failed, skipped: 0 };
}

/** The counts of jest's own report. A file that could not even start holds no counted test, and so counts as one failure. */
function countsOf(report, exitCode) {
  const passed = report?.numPassedTests ?? 0;
  const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  const failed = (report?.numFailedTests ?? 0) + (report?.numRuntimeErrorTestSuites ?? 0);
  return { passed, skipped, failed: failed === 0 && exitCode !== 0 ? 1 : failed };
}

function jest(projects, extra) {
  const folder = mkdtempSync(join(tmpdir(), 'kmodflow-test-'));
  try {
    const outputFile = join(folder, 'report.json');
    const exitCode = run(node, [
      '--experimental-vm-modules',
      '--no-warnings',
      join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
      ...['--selectProjects', ...projects],
      // A failed test may leave a worker polling: the run must end with its figures all the same.
      ...['--passWithNoTests', '--forceExit', '--json', `--outputFile=${outputFile}`],
      ...extra,
    ]);
    return countsOf(existsSync(outputFile) ? JSON.parse(readFileSync(outputFile, 'utf8')) : undefined, exitCode);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function selectSteps(only, jestArgs) {
  const all = [...CHECKS, ...FAST_PROJECTS, ...SERIAL_PROJECTS];
  const wanted = only === undefined ? all : only.split(',').map((name) => name.trim());
  const unknown = wanted.filter((name) => !all.includes(name));
  if (unknown.length > 0) throw new Error(`--only knows ${all.join(', ')}; not ${unknown.join(', ')}`);
  const fast = FAST_PROJECTS.filter((name) => wanted.includes(name));
  const serial = SERIAL_PROJECTS.filter((name) => wanted.includes(name));
  return [
    ...CHECKS.filter((name) => wanted.includes(name)).map((name) => ({ name, run: () => check(name) })),
    ...(fast.length > 0 ? [{ name: fast.join(' '), run: () => jest(fast, jestArgs) }] : []),
    ...(serial.length > 0 ? [{ name: serial.join(' '), run: () => jest(serial, ['-w', '1', ...jestArgs]) }] : []),
  ];
}

const describe = ({ passed, failed, skipped }) => `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;

function main(args) {
  const split = args.indexOf('--');
  const own = split === -1 ? args : args.slice(0, split);
  const { values } = parseArgs({ args: own, options: { only: { type: 'string' } } });
  const total = { passed: 0, failed: 0, skipped: 0 };
  const lines = [];
  for (const step of selectSteps(values.only, split === -1 ? [] : args.slice(split + 1))) {
    console.log(`\n== ${step.name}`);
    const started = Date.now();
    const counts = step.run();
    for (const key of Object.keys(total)) total[key] += counts[key];
    lines.push(`${step.name}: ${describe(counts)} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
    console.log(lines.at(-1));
  }
  console.log(`\n${lines.join('\n')}\n`);
  if (total.passed + total.failed === 0) console.error('Nothing ran, which is not a success.');
  console.log(describe(total));
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 2;
}
