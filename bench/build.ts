import { setTimeout as sleep } from 'node:timers/promises';
import { resources } from '../src/kube/index.js';
import { applyDockerfile, applySigningPair, startBuildScene, type BuildScene } from '../test/harness/build-scene.js';
import { eventually } from '../test/harness/eventually.js';
import { follow } from '../test/harness/follow.js';
import { debianKernels } from '../test/harness/kernels.js';
import { anMcm, applyMcm, getMcm, type StoredMcm } from '../test/harness/mcm.js';
import { SAMPLE_MODULE, sampleDockerfile } from '../test/harness/sample-module.js';
import { makeSigningPair, type SigningPair } from '../test/harness/signing-pair.js';
import { OPERATOR_NAMESPACE } from '../test/harness/stack.js';
import { traceOf } from './build-marks.js';
import { figuresOf, medians, partsOf, type HandTimes, type Round, type RoundFigures } from './build-times.js';
import { buildByHand, timedLoop, workSecondsIn } from './by-hand.js';
import { say } from './scene.js';

export interface BuildOptions {
  /** Length of the step with the real work when the machine does nothing else. */
  readonly seconds: number;
  readonly rounds: number;
  /** Also sign. */
  readonly sign?: boolean;
}

export interface BuildFigures extends RoundFigures {
  readonly rounds: number;
  readonly signed: boolean;
  /** How often the work step compiles the sample module. */
  readonly compilations: number;
  /** `overheadSeconds` as a percentage of `byHandSeconds`. */
  readonly overheadPercent: number;
}

interface Bench {
  readonly scene: BuildScene;
  readonly kernel: string;
  readonly pair: SigningPair | undefined;
}

const MINUTE = 60_000;
/** After its start a hub compares, registers and looks around; then nothing happens any more. */
const IDLE_MS = 5_000;
/** A calibration is worth its name when it is not over at once. */
const CALIBRATION_COMPILATIONS = 3;
const MODULES = (kernel: string): string => `/opt/lib/modules/${kernel}`;

/** What kmodflow adds to a build and a push by hand, and where it goes. Both sides build the same, by turns. */
export async function benchBuild({ seconds, rounds, sign = false }: BuildOptions): Promise<BuildFigures> {
  const kernel = debianKernels()[0]?.release ?? '';
  say('Starting the API server, Temporal, the registry and a node …');
  const scene = await startBuildScene({ clusters: 1, kernels: [kernel] });
  try {
    const bench: Bench = { scene, kernel, pair: sign ? makeSigningPair('bench') : undefined };
    const compilations = await calibrate(bench, seconds);
    const figures: RoundFigures[] = [];
    let before = await byHand(bench, compilations, 'hand-0');
    for (let number = 1; number <= rounds; number += 1) {
      const { parts, workSeconds } = await throughKmodflow(bench, compilations, `bench-build-${number}`);
      const after = await byHand(bench, compilations, `hand-${number}`);
      const round: Round = { byHand: [before, after], parts, workSeconds };
      figures.push(figuresOf(round));
      before = after;
      const { byHandSeconds, kmodflowSeconds, ratio } = figuresOf(round);
      say(`Round ${number}: ${kmodflowSeconds.toFixed(2)} s against ${byHandSeconds.toFixed(2)} s by hand, ratio ${ratio.toFixed(3)}.`);
    }
    const result = medians(figures);
    const overheadPercent = Math.round((1000 * result.overheadSeconds) / result.byHandSeconds) / 10;
    return { rounds, signed: sign, compilations, overheadPercent, ...result };
  } finally {
    await scene.stop();
  }
}

/** The sample's Dockerfile, its compilation repeated. Another marker is another image, so that nobody finds anything of somebody else's. */
const dockerfileOf = ({ scene: { bases } }: Bench, compilations: number, marker: string): string =>
  sampleDockerfile({ images: bases, version: marker }).replace(/^RUN (make .*)$/m, (_, make: string) => {
    // Whatever a compilation leaves behind would spare the next one its work.
    const once = `{ rm -f ./*.o ./*.ko ./*.mod ./*.mod.c .*.cmd; ${make} > log 2>&1 || { cat log; false; }; }`;
    return `RUN ${timedLoop(compilations, once)}`;
  });

/** How many compilations take about so many seconds. The build is thrown away; it also fills this machine's caches, for both sides alike. */
async function calibrate(bench: Bench, seconds: number): Promise<number> {
  say('Calibrating …');
  await byHand(bench, 1, 'warm-up');
  const { workSeconds } = await byHand(bench, CALIBRATION_COMPILATIONS, 'calibration');
  const compilations = Math.max(1, Math.round((seconds * CALIBRATION_COMPILATIONS) / workSeconds));
  say(`${compilations} compilations take about ${seconds} s.`);
  return compilations;
}

