import { InvalidArgumentError, Option, type Command } from 'commander';
import { parseDuration } from '../api/index.js';
import { FORMATS, type Format } from './output.js';

/** Options that every command has. */
export interface GlobalOptions {
  readonly temporalAddress?: string;
  readonly temporalNamespace?: string;
  readonly operatorNamespace?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly output: Format;
  readonly color: boolean;
  readonly debug?: boolean;
}

export const addGlobalOptions = (program: Command): Command =>
  program
    .option('--temporal-address <host:port>', 'Temporal frontend (TEMPORAL_ADDRESS; default localhost:7233)')
    .option('--temporal-namespace <name>', 'Temporal namespace (TEMPORAL_NAMESPACE; default "default")')
    .option('--kubeconfig <file>', 'how to reach the hub (KUBECONFIG, ~/.kube/config, or the pod itself)')
    .option('--context <name>', 'a context of the kubeconfig')
    .option('--operator-namespace <name>', 'namespace of revisions and secrets (OPERATOR_NAMESPACE; default kmodflow-system)')
    .addOption(new Option('-o, --output <format>', 'how to print').choices([...FORMATS]).default('table'))
    .option('--no-color', 'no colours (NO_COLOR)')
    .option('--debug', 'show where an error comes from');

export interface WaitFlags {
  readonly wait?: boolean;
  readonly timeout: number;
}

/** `--wait` and `--timeout`, which is milliseconds once parsed. */
export const addWaitOptions = (command: Command): Command =>
  command
    .option('--wait', 'show progress until every reachable cluster is loaded, or say why not')
    .addOption(
      new Option('--timeout <duration>', 'how long --wait waits, such as 90s or 1h')
        .default(30 * 60_000, '30m')
        .argParser(durationArgument),
    );

export function durationArgument(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError(`"${text}" is not a whole number from 1 up.`);
  return value;
}
