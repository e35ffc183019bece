import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { NEED_IMAGE_SIGNAL, RELEASE_IMAGE_SIGNAL } from '../../src/domain/messages.js';
import { eventually } from '../harness/eventually.js';
import { aNeed, digestOf, imageOf, KERNEL, MINUTE, openImageStage, type ImageScene, type ImageStage } from './image-stage.js';

let stage: ImageStage;
beforeAll(async () => {
  stage = await openImageStage();
}, MINUTE);
afterAll(() => stage?.stop(), MINUTE);

const heardOf = (scene: ImageScene, by: string, what: string, state: string) =>
  eventually(what, async () => (await scene.heard(by)).find((n) => n.state === state), { everyMs: 30, seen: () => scene.heard(by) });
const secondsUntil = (time: string | undefined): number => (Date.parse(time ?? '') - Date.now()) / 1_000;
const saidBy = async (answer: Promise<unknown>): Promise<string> => {
  const error = await answer.then(() => undefined).catch((e: unknown) => e);
  return error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
};

describe('an image that is there', () => {
  test('is pinned without a Job, and whoever needs it is told', async () => {
    await stage.perform(async (scene) => {
      const { builds, key, ask, image, requester } = scene;
      builds.registry.set(key, digestOf('a'));
      const by = await requester('one');
      await ask({ by, need: aNeed(key) });
      expect(await image().result()).toBe(digestOf('a'));
      const news = await heardOf(scene, by, 'the news', 'Pinned');
      expect(news).toMatchObject({ key, image: imageOf(key), attempt: 0, result: { digest: digestOf('a'), kernels: [KERNEL] } });
      expect(builds.jobs).toEqual([]);
      expect(builds.looks).toHaveLength(1);
    });
  });
});

test('a workflow that is started by hand may be told in its input which image is needed, and ignores what is said of others', async () => {
  await stage.perform(async ({ builds, client, key, taskQueue, requester, image, status, until }) => {
    builds.outcome = () => undefined;
    const by = await requester('one');
    const request = { need: aNeed(key), requester: { workflowId: by, module: 'first' } };
    await client.workflow.start('kmodImage', { workflowId: `image/${key}`, taskQueue, args: [{ request }] });
    await until('the Job', (s) => s.state === 'Building');
    await image().signal(NEED_IMAGE_SIGNAL, { need: aNeed('other'), requester: { workflowId: by, module: 'second' } });
    expect(await status()).toMatchObject({ image: imageOf(key), modules: ['first'], making: 'build' });
  });
});

describe('an image that is not there', () => {
  test('is made by one Job, and pinned with the digest that the Job pushed', async () => {
    await stage.perform(async (scene) => {
      const { builds, key, ask, image, requester, client } = scene;
      const by = await requester('one');
      await ask({ by, need: aNeed(key) });
      expect(await image().result()).toBe(digestOf('1'));
      const news = await heardOf(scene, by, 'the news', 'Pinned');
      expect(news).toMatchObject({ attempt: 1, job: `kmod-${key}-1` });
      expect(news).not.toHaveProperty('problem');
      expect(builds.jobs).toEqual([{ need: aNeed(key), attempt: 1, requesters: [{ workflowId: by, module: 'first' }] }]);
      expect((await scene.heard(by)).map((n) => n.state)).toContain('Building');
      expect(builds.released).toEqual([`${key} 1`]);
      expect(builds.adopters).toEqual([]);
      const { typedSearchAttributes } = await client.workflow.getHandle(`image/${key}`).describe();
      const attributes = Object.fromEntries(typedSearchAttributes.getAll().map(({ key: k, value }) => [k.name, value]));
      expect(attributes).toMatchObject({ KmodModule: 'first', KmodKernel: [KERNEL], KmodPhase: 'Pinned' });
      const view = await eventually('the slot to be free', async () => {
        const now = await scene.queue();
        return now.running.length === 0 ? now : undefined;
      });
      expect(view).toEqual({ capacity: 2, running: [], waiting: [] });
    });
  });

  test('shows on its page what is wrong, where, and what a person can do', async () => {
    await stage.perform(async ({ builds, key, ask, requester, until, details }) => {
      builds.outcome = (input) => builds.fail(input);
      await ask({ by: await requester('one'), need: aNeed(key) });
      await until('the first failure', (s) => s.state === 'Waiting');
      const page = await details(`image/${key}`);
      expect(page).toContain(`### ${imageOf(key)}: Waiting, 1 attempt so far`);
      expect(page).toContain('**BuildFailed:** Step 3/7 of the Dockerfile failed.');
      expect(page).toContain('exit code 2');
      expect(page).toContain('`3/7: RUN make`');
      expect(page).toContain('kmod.c:7: error: expected ;');
      expect(page).toContain(`\`kmodflow logs first --kernel ${KERNEL}\``);
      expect(page).toContain('`kmodflow retry first`');
    });
  });

  test('has a summary on every activity and timer', async () => {
    await stage.perform(async ({ builds, key, ask, requester, until, image }) => {
      builds.outcome = (input) => builds.fail(input);
      await ask({ by: await requester('one'), need: aNeed(key) });
      await until('the first failure', (s) => s.state === 'Waiting');
      const { events } = await image().fetchHistory();
      const told = (events ?? []).filter((e) => e.activityTaskScheduledEventAttributes != null || e.timerStartedEventAttributes != null);
      expect(told.length).toBeGreaterThan(4);
      for (const event of told) expect(event.userMetadata?.summary?.data?.length ?? 0).toBeGreaterThan(5);
    });
  });
});