async function byHand(bench: Bench, compilations: number, marker: string): Promise<HandTimes> {
  const { scene, kernel, pair } = bench;
  const times = await buildByHand({
    dockerfile: dockerfileOf(bench, compilations, marker),
    args: { KERNEL_VERSION: kernel, KERNEL_FULL_VERSION: kernel, MOD_NAME: marker, MOD_NAMESPACE: OPERATOR_NAMESPACE },
    image: `${scene.registry.host}/by-hand/${marker}:${kernel}`,
    ...(pair === undefined ? {} : { sign: { pair, folder: MODULES(kernel) } }),
  });
  const { buildSeconds, signSeconds, pushSeconds } = times;
  say(`By hand (${marker}): ${(buildSeconds + signSeconds + pushSeconds).toFixed(2)} s.`);
  return times;
}

/** A hub of its own, so that none is at work while somebody builds by hand. */
async function throughKmodflow(bench: Bench, compilations: number, name: string): Promise<Omit<Round, 'byHand'>> {
  const { scene, kernel, pair } = bench;
  const sign = pair === undefined ? {} : { sign: await signing(bench, pair, name) };
  const mcm = anMcm({
    name,
    registryHost: scene.registry.host,
    container: {
      modprobe: { moduleName: SAMPLE_MODULE },
      build: { dockerfileConfigMap: { name }, baseImageRegistryTLS: { insecure: true } },
      ...sign,
    },
  });
  const hub = await scene.startHub();
  const pinned = watchPin(scene, name);
  try {
    await pinned.ready;
    await sleep(IDLE_MS);
    say(`Through kmodflow (${name}) …`);
    const appliedMs = Date.now();
    await applyDockerfile(scene.api, name, dockerfileOf(bench, compilations, name));
    await applyMcm(scene.api, mcm);
    const outcome = await eventually('the digest in the status', () => pinned.outcome(), {
      timeoutMs: 60 * MINUTE,
      everyMs: 200,
      seen: async () => (await getMcm(scene.api, name)).status,
    });
    if ('failure' in outcome) throw new Error(`The build through kmodflow has failed. ${outcome.failure}`);
    const { pinnedMs } = outcome;
    const image = `${scene.registry.host}/kmods/${name}:${kernel}`;
    const { pod, ...trace } = await traceOf(scene, image);
    const log = await scene.api.podLog(pod, OPERATOR_NAMESPACE, { container: 'build', tailLines: 1_000, limitBytes: 1_000_000 });
    await untilReady(scene, name);
    return { parts: partsOf({ appliedMs, ...trace, pinnedMs }), workSeconds: workSecondsIn(log) };
  } finally {
    await pinned.stop();
    await hub.stop();
  }
}

const signing = async ({ scene: { api }, kernel }: Bench, pair: SigningPair, name: string): Promise<object> => ({
  ...(await applySigningPair(api, name, pair)),
  filesToSign: [`${MODULES(kernel)}/*.ko`],
});

type Outcome = { readonly pinnedMs: number } | { readonly failure: string };

const FAILURES = ['BuildFailed', 'SignFailed', 'ImageRejected'];

/** Tells when the digest appeared in the status, or why it will not, by a watch: asking again and again would cost the measured something. */
function watchPin(
  { api }: BuildScene,
  name: string,
): { ready: Promise<void>; outcome: () => Outcome | undefined; stop: () => Promise<void> } {
  let outcome: Outcome | undefined;
  const { ready, stop } = follow(api, resources.managedClusterModules, (_, object) => {
    if (object?.metadata.name === name) outcome ??= outcomeIn(object as StoredMcm);
  });
  return { ready, stop, outcome: () => outcome };
}

/** One attempt is what is measured: a second one would be waited for in vain. */
function outcomeIn({ status }: StoredMcm): Outcome | undefined {
  const image = status?.images?.[0];
  if (image?.digest !== undefined) return { pinnedMs: Date.now() };
  const { reason = '', message = '', log = [] } = image ?? {};
  return FAILURES.includes(reason) ? { failure: [message, ...log].join('\n') } : undefined;
}

/** The rollout of what was built belongs to no side: it must be over when the next one begins. */
const untilReady = ({ api }: BuildScene, name: string): Promise<true> =>
  eventually('the rollout to end', async () => ((await getMcm(api, name)).status?.phase === 'Ready' ? true : undefined), {
    timeoutMs: 2 * MINUTE,
    everyMs: 250,
    seen: async () => (await getMcm(api, name)).status,
  });
