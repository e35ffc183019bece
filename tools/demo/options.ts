import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { Duration, parseDuration } from '../../src/api/index.js';

export interface DemoOptions {
  readonly clusters: number;
  readonly kernels: number;
  /** Spokes that do not answer; the last ones by name. */
  readonly offline: number;
  /** Spokes that do not say which kernel they run; those before the offline ones. */
  readonly withoutClaim: number;
  /** End when the rollout is complete. */
  readonly once: boolean;
  /** The spokes answer as fast as they can. */
  readonly fast: boolean;
  /** The images are built from source and signed, for the kernels that Debian ships. */
  readonly build: boolean;
  /** How long the rollout may take. */
  readonly timeLimitMs: number;
}

/** What to do with the arguments: run, or print a text and end. */
export type Parsed =
  { readonly kind: 'run'; readonly options: DemoOptions } | { readonly kind: 'end'; readonly exitCode: number; readonly text: string };

const MOST_CLUSTERS = 5_000;
const MOST_KERNELS = 50;
/** Debian's flavours of one kernel. */
const REAL_KERNELS = 3;
const MINUTE = 60_000;

/** Reads the arguments after the program's name. Bad ones end with code 2, a sentence and the usage; `--help` ends with code 0. */
export function parseDemoArguments(args: readonly string[]): Parsed {
  let text = '';
  const command = demoCommand()
    .exitOverride()
    .configureOutput({ writeOut: (part) => (text += part), writeErr: (part) => (text += part) });
  try {
    command.parse(args, { from: 'user' });
    return { kind: 'run', options: fleetOf(command) };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return {
      kind: 'end',
      exitCode: error.exitCode === 0 ? 0 : 2,
      text: error.exitCode === 0 ? text : `${text}\n${command.helpInformation()}`,
    };
  }
}

const demoCommand = (): Command =>
  new Command('make demo ARGS="…"')
    .description(
      'Starts a hub with a simulated fleet on this machine and rolls a kernel module out to it. Uses loopback ports only and leaves nothing behind.',
    )
    .usage('[options]')
    .addOption(new Option('--clusters <n>', 'spoke clusters in the fleet').argParser(wholeNumber(1, MOST_CLUSTERS)).default(24))
    .option('--kernels <n>', 'different kernels that they run (default: 3, in a small fleet fewer)', wholeNumber(1, MOST_KERNELS))
    .option('--offline <n>', 'spokes that do not answer (default: 2, in a small fleet fewer)', wholeNumber(0, MOST_CLUSTERS))
    .option(
      '--without-claim <n>',
      'spokes that do not say which kernel they run (default: 1, in a small fleet 0)',
      wholeNumber(0, MOST_CLUSTERS),
    )
    .option('--once', 'end when the rollout is complete: code 0; otherwise code 1 and the reason')
    .option('--fast', 'the spokes answer at once instead of at a pace that one can watch')
    .option('--build', 'build and sign a real module for three real kernels, and load it in virtual machines; needs root')
    .option(
      '--timeout <duration>',
      'how long the rollout may take, for instance 90s or 10m (default: 5m; 15m where images are built)',
      duration,
    )
    .allowExcessArguments(false);

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    return value;
  };
}

function duration(text: string): number {
  const parsed = Duration.safeParse(text);
  if (!parsed.success || parseDuration(text) <= 0) throw new InvalidArgumentError('It must be a time such as 90s or 10m.');
  return parseDuration(text);
}

interface Given {
  readonly clusters: number;
  readonly kernels?: number;
  readonly offline?: number;
  readonly withoutClaim?: number;
  readonly once?: boolean;
  readonly fast?: boolean;
  readonly build?: boolean;
  readonly timeout?: number;
}

const usualLimitMs = (build: boolean): number => (build ? 15 : 5) * MINUTE;

/** Fills in what was not given, and checks that somebody is left to roll out to. */
function fleetOf(command: Command): DemoOptions {
  const { clusters, once = false, fast = false, build = false, timeout = usualLimitMs(build), ...given } = command.opts<Given>();
  const offline = given.offline ?? Math.min(2, Math.floor(clusters / 4));
  const withoutClaim = given.withoutClaim ?? (clusters >= 4 && offline < clusters - 1 ? 1 : 0);
  const reachable = clusters - offline - withoutClaim;
  if (reachable < 1)
    command.error(
      `error: of ${clusters} clusters ${offline} are offline and ${withoutClaim} do not say which kernel they run: none is left to roll out to. Lower --offline or --without-claim, or raise --clusters.`,
    );
  const kernels = given.kernels ?? Math.min(3, reachable);
  if (kernels > reachable)
    command.error(`error: ${reachable} reachable clusters cannot run ${kernels} different kernels. Lower --kernels or raise --clusters.`);
  if (build && kernels > REAL_KERNELS)
    command.error(`error: --build knows ${REAL_KERNELS} real kernels, not ${kernels}. Lower --kernels, or leave --build out.`);
  return { clusters, kernels, offline, withoutClaim, once, fast, build, timeLimitMs: timeout };
}

/** Clusters on which the rollout can succeed: those that answer and say which kernel they run. */
export const reachableOf = ({ clusters, offline, withoutClaim }: Pick<DemoOptions, 'clusters' | 'offline' | 'withoutClaim'>): number =>
  clusters - offline - withoutClaim;
