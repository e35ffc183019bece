import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, isFault } from '../domain/fault.js';
import type { Phase } from '../domain/process.js';
import type { StatusAnswer, Until, Verdict, Waited, WaitOptions } from './types.js';

/** Thrown when the time was over before it was done. `status` is the last one seen, if there was one. */
export class WaitTimedOut extends Fault {
  readonly status: StatusAnswer | undefined;

  constructor(message: string, status: StatusAnswer | undefined) {
    super('Unavailable', message);
    this.status = status;
  }
}

const failed = (why: string): Verdict => ({ verdict: 'failed', why });
const WAIT: Verdict = { verdict: 'wait' };

/** What each phase means for somebody who waits. */
const JUDGE: Readonly<Record<Phase, (status: StatusAnswer) => Verdict>> = {
  Ready: () => ({ verdict: 'done' }),
  Progressing: () => WAIT,
  Pending: judgePending,
  Degraded: (status) => failed(degradedMessage(status)),
  Invalid: ({ name, problems }) => failed(`The spec of module ${name} is not valid. ${problems.map((p) => p.message).join(' ')}`.trim()),
  Paused: ({ name, paused }) =>
    failed(`Module ${name} is paused by ${paused?.by ?? 'somebody'}. Resume it with "kmodflow resume ${name}".`),
  Removing: ({ name }) => failed(`Module ${name} is being removed.`),
};

/**
 * Done when every reachable cluster has what the spec asks for. Failed when nothing more happens by itself: a person has to act. Images that are looked up
 * again by themselves are waited for, unless not one of them was found.
 */
export const untilReady: Until = (status) => {
  const { phase, generation, desiredGeneration } = status;
  if (desiredGeneration !== undefined && generation < desiredGeneration) return WAIT; // it speaks about an older spec
  if (status.source === 'object' && phase !== 'Ready') return WAIT; // the workflow will say more when it is there
  return JUDGE[phase](status);
};

function judgePending({ name, fleet, images, generation }: StatusAnswer): Verdict {
  if (fleet.selected === 0 && generation > 0) return failed(`No ManagedCluster has the labels of spec.selector of module ${name}.`);
  const missing = images.filter((i) => i.digest === undefined);
  const hopeless = missing.length > 0 && images.length === missing.length && missing.every((i) => i.problem !== undefined);
  return hopeless ? failed(`No image of module ${name} could be resolved. ${missing[0]?.problem?.message ?? ''}`.trim()) : WAIT;
}

function degradedMessage({ name, fleet, removals }: StatusAnswer): string {
  const { Loaded, Failed, Excluded } = fleet.states;
  const counts = [
    `${Loaded} of ${fleet.selected} clusters loaded`,
    ...(Failed > 0 ? [`${Failed} failed`] : []),
    ...(Excluded > 0 ? [`${Excluded} excluded`] : []),
  ];
  const held = removals?.held === true ? ` ${removals.count} removals wait for "kmodflow confirm-removal ${name}".` : '';
  const first = fleet.exceptions.find((e) => e.state === 'Failed') ?? fleet.exceptions[0];
  return `Module ${name} is degraded: ${counts.join(', ')}.${held}${first === undefined ? '' : ` ${first.message}`}`;
}

/** What a person would see of it: when this changes, it is told. */
const picture = ({ phase, doing, trouble, fleet, source, note }: StatusAnswer): string =>
  JSON.stringify([phase, doing, trouble, fleet.states, source, note]);

/** Looks again and again; see {@link WaitOptions}. A look that fails because something does not answer is tried again until the time is over. */
export async function waitUntil(look: () => Promise<StatusAnswer>, name: string, until: Until, options: WaitOptions): Promise<Waited> {
  const { signal, timeoutMs = 30 * 60_000, pollMs = 1_000 } = options;
  const deadline = Date.now() + timeoutMs;
  const judge = judgeInTime(until, options);
  const tell = tellChanges(options.onProgress);
  let last: StatusAnswer | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const { status, trouble } = await tryToLook(look);
    if (status !== undefined) {
      last = status;
      tell(status);
      const waited = judge(status);
      if (waited !== undefined) return waited;
    }
    if (Date.now() + pollMs > deadline) throw new WaitTimedOut(timeoutMessage(name, timeoutMs, last, trouble), last);
    await sleep(pollMs, undefined, signal === undefined ? {} : { signal });
  }
}

/** A verdict counts once it has stood for its time. */
function judgeInTime(until: Until, options: WaitOptions): (status: StatusAnswer) => Waited | undefined {
  const { steadyMs = 5_000, doneSteadyMs = 0, revision } = options;
  let standing: { readonly verdict: Verdict['verdict']; readonly sinceMs: number } | undefined;
  return (status) => {
    const ofOldSpec = revision !== undefined && status.updateRevision !== undefined && status.updateRevision !== revision;
    const verdict = ofOldSpec ? WAIT : until(status);
    if (standing?.verdict !== verdict.verdict) standing = { verdict: verdict.verdict, sinceMs: Date.now() };
    const stoodMs = Date.now() - standing.sinceMs;
    if (verdict.verdict === 'done' && stoodMs >= doneSteadyMs) return { status, failed: undefined };
    return verdict.verdict === 'failed' && stoodMs >= steadyMs ? { status, failed: verdict.why } : undefined;
  };
}

function tellChanges(onProgress: WaitOptions['onProgress']): (status: StatusAnswer) => void {
  let told: string | undefined;
  return (status) => {
    const now = picture(status);
    if (now !== told) onProgress?.(status);
    told = now;
  };
}

async function tryToLook(
  look: () => Promise<StatusAnswer>,
): Promise<{ readonly status?: StatusAnswer; readonly trouble: Fault | undefined }> {
  try {
    return { status: await look(), trouble: undefined };
  } catch (error) {
    if (!isFault(error, 'Unavailable')) throw error;
    return { trouble: error };
  }
}

function timeoutMessage(name: string, timeoutMs: number, status: StatusAnswer | undefined, trouble: Fault | undefined): string {
  const seconds = Math.round(timeoutMs / 1_000);
  const waited = seconds >= 120 ? `${Math.round(seconds / 60)} minutes` : `${seconds} seconds`;
  const last =
    trouble?.message ??
    (status === undefined ? undefined : `${status.fleet.states.Loaded} of ${status.fleet.selected} clusters are loaded. ${status.doing}`);
  return `Module ${name} is not ready after ${waited}.${last === undefined ? '' : ` ${last}`}`;
}
