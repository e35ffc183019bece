import { count } from '../../src/domain/wording.js';
import * as buildTexts from './build/texts.js';
import type { AdaptedExample } from './example.js';
import { reachableOf, type DemoOptions } from './options.js';

/** How long the loading must hold on a spoke before it counts as proven. */
export const SETTLE = '3s';

export const opening = ({ clusters, kernels, build }: DemoOptions): string =>
  [
    `This demo runs a hub, ${count(clusters, 'simulated spoke cluster')} with ${count(kernels, 'kernel')} and one rollout, all on this machine and on loopback ports.`,
    ...(build ? [buildTexts.opening] : []),
    'Ctrl-C stops everything at any time.\n',
  ].join('\n');

export const startingParts = ({ build }: DemoOptions): string => `Starting what a hub needs around it (about 10 seconds):
  a Kubernetes API server with its etcd${build ? ' and its controller manager' : ''}, which holds what is wanted and what is deployed,
  a Temporal server, which holds how far each rollout is, so that it survives a crash of the hub,
  an OCI registry for the kernel module images.`;

export function makingFleet({ clusters, offline, withoutClaim }: DemoOptions): string {
  const reachable = clusters - offline - withoutClaim;
  const kinds = [
    `${count(reachable, 'spoke')} ${reachable === 1 ? 'answers and says' : 'answer and say'} which kernel the nodes run`,
    ...(withoutClaim === 0 ? [] : [`${count(withoutClaim, 'spoke')} ${withoutClaim === 1 ? 'does' : 'do'} not say which kernel`]),
    ...(offline === 0 ? [] : [`${count(offline, 'spoke')} ${offline === 1 ? 'is' : 'are'} offline, as a site without its uplink`]),
  ];
  return `Registering the fleet as Open Cluster Management shows it; the agent and the nodes of each spoke are simulated:\n${kinds.map((kind) => `  ${kind}`).join(',\n')}.`;
}

export const pushingImages = (names: readonly string[]): string =>
  [
    names.length === 1
      ? 'Pushing a tiny kernel module image to the registry:'
      : `Pushing ${names.length} tiny kernel module images to the registry, one per kernel:`,
    ...some(names),
  ].join('\n');

const SHOWN = 6;
const some = (names: readonly string[]): string[] =>
  (names.length <= SHOWN ? names : [...names.slice(0, SHOWN - 1), `and ${names.length - SHOWN + 1} more`]).map((name) => `  ${name}`);

export const startingHub = `Starting the hub, "kmodflow hub", as a process of its own (a few seconds):
  its controller turns changes on the API server into a nudge for the workflow of the module,
  its worker runs that workflow.`;

export function applying(path: string, { changes, selector, name }: AdaptedExample): string {
  const labels = Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  return [
    `Applying ${path}, the ManagedClusterModule ${name}, with these changes:`,
    ...changes.map((change) => `  ${change}`),
    `  Its selector ${labels} needs none: the simulated spokes carry that label.`,
  ].join('\n');
}

export const rolling = (options: DemoOptions): string =>
  `
The rollout. Each cluster passes these states:
  waiting    its turn has not come
  published  the hub has written its ManifestWork, with an image digest for its own kernel alone
  applied    the agent on the spoke has taken it
  loading    its nodes are loading the module, or have, for less than ${SETTLE.replace('s', ' seconds')}
  loaded     proven: the spoke reports exactly this content on every node, and it has held for ${SETTLE.replace('s', ' seconds')}
${options.fast ? 'The spokes answer at once.' : `This takes about 15 seconds${options.build ? ' after the image is there' : ''}, more with a large fleet.`}
`;

export interface RegistryFacts {
  readonly works: number;
  readonly manifestRequests: number;
  readonly images: number;
}

export const registryFacts = ({ works, manifestRequests, images }: RegistryFacts): string =>
  `There are ${count(works, 'ManifestWork')}, and the hub asked the registry ${manifestRequests === images ? `${count(images, 'time')}, once per image` : `${manifestRequests} times for ${images} images`}.`;

/** @param facts What it took, in sentences. */
export const complete = (options: DemoOptions, seconds: number, facts: string): string => {
  const { offline, withoutClaim } = options;
  const lines = [
    `\nThe rollout is complete: ${count(reachableOf(options), 'reachable cluster')} ${reachableOf(options) === 1 ? 'has' : 'have'} loaded the module, ${seconds.toFixed(1)} seconds after it was applied.`,
    `The simulated spokes were asked themselves, too: each runs the image of its own kernel, by digest.`,
    facts,
  ];
  if (offline > 0) lines.push(`Offline clusters (${offline}) do not count against a rollout: each catches up when it returns.`);
  if (withoutClaim > 0)
    lines.push(`A cluster that does not say which kernel it runs (${withoutClaim}) gets nothing, and the status gives the reason.`);
  return lines.join('\n');
};