describe('a failure that the same inputs repeat', () => {
  test('is tried once more after ten seconds, then waits until a person asks', async () => {
    await stage.perform(async ({ builds, key, ask, requester, until, image }) => {
      builds.outcome = (input) => builds.fail(input);
      await ask({ by: await requester('one'), need: aNeed(key) });
      const first = await until('the first failure', (s) => s.state === 'Waiting');
      expect(secondsUntil(first.nextTryAt)).toBeGreaterThan(5);
      expect(secondsUntil(first.nextTryAt)).toBeLessThanOrEqual(10);
      const second = await until('the second failure', (s) => s.state === 'Waiting' && s.attempt === 2);
      expect(second).toMatchObject({
        problem: { reason: 'BuildFailed', message: 'Step 3/7 of the Dockerfile failed.' },
        failure: { kind: 'Build', deterministic: true, exitCode: 2, step: '3/7: RUN make' },
        log: ['cc -c kmod.c', 'kmod.c:7: error: expected ;'],
        doing: 'Waiting for a changed input or a retry: the same inputs would fail in the same way.',
      });
      expect(second).not.toHaveProperty('nextTryAt');
      builds.outcome = (input) => builds.succeed(input);
      const answer = await image().executeUpdate<string, [unknown]>('retry', { args: [{ by: 'Ann' }] });
      expect(answer).toBe(
        `Image ${imageOf(key)} is looked for in its registry now; if it is not there, attempt 3 begins as soon as a build slot is free.`,
      );
      expect(await image().result()).toBe(digestOf('1'));
      expect(builds.jobs.map((j) => j.attempt)).toEqual([1, 2, 3]);
    });
  });

  test('is tried again at once when an input has changed, or a new wish arrives; the same wish counts once', async () => {
    await stage.perform(async ({ builds, key, ask, requester, until }) => {
      builds.outcome = (input) => builds.fail(input);
      const by = await requester('one');
      await ask({ by, need: aNeed(key) });
      await until('the first failure', (s) => s.state === 'Waiting');
      await ask({ by, need: aNeed(key, { secretName: 'other' }) });
      await until('an attempt with the new input', (s) => s.state === 'Waiting' && s.attempt === 2);
      expect(builds.jobs.at(-1)?.need.secretName).toBe('other');
      await ask({ by, need: aNeed(key, { secretName: 'other' }), retry: 'wish-1' });
      const third = await until('an attempt for the wish', (s) => s.state === 'Waiting' && s.attempt === 3);
      expect(third.nextTryAt).toBeDefined(); // the rule begins anew: once more after ten seconds
      const looks = builds.looks.length;
      await ask({ by, need: aNeed(key, { secretName: 'other' }), retry: 'wish-1' });
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(builds.looks).toHaveLength(looks);
    });
  });

  test('a retry is refused while a Job runs', async () => {
    await stage.perform(async ({ builds, key, ask, requester, until, image }) => {
      builds.outcome = () => undefined;
      await ask({ by: await requester('one'), need: aNeed(key) });
      await until('the Job', (s) => s.state === 'Building');
      const refusal = await saidBy(image().executeUpdate('retry', { args: [{ by: 'Ann' }] }));
      expect(refusal).toBe(
        `Image ${imageOf(key)} is being made: attempt 1 is running as Job kmod-${key}-1. Wait for its end, or follow it with kmodflow logs first --kernel ${KERNEL}.`,
      );
    });
  });
});

