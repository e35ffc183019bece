import { IMAGE_KEY_LABEL } from '../src/api/names.js';
import { isFault } from '../src/domain/fault.js';
import { ownersOf } from '../src/domain/image-job.js';
import type { ImageRequester, StandingJobs } from '../src/domain/image-process.js';
import { imageJobName } from '../src/domain/image-run.js';
import { conditionOf, type PlainJob } from '../src/domain/job-objects.js';
import { resources, type HubApi } from '../src/kube/index.js';

export interface StandingImageJobsDeps {
  readonly api: Pick<HubApi, 'get' | 'listAll' | 'mergePatch' | 'delete'>;
  readonly operatorNamespace: string;
}

interface StandingJob {
  readonly name: string;
  readonly uid: string | undefined;
  readonly attempt: number;
  /** It may still push something. */
  readonly isActive: boolean;
}

/** The Jobs of a key that stand on the hub. */
export const createStandingImageJobs =
  (deps: StandingImageJobsDeps) =>
  async ({ key }: { readonly key: string }): Promise<StandingJobs> => {
    const jobs = await listJobs(deps, key);
    const running = jobs.filter(({ isActive }) => isActive).map(({ attempt }) => attempt);
    return {
      attempts: Math.max(0, ...jobs.map(({ attempt }) => attempt)),
      running: running.length === 0 ? undefined : Math.max(...running),
    };
  };

/** Deletes the Jobs of a key that still run, with their pods. One that has ended stays for inspection. Safe to run twice. */
export const createCancelImageJobs =
  (deps: StandingImageJobsDeps) =>
  async ({ key }: { readonly key: string }): Promise<{ deleted: number }> => {
    const { api, operatorNamespace } = deps;
    const active = (await listJobs(deps, key)).filter(({ isActive }) => isActive);
    const deleted = await Promise.all(
      active.map(async ({ name, uid }) => {
        try {
          await api.delete(resources.jobs, name, operatorNamespace, { uid, propagationPolicy: 'Background' });
          return true;
        } catch (error) {
          if (isFault(error, 'Missing') || isFault(error, 'Conflict')) return false; // gone already, or another one by now
          throw error;
        }
      }),
    );
    return { deleted: deleted.filter(Boolean).length };
  };

/** The result of an attempt is in safe hands: its Job may go after job.gcDelay. Safe to run twice. */
export const createReleaseImageJob =
  ({ api, operatorNamespace, imageJobs }: StandingImageJobsDeps & { readonly imageJobs: { readonly gcDelaySeconds: number } }) =>
  async ({ key, attempt }: { readonly key: string; readonly attempt: number }): Promise<void> => {
    const patch = { spec: { ttlSecondsAfterFinished: imageJobs.gcDelaySeconds } };
    await unlessMissing(api.mergePatch(resources.jobs, imageJobName(key, attempt), operatorNamespace, patch));
  };

/** More modules need what the running Jobs of a key make: the Jobs outlive those that asked first. Safe to run twice. */
export const createAdoptImageJobs =
  (deps: StandingImageJobsDeps) =>
  async ({ key, requesters }: { readonly key: string; readonly requesters: readonly ImageRequester[] }): Promise<void> => {
    for (const { name, isActive } of await listJobs(deps, key)) if (isActive) await addOwners(deps, name, requesters);
  };

/** Times that owners are written again after somebody else wrote the Job. */
const OWNER_TRIES = 5;

/** Makes the requesters owners of a Job, beside those that it has. One without an object frees it of owners: see {@link ownersOf}. */
export async function addOwners(
  { api, operatorNamespace }: Pick<StandingImageJobsDeps, 'operatorNamespace'> & { readonly api: Pick<HubApi, 'get' | 'mergePatch'> },
  name: string,
  requesters: readonly ImageRequester[],
): Promise<void> {
  if (requesters.length === 0) return;
  for (let left = OWNER_TRIES; left > 0; left -= 1) {
    const job = await unlessMissing(api.get(resources.jobs, name, operatorNamespace));
    if (job === undefined) return;
    const { ownerReferences: before = [], resourceVersion } = job.metadata;
    const wanted = ownersOf(requesters);
    const added = wanted.filter(({ uid }) => !before.some((owner) => owner.uid === uid));
    // A Job without owners has a requester that has no object: it stays so.
    const after = wanted.length === 0 || before.length === 0 ? [] : [...before, ...added];
    if (after.length === before.length) return;
    try {
      await api.mergePatch(resources.jobs, name, operatorNamespace, { metadata: { resourceVersion, ownerReferences: after } });
      return;
    } catch (error) {
      if (isFault(error, 'Missing')) return;
      if (!isFault(error, 'Conflict') || left === 1) throw error;
    }
  }
}

async function listJobs({ api, operatorNamespace: namespace }: StandingImageJobsDeps, key: string): Promise<StandingJob[]> {
  const { items } = await api.listAll(resources.jobs, { namespace, labelSelector: `${IMAGE_KEY_LABEL}=${key}` });
  return (items as unknown as PlainJob[]).flatMap(({ metadata: { name, uid, deletionTimestamp }, status }) => {
    const attempt = attemptOf(name, key);
    if (attempt === undefined) return []; // somebody else's Job with our label
    const conditions = status?.conditions;
    const hasEnded = conditionOf(conditions, 'Complete') !== undefined || conditionOf(conditions, 'Failed') !== undefined;
    return [{ name, uid, attempt, isActive: !hasEnded && deletionTimestamp === undefined }];
  });
}

function attemptOf(name: string, key: string): number | undefined {
  const prefix = imageJobName(key, 0).slice(0, -1);
  const number = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  return /^[1-9][0-9]{0,8}$/.test(number) ? Number(number) : undefined;
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isFault(error, 'Missing')) return undefined;
    throw error;
  }
}
