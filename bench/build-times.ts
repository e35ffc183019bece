/** The arithmetic of `build.ts`. Times are milliseconds since the epoch, durations seconds. */

export interface ContainerTime {
  readonly name: string;
  readonly startedMs: number;
  readonly finishedMs: number;
}

/** When something was the case, in this order. */
export interface Marks {
  /** Just before the ConfigMap and the MCM were applied. */
  readonly appliedMs: number;
  /** The image's workflow asks for a build slot, */
  readonly slotAskedMs: number;
  /** and has it. */
  readonly slotGrantedMs: number;
  readonly jobCreatedMs: number;
  /** In the order of their starts: they run one after the other. */
  readonly containers: readonly ContainerTime[];
  /** The workflow knows what the Job has done. */
  readonly followedMs: number;
  readonly inspectionBeganMs: number;
  readonly inspectedMs: number;
  /** The digest stands in the status. */
  readonly pinnedMs: number;
}

/** What the time went to, seconds; together they are the whole time. */
export interface Parts {
  /** From the MCM to the wish for a build slot: observation, revision, look-up in the registry, workflows. */
  readonly lookSeconds: number;
  readonly queueSeconds: number;
  /** From the slot to the Job. */
  readonly createSeconds: number;
  /** From the Job to its first container: the cluster's own work. */
  readonly startSeconds: number;
  readonly signCheckSeconds: number;
  readonly buildSeconds: number;
  readonly signSeconds: number;
  readonly pushSeconds: number;
  /** Between one container and the next: the node's own work. */
  readonly betweenSeconds: number;
  /** From the end of the last container to the workflow's knowing of it. */
  readonly noticeSeconds: number;
  /** From there to the inspection. */
  readonly handOverSeconds: number;
  readonly inspectSeconds: number;
  /** From the inspection to the digest in the status. */
  readonly pinSeconds: number;
}

const CONTAINERS = ['sign-check', 'build', 'sign', 'push'];

/** @throws Error when a mark is missing or lies before the one that it follows, or when a container is none that is known: then the parts would lie. */
export function partsOf(marks: Marks): Parts {
  const { appliedMs, slotAskedMs, slotGrantedMs, jobCreatedMs, containers, followedMs, inspectionBeganMs, inspectedMs, pinnedMs } = marks;
  const [first, last] = [containers[0], containers.at(-1)];
  if (first === undefined || last === undefined) throw new Error('No container of the Job has run.');
  const unknown = containers.find(({ name }) => !CONTAINERS.includes(name));
  if (unknown !== undefined) throw new Error(`The container ${unknown.name} is in no part of the time.`);
  checkOrder([
    ['appliedMs', appliedMs],
    ['slotAskedMs', slotAskedMs],
    ['slotGrantedMs', slotGrantedMs],
    ['jobCreatedMs', jobCreatedMs],
    ...containers.flatMap(({ name, startedMs, finishedMs }): Mark[] => [
      [`the start of ${name}`, startedMs],
      [`the end of ${name}`, finishedMs],
    ]),
    ['followedMs', followedMs],
    ['inspectionBeganMs', inspectionBeganMs],
    ['inspectedMs', inspectedMs],
    ['pinnedMs', pinnedMs],
  ]);
  const ran = (wanted: string): number =>
    sum(containers.filter(({ name }) => name === wanted).map((c) => seconds(c.startedMs, c.finishedMs)));
  return {
    lookSeconds: seconds(appliedMs, slotAskedMs),
    queueSeconds: seconds(slotAskedMs, slotGrantedMs),
    createSeconds: seconds(slotGrantedMs, jobCreatedMs),
    startSeconds: seconds(jobCreatedMs, first.startedMs),
    signCheckSeconds: ran('sign-check'),
    buildSeconds: ran('build'),
    signSeconds: ran('sign'),
    pushSeconds: ran('push'),
    betweenSeconds: seconds(first.startedMs, last.finishedMs) - sum(CONTAINERS.map(ran)),
    noticeSeconds: seconds(last.finishedMs, followedMs),
    handOverSeconds: seconds(followedMs, inspectionBeganMs),
    inspectSeconds: seconds(inspectionBeganMs, inspectedMs),
    pinSeconds: seconds(inspectedMs, pinnedMs),
  };
}

/** One build by hand. */
export interface HandTimes {
  readonly buildSeconds: number;
  readonly signSeconds: number;
  readonly pushSeconds: number;
  /** Of `buildSeconds`: the step with the real work, by its own clock. */
  readonly workSeconds: number;
}

export interface Round {
  /** One before and one after, since the machine is not the same all the time: their mean counts. */
  readonly byHand: readonly [HandTimes, HandTimes];
  readonly parts: Parts;
  /** Of `parts.buildSeconds`, as in {@link HandTimes}. */
  readonly workSeconds: number;
}

export interface RoundFigures extends Parts {
  readonly byHandSeconds: number;
  readonly kmodflowSeconds: number;
  /** `kmodflowSeconds` divided by `byHandSeconds`; 1.0 would be no cost of our own. */
  readonly ratio: number;
  readonly overheadSeconds: number;
  readonly byHandBuildSeconds: number;
  readonly byHandSignSeconds: number;
  readonly byHandPushSeconds: number;
  readonly byHandWorkSeconds: number;
  readonly workSeconds: number;
}

export function figuresOf({ byHand, parts, workSeconds }: Round): RoundFigures {
  const mean = (of: (times: HandTimes) => number): number => sum(byHand.map(of)) / byHand.length;
  const byHandBuildSeconds = mean((t) => t.buildSeconds);
  const byHandSignSeconds = mean((t) => t.signSeconds);
  const byHandPushSeconds = mean((t) => t.pushSeconds);
  const byHandSeconds = byHandBuildSeconds + byHandSignSeconds + byHandPushSeconds;
  const kmodflowSeconds = sum(Object.values(parts) as number[]);
  return {
    byHandSeconds,
    kmodflowSeconds,
    ratio: kmodflowSeconds / byHandSeconds,
    overheadSeconds: kmodflowSeconds - byHandSeconds,
    byHandBuildSeconds,
    byHandSignSeconds,
    byHandPushSeconds,
    byHandWorkSeconds: mean((t) => t.workSeconds),
    workSeconds,
    ...parts,
  };
}

/** The median of each figure over the rounds, rounded to 1/1,000. With more than one round the parts need not add up to the whole any more. */
export function medians(rounds: readonly RoundFigures[]): RoundFigures {
  const [first] = rounds;
  if (first === undefined) throw new Error('There is no round to take the median of.');
  const keys = Object.keys(first) as (keyof RoundFigures)[];
  return Object.fromEntries(
    keys.map((key) => [key, Math.round(median(rounds.map((r) => r[key])) * 1000) / 1000]),
  ) as unknown as RoundFigures;
}

/** @param values at least one. Of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sum(sorted.slice(Math.ceil(middle - 1), Math.floor(middle + 1))) / (sorted.length % 2 === 0 ? 2 : 1);
}

type Mark = readonly [string, number];

function checkOrder(marks: readonly Mark[]): void {
  marks.forEach(([name, ms], at) => {
    if (!Number.isFinite(ms)) throw new Error(`The time of ${name} is not known.`);
    const [before, beforeMs] = marks[at - 1] ?? [name, ms];
    if (ms < beforeMs) throw new Error(`${name} lies ${(beforeMs - ms).toFixed(0)} ms before ${before}.`);
  });
}

const seconds = (fromMs: number, toMs: number): number => (toMs - fromMs) / 1000;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
