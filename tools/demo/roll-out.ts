import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ManagedClusterModuleStatus } from '../../src/api/index.js';
import { loadKubeConfig, createHubApi, resources } from '../../src/kube/index.js';
import type { FleetCluster } from '../../test/harness/fleet.js';
import { getMcm, worksOf } from '../../test/harness/mcm.js';
import type { Stack } from '../../test/harness/stack.js';
import type { BuildWatch } from './build/watch.js';
import type { AdaptedExample } from './example.js';
import { mustRun, type Hub } from './hub.js';
import { reachableOf } from './options.js';
import type { SimulatedFleet } from './parts.js';
import type { Snapshot } from './progress.js';
import { wrongOnSpoke } from './spoke-check.js';
import { DemoFailure, type Demo } from './steps.js';
import { complete, registryFacts } from './texts.js';
import { verdictOn, whatIsMissing } from './verdict.js';

const LOOK_EVERY_MS = 400;

export interface Scene {
  readonly stack: Stack;
  readonly simulated: SimulatedFleet;
  readonly hub: Hub;
  readonly example: AdaptedExample;
  /** Image by digest for each kernel whose image is in the registry, as the registry itself says. */
  readonly pinned: () => Promise<ReadonlyMap<string, string>>;
  /** How images come about that the hub makes; undefined: the demo has pushed them. */
  readonly builds?: BuildWatch | undefined;
}

/** Applies the module, shows the rollout until it is complete, and asks the spokes whether it is true. @throws DemoFailure with what is missing. */
export async function rollOut(demo: Demo, scene: Scene): Promise<void> {
  const startedMs = performance.now();
  const generation = await apply(scene);
  await follow(demo, scene, generation, startedMs);
  demo.screen.settle();
  const pinned = await scene.pinned();
  const wrong = problemsOnSpokes(scene, pinned);
  if (wrong.length > 0)
    throw new DemoFailure(`The hub says that the rollout is complete, but it is not true on the spokes:\n${wrong.join('\n')}`);
  const works = (await worksOf(scene.stack.api, scene.example.name)).size;
  const seconds = (performance.now() - startedMs) / 1000;
  const facts = await (scene.builds === undefined ? shippingFacts(scene, works, pinned.size) : scene.builds.facts(works, pinned.size));
  demo.screen.say(complete(demo.options, seconds, facts));
}

const shippingFacts = ({ stack }: Scene, works: number, images: number): string =>
  registryFacts({ works, images, manifestRequests: stack.registry.requests().manifestTotal });

/** As `kubectl apply --server-side` does, so that people may go on with kubectl. @returns The generation of the object. */
async function apply({ stack, example }: Scene): Promise<number> {
  const api = createHubApi({ kubeConfig: loadKubeConfig({ path: stack.control.kubeconfigPath }), fieldManager: 'kubectl' });
  try {
    const { metadata } = await api.apply(resources.managedClusterModules, example.manifest);
    return metadata.generation ?? 1;
  } finally {
    await api.close();
  }
}

async function follow({ options, screen, signal }: Demo, scene: Scene, generation: number, startedMs: number): Promise<void> {
  const { stack, example, hub } = scene;
  for (;;) {
    const { status } = await getMcm(stack.api, example.name);
    const snapshot: Snapshot = {
      elapsedMs: performance.now() - startedMs,
      expected: reachableOf(options),
      status,
      awaitingImage: awaitingImage(scene, status),
    };
    for (const line of scene.builds?.news(snapshot) ?? []) screen.note(line);
    screen.show(snapshot);
    const verdict = verdictOn(snapshot, generation);
    if (verdict.kind === 'done') return;
    mustRun(hub);
    const hopeless = scene.builds?.hopeless(snapshot);
    if (hopeless !== undefined) throw new DemoFailure(hopeless);
    if (verdict.kind === 'failed') throw new DemoFailure(`${verdict.why}\n${hub.explain()}`);
    if (snapshot.elapsedMs > options.timeLimitMs) {
      const missing = whatIsMissing(snapshot, notLoaded(scene, await scene.pinned()), options.timeLimitMs);
      throw new DemoFailure(`${missing}\n${hub.explain()}`);
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}

const reachableSpokes = ({ simulated }: Scene): readonly FleetCluster[] =>
  simulated.fleet.clusters.filter(({ offline, kernels }) => !offline && kernels !== undefined);

/** Undefined where nothing is built. */
function awaitingImage(scene: Scene, status: ManagedClusterModuleStatus | undefined): number | undefined {
  if (scene.builds === undefined) return undefined;
  const pinned = new Set((status?.images ?? []).filter(({ state }) => state === 'Pinned').map(({ kernel }) => kernel));
  return reachableSpokes(scene).filter(({ kernels = [] }) => !kernels.some((kernel) => pinned.has(kernel))).length;
}

const wrongOn = ({ simulated, example }: Scene, pinned: ReadonlyMap<string, string>, cluster: FleetCluster): string | undefined =>
  wrongOnSpoke(cluster, simulated.agents.spoke(cluster.name).modules, { module: example.name, pinned });

const problemsOnSpokes = (scene: Scene, pinned: ReadonlyMap<string, string>): string[] =>
  reachableSpokes(scene).flatMap((cluster) => wrongOn(scene, pinned, cluster) ?? []);

const notLoaded = (scene: Scene, pinned: ReadonlyMap<string, string>): string[] =>
  reachableSpokes(scene)
    .filter((cluster) => wrongOn(scene, pinned, cluster) !== undefined)
    .map(({ name }) => name);