describe('a failure that may pass', () => {
  test('is tried again by itself, each time after twice the time', async () => {
    await stage.perform(async ({ builds, key, ask, requester, until }) => {
      builds.outcome = (input) => builds.fail(input, { kind: 'Evicted', deterministic: false, message: 'The pod was evicted.' });
      await ask({ by: await requester('one'), need: aNeed(key) });
      const first = await until('the first failure', (s) => s.state === 'Waiting');
      expect(secondsUntil(first.nextTryAt)).toBeLessThanOrEqual(10);
      const second = await until('the second failure', (s) => s.state === 'Waiting' && s.attempt === 2);
      expect(secondsUntil(second.nextTryAt)).toBeGreaterThan(15);
      expect(secondsUntil(second.nextTryAt)).toBeLessThanOrEqual(20);
    });
  });

  test('an input that the Job would lack is not an attempt, and the slot is free meanwhile', async () => {
    await stage.perform(async ({ builds, key, ask, requester, until, queue }) => {
      const blocked = { reason: 'BuildFailed', message: 'Secret token does not exist.' } as const;
      builds.outcome = () => ({ ok: false, blocked });
      await ask({ by: await requester('one'), need: aNeed(key) });
      const waiting = await until('the missing input', (s) => s.state === 'Waiting');
      expect(waiting).toMatchObject({ attempt: 0, problem: blocked });
      expect(waiting).not.toHaveProperty('job');
      expect(secondsUntil(waiting.nextTryAt)).toBeLessThanOrEqual(10);
      await eventually('the slot to be free', async () => ((await queue()).running.length === 0 ? true : undefined));
    });
  });

  test('of the activity itself is told too, and the Job that it has begun is looked for before another', async () => {
    await stage.perform(async ({ builds, key, ask, image, requester, until }) => {
      builds.outcome = () => {
        throw ApplicationFailure.nonRetryable('The API server refused the Job.', 'Invalid');
      };
      await ask({ by: await requester('one'), need: aNeed(key) });
      const waiting = await until('the failure', (s) => s.state === 'Waiting');
      expect(waiting).toMatchObject({ attempt: 1, problem: { reason: 'BuildFailed', message: 'The API server refused the Job.' } });
      builds.standing = { attempts: 1, running: 1 };
      builds.outcome = (input) => builds.succeed(input);
      await image().executeUpdate('retry', { args: [{ by: 'Ann' }] });
      await image().result();
      expect(builds.jobs.map((j) => j.attempt)).toEqual([1, 1]);
    });
  });

  test('of the registry waits at least as long as the registry asks', async () => {
    await stage.perform(async ({ builds, key, ask, requester, until }) => {
      builds.look = ({ image, kernels }) => ({
        ...{ image, kernels, key, retryAfterMs: 45_000 },
        problem: { reason: 'RegistryUnavailable', message: 'Too many requests.' },
      });
      await ask({ by: await requester('one'), need: aNeed(key) });
      const waiting = await until('the failed look', (s) => s.state === 'Waiting');
      expect(waiting).toMatchObject({ attempt: 0, problem: { reason: 'RegistryUnavailable', message: 'Too many requests.' } });
      expect(secondsUntil(waiting.nextTryAt)).toBeGreaterThan(40);
      expect(builds.jobs).toEqual([]);
    });
  });
});

test('an input that is missing is named, and the image is made when it appears', async () => {
  await stage.perform(async ({ builds, key, ask, requester, until, image }) => {
    const by = await requester('one');
    const blocked = { reason: 'BuildFailed', message: 'ConfigMap kmm/source does not exist.' } as const;
    await ask({ by, need: aNeed(key, { blocked }) });
    expect(await until('the missing input', (s) => s.state === 'Waiting')).toMatchObject({ attempt: 0, problem: blocked });
    expect(builds.jobs).toEqual([]);
    await ask({ by, need: aNeed(key) });
    expect(await image().result()).toBe(digestOf('1'));
  });
});

