import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { debianKernels } from '../../test/harness/kernels.js';
import { repositoryRoot } from '../../test/harness/parts.js';
import type { Stack } from '../../test/harness/stack.js';
import { accessTo } from './access.js';
import { imagesPage } from './build/images-page.js';
import { loadEverywhere, storedDigests } from './build/load.js';
import { mustBuildHere, thisMachine } from './build/requirements.js';
import { BUILD_HUB_ENV, setBuildStage } from './build/stage.js';
import * as buildTexts from './build/texts.js';
import { watchBuilds } from './build/watch.js';
import { adaptExample, type AdaptedExample } from './example.js';
import { startHub } from './hub.js';
import { kernelNames } from './kernels.js';
import type { DemoOptions } from './options.js';
import { startFleet, startParts } from './parts.js';
import { rollOut, type Scene } from './roll-out.js';
import type { Screen } from './screen.js';
import { Cleanup, step, type Demo } from './steps.js';
import * as texts from './texts.js';
import { openWorkspace, type Workspace } from './workspace.js';

const EXAMPLE = 'examples/simple-kmod.yaml';
const BUILT_EXAMPLE = 'tools/demo/sample-kmod.yaml';
const HUB_CHECK_MS = 1_000;

/**
 * Starts everything, rolls out, and stays up until `signal` aborts; with `once` it ends when the rollout is complete. Whatever it has started has ended when it returns.
 * @throws DemoFailure; the error of a part that did not start, with the last lines of its log; the reason of `signal` when that aborts before the rollout is complete.
 */
export async function runDemo(options: DemoOptions, screen: Screen, signal: AbortSignal): Promise<void> {
  if (options.build) mustBuildHere(thisMachine);
  const cleanup = new Cleanup();
  const demo: Demo = { options, kernels: kernelsOf(options), screen, signal, cleanup };
  try {
    // Claimed first: a second demo of this clone must not get further.
    const workspace = options.once ? undefined : openWorkspace();
    if (workspace !== undefined) cleanup.add(() => workspace.remove());
    const scene = await setTheScene(demo);
    screen.say(texts.applying(exampleOf(options), scene.example));
    if (options.build) screen.say(buildTexts.building(demo.kernels.length));
    screen.say(texts.rolling(options));
    await rollOut(demo, scene);
    if (options.build) {
      await loadEverywhere(demo, scene.example);
      screen.say(await imagesPage(scene));
    }
    if (workspace === undefined) return;
    offerNextSteps(demo, scene, workspace);
    await stayUp(demo, scene);
  } finally {
    screen.settle();
    await cleanup.run();
  }
}

const exampleOf = ({ build }: DemoOptions): string => (build ? BUILT_EXAMPLE : EXAMPLE);
const kernelsOf = ({ build, kernels }: DemoOptions): string[] =>
  build
    ? debianKernels()
        .map(({ release }) => release)
        .slice(0, kernels)
    : kernelNames(kernels);

async function setTheScene(demo: Demo): Promise<RunningScene> {
  const { options, kernels, screen } = demo;
  screen.say(texts.opening(options));
  const stack = await step(
    demo,
    texts.startingParts(options),
    () => startParts(options),
    (parts) => parts.stop(),
  );
  const example = adaptExample(readFileSync(join(repositoryRoot, exampleOf(options)), 'utf8'), stack.registry.host);
  const simulated = await step(
    demo,
    texts.makingFleet(options),
    () => startFleet(stack.api, options, kernels, example.selector),
    (fleet) => fleet.stop(),
  );
  const images = options.build ? await stageBuilds(demo, stack, example) : await stageImages(demo, stack, example);
  const hub = await step(
    demo,
    texts.startingHub,
    () => startHub(stack, options.build ? BUILD_HUB_ENV : {}),
    (started) => started.stop(),
  );
  return { stack, simulated, hub, example, ...images };
}

/** A scene with what it takes to offer the next steps. */
interface RunningScene extends Scene {
  /** Undefined where nothing is built. */
  readonly dockerfile?: string | undefined;
}

type Images = Pick<RunningScene, 'pinned' | 'builds' | 'dockerfile'>;

async function stageImages(demo: Demo, { registry }: Stack, example: AdaptedExample): Promise<Images> {
  const names = demo.kernels.map((kernel) => imageName(example, kernel));
  const pinned = await step(demo, texts.pushingImages(names), () => pushImages(example, demo.kernels, registry));
  return { pinned: () => Promise.resolve(pinned) };
}

async function stageBuilds(demo: Demo, stack: Stack, example: AdaptedExample): Promise<Images> {
  const { dockerfile, kubelet } = await setBuildStage(demo, stack);
  return { dockerfile, builds: watchBuilds(stack, kubelet, example), pinned: () => storedDigests(example, demo.kernels) };
}

function imageName({ imageFor }: AdaptedExample, kernel: string): string {
  const { registry, repository, tag } = imageFor(kernel);
  return `${registry}/${repository}:${tag}`;
}

/** @returns Image by digest for each kernel. */
async function pushImages(
  { imageFor, moduleName }: AdaptedExample,
  kernels: readonly string[],
  registry: Stack['registry'],
): Promise<ReadonlyMap<string, string>> {
  const pinned = new Map<string, string>();
  for (const kernel of kernels) {
    const { repository, tag } = imageFor(kernel);
    const image = await registry.pushImage({ repository, tag, kernels: [kernel], modules: [moduleName] });
    pinned.set(kernel, image.pinned);
  }
  return pinned;
}

function offerNextSteps({ screen, kernels, options }: Demo, scene: RunningScene, workspace: Workspace): void {
  const { stack, example, hub, simulated, dockerfile, builds } = scene;
  const envPath = workspace.writeAccess({ ...accessTo(stack), build: options.build });
  const manifestPath = workspace.writeFile(`${example.name}.yaml`, example.yaml);
  const { clusters } = simulated.fleet;
  screen.say(
    texts.nextSteps({
      module: example.name,
      uiUrl: stack.temporal.uiUrl,
      envPath,
      manifestPath,
      hubPid: hub.pid,
      offline: clusters.filter(({ offline }) => offline).map(({ name }) => name),
      spoke: clusters[0]?.name ?? '',
      otherKernel: kernels[1],
      unknownKernel: '6.12.1-custom',
      hasKubectl: isOnPath('kubectl'),
      built:
        dockerfile === undefined
          ? undefined
          : {
              kernel: kernels[0] ?? '',
              dockerfilePath: workspace.writeFile('Dockerfile', dockerfile),
              workflows: builds?.workflows() ?? [],
            },
    }),
  );
}

/** Until Ctrl-C. A hub that has ended is replaced: people are told to try just that. */
async function stayUp({ screen, signal }: Demo, { hub }: Scene): Promise<void> {
  while (!signal.aborted) {
    await sleep(HUB_CHECK_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted || hub.isRunning()) continue;
    const before = hub.pid;
    screen.say(`\nThe hub (process ${before}) has ended. Starting another one, which goes on where it was.`);
    await hub.startAgain();
    screen.say(`It is up again, as process ${hub.pid}.`);
  }
}

const isOnPath = (program: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