export interface NextSteps {
  readonly module: string;
  readonly uiUrl: string | undefined;
  readonly envPath: string;
  readonly manifestPath: string;
  readonly hubPid: number;
  readonly offline: readonly string[];
  /** A reachable spoke, and kernels for it to change to: one that has an image and one that has none. */
  readonly spoke: string;
  readonly otherKernel: string | undefined;
  readonly unknownKernel: string;
  readonly hasKubectl: boolean;
  /** Where the images are built: what a person may do about them. */
  readonly built?: BuiltSteps | undefined;
}

export interface BuiltSteps {
  /** A kernel whose image was built here. */
  readonly kernel: string;
  readonly dockerfilePath: string;
  /** Ids of the workflows that made the images. */
  readonly workflows: readonly string[];
}

type Command = readonly [command: string, what: string];

const pageUrl = (uiUrl: string, workflowId: string): string => `${uiUrl}/namespaces/default/workflows/${encodeURIComponent(workflowId)}`;
export const workflowUrl = (uiUrl: string, module: string): string => pageUrl(uiUrl, `mcm/${module}`);

export function nextSteps(steps: NextSteps): string {
  const { uiUrl, module, envPath, built } = steps;
  const [look, change] = [lookingCommands(steps), changingCommands(steps)];
  const width = Math.max(...[...look, ...change].map(([command]) => command.length));
  const listed = (commands: readonly Command[]): string[] => commands.map(([command, what]) => `  ${command.padEnd(width)}  # ${what}`);
  return [
    ...(uiUrl === undefined
      ? []
      : [
          '\nThe Temporal UI shows the module as a workflow. Its tab "User Metadata" tells what is deployed, what is stuck and what to do:',
          `  ${workflowUrl(uiUrl, module)}`,
          ...(built === undefined ? [] : ['Each image has a workflow of its own, with every attempt at it:']),
          ...(built?.workflows ?? []).map((id) => `  ${pageUrl(uiUrl, id)}`),
        ]),
    `\nTo look around, in another terminal and in this folder, first type: source ${envPath}`,
    ...listed(look),
    '\nTo make something happen:',
    ...listed(change),
    '\nEverything stays up until you press Ctrl-C.',
  ].join('\n');
}

const lookingCommands = ({ module, manifestPath, hasKubectl, built }: NextSteps): Command[] => [
  ['kmodflow status', 'all modules'],
  [`kmodflow status ${module}`, 'one of them: what is deployed, what is stuck, what to do'],
  [`kmodflow clusters ${module}`, 'a row per cluster'],
  ...(built === undefined ? [] : lookingAtBuilds(module, built)),
  [`kmodflow history ${module}`, 'what was rolled out, and how it ended'],
  [`kmodflow plan -f ${manifestPath}`, 'what applying this file would change; edit it first'],
  ...(hasKubectl ? ([['kubectl get mcm', 'the same from the API server alone']] as const) : []),
];

const lookingAtBuilds = (module: string, { kernel }: BuiltSteps): Command[] => [
  [`kmodflow images ${module}`, 'how far each image is, and what is in it'],
  [`kmodflow logs ${module} --kernel ${kernel}`, 'the log of a build, step by step'],
];

const NEW_VERSION = 's/SAMPLE_VERSION=1.0/SAMPLE_VERSION=1.1/';
const changingBuilds = ({ dockerfilePath }: BuiltSteps): Command[] => [
  [`sed -i ${NEW_VERSION} ${dockerfilePath}`, 'another version of the module: change the Dockerfile, then …'],
  [`put-dockerfile ${dockerfilePath}`, '… put it on the hub: the images are built anew and roll out by themselves'],
];

function changingCommands(steps: NextSteps): Command[] {
  const {
    module,
    offline: [returning],
    spoke,
    otherKernel,
    unknownKernel,
    hubPid,
    hasKubectl,
    built,
  } = steps;
  const noImage = built === undefined ? 'a kernel without an image' : 'a kernel without headers to build for: its build fails';
  return [
    ...(built === undefined ? [] : changingBuilds(built)),
    ...(returning === undefined ? [] : ([[`spoke online ${returning}`, 'an offline spoke returns and catches up']] as const)),
    ...(otherKernel === undefined
      ? []
      : ([[`spoke kernel ${spoke} ${otherKernel}`, 'a spoke changes its kernel: one ManifestWork is written']] as const)),
    [`spoke kernel ${spoke} ${unknownKernel}`, `${noImage}; the status says so, nobody else is harmed`],
    [`kill -9 ${hubPid}`, 'the hub crashes; the demo starts another, which goes on where it was'],
    ...(hasKubectl ? ([[`kubectl delete mcm ${module}`, 'the module leaves every spoke']] as const) : []),
  ];
}