describe('a registry that accepts a push and serves another digest', () => {
  test('is not believed: nothing is pinned before it serves what was pushed', async () => {
    await stage.perform(async ({ builds, key, ask, requester, until, image }) => {
      builds.outcome = (input) => {
        const result = builds.succeed(input);
        builds.registry.set(key, digestOf('f'));
        return result;
      };
      await ask({ by: await requester('one'), need: aNeed(key) });
      const waiting = await until('the lie', (s) => s.state === 'Waiting');
      expect(waiting.problem?.reason).toBe('ImageRejected');
      expect(waiting.problem?.message).toContain('the registry accepted the push and serves another digest');
      expect(waiting.problem?.message).toContain(`pushed ${digestOf('1')}, the registry serves ${digestOf('f')}`);
      expect(secondsUntil(waiting.nextTryAt)).toBeLessThanOrEqual(10);
      builds.registry.set(key, digestOf('1'));
      expect(await image().result()).toBe(digestOf('1'));
      expect(builds.jobs).toHaveLength(1);
    });
  });
});

describe('an image that several need', () => {
  test('is made once, and all of them are told', async () => {
    await stage.perform(async (scene) => {
      const { builds, key, ask, image, requester, until } = scene;
      builds.outcome = () => undefined;
      const [one, two] = [await requester('one'), await requester('two')];
      await ask({ by: one, need: aNeed(key), module: 'first' });
      await until('the Job', (s) => s.state === 'Building');
      await ask({ by: two, need: aNeed(key), module: 'second' });
      expect((await until('the second', (s) => s.modules.length === 2)).modules).toEqual(['first', 'second']);
      await heardOf(scene, two, 'how far it is', 'Building');
      await eventually('the Job to be kept for the second', () => (builds.adopters.join() === 'second' ? true : undefined));
      builds.outcome = (input) => builds.succeed(input);
      await image().result();
      for (const by of [one, two]) expect(await heardOf(scene, by, 'the digest', 'Pinned')).toMatchObject({ attempt: 1 });
      expect(builds.jobs).toHaveLength(1);
    });
  });

  test('is made on when one lets go of it, and not when both do', async () => {
    await stage.perform(async ({ builds, key, ask, image, requester, until, queue }) => {
      builds.outcome = () => undefined;
      const [one, two] = [await requester('one'), await requester('two')];
      await ask({ by: one, need: aNeed(key), module: 'first' });
      await ask({ by: two, need: aNeed(key), module: 'second' });
      await until('the Job', (s) => s.state === 'Building' && s.modules.length === 2);
      await image().signal(RELEASE_IMAGE_SIGNAL, { workflowId: one });
      await until('the first to be gone', (s) => s.modules.join() === 'second');
      expect(builds.runningJobs).toEqual(new Set([key]));
      expect(builds.cancelled).toEqual([]);
      await image().signal(RELEASE_IMAGE_SIGNAL, { workflowId: two });
      expect(await image().result()).toBe('nobody needs it any more');
      expect(builds.cancelled).toEqual([key]);
      expect(builds.runningJobs).toEqual(new Set());
      await eventually('the slot to be free', async () => ((await queue()).running.length === 0 ? true : undefined));
    });
  });

  test('is told again to whoever asks again', async () => {
    await stage.perform(async ({ builds, key, ask, requester, heard, until }) => {
      builds.outcome = () => undefined;
      const by = await requester('one');
      await ask({ by, need: aNeed(key) });
      await until('the Job', (s) => s.state === 'Building');
      const told = await eventually('the news', async () => {
        const news = await heard(by);
        return news.at(-1)?.state === 'Building' ? news.length : undefined;
      });
      await ask({ by, need: aNeed(key) });
      const news = await eventually('the news again', async () => {
        const all = await heard(by);
        return all.length > told ? all : undefined;
      });
      expect(news.at(-1)).toEqual(news.at(-2));
    });
  });
});

