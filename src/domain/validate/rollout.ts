import {
  Duration,
  IntOrPercent,
  Interval,
  parseDuration,
  PositiveIntOrPercent,
  type LabelSelector,
  type RolloutPolicy,
} from '../../api/index.js';
import { validateLabelKey, validateLabels } from './names.js';
import { quote, specProblem, type SpecProblem } from './spec-problem.js';

/**
 * A rollout policy that can be carried out. Ranges and durations are judged by the schema's own rules, so that a spec that was never parsed (a headless start
 * in process) hears the same.
 */
export function validateRollout(path: string, policy: RolloutPolicy): SpecProblem[] {
  const { canary, waves = [], retry } = policy;
  return [
    ...validateAmount(`${path}.maxConcurrent`, policy.maxConcurrent, PositiveIntOrPercent),
    ...validateAmount(`${path}.maxFailures`, policy.maxFailures, IntOrPercent),
    ...validateAmount(`${path}.canary.clusters`, canary?.clusters, PositiveIntOrPercent),
    ...validateSelector(`${path}.canary.clusterSelector`, canary?.clusterSelector),
    ...waves.flatMap((wave, i) => [
      ...validateAmount(`${path}.waves[${i}].maxConcurrent`, wave.maxConcurrent, PositiveIntOrPercent),
      ...validateSelector(`${path}.waves[${i}].clusterSelector`, wave.clusterSelector),
    ]),
    ...validateWaveNames(`${path}.waves`, waves),
    ...validateDuration(`${path}.soak`, policy.soak),
    ...validateDuration(`${path}.settle`, policy.settle),
    ...validateDuration(`${path}.progressDeadline`, policy.progressDeadline),
    ...validateDeadline(path, policy),
    ...validateRetry(`${path}.retry`, retry),
    ...validateApproval(path, policy),
  ];
}

function validateAmount(path: string, amount: number | string | undefined, schema: typeof IntOrPercent): SpecProblem[] {
  if (amount === undefined || schema.safeParse(amount).success) return [];
  const least = schema === PositiveIntOrPercent ? 1 : 0;
  return [
    specProblem(
      path,
      `${path} is ${quote(amount)}; expected a whole number of at least ${least}, or a percentage from "${least}%" to "100%".`,
    ),
  ];
}

function validateDuration(path: string, duration: string | undefined): SpecProblem[] {
  if (duration === undefined || Duration.safeParse(duration).success) return [];
  return [specProblem(path, `${path} is ${quote(duration)}; expected a duration such as "90s", "10m" or "1h30m", at most "8760h".`)];
}

/** Loading has to be able to hold for the settle time before the deadline strikes. */
function validateDeadline(path: string, { settle, progressDeadline }: RolloutPolicy): SpecProblem[] {
  const [least, most] = [milliseconds(settle), milliseconds(progressDeadline)];
  if (least === undefined || most === undefined || most > least) return [];
  const field = `${path}.progressDeadline`;
  return [
    specProblem(
      field,
      `${field} is ${quote(progressDeadline)}; it must be longer than ${path}.settle, ${quote(settle)}, or no cluster could ever count as loaded.`,
    ),
  ];
}

function validateRetry(path: string, retry: RolloutPolicy['retry']): SpecProblem[] {
  const { attempts, initialInterval, maximumInterval } = retry ?? {};
  const interval = (name: string, value: string | undefined): SpecProblem[] =>
    value === undefined || Interval.safeParse(value).success
      ? []
      : [
          specProblem(
            `${path}.${name}`,
            `${path}.${name} is ${quote(value)}; expected a duration of at least "1s", such as "30s" or "10m".`,
          ),
        ];
  const [first, longest] = [milliseconds(initialInterval), milliseconds(maximumInterval)];
  return [
    ...(attempts === undefined || (Number.isInteger(attempts) && attempts >= 1)
      ? []
      : [specProblem(`${path}.attempts`, `${path}.attempts is ${quote(attempts)}; expected a whole number of at least 1.`)]),
    ...interval('initialInterval', initialInterval),
    ...interval('maximumInterval', maximumInterval),
    ...(first !== undefined && longest !== undefined && longest < first
      ? [
          specProblem(
            `${path}.maximumInterval`,
            `${path}.maximumInterval is ${quote(maximumInterval)}; it must not be shorter than ${path}.initialInterval, ${quote(initialInterval)}.`,
          ),
        ]
      : []),
  ];
}

/** Approval after the canary never comes up if there is no canary: the person who asked for a gate would find none. */
function validateApproval(path: string, { approval, canary }: RolloutPolicy): SpecProblem[] {
  if (approval !== 'AfterCanary' || canary !== undefined) return [];
  const field = `${path}.approval`;
  return [specProblem(field, `${field} is "AfterCanary" but ${path}.canary is not set; set a canary, or use "BeforeEachWave".`)];
}

const validateWaveNames = (path: string, waves: NonNullable<RolloutPolicy['waves']>): SpecProblem[] =>
  waves.flatMap(({ name }, i) => {
    const first = waves.findIndex((wave) => wave.name === name);
    const field = `${path}[${i}].name`;
    return first < i ? [specProblem(field, `${field} is ${quote(name)}, as ${path}[${first}].name; give each wave its own name.`)] : [];
  });

function validateSelector(path: string, selector: LabelSelector | undefined): SpecProblem[] {
  const expressions = selector?.matchExpressions ?? [];
  return [
    ...validateLabels(`${path}.matchLabels`, selector?.matchLabels ?? {}),
    ...expressions.flatMap(({ key, operator, values = [] }, i) => {
      const field = `${path}.matchExpressions[${i}]`;
      const wantsValues = operator === 'In' || operator === 'NotIn';
      return [
        ...validateLabelKey(`${field}.key`, key),
        ...(wantsValues === values.length > 0
          ? []
          : [
              specProblem(
                `${field}.values`,
                `${field}.values is ${quote(values)}; operator ${quote(operator)} needs ${wantsValues ? 'at least one value' : 'no values'}.`,
              ),
            ]),
      ];
    }),
  ];
}

const milliseconds = (duration: string | undefined): number | undefined =>
  duration !== undefined && Duration.safeParse(duration).success ? parseDuration(duration) : undefined;
