import { z } from 'zod';
import { Duration, parseDuration } from './api/index.js';
import { Fault } from './domain/fault.js';

/** Where each setting comes from, what it means and what it is without it. The one place that reads the environment. */
const Environment = z.object({
  OPERATOR_NAMESPACE: z.string().min(1).default('kmodflow-system').describe('Namespace on the hub for revisions and registry credentials.'),
  TEMPORAL_ADDRESS: z.string().min(1).default('localhost:7233').describe('host:port of the Temporal frontend.'),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default').describe('Temporal namespace.'),
  KMODFLOW_TASK_QUEUE: z.string().min(1).default('kmodflow').describe('Task queue of the workers.'),
  KMODFLOW_SETTLE: Duration.default('2m').describe(
    'How long the loading on a cluster must hold before it counts as proven, where the MCM does not say.',
  ),
  KMODFLOW_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Least level that is logged.'),
  KMODFLOW_MAX_WRITES: z.coerce.number().int().min(1).max(256).default(32).describe('Requests to the hub API server under way at once.'),
});

export interface Config {
  readonly operatorNamespace: string;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  readonly taskQueue: string;
  readonly settleMs: number;
  readonly logLevel: z.infer<typeof Environment>['KMODFLOW_LOG_LEVEL'];
  readonly maxWrites: number;
  /** Kubeconfig file and context. Without them: KUBECONFIG, ~/.kube/config, then the pod's service account. */
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

export type ConfigOverrides = Partial<Config>;

/**
 * Settings from the environment, with those given explicitly on top.
 * @throws Fault `Invalid` that names every variable with a wrong value, the value and what would be right.
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>, overrides: ConfigOverrides = {}): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = Environment.safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((i) => `${i.path.join('.')}="${given[String(i.path[0])] ?? ''}": ${i.message}`);
    throw new Fault('Invalid', `The environment is not valid. ${problems.join('; ')}.`);
  }
  const e = parsed.data;
  const explicit = Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined));
  return {
    operatorNamespace: e.OPERATOR_NAMESPACE,
    temporalAddress: e.TEMPORAL_ADDRESS,
    temporalNamespace: e.TEMPORAL_NAMESPACE,
    taskQueue: e.KMODFLOW_TASK_QUEUE,
    settleMs: parseDuration(e.KMODFLOW_SETTLE),
    logLevel: e.KMODFLOW_LOG_LEVEL,
    maxWrites: e.KMODFLOW_MAX_WRITES,
    kubeconfig: undefined,
    context: undefined,
    ...explicit,
  };
}
