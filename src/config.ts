import { z } from 'zod';
import { Duration, Interval, parseDuration } from './api/index.js';
import { Fault } from './domain/fault.js';
import type { ImageJobSettings } from './domain/image-job-settings.js';

const QUANTITY = /^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/;
const NO_QUANTITY = 'write a Kubernetes quantity, such as 500m, 4 or 20Gi';

/** A duration, for which `0` needs no unit. */
const DurationOrZero = z.preprocess((value) => (value === '0' ? '0s' : value), Duration);

/** `cpu=500m,memory=1Gi` */
const Quantities = z.string().transform((text, context): Record<string, string> => {
  const pairs = text.split(',').map((pair) => pair.trim().split('='));
  const wrong = pairs.find(([name, value, more]) => !name || !QUANTITY.test(value ?? '') || more !== undefined);
  if (wrong !== undefined)
    context.addIssue({ code: 'custom', message: `${JSON.stringify(wrong.join('='))} is not name=quantity, such as memory=4Gi` });
  return Object.fromEntries(pairs.map(([name = '', value = '']) => [name, value]));
});

const secondsOf = (duration: string): number => Math.ceil(parseDuration(duration) / 1000);

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
  KMODFLOW_BUILDER_IMAGE: z
    .string()
    .min(1)
    .default('kmodflow-builder:0.1.0')
    .describe('Image of the containers that build, fetch and push.'),
  KMODFLOW_SIGNER_IMAGE: z.string().min(1).default('kmodflow-signer:0.1.0').describe('Image of the containers that sign.'),
  KMODFLOW_MAX_BUILDS: z.coerce.number().int().min(1).max(100).default(2).describe('Build Jobs on the hub at once.'),
  KMODFLOW_BUILD_DEADLINE: Interval.default('1h').describe('How long one build Job may take.'),
  KMODFLOW_FAILED_JOB_TTL: Duration.default('24h').describe('How long a failed build Job stays for inspection.'),
  KMODFLOW_JOB_GC_DELAY: DurationOrZero.default('0s').describe('How long a build Job that did its work stays.'),
  KMODFLOW_BUILD_REQUESTS: Quantities.default({ cpu: '500m', memory: '1Gi' }).describe('Resources that the build container asks for.'),
  KMODFLOW_BUILD_LIMITS: Quantities.default({ memory: '4Gi' }).describe('Resources that the build container may use.'),
  KMODFLOW_BUILD_STORAGE: z.string().regex(QUANTITY, NO_QUANTITY).default('20Gi').describe('Disk that one build may use.'),
  KMODFLOW_BUILD_CACHE: z
    .string()
    .default('')
    .describe('Repository for the layers of builds, so that a later build finds them. Not used for images that are signed.'),
  KMODFLOW_BUILD_PULL_SECRETS: z
    .string()
    .default('')
    .transform((names) =>
      names
        .split(',')
        .filter((n) => n.trim() !== '')
        .map((n) => n.trim()),
    )
    .describe('Secrets with which nodes pull the builder and signer images, separated by commas.'),
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
  readonly imageJobs: ImageJobSettings;
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
    imageJobs: {
      builderImage: e.KMODFLOW_BUILDER_IMAGE,
      signerImage: e.KMODFLOW_SIGNER_IMAGE,
      maxBuilds: e.KMODFLOW_MAX_BUILDS,
      activeDeadlineSeconds: secondsOf(e.KMODFLOW_BUILD_DEADLINE),
      failedJobTtlSeconds: secondsOf(e.KMODFLOW_FAILED_JOB_TTL),
      gcDelaySeconds: secondsOf(e.KMODFLOW_JOB_GC_DELAY),
      requests: e.KMODFLOW_BUILD_REQUESTS,
      limits: e.KMODFLOW_BUILD_LIMITS,
      storageLimit: e.KMODFLOW_BUILD_STORAGE,
      ...(e.KMODFLOW_BUILD_CACHE === '' ? {} : { cache: e.KMODFLOW_BUILD_CACHE }),
      pullSecrets: e.KMODFLOW_BUILD_PULL_SECRETS,
    },
    kubeconfig: undefined,
    context: undefined,
    ...explicit,
  };
}
