import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadKubeConfig, createHubApi, resources } from '../../src/kube/index.js';
import { getMcm, worksOf } from '../../test/harness/mcm.js';
import type { Stack } from '../../test/harness/stack.js';
import type { AdaptedExample } from './example.js';
import { mustRun, type Hub } from './hub.js';
import { reachableOf } from './options.js';
import type { SimulatedFleet } from './parts.js';
import type { Snapshot } from './progress.js';
import { wrongOnSpoke } from './spoke-check.js';
import { DemoFailure, type Demo } from './steps.js';
import { complete } from './texts.js';
import { verdictOn, whatIsMissing } from './verdict.js';

const LOOK_EVERY_MS = 400;

export interface Scene {
  readonly stack: Stack;
  readonly simulated: SimulatedFleet;
  readonly hub: Hub;
  readonly example: AdaptedExample;
  /** Image by digest for each kernel. */
  readonly pinned: ReadonlyMap<string, string>;
}

/** Applies the module, shows the rollout until it is complete, and asks the spokes whether it is true. @throws DemoFailure with what is missing. */
export async function rollOut(demo: Demo, scene: Scene): Promise<void> {
  const startedMs = performance.now();
  const generation = await apply(scene);
  await follow(demo, scene, generation, startedMs);
  demo.screen.settle();
  const wrong = problemsOnSpokes(scene);
  if (wrong.length > 0)
    throw new DemoFailure(`The hub says that the rollout is complete, but it is not true on the spokes:\n${wrong.join('\n')}`);
  demo.screen.say(
    complete(demo.options, {
      seconds: (performance.now() - startedMs) / 1000,
      works: (await worksOf(scene.stack.api, scene.example.name)).size,
      manifestRequests: scene.stack.registry.requests().manifestTotal,
      images: scene.pinned.size,
    }),
  );
}

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
    const snapshot: Snapshot = { elapsedMs: performance.now() - startedMs, expected: reachableOf(options), status };
    screen.show(snapshot);
    const verdict = verdictOn(snapshot, generation);
    if (verdict.kind === 'done') return;
    mustRun(hub);
    if (verdict.kind === 'failed') throw new DemoFailure(`${verdict.why}\n${hub.explain()}`);
    if (snapshot.elapsedMs > options.timeLimitMs) {
      const missing = whatIsMissing(snapshot, notLoaded(scene), options.timeLimitMs);
      throw new DemoFailure(`${missing}\n${hub.explain()}`);
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}

const reachableSpokes = ({ simulated }: Scene): SimulatedFleet['fleet']['clusters'] =>
  simulated.fleet.clusters.filter(({ offline, kernels }) => !offline && kernels !== undefined);

const expectedOf = ({ example, pinned }: Scene): { module: string; pinned: ReadonlyMap<string, string> } => ({
  module: example.name,
  pinned,
});

const problemsOnSpokes = (scene: Scene): string[] =>
  reachableSpokes(scene).flatMap(
    (cluster) => wrongOnSpoke(cluster, scene.simulated.agents.spoke(cluster.name).modules, expectedOf(scene)) ?? [],
  );

const notLoaded = (scene: Scene): string[] =>
  reachableSpokes(scene)
    .filter((cluster) => wrongOnSpoke(cluster, scene.simulated.agents.spoke(cluster.name).modules, expectedOf(scene)) !== undefined)
    .map(({ name }) => name);
