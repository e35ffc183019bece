import { startHubProcess, type HubProcess } from '../../test/harness/hub-process.js';
import { OPERATOR_NAMESPACE, type Stack } from '../../test/harness/stack.js';
import { DemoFailure } from './steps.js';
import { SETTLE } from './texts.js';
import { keepLog } from './workspace.js';

const LOG_LINES = 15;

/** The hub of the demo: one process at a time, another one when it has crashed. */
export interface Hub {
  readonly pid: number;
  readonly isRunning: () => boolean;
  /** Another process takes over. Only when the one before has ended. */
  readonly startAgain: () => Promise<void>;
  /** Keeps the whole log in `.demo`. @returns The last lines, and where the rest is. */
  readonly explain: () => string;
  readonly stop: () => Promise<void>;
}

/** @param env Settings of the hub beyond those that every demo has. */
export async function startHub({ control, temporal }: Stack, env: Readonly<Record<string, string>> = {}): Promise<Hub> {
  const start = (): Promise<HubProcess> =>
    startHubProcess({
      kubeconfigPath: control.kubeconfigPath,
      temporalAddress: temporal.address,
      operatorNamespace: OPERATOR_NAMESPACE,
      settle: SETTLE,
      env: { TEMPORAL_NAMESPACE: temporal.namespace, ...env },
    });
  let hub = await start();
  return {
    get pid() {
      return hub.pid;
    },
    isRunning: () => hub.rssMiB() !== undefined,
    async startAgain() {
      await hub.stop();
      hub = await start();
    },
    explain() {
      const log = hub.log();
      const lines = log.trimEnd().split('\n').slice(-LOG_LINES);
      return `The last ${lines.length} lines of the hub's log, which is kept in ${keepLog('hub', log)}:\n${lines.join('\n')}`;
    },
    // Not asked to finish what it does: nothing of this demo is kept, and whoever pressed Ctrl-C wants it to end.
    stop: () => hub.kill(),
  };
}

/** @throws DemoFailure with the end of its log when the hub has ended by itself. */
export function mustRun(hub: Hub): void {
  if (!hub.isRunning()) throw new DemoFailure(`The hub (process ${hub.pid}) has ended by itself. ${hub.explain()}`);
}
