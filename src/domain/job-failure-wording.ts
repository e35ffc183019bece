import type { JobFailureKind } from './image-process.js';
import type { Finding, JobSubject } from './job-verdict.js';
import type { Problem, Reason } from './reasons.js';

/** Characters of a whole message: conditions and Events hold it, and a status of many images. */
const MAX_MESSAGE = 1_800;

/** What a person does next; one row for each kind. */
const ADVICE: Readonly<Record<JobFailureKind, string>> = {
  Check: 'Correct the Secrets that keySecret and certSecret name: the key under "key", the certificate that belongs to it under "cert".',
  Fetch: 'See that the image is there and that imageRepoSecret may pull it; it is tried again by itself.',
  Build: 'Correct the Dockerfile or the build arguments; a change is built at once.',
  Sign: 'Correct filesToSign or what the image holds; a change is built at once.',
  Push: 'See that the registry works and that imageRepoSecret may push there; it is tried again by itself.',
  OutOfMemory:
    'Give builds more memory (KMODFLOW_BUILD_LIMITS), or let the Dockerfile use fewer processes at once (make -j); it is tried again by itself.',
  DiskFull:
    'Give builds more disk (KMODFLOW_BUILD_STORAGE), or let the Dockerfile remove what it does not need; it is tried again by itself.',
  Evicted: 'It is tried again by itself.',
  NodeLost: 'It is tried again by itself.',
  BuilderImage:
    'Correct KMODFLOW_BUILDER_IMAGE, KMODFLOW_SIGNER_IMAGE or KMODFLOW_BUILD_PULL_SECRETS of the hub; it is tried again by itself.',
  Input: 'Create or correct what is missing; it is tried again by itself.',
  Unschedulable:
    'See build.selector, the tolerations and the resources of builds (KMODFLOW_BUILD_REQUESTS) against the nodes of the hub; it is tried again by itself.',
  Deadline: 'Raise KMODFLOW_BUILD_DEADLINE, or see what takes so long; it is tried again by itself.',
  Deleted: 'It is tried again by itself.',
  Unknown: 'See the log; it is tried again by itself.',
};

/** The reason and the sentences that a person reads about a failed attempt. */
export function problemOfJob(finding: Finding, subject: JobSubject): Problem {
  const { need, attempt, activeDeadlineSeconds } = subject;
  const { build, sign } = need.recipe ?? {};
  const verb = build === undefined ? 'sign' : sign === undefined ? 'build' : 'build and sign';
  const kernels = `${need.kernels.length === 1 ? 'kernel' : 'kernels'} ${need.kernels.join(', ')}`;
  const where = placeOf(finding);
  const late = finding.kind === 'Deadline' ? ` (${activeDeadlineSeconds} s)` : '';
  const what = finding.message.replace(/[\s.]+$/, '');
  const advice = finding.passing === true ? 'It is tried again by itself.' : adviceFor(finding, build === undefined);
  const message = `Attempt ${attempt} to ${verb} ${need.image} for ${kernels} failed${where}: ${what}${late}. ${advice}`;
  return { reason: reasonOf(finding, build === undefined), message: fit(message, advice) };
}

/** ` in the container build with exit code 2`. Steps say their own exit code. */
function placeOf({ container, exitCode, step }: Finding): string {
  const code = exitCode === undefined || exitCode === 0 || step !== undefined ? '' : ` with exit code ${exitCode}`;
  return container === undefined ? code : ` in the container ${container}${code}`;
}

function adviceFor({ kind, cause }: Finding, signOnly: boolean): string {
  if (kind === 'Unknown' && cause === 'sandbox')
    return 'Let the namespace and the nodes allow what docs/building.md says of the container build; it is tried again by itself.';
  if (kind === 'Fetch' && !signOnly)
    return 'See that the base image is there and that imageRepoSecret may pull it; it is tried again by itself.';
  if (kind === 'Push' && cause === 'digest') return 'See who else pushes there; it is tried again by itself.';
  return ADVICE[kind];
}

function reasonOf({ kind, cause }: Finding, signOnly: boolean): Reason {
  if (kind === 'Check' || kind === 'Sign') return 'SignFailed';
  if (kind === 'Fetch' || kind === 'Push') {
    if (cause === 'denied') return 'RegistryDenied';
    if (cause === 'digest') return 'ImageRejected';
    if (cause === 'missing' && kind === 'Fetch') return signOnly ? 'ImageMissing' : 'BuildFailed';
    return 'RegistryUnavailable';
  }
  return signOnly ? 'SignFailed' : 'BuildFailed';
}

/** The advice is kept whole. */
const fit = (message: string, advice: string): string =>
  message.length <= MAX_MESSAGE ? message : `${message.slice(0, MAX_MESSAGE - advice.length - 5)} … ${advice}`;