describe('a requester that has died without a word', () => {
  test('is dropped when it cannot be told; nothing is made for it', async () => {
    await stage.perform(async ({ builds, key, ask, image }) => {
      builds.outcome = () => undefined;
      await ask({ by: 'needs/nobody', need: aNeed(key) });
      expect(await image().result()).toBe('nobody needs it any more');
    });
  });

  test('is noticed while the image waits for something else', async () => {
    await stage.perform(async ({ builds, client, key, ask, image, requester, until }) => {
      builds.outcome = (input) => builds.fail(input, { deterministic: false });
      const by = await requester('one');
      await ask({ by, need: aNeed(key) }, { aliveMs: 1_000 });
      await until('the failure', (s) => s.state === 'Waiting');
      await client.workflow.getHandle(by).terminate('the test asks for it');
      expect(await image().result()).toBe('nobody needs it any more');
      expect(builds.jobs).toHaveLength(1);
    });
  });
});

test('a Job that runs already is followed and not started again', async () => {
  await stage.perform(async ({ builds, key, ask, image, requester, queue, until }) => {
    builds.standing = { attempts: 3, running: 3 };
    builds.outcome = () => undefined;
    await ask({ by: await requester('one'), need: aNeed(key) });
    await until('the Job', (s) => s.state === 'Building' && s.attempt === 3);
    await eventually('its slot', async () => ((await queue()).running[0]?.key === key ? true : undefined));
    builds.outcome = (input) => builds.succeed(input);
    expect(await image().result()).toBe(digestOf('1'));
    expect(builds.jobs.map((j) => j.attempt)).toEqual([3]);
  });
});

test('a retry right after a failure begins a new Job, also while the failed one still stands as running', async () => {
  await stage.perform(async ({ builds, key, ask, image, requester, until }) => {
    builds.outcome = (input) => builds.fail(input);
    await ask({ by: await requester('one'), need: aNeed(key) });
    await until('the failure', (s) => s.state === 'Waiting' && s.attempt === 1);
    builds.standing = { attempts: 1, running: 1 };
    builds.outcome = (input) => builds.succeed(input);
    await image().executeUpdate('retry', { args: [{ by: 'Ann' }] });
    await image().result();
    expect(builds.jobs.map((j) => j.attempt)).toEqual([1, 2]);
  });
});

test('Jobs of a run that nobody remembers are counted', async () => {
  await stage.perform(async ({ builds, key, ask, image, requester }) => {
    builds.standing = { attempts: 4 };
    await ask({ by: await requester('one'), need: aNeed(key) });
    await image().result();
    expect(builds.jobs.map((j) => j.attempt)).toEqual([5]);
  });
});

test('a workflow that somebody cancels deletes its Job and says what to do', async () => {
  await stage.perform(async (scene) => {
    const { builds, key, ask, image, requester, until } = scene;
    builds.outcome = () => undefined;
    const by = await requester('one');
    await ask({ by, need: aNeed(key) });
    await until('the Job', (s) => s.state === 'Building');
    await image().cancel();
    await expect(image().result()).rejects.toThrow('Workflow execution cancelled');
    expect(builds.cancelled).toEqual([key]);
    const news = await heardOf(scene, by, 'the news', 'Waiting');
    expect(news.problem?.message).toBe(
      `Somebody cancelled the workflow of image ${imageOf(key)} in Temporal. kmodflow retry first begins anew.`,
    );
  });
});

describe('a long history', () => {
  test('continues as new and forgets nothing', async () => {
    await stage.perform(async ({ builds, client, key, ask, image, requester, until }) => {
      builds.outcome = (input) => builds.fail(input, { deterministic: false });
      const by = await requester('one');
      await ask({ by, need: aNeed(key) }, { eventsPerRun: 25 });
      const { runId } = await image().describe();
      await until('the first failure', (s) => s.state === 'Waiting');
      const next = await eventually('the next run', async () => {
        await ask({ by, need: aNeed(key) });
        const now = (await image().describe()).runId;
        return now === runId ? undefined : now;
      });
      expect(await until('the failure in the next run', (s) => s.state === 'Waiting')).toMatchObject({
        attempt: 1,
        failure: { kind: 'Build' },
      });
      expect(builds.jobs).toHaveLength(1);
      builds.outcome = (input) => builds.succeed(input);
      await ask({ by, need: aNeed(key), retry: 'wish' });
      expect(await image().result()).toBe(digestOf('1'));
      expect(builds.jobs.map((j) => j.attempt)).toEqual([1, 2]);
      for (const run of [runId, next]) {
        const history = await client.workflow.getHandle(`image/${key}`, run).fetchHistory();
        await Worker.runReplayHistory({ workflowBundle: stage.bundle }, history, `image/${key}`);
      }
    });
  });
});
